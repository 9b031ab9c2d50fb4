"""`pytest-energy bisect`: the commit with which an inference began to take more."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_energy.cli.output import ERROR, complain, set_run
from pytest_energy.files import exists
from pytest_energy.report.printable import encoding_of, shown
from pytest_energy.types.units import parse_percent

if TYPE_CHECKING:
    from pytest_energy.bisect.git import Repository
    from pytest_energy.bisect.state import State, Store

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

TIMEOUT_SECONDS = 3600.0
MOST_RUNS = 8


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "bisect",
        help="find the commit with which an inference began to take more",
        description="Find the commit with which the energy of an inference changed: by exact"
        " counts where the change shows in them, else by paired runs against GOOD that go on until"
        " it is sure on which side of the change a commit lies. git's own bisect chooses the"
        " commits, in a worktree of its own; your tree, its index and a bisect of your own are not"
        " touched. Commits that do not run are skipped.",
        epilog="Exit code: 0 where the commit is found, 1 where nothing has changed or skipped"
        f" commits keep it undecided, 2 for an error, {INTERRUPTED} where it was interrupted.",
        usage="pytest-energy bisect [options] GOOD [BAD] [-- pytest's arguments]\n"
        "       pytest-energy bisect --resume",
        allow_abbrev=False,
    )
    parser.add_argument("good", nargs="?", metavar="GOOD", help="a commit before the change")
    parser.add_argument(
        "bad", nargs="?", metavar="BAD", help="a commit after the change (default: HEAD)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with what was interrupted in this tree"
    )
    parser.add_argument(
        "--by",
        choices=("auto", "counts", "joules"),
        help="counts: exact counts alone; joules: paired runs alone; auto: counts where GOOD and"
        " BAD differ in them (default: auto)",
    )
    parser.add_argument(
        "--test",
        metavar="NAME",
        help="the test whose change is followed, or a part of its name (default: of the selected"
        " tests that which rose most, or else that which fell most)",
    )
    parser.add_argument(
        "--tolerance",
        type=_percent,
        metavar="PERCENT",
        help="a change from GOOD to BAD that is none (default: what the test allows, 5%% unless"
        " told else)",
    )
    parser.add_argument(
        "--setup",
        metavar="CMD",
        help="shell command to run at each commit first, to build what is compiled or to make a"
        " virtual environment (.venv) of its own; $PYTEST_ENERGY_HEAD is your own tree there",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help=f"how long a run may take before the commit is skipped (default: {TIMEOUT_SECONDS:g})",
    )
    parser.add_argument(
        "--runs",
        type=_whole,
        metavar="N",
        help="paired runs of one commit, at most; where they leave it unsure, the commit is skipped"
        f" (default: {MOST_RUNS})",
    )

    def run(known: argparse.Namespace) -> int:
        if known.resume and (_given(known) or known.behind):
            parser.error("--resume goes on with the arguments that were given before: name none")
        if not known.resume and known.good is None:
            parser.error("name a commit before the change: pytest-energy bisect GOOD")
        return _bisect(known)

    set_run(parser, run, " (pytest's arguments stand behind --)")


def _given(known: argparse.Namespace) -> bool:
    options = ("good", "bad", "by", "test", "tolerance", "setup", "timeout", "runs")
    return any(getattr(known, name) is not None for name in options)


def _percent(text: str) -> float:
    try:
        return parse_percent(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return seconds


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return number


_seconds.__name__, _whole.__name__ = "number", "whole number"  # argparse's words for them


def _bisect(known: argparse.Namespace) -> int:
    from pytest_energy.bisect.git import BisectError, Repository
    from pytest_energy.bisect.state import Store
    from pytest_energy.paired.worktree import BaseError

    store: Store | None = None
    try:
        with _ended_by_signals():
            repository = Repository.at(Path.cwd())
            store = Store(repository.state)
            with store.locked():
                return _search(known, repository, store)
    except (BisectError, BaseError) as error:
        complain(str(error))
        _say_how_to_go_on(store)
        return ERROR
    except KeyboardInterrupt:
        complain("interrupted")
        _say_how_to_go_on(store)
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ERROR
    except OSError as error:
        complain(f"{error.filename or 'the log'}: {error.strerror or error}")
        _say_how_to_go_on(store)
        return ERROR


def _search(known: argparse.Namespace, repository: Repository, store: Store) -> int:
    from pytest_energy.bisect.git import BisectError
    from pytest_energy.bisect.search import Search

    if known.resume:
        state = store.load()
        if state is None:
            raise BisectError("there is no interrupted bisect in this tree to go on with")
    else:
        state = _begun(known, repository)
        if repository.has_changes:
            _say("uncommitted changes belong to no commit, and are not run")
        if exists(store.path):
            _say("what an interrupted bisect had found in this tree is given up")
            store.delete()
    return Search(repository, store, state, _say).run()


def _begun(known: argparse.Namespace, repository: Repository) -> State:
    """What the command line asks for."""
    from pytest_energy.bisect.git import BisectError
    from pytest_energy.bisect.judge import By
    from pytest_energy.bisect.runs import RULED
    from pytest_energy.bisect.state import Request, State

    for argument in known.behind:
        option = argument.partition("=")[0]
        if option in RULED:
            instead = ": say --setup" if option == "--energy-against-setup" else ""
            raise BisectError(f"{option} is set by the bisection itself{instead}")
    good = repository.commit(known.good)
    bad = repository.commit("HEAD" if known.bad is None else known.bad)
    repository.count(good, bad)
    request = Request(
        good=good.sha,
        bad=bad.sha,
        folder=repository.folder.relative_to(repository.top).as_posix(),
        arguments=tuple(known.behind),
        by=By(known.by or By.AUTO),
        test=known.test or "",
        tolerance=known.tolerance,
        setup=known.setup or "",
        timeout=known.timeout or TIMEOUT_SECONDS,
        most_runs=known.runs or MOST_RUNS,
    )
    return State(request)


def _say(line: str) -> None:
    """Print a line at once: a run may take minutes."""
    if sys.stdout is not None:
        print(shown(line, encoding_of(sys.stdout)), flush=True)


def _say_how_to_go_on(store: Store | None) -> None:
    if store is not None and exists(store.path):
        complain("go on with: pytest-energy bisect --resume")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A request to end is taken as Ctrl-C is: the worktree is removed first."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before: dict[signal.Signals, Callable[..., object] | int | None] = {}
    for name in ("SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own arguments, and pytest's, which stand behind `--`.

    argparse keeps the two apart in ways that differ between versions of Python.

    Args:
        arguments: of the command line, the command's name first.
    """
    if list(arguments[:1]) != ["bisect"] or "--" not in arguments:
        return list(arguments), []
    where = list(arguments).index("--")
    return list(arguments[:where]), list(arguments[where + 1 :])
