"""Calls of Python functions and of built-in ones, by caller and callee.

By `sys.monitoring` from Python 3.12 on, by `sys.setprofile` before: both are told of every call by
the interpreter. What is not the program's own is left out: this plugin, the machinery that calls a
torch module's `forward`, which takes another way where modules are followed, and what waits.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from pytest_energy.types.counts import BUILT_IN, CallRow

OWN = f"{Path(__file__).parents[1].as_posix()}/"

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
)
"""Files and folders in it whose functions wait for others: what they call depends on who comes
first."""

TOOLS = (2, 3, 4)
"""Ids of `sys.monitoring` to take, the first that is free: `PROFILER_ID`, and two that have no
purpose (the manual of sys.monitoring)."""


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
        self._skipped: dict[int, bool] = {}
        self._stack: list[tuple[int, list[int], int]] = []
        self._current = 0
        self._thread = 0
        self._tool: int | None = None
        self._on = False
        self._suspended = 0  # operators that come apart are counted within others

    def start(self) -> None:
        """Begin to count; `problem` says why not, where something else watches the calls."""
        self._stack.clear()
        self._current = 0
        self._suspended = 0
        self._thread = threading.get_ident()
        if sys.version_info >= (3, 12):
            self._on = self._start_monitoring()
        elif sys.getprofile() is not None:
            self.problem = "a profiler was running"
        else:
            self._on = True
            sys.setprofile(self._profile)

    def stop(self) -> None:
        """Count no longer."""
        if not self._on:
            return
        self._on = False
        if self._tool is None:
            sys.setprofile(None)
        else:
            self._stop_monitoring()
        while self._stack:
            self._leave()

    def suspend(self) -> None:
        """What follows is the counting's own."""
        if self._on and threading.get_ident() == self._thread:
            self._suspended += 1
            if self._tool is None:
                sys.setprofile(None)

    def resume(self) -> None:
        """The program's own goes on."""
        if self._on and threading.get_ident() == self._thread:
            self._suspended -= 1
            if self._tool is None and not self._suspended:
                sys.setprofile(self._profile)

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

    def _is_skipped(self, code: CodeType) -> bool:
        """Whether a function is not the program's own; it is kept, so that its id stays its own."""
        number = id(code)
        skipped = self._skipped.get(number)
        if skipped is None:
            file = code.co_filename.replace(os.sep, "/")
            skipped = (
                file.startswith(OWN)
                or any(place in file for place in MACHINERY)
                or (file.startswith(LIBRARY) and file[len(LIBRARY) :].startswith(WAITING))
            )
            self._skipped[number] = skipped
            self._codes[number] = code
        return skipped

    def _enter(self, code: CodeType) -> None:
        callee = id(code)
        row = self._rows.get((self._current, callee))
        if row is None:
            row = self._rows[self._current, callee] = [0, 0, 0]
        row[0] += 1
        row[2] += 1
        self._stack.append((self._current, row, self.total))
        self.total += 1
        self._current = callee

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
        if self._is_skipped(code):
            return
        if event == "call":
            if not self._stack:
                self._begin_below(frame.f_back)
            self._enter(code)
        elif event == "return":
            self._leave()
        elif event == "c_call":
            self._call_built_in(code)

    def _begin_below(self, frame: FrameType | None) -> None:
        """The nearest of the program's functions that was running already is the caller."""
        while frame is not None and self._is_skipped(frame.f_code):
            frame = frame.f_back
        self._current = 0 if frame is None else id(frame.f_code)

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

        def _elsewhere(self) -> bool:
            return bool(self._suspended) or threading.get_ident() != self._thread

        def _on_start(self, code: CodeType, _: int) -> Any:
            if self._is_skipped(code):
                return sys.monitoring.DISABLE
            if not self._elsewhere():
                if not self._stack:
                    self._begin_below(sys._getframe(1).f_back)
                self._enter(code)
            return None

        def _on_throw(self, code: CodeType, _: int, __: BaseException) -> None:
            if not (self._is_skipped(code) or self._elsewhere()):
                if not self._stack:
                    self._begin_below(sys._getframe(1).f_back)
                self._enter(code)

        def _on_return(self, code: CodeType, _: int, __: object) -> Any:
            if self._is_skipped(code):
                return sys.monitoring.DISABLE
            if not self._elsewhere():
                self._leave()
            return None

        def _on_unwind(self, code: CodeType, _: int, __: BaseException) -> None:
            if not (self._is_skipped(code) or self._elsewhere()):
                self._leave()

        def _on_built_in(self, code: CodeType, _: int, __: object, ___: object) -> Any:
            if not (self._is_skipped(code) or self._elsewhere()):
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


def _portable(file: str) -> str:
    if file.startswith("<"):
        return file
    path = Path(os.path.realpath(file))
    folders = [Path(os.path.realpath(place)) for place in sys.path if place]
    above = [place for place in folders if path.is_relative_to(place)]
    nearest = max(above, key=lambda place: len(place.parts), default=path.parent.parent)
    return path.relative_to(nearest).as_posix()
