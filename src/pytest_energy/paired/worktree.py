"""The base: another copy of the project, at a git revision or in a folder of its own.

A revision is checked out into a temporary `git worktree`, which shares the repository's objects
and touches neither the user's files nor the index nor the stash. A lock beside it is held as long
as the run lives; the system lets it go with the process, however that ends, and the next run
removes what it finds unlocked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import portalocker

from pytest_energy.files import exists

PREFIX = "pytest-energy-base-"
"""Prefix of the temporary folders, a bisection's too; leftovers of killed runs are found by it."""

TREE = "tree"
"""The checkout's name in its temporary folder; the lock lies beside it."""


class BaseError(Exception):
    """There is no base to compare with; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What `--energy-against` names.

    Args:
        head: the user's own tree: git's top level, or pytest's rootdir outside of git.
        label: for people: `1a2b3c4 (origin/main)`, or the folder.
        commit: in full; empty for a folder.
        folder: the other tree, where it was given as one; None for a commit.
    """

    head: Path
    label: str
    commit: str = ""
    folder: Path | None = None


class BaseTree:
    """The base's files.

    Args:
        revision: to copy; a folder is used where it lies, and left as it is.
        name: what the tree is called, for people.

    Raises:
        BaseError: git refuses.
    """

    def __init__(self, revision: Revision, name: str = "the base") -> None:
        self.revision = revision
        self._temporary: Path | None = None
        self._lock: portalocker.Lock[IO[str]] | None = None
        if revision.folder is not None:
            self.root = revision.folder
            return
        sweep(revision.head)
        try:
            # Resolved, as imported modules' files will be: /tmp is a link on macOS.
            self._temporary = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        except OSError as error:
            raise BaseError(
                f"there is no room for a copy of {name}: {error}; set TMPDIR to another folder"
            ) from error
        self.root = self._temporary / TREE
        try:
            self._lock = portalocker.Lock(self._temporary / "lock")
            self._lock.acquire()
            # The repository's own hooks are no business of a temporary checkout.
            hooks = ("-c", f"core.hooksPath={os.devnull}")
            where = ("worktree", "add", "--detach", "--quiet", str(self.root), revision.commit)
            git(revision.head, *hooks, *where)
        except BaseException:
            self.remove()
            raise

    def counterpart(self, path: Path) -> Path:
        """The base's copy of a file or folder of the user's tree; any other path as it is."""
        return counterpart(self.revision.head, self.root, path)

    def set_up(self, command: str, folder: Path) -> None:
        """Run a command of the user's in the base's tree.

        Args:
            command: for the shell. `PYTEST_ENERGY_HEAD` is the user's own tree there.
            folder: of the user's tree; the command runs in its counterpart.

        Raises:
            BaseError: it failed; with all that it printed.
        """
        place = self.counterpart(folder)
        environment = plain_environment()
        environment["PYTEST_ENERGY_HEAD"] = str(self.revision.head)
        done = subprocess.run(
            command,
            shell=True,
            cwd=place if place.is_dir() else self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise BaseError(
                f"the set-up of the base failed with exit status {done.returncode}: {command}\n"
                f"{done.stdout.rstrip()}"
            )

    def remove(self) -> None:
        """Delete the temporary copy; a folder of the user's stays."""
        if self._temporary is None:
            return
        _remove(self.revision.head, self._temporary)
        if self._lock is not None:
            self._lock.release()
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary = None


def counterpart(head: Path, root: Path, path: Path) -> Path:
    """A path of one tree in another; any path outside of it as it is.

    Args:
        head: root of the tree that the path is of.
        root: of the other.
        path: of a file or folder.
    """
    try:
        inside = Path(os.path.realpath(path)).relative_to(head)
    except ValueError:
        return path
    return root / inside


def find_revision(rootdir: Path, rev: str, here: Path) -> Revision:
    """What `--energy-against` means.

    Args:
        rootdir: pytest's.
        rev: a git revision, or else a folder.
        here: where the user stands, for a relative folder.

    Raises:
        BaseError: it is neither, or git is missing.
    """
    rootdir = Path(os.path.realpath(rootdir))
    top, why = rootdir, ""
    try:
        top = Path(os.path.realpath(git(rootdir, "rev-parse", "--show-toplevel")))
        commit = git(
            rootdir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
        )
        short = git(rootdir, "rev-parse", "--short", commit)
        label = short if commit.startswith(rev) else f"{short} ({rev})"
        return Revision(top, label, commit=commit)
    except BaseError as error:
        why = str(error)
    folder = Path(os.path.realpath(here / rev))
    if folder.is_dir():
        # A copy of the repository, or of the project in it.
        whole = (folder / rootdir.relative_to(top)).is_dir()
        head = top if whole else rootdir
        if head.is_relative_to(folder):
            raise BaseError(
                f"{rev!r} is or holds the tree that is tested: name another one. (Write"
                " --energy-against=FOLDER: after a blank pytest takes a folder for the place of the"
                " tests)"
            )
        return Revision(head, rev, folder=folder)
    problem = f"{rev!r} is neither a folder nor a revision that git knows in {rootdir}"
    if why:
        raise BaseError(f"{problem} ({why})")
    name = rev.removeprefix("origin/")
    # HEAD~2 and the like are of what a clone has, or lacks by its depth.
    named = re.fullmatch(r"\w[\w./-]*", name) is not None
    fetch = f"git fetch origin {name} (a branch is origin/{name} then); " if named else ""
    raise BaseError(
        f"{problem}; if it has not been fetched yet: {fetch}in a shallow clone git fetch"
        " --unshallow, in GitHub's checkout action fetch-depth: 0"
    )


def sweep(head: Path) -> None:
    """Remove the worktrees of runs that were killed: those whose lock is free."""
    listed = git(head, "worktree", "list", "--porcelain").splitlines()
    word = "worktree "
    known = [Path(line.removeprefix(word)).parent for line in listed if line.startswith(word)]
    # Those of other repositories as well, which may never be run again. A run that is starting
    # has its lock before it has a tree.
    others = [tree.parent for tree in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{TREE}")]
    for folder in dict.fromkeys([*known, *others]):
        if not folder.name.startswith(PREFIX):
            continue
        if not exists(folder):
            _remove(head, folder)
            continue
        at_once = portalocker.Lock(folder / "lock", timeout=0, fail_when_locked=True)
        with suppress(portalocker.LockException, OSError), at_once:
            _remove(head, folder)
            shutil.rmtree(folder, ignore_errors=True)


def _remove(head: Path, temporary: Path) -> None:
    # Never `git worktree prune`: it would forget the user's own worktrees on an unmounted disk.
    with suppress(BaseError):
        git(head, "worktree", "remove", "--force", "--force", str(temporary / TREE))


def git(folder: Path, *arguments: str) -> str:
    """What git prints.

    Raises:
        BaseError: git is not there, or what it says is wrong.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BaseError(f"git cannot be run: {error.strerror}") from error
    if done.returncode:
        raise BaseError((done.stderr or done.stdout).strip())
    return done.stdout.strip()


def plain_environment() -> dict[str, str]:
    """The environment without what points git at the user's index and tree, as in a git hook."""
    ours = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
    return {name: value for name, value in os.environ.items() if name not in ours}
