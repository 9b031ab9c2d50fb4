"""The machine to oneself: a lock that every pytest process with metered tests honours.

A metered test holds it exclusively, an unmetered test of such a session shares it with others of
its kind. Two files of one name on the whole machine: a process that wants the machine first queues
up, and leaves the queue once it has it. The system serves those that wait for a file in their order
(flock(2) on Linux), so that neither kind starves, and frees what a dead process held.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import portalocker
import psutil

from pytest_energy.files import read_bytes

HELD_BY = "PYTEST_ENERGY_LOCKED"
"""Environment variable that names the process which holds the lock while a test runs: a pytest
that the test starts runs inside of that, and would wait for it forever."""

MOMENT_SECONDS = 1.0
"""Who waits for longer is told for what."""

NAME, QUEUE = "pytest-energy.lock", "pytest-energy.queue"


class MachineBusyError(Exception):
    """The machine was not free in time.

    Args:
        seconds: that were waited.
        holder: what holds it, in words.
    """

    def __init__(self, seconds: float, holder: str) -> None:
        super().__init__(f"the machine was not free within {seconds:g} s: {holder} holds it")


def lock_folder() -> Path:
    """The folder that all users and all processes of this machine have in common.

    `PYTEST_ENERGY_LOCK_DIR` names another one, for containers that share a machine and a folder.
    """
    if named := os.environ.get("PYTEST_ENERGY_LOCK_DIR"):
        return Path(named)
    common = Path("/tmp")
    return common if os.name == "posix" and common.is_dir() else Path(tempfile.gettempdir())


@dataclass(frozen=True, slots=True)
class _Files:
    queue: IO[bytes]
    machine: IO[bytes]

    def close(self) -> None:
        """Close both, which frees what is held."""
        self.queue.close()
        self.machine.close()


class MachineLock:
    """Held by one test after the other.

    Args:
        folder: of the two files; the machine's own if left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or lock_folder()
        self._files: _Files | None = None
        self._held = False
        self.problem = ""
        """Why it cannot be had on this machine, as a clause; empty where it can."""
        try:
            self._files = self._open()
        except OSError as error:
            self._cannot(error)
        if hasattr(os, "register_at_fork"):
            lock = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _leave_to_parent(lock()))

    def acquire(
        self,
        exclusive: bool,
        holder: str,
        seconds: float,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Wait for the machine.

        Args:
            exclusive: whether nothing else may run meanwhile.
            holder: what will hold it, for those that wait.
            seconds: to wait at most.
            waiting: is told what holds it, once, where it takes longer than a moment.

        Raises:
            MachineBusyError: it was not free in time.
        """
        if self.problem or _held_around_us():
            return
        try:
            files = self._files = self._files or self._open()
            mode = portalocker.LockFlags.EXCLUSIVE if exclusive else portalocker.LockFlags.SHARED
            if not _taken_at_once(files, mode):
                self._wait(files, mode, seconds, waiting)
        except (ImportError, OSError, portalocker.LockException) as error:
            self._cannot(error)  # shared locks on Windows take pywin32
            return
        self._held = True
        os.environ[HELD_BY] = str(os.getpid())
        if exclusive:
            self._sign(files.machine, f"process {os.getpid()} ({holder})")

    def is_free(self) -> bool:
        """Whether nothing holds the machine, or waits for it; it is not taken."""
        if self.problem or self._files is None or self._held:
            return not self._held
        try:
            if not _taken_at_once(self._files, portalocker.LockFlags.EXCLUSIVE):
                return False
            portalocker.unlock(self._files.machine)
        except (OSError, portalocker.LockException) as error:
            self._cannot(error)
        return True

    def release(self) -> None:
        """Leave the machine to others; nothing where it is not held."""
        files = self._files
        if files is None or not self._held:
            return
        self._held = False
        os.environ.pop(HELD_BY, None)
        portalocker.unlock(files.machine)

    def close(self) -> None:
        """Release it, and close its files."""
        self.release()
        self.forget()

    def forget(self) -> None:
        """Close the files; a forked child's copies would hold for a parent that has died."""
        files, self._files = self._files, None
        self._held = False
        if files is not None:
            files.close()

    def _wait(
        self,
        files: _Files,
        mode: portalocker.LockFlags,
        seconds: float,
        waiting: Callable[[str], None],
    ) -> None:
        request = _Request(files, mode)
        request.start()
        try:
            in_time = request.answered.wait(min(seconds, MOMENT_SECONDS))
            if not in_time and seconds > MOMENT_SECONDS:
                waiting(self._holder())
                left = min(seconds - MOMENT_SECONDS, threading.TIMEOUT_MAX)
                in_time = request.answered.wait(left)
        except BaseException:  # Ctrl-C
            self._files = None
            request.abandon()
            raise
        if not in_time and request.abandon():
            self._files = None
            raise MachineBusyError(seconds, self._holder())
        if request.error is not None:
            raise request.error

    def _open(self) -> _Files:
        queue = self._open_one(QUEUE)
        try:
            return _Files(queue, self._open_one(NAME))
        except OSError:
            queue.close()
            raise

    def _open_one(self, name: str) -> IO[bytes]:
        path, mode = self._folder / name, "r+b"
        common = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        common |= getattr(os, "O_NONBLOCK", 0)  # another user's FIFO would be waited for
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | common, 0o666)
        except PermissionError:
            # Another user's file: Linux may refuse to create it in a folder like /tmp
            # (fs.protected_regular), and a umask may leave it to be read alone. Both can be locked.
            try:
                descriptor = os.open(path, os.O_RDWR | common)
            except PermissionError:
                descriptor, mode = os.open(path, os.O_RDONLY | common), "rb"
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no regular file")
        if hasattr(os, "getuid") and about.st_uid == os.getuid():
            os.fchmod(descriptor, 0o666)  # for other users, whatever the umask
        return os.fdopen(descriptor, mode, buffering=0)

    def _cannot(self, error: Exception) -> None:
        self.problem = f"no lock in {self._folder}: {error}"
        self.forget()

    @staticmethod
    def _sign(file: IO[bytes], holder: str) -> None:
        if file.writable():
            with suppress(OSError):  # a full disk: others wait as well for one without a name
                file.seek(0)
                file.truncate()
                file.write(holder.encode(errors="replace")[:500])

    def _holder(self) -> str:
        try:
            signed = read_bytes(self._folder / NAME)[:500].decode(errors="replace")
        except OSError:
            signed = ""
        return signed or "another process"


def _leave_to_parent(lock: MachineLock | None) -> None:
    """In a forked child, where the lock may be gone already."""
    if lock is not None:
        lock.forget()


class _Request(threading.Thread):
    """Stands in the queue, while the process may stop to wait.

    Args:
        files: that nothing else uses meanwhile.
        mode: exclusive or shared.
    """

    def __init__(self, files: _Files, mode: portalocker.LockFlags) -> None:
        super().__init__(name="pytest-energy lock", daemon=True)
        self._files = files
        self._mode = mode
        self._deciding = threading.Lock()
        self._abandoned = False
        self.answered = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Queue up, and take the machine."""
        try:
            portalocker.lock(self._files.queue, portalocker.LockFlags.EXCLUSIVE)
            try:
                portalocker.lock(self._files.machine, self._mode)
            finally:
                portalocker.unlock(self._files.queue)
        except (ImportError, OSError, ValueError, portalocker.LockException) as error:
            self.error = error
        with self._deciding:
            if self._abandoned:
                self._files.close()
            else:
                self.answered.set()

    def abandon(self) -> bool:
        """Wait no longer; what is granted later is given back. Whether it was not granted yet."""
        with self._deciding:
            self._abandoned = not self.answered.is_set()
            return self._abandoned


def _taken_at_once(files: _Files, mode: portalocker.LockFlags) -> bool:
    """Take the machine where nothing else wants it."""
    at_once = portalocker.LockFlags.NON_BLOCKING
    try:
        portalocker.lock(files.queue, portalocker.LockFlags.EXCLUSIVE | at_once)
    except portalocker.AlreadyLocked:
        return False
    try:
        portalocker.lock(files.machine, mode | at_once)
    except portalocker.AlreadyLocked:
        return False
    finally:
        portalocker.unlock(files.queue)
    return True


def _held_around_us() -> bool:
    """Whether this pytest runs inside of a test that holds the machine."""
    try:
        holder = int(os.environ.get(HELD_BY, ""))
    except ValueError:
        return False
    if holder == os.getpid():
        return True
    try:
        return any(parent.pid == holder for parent in psutil.Process().parents())
    except psutil.Error:
        return False
