"""What would be written into a project, file by file, and the writing of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.baselines.folder import FOLDER
from pytest_energy.files import (
    RefusedFileError,
    check_inside,
    create_file,
    read_bytes,
    write_output,
)
from pytest_energy.init.ci import WORKFLOWS
from pytest_energy.init.example import example
from pytest_energy.init.gate import Gate, Proposal
from pytest_energy.init.ini import NEW_FILE, insert
from pytest_energy.init.project import Project
from pytest_energy.init.workflow import NAME, workflow
from pytest_energy.paired.worktree import BaseError, git

CONFLICT = "it has changed since it was shown, and was left as it is: run pytest-energy init again"


@dataclass(frozen=True, slots=True)
class Step:
    """One file.

    Args:
        path: of the file.
        before: what it holds; None where it is not there.
        after: what it would hold; None where nothing is to be written.
        remark: why nothing is to be written, or what is to be known of it.
        is_open: whether something is left for the user to do by hand.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    remark: str = ""
    is_open: bool = False


def steps(project: Project, proposal: Proposal) -> Iterator[Step]:
    """What would be written, in the order in which it is shown.

    Args:
        project: that it is written into.
        proposal: the gate.
    """
    yield _example(project)
    yield _settings(project, proposal.gate)
    if project.ci.on_github or not project.ci.services:
        yield _workflow(project, proposal.gate)
    if project.top is not None and _ignored(project):
        yield _ignore(project)


def write(step: Step, root: Path) -> None:
    """Write a file whole or not at all, unless another has written it since it was shown.

    Args:
        step: with what is to be written.
        root: a folder that no link may lead out of.

    Raises:
        OSError: it could not be written, or may not be; it is as it was.
    """
    if step.after is None:
        return
    check_inside(step.path, root)
    step.path.parent.mkdir(parents=True, exist_ok=True)
    if step.before is None:
        try:
            create_file(step.path, step.after)
        except FileExistsError as error:
            if read_bytes(step.path) != step.after:  # another run has written the same
                raise RefusedFileError(CONFLICT) from error
        return
    now = read_bytes(step.path)
    if now == step.after:
        return
    if now != step.before:
        raise RefusedFileError(CONFLICT)
    write_output(step.path, step.after)


def _example(project: Project) -> Step:
    path = project.tests / project.test_file
    if project.metered is not None:
        return Step(project.metered, None, None, "has metered tests already")
    return _new(path, project.root, example(project))


def _workflow(project: Project, gate: Gate) -> Step:
    top = project.top or project.root
    return _new(top / WORKFLOWS / NAME, top, workflow(project, gate))


def _new(path: Path, root: Path, text: str) -> Step:
    """A file that is written only where there is none."""
    try:
        check_inside(path, root)
        path.lstat()
    except FileNotFoundError:
        return Step(path, None, text.encode())
    except OSError as error:
        return Step(path, None, None, f"{error.strerror}; nothing is written there", is_open=True)
    return Step(path, None, None, "is there already, and is left as it is")


def _settings(project: Project, gate: Gate) -> Step:
    wanted = {"energy_tolerance": "5%"}
    if gate is Gate.COUNTED:
        wanted["energy_judge"] = "counted"
    path = project.config or project.root / NEW_FILE
    try:
        if not path.is_relative_to(project.root):
            raise RefusedFileError("it lies outside of the project")
        check_inside(path, project.root)
        before: bytes | None = read_bytes(path)
    except FileNotFoundError:
        before = None
    except OSError as error:
        inserted = insert(path.name, "", wanted)
        return _to_paste(path, error.strerror or str(error), inserted.header, inserted.lines)
    try:
        inserted = insert(path.name, (before or b"").decode("utf-8"), wanted)
    except UnicodeDecodeError:
        inserted = insert(path.name, "", wanted)
        return _to_paste(path, "it is not UTF-8 text", inserted.header, inserted.lines)
    if not inserted.lines:
        return Step(path, before, None, "has these settings already")
    if inserted.text is None:
        why = "the table cannot be told from the rest of the file for certain"
        return _to_paste(path, why, inserted.header, inserted.lines)
    return Step(path, before, inserted.text.encode())


def _to_paste(path: Path, why: str, header: str, lines: tuple[str, ...]) -> Step:
    pasted = "\n".join(f"  {line}" for line in (header, *lines))
    return Step(path, None, None, f"is left as it is ({why}); paste:\n{pasted}", is_open=True)


_UNIGNORED = ("!/baselines/", "!/baselines/**")


def _ignored(project: Project) -> bool:
    """Whether git would not see what the gate stores, and a reviewer has to."""
    stored = project.root / FOLDER / "machine-class" / "task" / "model.json"
    return any(
        _ignores(project.root, path) for path in (stored, stored.parents[2] / "accepted.json")
    )


def _ignores(root: Path, path: Path) -> bool:
    try:
        git(root, "check-ignore", "--quiet", str(path))
    except BaseError:
        return False
    return True


def _ignore(project: Project) -> Step:
    path = project.root / ".gitignore"
    try:
        check_inside(path, project.root)
        before: bytes | None = read_bytes(path)
    except FileNotFoundError:
        before = None
    except OSError as error:
        return _to_paste(path, error.strerror or str(error), "# baselines are reviewed", _UNIGNORED)
    text = before or b""
    end = b"\r\n" if b"\r\n" in text else b"\n"
    lines = {line.strip() for line in text.splitlines()}
    if all(line.encode() in lines for line in _UNIGNORED):
        why = "lets baselines/ in, and git ignores it all the same: git check-ignore -v tells why"
        return Step(path, before, None, why, is_open=True)
    between = b"" if not text or text.endswith(b"\n") else end
    added = ["# what energy is compared with is reviewed like code", *_UNIGNORED]
    after = text + between + b"".join(line.encode() + end for line in added)
    return Step(path, before, after)
