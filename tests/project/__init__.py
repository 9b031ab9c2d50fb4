"""The repository itself: the package's metadata, its workflows, its changelog."""
