"""Keep glibc's allocator from giving freed memory back to the system and taking it again.

By default it does, by thresholds that follow the history of allocations: how many page faults an
inference takes is the same as long as a process lives, and another number in the next process. On
EfficientNet-Lite0 that is 3,200 to 4,700 page faults an inference, a fifth of its CPU time
(`benchmarks/allocator.py`).
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_NEVER = 2**31 - 1
"""Of mallopt(3), whose values are C's int."""


def hold_steady() -> bool:
    """Have memory that is freed kept for the next allocation, from here on in this process.

    Returns:
        Whether it is so now: not with another allocator than glibc's own (musl, macOS, jemalloc or
        tcmalloc preloaded).
    """
    libc = _glibc()
    if libc is None:
        return False
    # M_MMAP_MAX, not M_MMAP_THRESHOLD: that ends at 32 MB, and an image of 900 x 900 pixels in
    # EfficientNet-Lite0 still takes 38,000 page faults with it.
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))


if sys.platform == "win32":

    def page_faults() -> int | None:
        """Page faults of this process so far that no disk was read for; None: not told here."""
        return None

else:
    import resource

    def page_faults() -> int | None:
        """Page faults of this process so far that no disk was read for; None: not told here."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _glibc() -> ctypes.CDLL | None:
    """The C library where it is glibc and gives the memory that programs ask for."""
    if sys.platform != "linux" or not _is_glibc():
        return None
    try:
        program, libc = ctypes.CDLL(None), ctypes.CDLL("libc.so.6")
        used, own = (ctypes.cast(each.malloc, ctypes.c_void_p).value for each in (program, libc))
        # In a program of fixed addresses, as the Pythons of Debian and Ubuntu are, malloc's address
        # is that of a jump in the program, which tells nothing.
        return libc if used == own or _gives(libc, program) else None
    except (OSError, AttributeError):
        return None


_PROBE = 1 << 20
"""Bytes that are asked for to see who gives them."""


def _gives(libc: ctypes.CDLL, program: ctypes.CDLL) -> bool:
    """Whether what a program asks malloc for is in use at glibc then."""
    program.malloc.argtypes, program.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    program.free.argtypes, program.free.restype = (ctypes.c_void_p,), None
    before = _bytes_in_use(libc)
    block = program.malloc(_PROBE)
    try:
        return _bytes_in_use(libc) - before >= _PROBE
    finally:
        program.free(block)


class _Mallinfo2(ctypes.Structure):
    """Of mallinfo2(3)."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names.split())


def _bytes_in_use(libc: ctypes.CDLL) -> int:
    """What glibc has given and not got back.

    Raises:
        AttributeError: glibc before 2.33 does not tell it of more than 2 GB.
    """
    libc.mallinfo2.restype = _Mallinfo2
    told = libc.mallinfo2()
    return int(told.uordblks + told.hblkhd)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, OSError, ValueError):
        return False
