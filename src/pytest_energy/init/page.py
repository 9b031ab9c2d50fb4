"""What `pytest-energy init` shows: what it found, the gate, and each file before it is written."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pytest_energy.doctor.diagnosis import Diagnosis, FigureQuality
from pytest_energy.files import shown_path
from pytest_energy.init.gate import Gate, Proposal
from pytest_energy.init.project import Project
from pytest_energy.init.steps import Step
from pytest_energy.init.workflow import arguments
from pytest_energy.report.console import console
from pytest_energy.report.printable import encoding_of, printable_lines, readable

WIDEST = 100
"""Columns that are used at most."""

_LABEL = 10

_RESTS_ON = {
    FigureQuality.COUNTER: "energy counters: joules are measured",
    FigureQuality.SAMPLED: "power samples: joules are measured, a little more coarsely",
    FigureQuality.ESTIMATED: "an estimate only: no counters can be read here",
    FigureQuality.CONSTANT: "a constant power only: no counters can be read here",
    FigureQuality.NOTHING: "nothing: no meter can be opened",
}


def write_findings(
    project: Project, diagnosis: Diagnosis, proposal: Proposal, stream: TextIO
) -> None:
    """Say what the project is, and which gate suits it.

    Args:
        project: that was looked at.
        diagnosis: of this machine.
        proposal: the gate.
        stream: an open file with a descriptor.
    """
    width = console(stream, WIDEST).width
    for label, text in _findings(project, diagnosis, proposal):
        filled = textwrap.wrap(
            f"{label:<{_LABEL}}{text}",
            width,
            subsequent_indent=" " * _LABEL,
            break_long_words=False,
            break_on_hyphens=False,
        )
        _print("\n".join(filled), stream, "bold" if label == "gate" else "")


def _findings(project: Project, diagnosis: Diagnosis, proposal: Proposal) -> list[tuple[str, str]]:
    others = " and ".join(f"--gate {gate}" for gate in Gate if gate is not proposal.gate)
    ci = ", ".join(project.ci.services) or "none found"
    owners = {"hosted": project.ci.hosted, "self-hosted": project.ci.self_hosted}
    runners = " and ".join(name for name, is_there in owners.items() if is_there)
    config = "none yet" if project.config is None else shown_path(project.config)
    tests = shown_path(project.tests) + ("" if project.tests.is_dir() else " (none yet)")
    lines = [
        ("project", str(project.root)),
        ("pytest", f"settings: {config}; tests: {tests}"),
        ("models", ", ".join(project.dependencies.libraries) or "no library of models is named"),
        ("CI", f"{ci} ({runners} runners)" if runners else ci),
        ("machine", _RESTS_ON[diagnosis.quality] + " (pytest-energy doctor)"),
        ("gate", f"{proposal.gate}. {proposal.why} Others: {others}."),
    ]
    if more := arguments(project, proposal.gate):
        lines.append(("beside it", _beside(project, more)))
    if project.ci.services and not project.ci.on_github:
        # A runner has a clone, whose remote is there whatever this repository has.
        options = _options(proposal.gate, f"origin/{project.branch}")
        command = f"pytest{more}{options} --energy-report"
        lines.append(("note", f"no workflow is written for {ci}: have it run {command}"))
    if proposal.gate is Gate.PAIRED and project.top is None:
        lines.append(
            ("note", "--energy-against needs a git repository, and here is none: git init")
        )
    if "pytest-energy" not in project.dependencies.names:
        lines.append(
            ("note", "pytest-energy is not yet named among the dependencies of the project's tests")
        )
    return lines


def _options(gate: Gate, base: str) -> str:
    """What pytest is told of a gate, with a blank before it; `base` is compared with."""
    against = f" --energy-against {base}"
    return {Gate.PAIRED: against, Gate.COUNTED: " --energy-judge=counted"}.get(gate, "")


def _beside(project: Project, more: str) -> str:
    causes = ["a paired run takes no workers"] if "-n 0" in more else []
    causes += ["coverage is paused where energy is metered"] if project.covers else []
    return f"{', and '.join(causes)}: the gate runs pytest{more}"


def write_step(step: Step, stream: TextIO) -> None:
    """Show one file: all of a new one, and of one that is there what would change.

    Args:
        step: with what would be written.
        stream: an open file with a descriptor.
    """
    place = shown_path(step.path)
    if step.after is None:
        _print(f"\n{place} {step.remark}", stream)
        return
    if step.before is None:
        _print(f"\n{place} (new)", stream, "bold")
        _print(textwrap.indent(_text(step.after), "  "), stream, "green")
        return
    _print(f"\n{place}", stream, "bold")
    old, new = (_text(content).splitlines() for content in (step.before, step.after))
    for line in list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]:
        _print(f"  {line}", stream, {"+": "green", "-": "red"}.get(line[:1], "dim"))


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n").rstrip("\n")


def _print(text: str, stream: TextIO, style: str = "") -> None:
    from rich.text import Text

    place = console(stream, WIDEST)
    fit = readable(printable_lines(text), encoding_of(stream))
    with place.capture() as captured:  # rich ends the process when its reader has gone
        place.print(Text(fit, style=style), soft_wrap=True)
    stream.write(captured.get())


def next_steps(project: Project, gate: Gate) -> Sequence[str]:
    """What to do then, a line each.

    Args:
        project: that was written into.
        gate: that it has.
    """
    test = shown_path(project.metered or project.tests / project.test_file)
    pytest = f"pytest{arguments(project, gate)} {_quoted(test)}"
    options = _options(gate, project.base)
    if gate is Gate.PAIRED:
        return (
            f"put your model into {test}, and commit all",
            f"compare with the base: {pytest}{options}",
        )
    anywhere = f"any machine with Python {project.python}, as the workflow has it"
    of = anywhere if gate is Gate.COUNTED else "the machine that compares"
    return (
        f"put your model into {test}",
        f"store what it takes, on {of}: {pytest}{options} --energy-update",
        "commit all, baselines/ with it; from then on a rise fails the test",
    )


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(Path(path).as_posix())
