"""Exact counts of what an inference does: operators by module, Python calls by function."""
