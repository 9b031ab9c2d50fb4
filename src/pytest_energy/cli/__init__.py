"""The console script `pytest-energy`."""
