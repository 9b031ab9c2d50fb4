"""The decision: measurements, what they are compared with and a rule in; a verdict out. Pure."""
