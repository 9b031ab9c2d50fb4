"""The comment on a pull request: its text, its place, and GitHub, where it is posted."""
