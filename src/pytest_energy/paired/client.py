"""The base's process, as the head sees it: started, asked, given up when it hangs or dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from pytest_energy.paired.channel import Channel, ChannelClosedError, ChannelTimeoutError, Message
from pytest_energy.types.units import format_seconds
from pytest_energy.world import clock, sleep

FAREWELL_SECONDS = 20
"""Time that the base's fixtures have for their teardown, at the end."""

TAIL_LINES = 30
"""Lines of a lost process's output that are shown."""


class WorkerLostError(Exception):
    """The base's process has ended or hangs.

    Args:
        reason: what happened, as a clause.
        detail: the end of its output; may be empty.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class WorkerClient:
    """A pytest on the base that waits for messages.

    Args:
        python: the interpreter to run it with.
        folder: where it starts.
        environment: of the process.
        seconds: how long one answer may take.
        side: whose process it is, for people.

    Raises:
        WorkerLostError: it cannot be started.
    """

    def __init__(
        self,
        python: Path,
        folder: Path,
        environment: dict[str, str],
        seconds: float,
        side: str = "the base",
    ) -> None:
        self._seconds = seconds
        self._side = side
        # -P: what lies in the folder where it starts is no part of its path.
        command = [str(python), "-P", "-m", "pytest_energy.paired.worker"]
        try:
            self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
            own_end, worker_end = socket.socketpair()
            self._channel = Channel(own_end)
            with worker_end:
                self._process = subprocess.Popen(
                    [*command, str(worker_end.fileno())],
                    cwd=folder,
                    env=environment,
                    pass_fds=[worker_end.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C on the terminal is the head's, who ends the base. A session of its own
                    # would do that too, but Linux schedules sessions apart (autogroup), and the
                    # two are to have the same share of a busy machine.
                    process_group=0,
                )
        except OSError as error:
            raise WorkerLostError(
                f"{side}'s process could not be started: {error.strerror} ({python})"
            ) from error

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def ask(self, message: Message) -> Message:
        """Send a message and wait for the answer.

        Raises:
            WorkerLostError: there was none; the process is gone now.
        """
        try:
            self._channel.send(message)
            return self._answer()
        except ChannelTimeoutError:
            self.kill()
            waited = format_seconds(self._seconds)
            raise WorkerLostError(
                f"{self._side} did not answer within {waited} (--energy-against-timeout)",
                self._tail(),
            ) from None
        except ChannelClosedError:
            raise WorkerLostError(self._how_it_ended(), self._tail()) from None
        except BaseException:  # Ctrl-C: its state is unknown
            self.kill()
            raise

    def _answer(self) -> Message:
        deadline = clock() + self._seconds
        while True:
            try:
                return self._channel.receive(min(1.0, max(0.01, deadline - clock())))
            except ChannelTimeoutError:
                if has_ended(
                    self._process
                ):  # a process that it left behind may hold the channel open
                    raise ChannelClosedError from None
                if clock() >= deadline:
                    raise

    def close(self) -> None:
        """Have it tear its fixtures down and end; make it, if it does not."""
        try:
            if not has_ended(self._process):
                with suppress(ChannelClosedError, subprocess.TimeoutExpired):
                    self._channel.send({"command": "quit"})
                    self._process.wait(FAREWELL_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process and what it has started."""
        # A process that was waited for has given its id away; one that has only ended has not.
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(FAREWELL_SECONDS)
        self._channel.close()

    def _how_it_ended(self) -> str:
        deadline = clock() + FAREWELL_SECONDS
        while not has_ended(self._process):
            if clock() >= deadline:
                self.kill()
                return f"{self._side}'s process closed its channel"
            sleep(0.01)
        self.kill()  # what it has started
        status = self._process.returncode or 0
        if status < 0:
            return f"{self._side}'s process was ended by {signal.Signals(-status).name}"
        return f"{self._side}'s process ended with exit status {status}"

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").rstrip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has, without waiting for it: its id stays taken.

    Args:
        process: that was started here.
    """
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll() is not None
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def python_of(tree: Path, made: bool) -> Path:
    """The interpreter for the base: of a virtual environment that its set-up made, or this one's.

    Args:
        tree: the base's.
        made: whether a set-up command has run there.
    """
    own = tree / ".venv" / "bin" / "python"
    return own if made and own.exists() else Path(sys.executable)
