"""Processes that use CPU time."""

from __future__ import annotations

import time


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


BURN = "import time\nwhile time.process_time() < {}: pass\n"


def seconds_of(meter, before):
    return (meter.read()[0] - before[0]) / 1e6 / meter.watts
