"""git's side of it: the range of commits, and git's own bisect in a worktree of its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.bisect.judge import Side
from pytest_energy.paired.worktree import BaseError, BaseTree, git, plain_environment


class BisectError(Exception):
    """There is nothing to bisect, or no way to; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, for people.

    Args:
        sha: in full.
        short: as git abbreviates it.
        subject: first line of its message.
        author, date: of the change; the date as YYYY-MM-DD.
    """

    sha: str
    short: str
    subject: str
    author: str
    date: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The user's own tree.

    Args:
        top: its root, resolved.
        folder: where the user stands, resolved.
        state: folder of this tree's git directory in which a bisection keeps its state.
    """

    top: Path
    folder: Path
    state: Path

    @classmethod
    def at(cls, folder: Path) -> Repository:
        """The repository that a folder lies in.

        Raises:
            BisectError: it lies in none, or git is missing.
        """
        try:
            top = git(folder, "rev-parse", "--show-toplevel")
            own = git(folder, "rev-parse", "--absolute-git-dir")
        except BaseError as error:
            raise BisectError(str(error)) from error
        # Of a linked worktree its own: each has a bisection to itself, as in git.
        real = Path(os.path.realpath(folder))
        return cls(Path(os.path.realpath(top)), real, Path(own) / "pytest-energy")

    def commit(self, revision: str) -> Commit:
        """A commit by any name.

        Raises:
            BisectError: git knows none of this name.
        """
        try:
            sha = git(
                self.top,
                *("rev-parse", "--verify", "--quiet", "--end-of-options"),
                f"{revision}^{{commit}}",
            )
        except BaseError as error:
            why = f" ({error})" if str(error) else ""
            raise BisectError(
                f"{revision!r} is no revision that git knows in {self.top}{why};"
                f" {self._fetch_hint}pytest's arguments stand behind --"
            ) from error
        return self.described(sha)

    def described(self, sha: str) -> Commit:
        """A commit, for people."""
        form = "--format=%H%x00%h%x00%an%x00%ad%x00%s"
        plain = ("--no-patch", "--no-show-signature", "--date=short")
        said = git(self.top, "show", *plain, form, sha)
        full, short, author, date, subject = said.split("\x00", 4)
        return Commit(full, short, subject, author, date)

    def count(self, good: Commit, bad: Commit) -> int:
        """Number of commits after GOOD, up to BAD.

        Raises:
            BisectError: GOOD is no ancestor of BAD.
        """
        if good.sha == bad.sha:
            raise BisectError(f"GOOD and BAD are the same commit, {good.short}: nothing changed")
        if not self._is_ancestor(good.sha, bad.sha):
            raise BisectError(self._why_no_ancestor(good, bad))
        return int(git(self.top, "rev-list", "--count", bad.sha, f"^{good.sha}"))

    def parent(self, commit: Commit) -> str:
        """The first parent's name in full; empty where it has none."""
        try:
            return git(self.top, "rev-parse", "--verify", "--quiet", f"{commit.sha}^1")
        except BaseError:
            return ""

    @property
    def has_changes(self) -> bool:
        """Whether tracked files differ from HEAD."""
        return bool(git(self.top, "status", "--porcelain", "--untracked-files=no"))

    def _is_ancestor(self, old: str, new: str) -> bool:
        try:
            git(self.top, "merge-base", "--is-ancestor", old, new)
        except BaseError:
            return False
        return True

    def _why_no_ancestor(self, good: Commit, bad: Commit) -> str:
        why = f"GOOD ({good.short}) is no ancestor of BAD ({bad.short})"
        if self._is_ancestor(bad.sha, good.sha):
            return f"{why} but comes after it: name the earlier commit first, whichever takes less"
        try:
            base = self.described(git(self.top, "merge-base", good.sha, bad.sha))
        except BaseError:
            more = self._fetch_hint or "the two have no commit in common; "
            return f"{why}: {more}name an ancestor"
        return (
            f"{why}: {self._fetch_hint}begin where the two part, at {base.short} ({base.subject})"
        )

    @property
    def _fetch_hint(self) -> str:
        try:
            shallow = git(self.top, "rev-parse", "--is-shallow-repository") == "true"
        except BaseError:
            shallow = False
        return "this clone is shallow, git fetch --unshallow brings the rest; " if shallow else ""


_DONE = (0, 2, 4, 10)
"""Exit codes of git bisect once it has noted what it was told: there is more to try, or the commit
is found, or only skipped ones are left."""


class GitBisect:
    """git's own bisect in a worktree of its own. What belongs to it, its refs included, is the
    worktree's: another bisection in the user's tree is not touched.

    Args:
        tree: the worktree.
        good, bad: the range's ends, in full.

    Raises:
        BaseError: git refuses.
    """

    def __init__(self, tree: BaseTree, good: str, bad: str) -> None:
        self._root = tree.root
        self._skipped: set[str] = set()
        # Which commit lies in the tree is not git bisect's: GOOD and BAD are run as well.
        self._tell("start", "--no-checkout", bad, good)

    def mark(self, commit: str, side: Side) -> None:
        """Say what a commit is.

        Args:
            commit: in full.
            side: on which it lies.
        """
        if side is Side.SKIP:
            self._skipped.add(commit)
        self._tell(side.value, commit)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Commits that may be the first bad one, the newest first; the bad one is one of them."""
        good = git(self._root, "for-each-ref", "--format=%(objectname)", "refs/bisect/good-*")
        exclude = [f"^{sha}" for sha in good.split()]
        return tuple(git(self._root, "rev-list", "refs/bisect/bad", *exclude).split())

    @property
    def next(self) -> str | None:
        """The commit to run next; None where no run says more."""
        bad = git(self._root, "rev-parse", "--verify", "refs/bisect/bad")
        if not {*self.candidates} - {bad} - self._skipped:
            return None
        return git(self._root, "rev-parse", "--verify", "BISECT_HEAD")

    def _tell(self, *arguments: str) -> None:
        done = subprocess.run(
            ["git", "-C", str(self._root), "bisect", *arguments],
            env={**plain_environment(), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode not in _DONE:
            said = (done.stderr or done.stdout).strip()
            raise BaseError(f"git bisect {arguments[0]} failed: {said}")


def check_out(tree: BaseTree, commit: str) -> None:
    """Put a commit into the worktree, as if it had just been made: nothing of a run is left there.

    Compiled modules of another commit would be taken for this one's, where a file has the same size
    and was written in the same second.

    Args:
        tree: the worktree.
        commit: in full.

    Raises:
        BaseError: git cannot; no room, for example.
    """
    git(tree.root, "clean", "-ffdxq")
    hooks = ("-c", f"core.hooksPath={os.devnull}")
    git(tree.root, *hooks, "checkout", "--quiet", "--force", "--detach", commit)
