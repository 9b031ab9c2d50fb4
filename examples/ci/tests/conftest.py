"""One thread: idle threads of a pool spin while they wait, and CPU seconds count that as work."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported
