"""Stores under hypothesis: several writers on one folder, and writers that meet faults.

`python fuzz/stores.py stores|faults SECONDS FOLDER`, as `one.py` is called.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hypothesis import HealthCheck, Phase, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import (  # noqa: E402
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pytest_energy.baselines import accepted, migration  # noqa: E402
from pytest_energy.baselines import folder as baseline_folder  # noqa: E402
from pytest_energy.baselines import store as baselines  # noqa: E402
from pytest_energy.baselines.file_format import read_file  # noqa: E402
from pytest_energy.files import TEMPORARY_SUFFIX  # noqa: E402
from pytest_energy.types.carbon import Carbon  # noqa: E402
from pytest_energy.types.machine import Machine  # noqa: E402
from support.baselines import CARBON, MACHINE, addition, subject  # noqa: E402
from support.faults import KILLED, KINDS, FailingFiles, Fault, KilledError  # noqa: E402
from support.schema_1 import turn_back  # noqa: E402
from support.writers import WRITERS, clean, meet  # noqa: E402

MACHINES = (MACHINE, Machine("Apple M2", 8, (), "darwin", "arm64"))
CARBONS = (CARBON, Carbon(10.0, "Cleanland", 2030, "x"))
WRITER = st.tuples(st.sampled_from(MACHINES), st.sampled_from(CARBONS))
SUBJECT = st.builds(
    subject,
    test=st.sampled_from(["t.py::test_x", "t.py::test_y[1.5-é]", "schema", "entries"]),
    region=st.sampled_from(["", "prefill", "done"]),
    model=st.sampled_from(["tiny", "org/Model"]),
)
JOULES = st.floats(1e-9, 1e9).map(lambda joules: float(f"{joules:.6g}"))

Place = tuple[str, str]
"""Slug of the machine class, and model."""


class Stores(RuleBasedStateMachine):
    """Writers of one folder, beside a model of what must be found in it."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="fuzz-", dir=_memory())) / "baselines"
        self.folder.mkdir()
        self.expected: dict[Place, dict[str, list[float]]] = {}
        self.noted: set[Place] = set()
        self.accepted: dict[str, float] = {}

    def teardown(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder.parent)

    def _path(self, place: Place) -> Path:
        machine = next(each for each in MACHINES if each.slug == place[0])
        of = subject(model=place[1])
        return baselines.BaselineStore(self.folder, machine, CARBON).path(of)

    def _expect(self, machine: Machine, one: baselines.Addition, agrees: bool) -> None:
        entries = self.expected.setdefault((machine.slug, one.subject.model), {})
        before = entries.get(one.subject.key, []) if agrees else []
        kept = [*before, one.session.joules_per_unit][-baselines.KEEP_SESSIONS :]
        entries[one.subject.key] = kept

    @rule(writer=WRITER, of=SUBJECT, joules=JOULES, agrees=st.booleans())
    def store(self, writer, of, joules, agrees) -> None:
        """One session."""
        one = addition(joules, agrees, of)
        baselines.BaselineStore(self.folder, *writer).store([one])
        self._expect(writer[0], one, agrees)

    @rule(writer=WRITER, of=st.lists(SUBJECT, min_size=1, max_size=4), joules=JOULES)
    def store_several(self, writer, of, joules) -> None:
        """Sessions of one file."""
        ones = [addition(joules, True, each) for each in of if each.model == of[0].model]
        baselines.BaselineStore(self.folder, *writer).store(ones)
        for one in ones:
            self._expect(writer[0], one, agrees=True)

    @rule(of=st.lists(SUBJECT, min_size=2, max_size=3, unique_by=lambda one: one.key))
    def store_at_once(self, of) -> None:
        """Processes that write at the same time."""
        ones = [addition(2.0, True, each) for each in of]
        children = []
        for one in ones:
            child = os.fork()
            if not child:
                with suppress(BaseException):
                    baselines.BaselineStore(self.folder, MACHINE, CARBON).store([one])
                    os._exit(0)
                os._exit(1)
            children.append(child)
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert ended == [0] * len(ones)
        for one in ones:
            self._expect(MACHINE, one, agrees=True)

    @rule(writer=WRITER, of=SUBJECT, at=st.integers(0, 50))
    def store_and_die(self, writer, of, at) -> None:
        """A session whose process is killed at some call: it is stored, or it is not."""
        one = addition(2.0, True, of)
        path = baselines.BaselineStore(self.folder, *writer).path(of)
        before = path.read_bytes() if path.exists() else None
        files = FailingFiles(self.folder, [Fault(at, KILLED)])
        with suppress(KilledError), files.installed():
            baselines.BaselineStore(self.folder, *writer).store([one])
        if (path.read_bytes() if path.exists() else None) != before:
            self._expect(writer[0], one, agrees=True)
        list(migration.migrate(self.folder))  # sweeps what it left

    @rule(of=SUBJECT, whole=st.booleans())
    def prune(self, of, whole) -> None:
        """An entry everywhere, or a model with all of its entries."""
        gone = [
            entry
            for entry in baselines.entries_of(self.folder)
            if entry.subject.model == of.model and (whole or entry.subject.key == of.key)
        ]
        baselines.delete(self.folder, gone)
        for place in [place for place in self.expected if place[1] == of.model]:
            for key in [key for key in self.expected[place] if whole or key == of.key]:
                del self.expected[place][key]
            if not self.expected[place]:
                del self.expected[place]
                self.noted.discard(place)

    @rule(at=st.integers(0, 3))
    def become_older(self, at) -> None:
        """A file as an older version wrote it."""
        for place in list(self.expected)[at : at + 1]:
            with suppress(AssertionError):  # it is one already
                turn_back(self._path(place))

    @rule()
    def migrate(self) -> None:
        """The whole folder."""
        assert all(not done.problem for done in migration.migrate(self.folder))
        for place in self.expected:
            assert json.loads(self._path(place).read_bytes())["schema"] == 2

    @rule(at=st.integers(0, 3))
    def note(self, at) -> None:
        """A member of somebody else's."""
        for place in list(self.expected)[at : at + 1]:
            path = self._path(place)
            record = json.loads(path.read_bytes())
            path.write_text(json.dumps(record | {"note": "by hand"}, ensure_ascii=False), "utf-8")
            self.noted.add(place)

    @rule(name=st.sampled_from(["t.py::test_x", "é#r"]), change=st.floats(0, accepted.MOST_RISE))
    def accept(self, name, change) -> None:
        """A rise."""
        one = accepted.Accepted(change, "main", "2026-03-04T05:06:07Z", "why\n")
        accepted.store(self.folder, {name: one})
        self.accepted[name] = change

    @invariant()
    def all_is_found_and_nothing_else(self) -> None:
        """What was stored, session by session; text that is stable; nothing temporary."""
        type(self).steps += 1
        files = {path for path in self.folder.rglob("*.json") if path.name != accepted.NAME}
        assert files == {self._path(place) for place in self.expected}
        for place, entries in self.expected.items():
            file = read_file(self._path(place))
            found = {
                key: [session.joules_per_unit for session in entry.sessions]
                for key, entry in file.entries.items()
            }
            assert found == entries
            assert (place in self.noted) == ("note" in file.record)
            again = self.folder.parent / "again.json"
            again.write_text(file.text(), "utf-8")
            assert read_file(again).text() == file.text()
        found = {name: one.change for name, one in accepted.read(self.folder).items()}
        assert found == self.accepted
        assert not list(self.folder.rglob(f".*{TEMPORARY_SUFFIX}"))


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def search_stores(until: float, tell: Callable[[int], None]) -> None:
    """Run the machine until the time is up.

    Raises:
        Exception: an invariant does not hold; hypothesis prints the shortest run that shows it.
    """
    often = settings(
        max_examples=10,
        stateful_step_count=30,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    while time.monotonic() < until:
        run_state_machine_as_test(Stores, settings=often)
        tell(Stores.steps)


def search_faults(until: float, tell: Callable[[int], None]) -> None:
    """Let every writer meet up to five faults at a time.

    Raises:
        AssertionError: a schedule that leaves what it must not.
    """
    chance, count = random.Random(), 0
    baseline_folder.LOCK_SECONDS = 0  # a lock that cannot be had is not waited for
    while time.monotonic() < until:
        name = chance.choice(list(WRITERS))
        calls = len(clean(name).calls)
        faults = [
            Fault(chance.randrange(calls + 5), chance.choice(KINDS))
            for _ in range(chance.randint(1, 5))
        ]
        try:
            meet(name, faults)
        except Exception as error:
            error.add_note(f"writer {name!r}, faults {faults}")
            raise
        count += 1
        tell(count)


def main() -> None:
    """Search, until the time is up or something falls."""
    name, seconds, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    told = {"inputs": 0, "found": {}}

    def tell(inputs: int) -> None:
        told["inputs"] = inputs
        (folder / f"{name}.json").write_text(json.dumps(told))

    search = {"stores": search_stores, "faults": search_faults}[name]
    try:
        search(time.monotonic() + seconds, tell)
    except Exception:
        path = folder / f"{name}-{time.time_ns()}.txt"
        path.write_text(traceback.format_exc())
        told["found"] = {"see there": path.name}
        tell(told["inputs"] + 1)


if __name__ == "__main__":
    main()
