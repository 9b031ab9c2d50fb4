"""Calls of Python functions and of built-in ones, by caller and callee.

By `sys.monitoring` from Python 3.12 on, by `sys.setprofile` before: both are told of every call by
the interpreter. What is not the program's own is left out: this plugin, the machinery that calls a
torch module's `forward`, which takes another way where modules are followed, and what waits. Of
functions whose own calls depend on what the process did before, or on the clock, those are left
out.
"""

from __future__ import annotations

import os
import re
import site
import sys
import sysconfig
import threading
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from pytest_energy.types.counts import BUILT_IN, CallRow

OWN = f"{Path(__file__).parents[1].as_posix()}/"
"""Folder of this plugin, some of whose functions call the program's."""

FIXTURE = f"{OWN}metering/"
"""Folder of the fixture that a test calls: what it does with other libraries is not the test's."""

MACHINERY = (
    "/torch/nn/modules/module.py",
    "/torch/utils/_python_dispatch.py",
    "/torch/_library/",
    "/torch/_ops.py",
    "/torch/jit/_builtins.py",
    "/torch/compiler/__init__.py",
    "/torch/_jit_internal.py",
)
"""Files and folders whose functions are not counted: they run otherwise, or at all, because
operators and modules are followed."""

LIBRARY = Path(os.__file__).parent.as_posix()
"""Folder of Python's own library."""

WAITING = (
    "/threading.py",
    "/_weakrefset.py",  # of the threads that there are
    "/weakref.py",
    "/queue.py",
    "/selectors.py",
    "/socket.py",
    "/ssl.py",
    "/subprocess.py",
    "/asyncio/",
    "/concurrent/futures/",
    "/multiprocessing/",
    "/random.py",  # a number in a range is drawn until one fits
)
"""Files and folders in it whose functions wait for others, or try until they succeed: what they
call depends on who comes first, and on chance."""

HIDDEN_NAMES = re.compile(
    # An import finds what it wants in more or fewer places, or is done already; a module's body
    # runs once in a process.
    r"<frozen importlib\.|.*/importlib/"
    # A warning is shown once per place, or is recorded by whoever asks for it.
    r"|.*/(_py_)?warnings\.py:(?!deprecated)"
    # What is printed goes through a terminal's encoder, or through pytest into a file's.
    r"|(.*/codecs\.py|<frozen codecs>):|.*/encodings/|.*/_pytest/(capture|logging)\.py:"
    # A progress bar is drawn when a tenth of a second has passed; its loop goes on for the program.
    r"|.*/tqdm/(?!.*(__iter__|__next__|wrapper|<listcomp>|<genexpr>|_map)$)"
)
"""Functions, as file and name, whose calls are not counted, nor any that are made in them."""

CLOSED_NAMES = re.compile(
    r".*/logging/__init__\.py:"  # handlers and levels are those of whoever runs the program
    r"|(.*/abc\.py|<frozen abc>):ABCMeta\.__(instance|subclass)check__"  # remember classes
    r"|.*/functools\.py:singledispatch\.<locals>\.dispatch"
    r"|.*/re(/__init__)?\.py:_compile$"  # remembers some patterns
    r"|.*/typing\.py:_tp_cache\."
)
"""Functions whose calls are counted and none that are made in them."""

TOOLS = (2, 3, 4)
"""Ids of `sys.monitoring` to take, the first that is free: `PROFILER_ID`, and two that have no
purpose (the manual of sys.monitoring)."""


class _Kind(Enum):
    """What of a function's calls is counted: of others by it, and of it by others."""

    COUNTED = 1
    """All."""
    SKIPPED = 2
    """Those of Python functions that it makes."""
    CLOSED = 3
    """Those of it alone."""
    HIDDEN = 4
    """None."""


# Looked up at every call.
COUNTED, SKIPPED, CLOSED, HIDDEN = _Kind


def _kind_of(code: CodeType) -> _Kind:
    file = code.co_filename.replace(os.sep, "/")
    name = f"{file}:{code.co_qualname}"
    if file.startswith(FIXTURE):
        return HIDDEN
    if file.startswith(OWN) or any(place in file for place in MACHINERY):
        return SKIPPED
    if HIDDEN_NAMES.match(name):
        return HIDDEN
    if CLOSED_NAMES.match(name):
        return CLOSED
    if "/tqdm/" in file:
        return SKIPPED
    if file.startswith(LIBRARY) and file[len(LIBRARY) :].startswith(WAITING):
        return SKIPPED
    return COUNTED


class PythonCalls:
    """Counts calls between `start` and `stop`, in the thread that calls them."""

    def __init__(self) -> None:
        self.total = 0
        """Calls so far."""
        self.problem = ""
        """Why nothing is counted."""
        self._rows: dict[tuple[int, int], list[int]] = {}  # calls, beneath, how often active
        self._built_in: dict[int, int] = {}
        self._codes: dict[int, CodeType] = {}
        self._kinds: dict[int, _Kind] = {}
        self._stack: list[tuple[int, list[int], int]] = []
        self._current = 0
        self._within: FrameType | None = None  # nothing is counted until this one is left
        self._thread = 0
        self._tool: int | None = None
        self._on = False
        self._suspended = 0  # operators that come apart are counted within others
        self._hook = self._profile  # one object, to be recognised

    def start(self) -> None:
        """Begin to count; `problem` says why not, where something else watches the calls."""
        self._stack.clear()
        self._current = 0
        self._within = None
        self._suspended = 0
        self._thread = threading.get_ident()
        if sys.version_info >= (3, 12):
            self._on = self._start_monitoring()
        elif sys.getprofile() is not None:
            self.problem = "a profiler was running"
        else:
            self._on = True
            sys.setprofile(self._hook)

    def stop(self) -> None:
        """Count no longer."""
        if not self._on:
            return
        if self._tool is not None:
            self._stop_monitoring()
        elif self._is_ours():
            sys.setprofile(None)
        self._on = False
        self._within = None
        while self._stack:
            self._leave()

    def suspend(self) -> None:
        """What follows is the counting's own."""
        if self._on and threading.get_ident() == self._thread:
            if self._tool is None and not self._suspended:
                if not self._is_ours():
                    return
                sys.setprofile(None)
            self._suspended += 1

    def resume(self) -> None:
        """The program's own goes on."""
        if self._on and threading.get_ident() == self._thread:
            self._suspended -= 1
            if self._tool is None and not self._suspended:
                sys.setprofile(self._hook)

    def _is_ours(self) -> bool:
        """Whether calls are still told to this counter; where the program has taken its place, it
        keeps it, and what was counted is a part.
        """
        if sys.getprofile() is self._hook:
            return True
        self._on = False
        self.problem = "a profiler was started, or ended, in what was counted"
        return False

    def rows(self) -> list[CallRow]:
        """What was called so far, by caller and callee."""
        names = {number: name_of(code) for number, code in self._codes.items()}
        calls: dict[tuple[str, str], list[int]] = {}
        for (caller, callee), (count, beneath, _) in self._rows.items():
            one = calls.setdefault((names.get(caller, ""), names[callee]), [0, 0])
            one[0] += count
            one[1] += beneath
        for caller, count in self._built_in.items():
            one = calls.setdefault((names.get(caller, ""), BUILT_IN), [0, 0])
            one[0] += count
            one[1] += count
        return [CallRow(*key, *counts) for key, counts in calls.items()]

    def _find_kind(self, code: CodeType) -> _Kind:
        """Of a function that is met for the first time; kept, so that its id stays its own."""
        self._codes[id(code)] = code
        kind = self._kinds[id(code)] = _kind_of(code)
        return kind

    def _enter(self, code: CodeType, kind: _Kind, frame: FrameType) -> None:
        if kind is not COUNTED:
            if kind is SKIPPED:
                return
            self._within = frame
            if kind is HIDDEN:
                return
        if not self._stack:
            self._current = self._running_below(frame.f_back)
        callee = id(code)
        row = self._rows.get((self._current, callee))
        if row is None:
            row = self._rows[self._current, callee] = [0, 0, 0]
        row[0] += 1
        row[2] += 1
        self._stack.append((self._current, row, self.total))
        self.total += 1
        self._current = callee

    def _running_below(self, frame: FrameType | None) -> int:
        """The nearest of the program's functions that was running already, as the caller."""
        while frame is not None:
            code = frame.f_code
            if (self._kinds.get(id(code)) or self._find_kind(code)) is COUNTED:
                return id(code)
            frame = frame.f_back
        return 0

    def _leave_within(self, kind: _Kind) -> None:
        """The function is left inside of which nothing was counted."""
        self._within = None
        if kind is CLOSED:
            self._leave()

    def _leave(self) -> None:
        if not self._stack:
            self._current = 0
            return
        self._current, row, before = self._stack.pop()
        row[2] -= 1
        if not row[2]:  # of a function that calls itself the outermost call has them all
            row[1] += self.total - before

    def _call_built_in(self, code: CodeType) -> None:
        self.total += 1
        caller = id(code)
        self._built_in[caller] = self._built_in.get(caller, 0) + 1

    # sys.setprofile

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        kind = self._kinds.get(id(code)) or self._find_kind(code)
        if self._within is not None:
            if frame is self._within and event == "return":
                self._leave_within(kind)
        elif event == "call":
            self._enter(code, kind, frame)
        elif kind is COUNTED:
            if event == "return":
                self._leave()
            elif event == "c_call":
                self._call_built_in(code)

    # sys.monitoring

    if sys.version_info >= (3, 12):

        def _start_monitoring(self) -> bool:
            monitoring = sys.monitoring
            free = [tool for tool in TOOLS if monitoring.get_tool(tool) is None]
            if not free:
                self.problem = "every tool of sys.monitoring was in use"
                return False
            self._tool = tool = free[0]
            monitoring.use_tool_id(tool, "pytest-energy")
            events = monitoring.events
            callbacks = {
                events.PY_START: self._on_start,
                events.PY_RESUME: self._on_start,
                events.PY_THROW: self._on_throw,
                events.PY_RETURN: self._on_return,
                events.PY_YIELD: self._on_return,
                events.PY_UNWIND: self._on_unwind,
                events.C_RETURN: self._on_built_in,
                events.C_RAISE: self._on_built_in,
            }
            for event, callback in callbacks.items():
                monitoring.register_callback(tool, event, callback)
            monitoring.restart_events()
            # C_RETURN and C_RAISE come with CALL.
            monitoring.set_events(
                tool,
                events.PY_START
                | events.PY_RESUME
                | events.PY_THROW
                | events.PY_RETURN
                | events.PY_YIELD
                | events.PY_UNWIND
                | events.CALL,
            )
            return True

        def _stop_monitoring(self) -> None:
            tool, self._tool = self._tool, None
            if tool is not None:
                sys.monitoring.set_events(tool, 0)
                sys.monitoring.free_tool_id(tool)

        def _on_start(self, code: CodeType, _: int) -> Any:
            kind = self._kinds.get(id(code)) or self._find_kind(code)
            if kind is SKIPPED:
                return sys.monitoring.DISABLE
            self._start_of(code, kind, sys._getframe(1))
            return None

        def _on_throw(self, code: CodeType, _: int, __: BaseException) -> None:
            kind = self._kinds.get(id(code)) or self._find_kind(code)
            self._start_of(code, kind, sys._getframe(1))

        def _start_of(self, code: CodeType, kind: _Kind, frame: FrameType) -> None:
            if self._suspended or self._within is not None:
                return
            if threading.get_ident() == self._thread:
                self._enter(code, kind, frame)

        def _on_return(self, code: CodeType, _: int, __: object) -> Any:
            kind = self._kinds.get(id(code)) or self._find_kind(code)
            if kind is SKIPPED:
                return sys.monitoring.DISABLE
            self._end_of(kind, sys._getframe(1))
            return None

        def _on_unwind(self, code: CodeType, _: int, __: BaseException) -> None:
            kind = self._kinds.get(id(code)) or self._find_kind(code)
            self._end_of(kind, sys._getframe(1))

        def _end_of(self, kind: _Kind, frame: FrameType) -> None:
            if self._suspended or threading.get_ident() != self._thread:
                return
            if self._within is not None:
                if frame is self._within:
                    self._leave_within(kind)
            elif kind is COUNTED:
                self._leave()

        def _on_built_in(self, code: CodeType, _: int, __: object, ___: object) -> Any:
            if self._suspended or self._within is not None:
                return
            if threading.get_ident() != self._thread:
                return
            if (self._kinds.get(id(code)) or self._find_kind(code)) is COUNTED:
                self._call_built_in(code)

    else:

        def _start_monitoring(self) -> bool:
            return False

        def _stop_monitoring(self) -> None:
            return


def name_of(code: CodeType) -> str:
    """A function as any machine names it: its file from where it is imported, and its name there.

    Args:
        code: of the function.
    """
    return f"{_portable(code.co_filename)}:{code.co_qualname.replace('.<locals>', '')}"


LIBRARIES = tuple(
    Path(os.path.realpath(folder))
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
    )
)
"""Folders of Python's own library and of what is installed."""


def _portable(file: str) -> str:
    """A file from where it is imported, wherever that is and from wherever it is run.

    What is installed from the folder it is installed in; else from above its topmost package.
    `sys.path` says less: it changes with the current folder.
    """
    if file.startswith("<"):
        return re.sub(r"\d+", "#", file)  # `<eval_with_key>.3`: made earlier or later
    path = Path(os.path.realpath(file))
    above = [folder for folder in LIBRARIES if path.is_relative_to(folder)]
    if above:
        top = max(above, key=lambda folder: len(folder.parts))
    else:
        top = path.parent
        while (top / "__init__.py").is_file() and top != top.parent:
            top = top.parent
    return path.relative_to(top).as_posix()
