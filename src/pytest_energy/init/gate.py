"""Which gate suits a project, and why: a decision from what is known of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from pytest_energy.init.ci import Ci
from pytest_energy.init.dependencies import ON_TORCH, SERVED


class Gate(StrEnum):
    """What a test is compared with."""

    PAIRED = "paired"
    """The base's revision, in the same run, interleaved."""
    STORED = "stored"
    """Joules of earlier sessions on the same machine class, in the repository."""
    COUNTED = "counted"
    """Exact counts of earlier sessions on any machine, in the repository."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A gate for a project.

    Args:
        gate: that suits it.
        why: in a sentence or two.
    """

    gate: Gate
    why: str


_CHOSEN = {
    Gate.PAIRED: "head and base run in one job, interleaved block by block, and nothing is stored",
    Gate.STORED: "joules are compared with sessions that this machine class has stored in"
    " baselines/, which also shows what adds up over many changes",
    Gate.COUNTED: "exact counts of operations, bytes and calls are compared with those stored in"
    " baselines/: seconds on any machine, and without noise",
}


def propose(ci: Ci, measures: bool, libraries: Collection[str], asked: Gate | None) -> Proposal:
    """The gate that suits a project.

    Args:
        ci: where its tests run.
        measures: whether something better than an estimate can be metered on this machine.
        libraries: that it runs models with.
        asked: the gate that the user wants; None where that is left to this.
    """
    gate, why = _suits(ci, measures, libraries)
    if asked is not None and asked is not gate:
        gate, why = asked, "As asked"
    why = f"{why}: {_CHOSEN[gate]}."
    served = not ON_TORCH.intersection(libraries) and SERVED.intersection(libraries)
    if served:
        why += (
            " Where the model is served by another process, name a meter that sees it"
            " (docs/served-models.md)."
        )
        if gate is Gate.COUNTED:
            why += " Counts see the client alone."
    return Proposal(gate, why)


def _suits(ci: Ci, measures: bool, libraries: Collection[str]) -> tuple[Gate, str]:
    """A gate, and what speaks for it; the first rule that holds."""
    if ci.gate:
        return Gate(ci.gate), "A workflow that is there runs it"
    if ci.self_hosted:
        here = "counters were found on this one" if measures else "see `pytest-energy doctor` there"
        return Gate.STORED, f"A workflow runs on a machine of your own ({here})"
    if ci.services:
        where = "Hosted runners" if ci.on_github else f"Runners of {ci.services[0]}"
        return Gate.PAIRED, f"{where} are another machine from job to job"
    if measures:
        return Gate.STORED, "No CI was found, and this machine has energy counters"
    if ON_TORCH.intersection(libraries):
        return Gate.COUNTED, "No CI was found, and joules are only an estimate on this machine"
    return (
        Gate.PAIRED,
        "No CI was found, and an estimate of joules, as on this machine, drifts from hour to hour",
    )
