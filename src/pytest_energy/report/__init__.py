"""How results are shown: one module per format, each of functions of a session's report."""
