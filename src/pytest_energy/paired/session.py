"""A paired run, seen from the head: the base's tree, its process, and what both have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from pytest_energy.baselines import accepted
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.machine.process_tree import RunProcesses
from pytest_energy.paired.channel import Message
from pytest_energy.paired.client import WorkerClient, WorkerLostError, python_of
from pytest_energy.paired.fresh_pair import FreshPair, run_pair
from pytest_energy.paired.import_redirect import Trees, loaded_below, project_modules
from pytest_energy.paired.interleave import HeadInterleaving
from pytest_energy.paired.start import (
    OWN_SIDE,
    Collected,
    collect,
    start_own,
    worker_environment,
    worker_spec,
)
from pytest_energy.paired.worktree import BaseTree, find_revision
from pytest_energy.settings.settings import Settings
from pytest_energy.types.result import BaseRun


class PairedSession:
    """The base of one session.

    Args:
        config: pytest's, of the head.
        settings: the revision or folder, its set-up, how long a block may take.
        meters: names of the head's meters.
        bodies: the head's metered tests, in the order in which they will run, and their bodies.
        collected: node ids of all that the head has collected, selected or not.
        processes: of this run; the worker is excluded from what is metered.
        shortest_seconds: tells how long a block has to be, for the sake of its counters.
        choose_cpu: names a CPU to hold both sides on; None where they are not to be held.

    Raises:
        BaseError: there is no base.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        meters: Sequence[str],
        bodies: Mapping[str, str],
        collected: Iterable[str],
        processes: RunProcesses,
        shortest_seconds: Callable[[], float],
        choose_cpu: Callable[[], int | None],
    ) -> None:
        here = config.invocation_params.dir
        self._seconds = settings.against_timeout
        self._bodies = bodies
        self._processes = processes
        self._shortest_seconds = shortest_seconds
        self._choose_cpu = choose_cpu
        self._collected = frozenset(collected)
        self._client: WorkerClient | None = None
        self._own: WorkerClient | None = None
        self._fatal: WorkerLostError | None = None
        self.collected = Collected()
        self.tree = BaseTree(find_revision(config.rootpath, settings.against, here))
        try:
            if settings.against_setup:
                self.tree.set_up(settings.against_setup, config.rootpath)
            self._trees = Trees(self.tree.revision.head, self.tree.root)
            self._python = python_of(
                self.tree.counterpart(config.rootpath), bool(settings.against_setup)
            )
            self._environment = worker_environment(self._trees)
            of_base: Mapping[str, accepted.Accepted] = {}
            with suppress(BaselineError):  # the base's file is no longer to be mended
                of_base = accepted.read(self.tree.counterpart(settings.baselines))
            self._accepted = {
                name: entry
                for name, entry in accepted.read(settings.baselines).items()
                if entry != of_base.get(name)
            }
            revision = self.tree.revision
            self._spec = worker_spec(config, revision.head, self.tree.root, meters, "the base")
            self._own_spec = worker_spec(config, revision.head, revision.head, meters, OWN_SIDE)
            if self._spec["arguments"]:
                self._start()
        except BaseException:
            self.close()
            raise

    @property
    def label(self) -> str:
        """The base, for people."""
        return self.tree.revision.label

    def accepted(self, key: str) -> accepted.Accepted | None:
        """A rise that is accepted and that the base does not have yet."""
        return self._accepted.get(key)

    @property
    def only_base(self) -> list[str]:
        """Metered tests that the base has and the head does not, selected or not."""
        return sorted(set(self.collected.tests) - self._collected)

    def missing(self, test: str) -> tuple[str, str] | None:
        """Why there is nothing to interleave with, and what the base printed; None when there is.

        A test that the base does not have is missing for no reason: `("", "")`.
        """
        if self._fatal is not None:
            return self._fatal.reason, self._fatal.detail
        if test in self.collected.tests:
            return None
        module, *inner = test.split("::")
        places = ["::".join((module, *inner[:depth])) for depth in range(len(inner), -1, -1)]
        places += [str(folder) for folder in PurePosixPath(module).parents]
        for place in [*places, ""]:  # the nearest first
            error = self.collected.errors.get(place)
            if error is not None:
                lines = error.strip().splitlines()
                last = lines[-1].removeprefix("E").strip() if lines else ""
                return f"the base could not be collected: {last}", error
        return "", ""

    def interleaving(self, test: str) -> HeadInterleaving | None:
        """Interleaving with a test of the base; None where the base lacks the test, or is lost."""
        if self.missing(test) is not None:
            return None
        if self._client is None:  # the last test ended it
            self._start()
            if self._client is None or test not in self.collected.tests:
                return None
        order = list(self._bodies)
        later = order[order.index(test) + 1 :]
        following = next((name for name in later if name in self.collected.tests), None)
        return HeadInterleaving(
            self._client, test, following, self._shortest_seconds(), self._choose_cpu
        )

    def body_differs(self, test: str) -> bool | None:
        """Whether the base's test is written otherwise; None where a source was not found."""
        head, base = self._bodies.get(test), self.collected.tests.get(test)
        return head != base if head and base else None

    def finish(
        self, test: str, interleaving: HeadInterleaving | None, left: bool, early: bool
    ) -> BaseRun:
        """The head's test has ended: what the base made of it.

        Args:
            test: pytest's node id.
            interleaving: that the two took; None where there were none.
            left: whether the head has no figure.
            early: whether the head's loop ended before all its samples.
        """
        if interleaving is None:
            return BaseRun((), *(self.missing(test) or ("", "")))
        run = interleaving.finish(left, early)
        if interleaving.lost:
            self._end()  # the next test gets a new one
        wrong = self._own_trees()
        return replace(run, problem=wrong) if wrong and not run.problem else run

    def _own_trees(self) -> str:
        """What is wrong with where the two import from, as a clause; empty when nothing is."""
        if self._client is None:
            return ""
        trees, names = self._trees, project_modules(self._trees)
        try:
            base_files = self._client.ask({"command": "where", "names": names})["files"]
        except WorkerLostError as error:
            self._end()
            return error.reason
        for side, files, is_own in (
            ("base", base_files, trees.in_base),
            ("head", loaded_below(names), trees.in_head),
        ):
            for name, file in files.items():
                if not is_own(file):
                    return (
                        f"the {side} imported {name} from {file}, which is not its own tree:"
                        " install the project in editable mode (pip install -e .), or make the"
                        " base an environment of its own with --energy-against-setup"
                    )
        return ""

    def close(self) -> None:
        """End the base's process and remove its tree."""
        try:
            self._end()
        finally:
            self.tree.remove()

    def _end(self) -> None:
        clients = [client for client in (self._client, self._own) if client is not None]
        self._client = self._own = None
        self._close(clients)

    def _close(self, clients: Sequence[WorkerClient]) -> None:
        for client in clients:
            self._processes.excluded.discard(client.pid)
            client.close()

    def _start(self) -> None:
        try:
            self._client = self._started()
            self.collected = collect(self._client, self._spec)
        except WorkerLostError as error:
            self._fatal = error
            self._end()

    def _started(self) -> WorkerClient:
        """A new process on the base's tree."""
        client = WorkerClient(self._python, self.tree.root, self._environment, self._seconds)
        self._processes.excluded.add(client.pid)
        return client

    def _started_own(self) -> WorkerClient:
        """A new process on the user's own tree."""
        client = start_own(self.tree.revision.head, self._seconds)
        self._processes.excluded.add(client.pid)
        return client

    def repeat(self, test: str) -> FreshPair:
        """Run a test that has no loop, or few blocks, again and again in both trees' processes.

        The own tree has one for this, which stays for the next such test, as the base's does.

        Args:
            test: pytest's node id.
        """
        try:
            if self._own is None:
                self._own = self._started_own()
                _collect_one(self._own, self._own_spec, test)
            if self._client is None:
                self._client = self._started()
                _collect_one(self._client, self._spec, test)
            return self._run_pair(self._own, self._client, test)
        except WorkerLostError as error:
            self._end()
            return _lost(error)

    def confirm(self, test: str) -> FreshPair:
        """Run a test once more in two new processes, one for each tree.

        The processes so far end: their models would take the room of the new ones.

        Args:
            test: pytest's node id.
        """
        self._end()
        clients: list[WorkerClient] = []
        try:
            for start, spec in (
                (self._started_own, self._own_spec),
                (self._started, self._spec),
            ):
                client = start()
                clients.append(client)
                _collect_one(client, spec, test)
            head, base = clients
            return self._run_pair(head, base, test)
        except WorkerLostError as error:
            return _lost(error)
        finally:
            self._close(clients)

    def _run_pair(self, head: WorkerClient, base: WorkerClient, test: str) -> FreshPair:
        return run_pair(head, base, test, self._shortest_seconds(), self._choose_cpu)


def _collect_one(client: WorkerClient, spec: Message, test: str) -> None:
    """Have a worker collect, and see that it has a test.

    Raises:
        WorkerLostError: it has not.
    """
    if test not in collect(client, spec).tests:
        raise WorkerLostError(f"{spec['side']} did not collect the test again")


def _lost(error: WorkerLostError) -> FreshPair:
    lost = BaseRun((), error.reason, error.detail)
    return FreshPair(lost, lost)
