"""How far a bisection has come, so that it can go on; and a lock, so that there is one only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import portalocker

from pytest_energy.bisect.git import BisectError
from pytest_energy.bisect.judge import By, Counted, Estimate, Side
from pytest_energy.files import read_text, replace_file, sweep
from pytest_energy.types.codec import check_finite, decode, encode

SCHEMA = 1
"""Version of the file's form."""

MOST_BYTES = 96 * 2**20
"""Of a file: counts of thousands of tests take some of them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Args:
        good, bad: the range's ends, in full.
        folder: where pytest runs, relative to the tree's root.
        arguments: pytest's.
        by: figures by which commits are judged.
        test: the test by which, or a part of its name; empty for that which changed most.
        tolerance: change that is none, as a fraction; None for what the test allows.
        setup: shell command to run at each commit first; empty for none.
        timeout: seconds that one run may take.
        most_runs: paired runs of a commit, at most.
    """

    good: str
    bad: str
    folder: str
    arguments: tuple[str, ...]
    by: By
    test: str
    tolerance: float | None
    setup: str
    timeout: float
    most_runs: int


@dataclass(frozen=True, slots=True)
class Target:
    """The change whose commit is sought.

    Args:
        test: by whose figures.
        by: exact counts, or joules of paired runs.
        change: natural logarithm of the ratio of BAD to GOOD, not 0.
        good, bad: what was counted there; None by joules.
    """

    test: str
    by: By
    change: float
    good: Counted | None = None
    bad: Counted | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """A commit that was run.

    Args:
        commit: in full.
        side: on which it lies.
        reason: why it was skipped, as a clause; else what differs beside, each a clause.
        counted: what was counted there; None where nothing was.
        estimate: of its change from GOOD, by paired runs; None where there were none.
        runs: how often pytest ran.
        seconds: that these took together.
    """

    commit: str
    side: Side
    reason: str = ""
    counted: Counted | None = None
    estimate: Estimate | None = None
    runs: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """How far a bisection has come.

    Args:
        request: what was asked for.
        good, bad: what was counted there, by test; None until it was, and once there is a target.
        target: the change that is followed; None until it is known.
        tested: commits between the two, in the order in which they were run.
        schema: version of this form.
        plugin: version that wrote it.
    """

    request: Request
    good: Mapping[str, Counted] | None = None
    bad: Mapping[str, Counted] | None = None
    target: Target | None = None
    tested: tuple[Tested, ...] = ()
    schema: int = SCHEMA
    plugin: str = version("pytest-energy")


class Store:
    """The state in a folder of the git directory.

    Args:
        folder: made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "bisect.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other bisections of the same tree away meanwhile.

        Raises:
            BisectError: there is one, or the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = portalocker.Lock(self._folder / "bisect.lock", timeout=0, fail_when_locked=True)
            lock.acquire()
        except portalocker.LockException as error:
            raise BisectError(
                "another pytest-energy bisect runs in this tree: wait for it, or interrupt it"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            sweep(self._folder)
            yield
        finally:
            lock.release()

    def load(self) -> State | None:
        """What was kept; None where nothing was.

        Raises:
            BisectError: it cannot be read.
        """
        try:
            record = json.loads(read_text(self.path, most_bytes=MOST_BYTES))
            check_finite(record)
            state = decode(State, record)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise BisectError(
                f"{self.path} cannot be read ({error}): begin anew with pytest-energy bisect GOOD"
            ) from error
        if (state.schema, state.plugin) != (SCHEMA, version("pytest-energy")):
            raise BisectError(
                f"{self.path} is of pytest-energy {state.plugin}, whose figures may be others:"
                " begin anew with pytest-energy bisect GOOD"
            )
        return state

    def save(self, state: State) -> None:
        """Keep a state.

        Raises:
            BisectError: it cannot be written.
        """
        try:
            replace_file(self.path, json.dumps(encode(state), indent=1) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def delete(self) -> None:
        """There is nothing to go on with."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> BisectError:
        return BisectError(f"{self._folder} cannot be written: {error.strerror or error}")
