"""Wake up while a long window runs, without a thread.

A counter that wraps has to be read before it can have wrapped twice, and a test's body may run for
hours without coming by here. A thread would do, but then Python 3.12 and newer warn at every fork
of the test (`DeprecationWarning: … multi-threaded, use of fork()`), and a data loader forks. So the
system's timer does (setitimer(2), `SIGALRM`), where nothing else uses it, and only from the first
window of a test to the test's end.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_HAS_TIMER = hasattr(signal, "setitimer")


class WrapGuard:
    """Calls something every so often, in the main thread, between `arm` and `disarm`.

    Where something else holds the timer or its signal (pytest-timeout with its signal method does),
    or outside of the main thread, it does not fire.

    Args:
        on_timer: what is called; between two byte codes of whatever runs.
        seconds: between two calls.
    """

    def __init__(self, on_timer: Callable[[], None], seconds: float) -> None:
        self._on_timer = on_timer
        self._seconds = max(seconds, 1e-3)
        self._installed = False
        self._armed = False

    def arm(self) -> None:
        """Call from now on, if that is not already so."""
        if self._armed or not _HAS_TIMER or any(signal.getitimer(signal.ITIMER_REAL)):
            return
        if not self._installed:
            if threading.current_thread() is not threading.main_thread():
                return
            if signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
                return
            # System calls return for it: Python runs handlers between byte codes alone, and begins
            # the calls anew itself (PEP 475).
            signal.signal(signal.SIGALRM, self._on_signal)
            self._installed = True
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)
        self._armed = True

    def disarm(self) -> None:
        """Call no more."""
        if self._armed and self._is_armed():
            signal.setitimer(signal.ITIMER_REAL, 0)
        self._armed = False

    def close(self) -> None:
        """Leave timer and signal as they were found."""
        self.disarm()
        ours = self._installed and signal.getsignal(signal.SIGALRM) == self._on_signal
        if ours and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._installed = False

    def _is_armed(self) -> bool:
        # The timer is recognised by its interval, which the kernel rounds.
        return abs(signal.getitimer(signal.ITIMER_REAL)[1] - self._seconds) < 1e-3

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_armed():
            self._on_timer()
            return
        # The program's own alarm, without a handler, ends the process, as it would without us.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._installed = False
        os.kill(os.getpid(), signal.SIGALRM)
