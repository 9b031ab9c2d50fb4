"""Baselines as JSON files in the repository."""
