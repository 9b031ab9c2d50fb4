"""The gate of one pytest session: evaluation of tests, log of results, stored baselines."""
