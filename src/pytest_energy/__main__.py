"""`python -m pytest_energy` is the console script `pytest-energy`."""

from __future__ import annotations

import sys

from pytest_energy.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
