"""The base's process: a pytest on the other tree, which runs what the head asks for.

Started as `python -m pytest_energy.paired.worker DESCRIPTOR`. It collects with the head's options,
in the base's tree and with the base's configuration, and then waits. The hooks are in `plugin`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import os
import signal
import socket
import sys
import textwrap
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import create_terminal_writer

from pytest_energy.paired.channel import Channel, ChannelClosedError, Message
from pytest_energy.paired.import_redirect import (
    Trees,
    loaded_below,
    project_modules,
    redirect_imports,
)
from pytest_energy.paired.interleave import WorkerInterleaving
from pytest_energy.settings import WORKER, metered_of
from pytest_energy.settings.identity import test_id
from pytest_energy.types.codec import encode
from pytest_energy.types.result import Metered

PARENT_DIED = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True, slots=True)
class Order:
    """How the head wants a test to be run.

    Args:
        alone: whether it runs by itself, not block by block with another side.
        reference_kind: of the reference workload beside it; of a test that is interleaved there is
            none.
        most_blocks: after which its loop ends; 0 for all, or as the head says.
        beside: processes that take turns with this one, and are no load of strangers.
        cpu: that a body without a loop is held on; None for none.
    """

    alone: bool = False
    reference_kind: str = ""
    most_blocks: int = 0
    beside: frozenset[int] = frozenset()
    cpu: int | None = None

    @classmethod
    def of(cls, command: Message, head_pid: int) -> Order:
        """What a command says.

        Args:
            command: the head's.
            head_pid: its process id; it waits meanwhile.
        """
        return cls(
            alone=command["command"] == "measure",
            reference_kind=command.get("reference", ""),
            most_blocks=command.get("blocks", 0),
            beside=frozenset({head_pid, *command.get("beside", ())} - {os.getpid()}),
            cpu=command.get("cpu"),
        )


class Worker:
    """What the base's process knows.

    Args:
        channel: to the head.
        trees: the user's and the base's.
        selected: what the head was asked to run, as node ids with absolute paths; the base may
            lack some of it, which is no error.
        side: whose process this is, for people.
    """

    def __init__(
        self, channel: Channel, trees: Trees, selected: list[str], side: str = "the base"
    ) -> None:
        self._side = side
        self.channel = channel
        self.head_pid = os.getppid()
        self._trees = trees
        self._selected = [argument.partition("::") for argument in selected]
        self._errors: dict[str, str] = {}
        self._problem = ""
        self._detail = ""
        self._attempts = 0
        self.metered: list[Metered] = []
        """What the current test metered; the head judges it."""
        self.current = Order()
        """How the current test is to be run."""

    def interleaving(self) -> WorkerInterleaving | None:
        """Interleaving with the head's loop, for the next test; None where it runs by itself."""
        self._attempts += 1
        if self.current.alone:  # another plugin may run it again, as it may in the first process
            self._problem, self._detail, self.metered = "", "", []
            return None
        return WorkerInterleaving(self.channel, self.current.cpu, again=self._attempts > 1)

    def note_collection(self, report: pytest.CollectReport) -> None:
        """A file that could not be collected: the head's tests in it learn why."""
        if report.skipped and isinstance(report.longrepr, tuple):
            self._errors[report.nodeid] = str(report.longrepr[2])
        elif not report.passed:
            self._errors[report.nodeid] = report.longreprtext

    def note(self, report: pytest.TestReport) -> None:
        """A phase of the test that runs now."""
        if report.passed or self._problem:
            return
        xfailed = hasattr(report, "wasxfail")
        word = "xfailed" if xfailed else "was skipped" if report.skipped else "failed"
        phase = "" if report.when == "call" else f" in its {report.when}"
        words = last_words(report)
        self._problem = f"{self._side}'s test {word}{phase}{f': {words}' if words else ''}"
        self._detail = "" if report.skipped else report.longreprtext

    def serve(self, session: pytest.Session) -> None:
        """Say what was collected, then do what the head says until it says quit."""
        items = {
            test_id(item): item
            for item in metered_of(session.items)
            if _selected(item, self._selected)
        }
        tests = {name: body_of(item) for name, item in items.items()}
        self.channel.send(
            {
                "reply": "collected",
                "plugin": version("pytest-energy"),
                "tests": tests,
                "errors": self._errors,
            }
        )
        while True:
            command = self.channel.receive()
            if command["command"] == "quit":
                return
            self.current = Order.of(command, self.head_pid)
            if self.current.alone:
                answer = self._run(items[command["test"]], None)
            elif command["command"] == "run":
                item = items[command["test"]]
                # Its own module's and session's fixtures stay for the next time.
                following = item.parent if command.get("again") else items.get(command["next"])
                answer = self._run(item, following)
            else:
                answer = self._where(command["names"])
            self.channel.send(answer)

    def _run(self, item: pytest.Item, following: pytest.Item | pytest.Collector | None) -> Message:
        self._problem, self._detail, self.metered, self._attempts = "", "", [], 0
        # What the last test left for one that the head then did not run; an error in that is not
        # this test's.
        with suppress(Exception):
            item.session._setupstate.teardown_exact(item)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return {
            "reply": "finished",
            "metered": [encode(one) for one in self.metered],
            "problem": self._problem,
            "detail": self._detail,
        }

    def _where(self, names: list[str]) -> Message:
        own = {*names, *project_modules(self._trees)}
        return {"reply": "where", "files": loaded_below(own)}


def _selected(item: pytest.Item, selected: Iterable[tuple[str, str, str]]) -> bool:
    """Whether a test lies in one of the places, or is named there."""
    name = test_id(item).partition("::")[2]
    for place, _, name_prefix in selected:
        if not item.path.is_relative_to(place):
            continue
        if (
            not name_prefix
            or name == name_prefix
            or name.startswith((f"{name_prefix}::", f"{name_prefix}["))
        ):
            return True
    return False


def last_words(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What a person would quote from a report.

    Args:
        report: of what failed or was skipped.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return f"{crash.message.splitlines()[0]} ({Path(crash.path).name}:{crash.lineno})"
    if isinstance(report.longrepr, tuple):  # a skip: file, line and reason
        return str(report.longrepr[2])
    lines = report.longreprtext.strip().splitlines()
    return lines[-1] if lines else ""


def body_of(item: pytest.Item) -> str:
    """A digest of a test's arguments and body, to tell whether two are the same.

    Without comments and layout; empty where there is no source.

    Decorators are left out: what the marker says is compared by itself.
    """
    function = getattr(item, "function", None)
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))  # type: ignore[arg-type]
        (definition,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    body = ast.dump(definition.args) + "".join(map(ast.dump, definition.body))
    return hashlib.sha256(body.encode()).hexdigest()


def die_with_parent() -> None:
    """Have this process end when the head is killed, even while a test hangs (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)


def main(descriptor: int) -> int:
    """Follow the head at the other end of a socket.

    Returns:
        The exit status, as pytest's.
    """
    die_with_parent()
    os.set_inheritable(descriptor, False)  # what the tests start must not keep the channel open
    channel = Channel(socket.socket(fileno=descriptor))
    command = channel.receive()
    trees = Trees(Path(command["head"]), Path(command["base"]))
    redirect_imports(trees)
    os.chdir(command["folder"])
    worker = Worker(channel, trees, command["arguments"], command["side"])
    files = [argument.partition("::")[0] for argument in command["arguments"]]
    try:
        options = command["options"]
        options |= {name: Path(options[name]) for name in command["paths"] if options.get(name)}
        config = _configured(options, list(dict.fromkeys(files)))
        config.stash[WORKER] = worker
        status: int = config.hook.pytest_cmdline_main(config=config)
    except ChannelClosedError:
        return 1  # the head is gone
    except BaseException as error:
        with suppress(ChannelClosedError):
            channel.send({"reply": "failed", "detail": _explained(error)})
        return 1
    return status


def _configured(given: dict[str, Any], places: list[str]) -> pytest.Config:
    # As pytest-xdist does for its workers: the head's options as values, not as text, so that
    # what only the head's conftest defines is no error here.
    config = pytest.Config.fromdictargs(given, places)
    # pytest 8.4 and 9.0 explain an assertion in the colours of a terminal, which is none here.
    writer = create_terminal_writer(config, io.StringIO())
    config.get_terminal_writer = lambda: writer  # type: ignore[method-assign]
    return config


def _explained(error: BaseException) -> str:
    interpretation = getattr(error, "interpretation", None)  # of pytest's ConftestImportFailure
    if isinstance(interpretation, BaseException):
        path = getattr(error, "path", "conftest.py")
        return f"{path}: " + "".join(traceback.format_exception_only(interpretation)).strip()
    if isinstance(error, pytest.UsageError):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
