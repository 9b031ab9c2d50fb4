"""Two runs compared, from their JSON reports: `pytest-energy compare`."""
