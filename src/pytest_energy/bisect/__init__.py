"""`pytest-energy bisect`: the commit with which an inference began to take more, or less."""
