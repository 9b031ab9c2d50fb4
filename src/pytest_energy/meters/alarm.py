"""Wake up while a long window runs, without a thread.

A counter that wraps has to be read before it can have wrapped twice, and a test's body may run for
hours without coming by here. A thread would do, but then Python 3.12 and newer warn at every fork
of the test (`DeprecationWarning: … multi-threaded, use of fork()`), and a data loader forks. So the
system's timer does (setitimer(2), `SIGALRM`), where nobody else uses it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

_HAS_TIMER = hasattr(signal, "setitimer")


class Alarm:
    """Calls something every so often, in the main thread, from the first `set` to `clear`.

    Where something else holds the timer or its signal (pytest-timeout with its signal method does),
    or outside of the main thread, it does not ring.

    Args:
        ring: what is called; between two byte codes of whatever runs.
        seconds: between two calls.
    """

    def __init__(self, ring: Callable[[], None], seconds: float) -> None:
        self._ring = ring
        self._seconds = seconds

    def set(self) -> None:
        """Have it ring; set already, nothing is done (0.3 µs)."""
        if not _HAS_TIMER:
            return
        # The timer's interval tells whose it is; the kernel rounds it.
        if abs(signal.getitimer(signal.ITIMER_REAL)[1] - self._seconds) < 1e-3:
            return
        holder = signal.getsignal(signal.SIGALRM)
        # A session inside of this one (pytester's) may have left its own behind.
        ours = isinstance(getattr(holder, "__self__", None), Alarm)
        free = holder == signal.SIG_DFL and not any(signal.getitimer(signal.ITIMER_REAL))
        if not ours and not free:
            return
        if threading.current_thread() is not threading.main_thread():
            return
        # System calls must return for it: Python runs handlers between byte codes alone, and begins
        # the calls anew itself (PEP 475).
        signal.signal(signal.SIGALRM, self._on_signal)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)

    def clear(self) -> None:
        """Ring no more, and leave the signal as it was found."""
        if not _HAS_TIMER or signal.getsignal(signal.SIGALRM) != self._on_signal:
            return
        if threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._ring()
