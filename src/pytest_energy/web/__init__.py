"""Servers asked over HTTP, within one time limit and one size, and read with suspicion."""
