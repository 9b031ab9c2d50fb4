"""Numbers that the kernel shows in files: opened once, read where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.readings import MOST_BYTES, error_text, parse_digits
from pytest_energy.world import pread

MIRROR_MICROJOULES = 1_000_000
"""Two readings of one counter, one after the other, are no further apart than this: 1 J."""


@dataclass(slots=True)
class NumberFile:
    """An open file with a number in it.

    Args:
        path: for messages.
        descriptor: open for reading.
    """

    path: Path
    descriptor: int

    def read(self) -> int:
        """The number now.

        Raises:
            OSError: the file cannot be read: its hardware went away, or sleeps.
            ValueError: there is no number in it.
        """
        return parse_digits(pread(self.descriptor, MOST_BYTES, 0))

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def open_number(path: Path, hint: str = "") -> NumberFile | None:
    """Open a file; None where there is no such file.

    Args:
        path: of the file.
        hint: what to do where it is closed to us; a command for this one file when left out.

    Raises:
        MeterUnavailableError: it is there, and closed to us.
    """
    try:
        return NumberFile(path, os.open(path, os.O_RDONLY))
    except PermissionError as error:
        hint = hint or _read_hint(path)
        raise MeterUnavailableError(f"no permission to read {path}", hint, True) from error
    except OSError:
        return None


def _read_hint(path: Path) -> str:
    return f"let your group read it:\n  sudo chgrp $(id -gn) {path}\n  sudo chmod g+r {path}"


class Counter:
    """A count of microjoules that never goes back.

    Args:
        label: of the hardware, for messages.
        count: reads it.

    Raises:
        Exception: what `count` raises at the first reading.
    """

    def __init__(self, label: str, count: Callable[[], int]) -> None:
        self._label = label
        self._count = count
        self.last = count()

    def read(self) -> int:
        """Microjoules now.

        Raises:
            MeterLostError: it cannot be read, or went back.
        """
        try:
            now = self._count()
        except Exception as error:  # the library's own exceptions are known only where it is
            raise MeterLostError(f"{self._label}: {error_text(error)}") from error
        if now < self.last:
            raise MeterLostError(f"{self._label}: went back from {self.last} to {now} microjoules")
        self.last = now
        return now


def mirrors(one: int, other: int, known: bool = False) -> bool:
    """Whether two counters, read one after the other, show the same register.

    Counters of their own are good for hundreds of kilojoules and far apart by the time that
    anything is measured; unless next to nothing has been spent yet, when counts cannot tell.

    Args:
        one: the count of the first, in microjoules.
        other: of the second.
        known: whether this kind of hardware does so, whatever the counts are.
    """
    near = abs(one - other) < MIRROR_MICROJOULES
    return near and (known or other > 1000 * MIRROR_MICROJOULES)
