"""Results of pytest-xdist's other workers, for `energy_results`: files in a common folder.

Beside a worker's results stand the names of its metered tests that have ended, measured or not, and
for the controller, which collects nothing, the names of all metered tests that are to run.

pytest-xdist has no way from one worker to another, and its documentation sends what they have to
share through files. The controller removes the folder at the end.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from pytest_energy.types.codec import DecodeError, decode, encode
from pytest_energy.types.result import Result


def shared_folder(run: str) -> Path:
    """The folder of one run.

    Args:
        run: pytest-xdist's id of it.
    """
    return Path(tempfile.gettempdir()) / f"pytest-energy-{run}"


class SharedResults:
    """What this worker has measured, for the others, and what they have.

    Args:
        folder: of the run.
        worker: this one's name.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder = folder
        self._worker = worker
        self._own = folder / f"{worker}.jsonl"
        self._own_ended = folder / f"{worker}.ended"
        self._read: dict[Path, int] = {}
        self._results: dict[str, Result] = {}

    def select(self, tests: Sequence[str]) -> None:
        """Tell the controller which metered tests are to run; every worker has the same."""
        self._write(self.folder / f"{self._worker}.selected", tests)

    def add(self, results: Sequence[Result]) -> None:
        """Show results to the other workers; where no file can be written they see none."""
        self._write(self._own, [encode(result) for result in results])

    def end(self, test: str) -> None:
        """Tell the other workers that a metered test has ended, with results or without."""
        self._write(self._own_ended, [test])

    def ended(self) -> frozenset[str]:
        """Metered tests of all workers that have ended."""
        names: set[str] = set()
        for path in self.folder.glob("*.ended"):
            names.update(_names(path))
        return frozenset(names)

    def others(self) -> tuple[Result, ...]:
        """What the other workers have measured so far; a rerun replaces what was there."""
        for path in sorted(self.folder.glob("*.jsonl")):
            if path != self._own:
                self._read_on(path)
        return tuple(self._results.values())

    def _write(self, path: Path, records: Sequence[object]) -> None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(record) + "\n" for record in records))
        except OSError:
            return

    def _read_on(self, path: Path) -> None:
        lines = _lines(path, self._read.get(path, 0))
        self._read[path] = self._read.get(path, 0) + sum(map(len, lines))
        for line in lines:
            try:
                result = decode(Result, json.loads(line))
            except (DecodeError, ValueError):
                continue
            self._results[result.subject.key] = result


def selected(folder: Path) -> list[str]:
    """The metered tests that a run's workers are to run, in the order of the collection.

    Args:
        folder: of the run.
    """
    return list(dict.fromkeys(name for path in folder.glob("*.selected") for name in _names(path)))


def _names(path: Path) -> list[str]:
    return [json.loads(line) for line in _lines(path, 0)]


def _lines(path: Path, start: int) -> list[bytes]:
    """The whole lines from there on: another process may have written half of the last."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            written = file.read()
    except OSError:
        return []
    return written[: written.rfind(b"\n") + 1].splitlines(keepends=True)


def remove(folder: Path) -> None:
    """Delete a run's folder, where there is one."""
    rmtree(folder, ignore_errors=True)
