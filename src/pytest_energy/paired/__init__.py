"""A paired run: head and base of a repository, interleaved in one run."""
