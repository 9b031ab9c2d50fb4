"""Files: read with suspicion, written whole or not at all; paths and lines as people read them."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)
"""Errors that say that nothing is there; as `Path.exists` had them before Python 3.14."""


def _mode(path: Path, follow_symlinks: bool = True) -> int:
    """What lies at a path, as st_mode of stat(2); 0 where nothing does."""
    try:
        return path.stat(follow_symlinks=follow_symlinks).st_mode
    except ValueError:  # a NUL within
        return 0
    except OSError as error:
        if error.errno in _ABSENT:
            return 0
        raise


# These are the methods of Path, but for errors that leave it open: OSError, where Path has said no
# since Python 3.14. A file that this user may not see would be one that is deleted, and what is
# stored of its tests would go.


def exists(path: Path, follow_symlinks: bool = True) -> bool:
    """`Path.exists`; raises OSError where it cannot be told, in a folder that is closed to us."""
    return _mode(path, follow_symlinks) != 0


def is_file(path: Path, follow_symlinks: bool = True) -> bool:
    """`Path.is_file`; raises OSError where it cannot be told."""
    return stat.S_ISREG(_mode(path, follow_symlinks))


def is_folder(path: Path) -> bool:
    """`Path.is_dir`; raises OSError where it cannot be told."""
    return stat.S_ISDIR(_mode(path))


def is_link(path: Path) -> bool:
    """`Path.is_symlink`; raises OSError where it cannot be told."""
    return stat.S_ISLNK(_mode(path, follow_symlinks=False))


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The line on which a member of a JSON text begins.

    json keeps no positions, and this is needed only for a message: so the text, known to be well
    formed, is walked again, member by member, skipping what is not on the way.
    """
    decoder = json.JSONDecoder()
    blank = re.compile(r"[\s,:]*")

    def skip(position: int) -> int:
        space = blank.match(text, position)
        return space.end() if space else position

    position = begun = skip(0)
    for step in where:
        position = skip(position + 1)
        index, value = 0, position
        while text[position] not in "]}":
            start = position
            if isinstance(step, str):
                name, position = decoder.raw_decode(text, position)
                position = skip(position)
                reached = name == step
            else:
                reached = index == step
            if reached:  # and again where a name stands twice: json takes the last one
                begun, value = start, position
            position = skip(decoder.raw_decode(text, position)[1])
            index += 1
        position = value
    return text.count("\n", 0, begun) + 1


def shown_path(path: Path) -> str:
    """A path for people: relative to the current folder where it lies inside."""
    try:
        here = Path.cwd()
    except OSError:  # the current folder was deleted
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def stable(value: float) -> float:
    """Six significant digits: more than any meter resolves, and no churn behind them."""
    return float(f"{value:.6g}")


MOST_BYTES = 8 * 2**20
"""A file of more is none of ours: 900 tests of one model with ten full sessions each take so much.
How much memory they take once they are read is bounded by the number of values as well."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)

_BINARY = getattr(os, "O_BINARY", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Opening a FIFO waits for its other end without the first, and a terminal may become ours without
the second."""


class RefusedFileError(OSError):
    """A file that is not read or written, whatever the system would allow.

    Args:
        problem: why, as a clause; it is the error's `strerror`.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(errno.EINVAL, problem)


def read_bytes(path: Path, within: Path | None = None, most_bytes: int = MOST_BYTES) -> bytes:
    """What a file holds, where it is a regular file of a size that we read.

    Args:
        path: of the file. Others may have put anything there: a FIFO, a device, a link.
        within: a folder that links must not lead out of; None for no such bound.
        most_bytes: that it may have.

    Raises:
        OSError: it cannot be read; a `RefusedFileError` where we do not want to.
    """
    try:
        if within is not None:
            check_inside(path, within)
        descriptor = os.open(path, os.O_RDONLY | _AT_ONCE | _BINARY)
    except UnicodeEncodeError:
        _refuse_name()
    try:
        _check_regular(os.fstat(descriptor))
        # No size is believed: files of /proc say 0, and others may grow.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(most_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise RefusedFileError(f"more than {most_bytes:,} bytes, which no file of ours has")
    return data


def read_text(path: Path, within: Path | None = None, most_bytes: int = MOST_BYTES) -> str:
    """The text of such a file; the arguments are those of `read_bytes`.

    Raises:
        OSError: it cannot be read, or is refused.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, within, most_bytes).decode("utf-8")


def check_inside(path: Path, folder: Path) -> None:
    """Refuse a path that links lead out of a folder.

    Args:
        path: of a file in that folder, as its name goes; it need not exist.
        folder: itself it may lie behind links.

    Raises:
        RefusedFileError: it leads elsewhere; says where.
    """
    target, home = os.path.realpath(path), os.path.realpath(folder)
    if not Path(target).is_relative_to(home):
        raise RefusedFileError(
            f"a link leads out of {shown_path(folder)}, to {target}, and is not followed"
        )


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
        raise RefusedFileError(f"it is {kind}, and only regular files are read")


def _refuse_name() -> NoReturn:
    encoding = sys.getfilesystemencoding()
    raise RefusedFileError(
        f"the name cannot be written in this system's encoding of file names ({encoding}): set"
        " PYTHONUTF8=1 in the environment, or a locale with UTF-8"
    ) from None


TEMPORARY_SUFFIX = ".pytest-energy.tmp"
"""How the name of a file ends that is being written. One that stays is of a process that was
killed; the name distinguishes it from anything else in a folder that is not ours alone."""

ABANDONED_SECONDS = 3600
"""After this a temporary file is taken for one of a killed process, where no lock tells."""


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, even when the power fails. A link stays a link.

    Args:
        path: of the file; where it is a link, of the link to it.
        content: that it will have; text is written as UTF-8.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    if is_link(path):
        path = Path(os.path.realpath(path))
    _put(path, content, lambda written: written.replace(path))


def create_file(path: Path, content: str | bytes) -> None:
    """Write a new file whole or not at all, even when the power fails.

    Args:
        path: of the file, which is never written over, by whomever it was made and when.
        content: that it will have; text is written as UTF-8.

    Raises:
        FileExistsError: something of this name is there, be it a link that leads to nothing.
        OSError: it cannot be written.
    """

    def publish(written: Path) -> None:
        try:
            path.hardlink_to(written)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            if exists(path, follow_symlinks=False):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            written.replace(path)
        else:
            written.unlink()

    _sweep(path.parent, _temporary_prefix(path), ABANDONED_SECONDS)
    _put(path, content, publish)


def _put(path: Path, content: str | bytes, publish: Callable[[Path], object]) -> None:
    """Write a file beside another one, and have it published when all of it is on the disk."""
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=_temporary_prefix(path), suffix=TEMPORARY_SUFFIX
        )
    except UnicodeEncodeError:
        _refuse_name()
    try:
        with _opened(descriptor, content) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a repository's files follow the umask or the old file.
        umask = os.umask(0)
        os.umask(umask)
        mode = path.stat().st_mode & 0o777 if exists(path) else 0o666 & ~umask
        Path(name).chmod(mode)
        publish(Path(name))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _opened(descriptor: int, content: str | bytes) -> IO[Any]:
    if isinstance(content, bytes):
        return os.fdopen(descriptor, "wb")
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="\n")


def _temporary_prefix(path: Path) -> str:
    return f".{path.name[:20]}."


def sync_folder(folder: Path) -> None:
    """Make a folder's new and deleted names last: without this a power failure may bring old ones.

    Args:
        folder: in which a file was replaced or deleted.
    """
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    # A folder may be written and not be listed, and some network file systems refuse: the file
    # itself is written, and nothing of this may say that it is not.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_output(path: Path, content: str | bytes) -> None:
    """Write a report to where the user wants it.

    A regular file is replaced, whole or not at all. Into a device, a FIFO or an open descriptor
    (`/dev/stdout`, `/dev/fd/3`) the content is written, and none of them is ever replaced.

    Args:
        path: as given; its folder must exist.
        content: of the report.

    Raises:
        OSError: it cannot be written; a regular file is as it was.
    """
    own = _own_descriptor(path)
    if own is None:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        except UnicodeEncodeError:
            _refuse_name()
        if stat.S_ISREG(mode):
            real = Path(os.path.realpath(path))
            _sweep(real.parent, _temporary_prefix(real), ABANDONED_SECONDS)
            replace_file(real, content)
            return
        # Nobody waits for a reader that may never come; once it is there, it may be slow.
        own = os.open(path, os.O_WRONLY | os.O_APPEND | _AT_ONCE | _BINARY)
        if sys.platform != "win32":
            os.set_blocking(own, True)
    with _opened(own, content) as file:
        file.write(content)


def append_file(path: Path, text: str) -> None:
    """Add to the end of a file that others may add to as well, in one piece.

    Args:
        path: of the file; one that is not there is made.
        text: written as UTF-8.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _AT_ONCE | _BINARY
    with os.fdopen(os.open(path, flags, 0o666), "ab") as file:
        file.write(text.encode())


def is_stream(path: Path) -> bool:
    """Whether a path leads to a device, a FIFO or a socket."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _own_descriptor(path: Path) -> int | None:
    """A copy of the open file of this process that a path leads to, `/dev/stdout` for example.

    Opened anew, a file that standard output is redirected to would be written at two places.

    Raises:
        OSError: this process has no such file open.
    """
    for _ in range(40):  # as many links as Linux follows
        # /dev/fd is a link itself, and is meant by its name.
        if re.fullmatch(r"/proc/(?:self|thread-self)/fd|/dev/fd", str(path.parent)):
            # No process has more files open than that.
            return os.dup(int(path.name)) if re.fullmatch("[0-9]{1,9}", path.name) else None
        if not is_link(path):
            return None
        path = path.parent / path.readlink()
    return None


def sweep(folder: Path) -> None:
    """Delete the temporary files of killed processes in a folder that a lock is held on.

    Args:
        folder: that no other process writes to now.
    """
    _sweep(folder, ".", 0.0)


def _sweep(folder: Path, prefix: str, seconds: float) -> None:
    try:
        with os.scandir(folder) as entries:
            found = [
                entry
                for entry in entries
                if entry.name.startswith(prefix) and entry.name.endswith(TEMPORARY_SUFFIX)
            ]
        for entry in found:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime >= seconds:
                Path(entry).unlink(missing_ok=True)
    except OSError:  # they are in nobody's way
        return


def text_of(path: Path) -> str:
    """What a file says, without white space around it; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
