"""A project that gets its first metered test: looked at; what suits it is proposed and written."""
