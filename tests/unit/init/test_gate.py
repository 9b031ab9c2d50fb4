"""Which gate suits a project: a table of what is known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_energy.cli.init import GATES
from pytest_energy.init.ci import GITHUB, Ci
from pytest_energy.init.gate import Gate, propose

NONE = Ci(())
HOSTED = Ci((GITHUB,), hosted=True)
OWN = Ci((GITHUB,), hosted=True, self_hosted=True)
GITLAB = Ci(("GitLab CI",))


@pytest.mark.parametrize(
    ("ci", "measures", "libraries", "gate"),
    [
        (HOSTED, False, ("torch",), Gate.PAIRED),
        (HOSTED, True, ("torch",), Gate.PAIRED),
        (GITLAB, False, (), Gate.PAIRED),
        (OWN, True, (), Gate.STORED),
        (replace(OWN, gate="counted"), True, (), Gate.COUNTED),
        (replace(HOSTED, gate="stored"), False, (), Gate.STORED),
        (OWN, False, ("torch",), Gate.STORED),
        (NONE, True, ("torch",), Gate.STORED),
        (NONE, False, ("torch",), Gate.COUNTED),
        (NONE, False, ("transformers",), Gate.COUNTED),
        (NONE, False, ("scikit-learn",), Gate.PAIRED),
        (NONE, False, (), Gate.PAIRED),
    ],
)
def test_the_gate_follows_from_runners_counters_and_libraries(ci, measures, libraries, gate):
    assert propose(ci, measures, libraries, None).gate is gate


def test_the_gate_that_is_asked_for_is_taken_and_said_to_be():
    proposal = propose(HOSTED, False, (), Gate.COUNTED)
    assert proposal.gate is Gate.COUNTED
    assert proposal.why.startswith("As asked: exact counts")


def test_the_gate_that_suits_is_not_said_to_be_asked_for():
    asked = propose(HOSTED, False, (), Gate.PAIRED)
    assert asked == propose(HOSTED, False, (), None)


def test_of_a_runner_of_ones_own_it_is_said_whether_this_machine_has_counters():
    assert "(counters were found on this one)" in propose(OWN, True, (), None).why
    assert "(see `pytest-energy doctor` there)" in propose(OWN, False, (), None).why


def test_of_a_served_model_it_is_said_that_another_process_spends_the_joules():
    assert "docs/served-models.md" in propose(HOSTED, False, ("openai",), None).why
    assert "docs/served-models.md" not in propose(HOSTED, False, ("torch", "openai"), None).why
    assert "Counts see the client alone." in propose(NONE, False, ("vllm",), Gate.COUNTED).why


def test_the_command_line_knows_every_gate():
    assert tuple(Gate) == GATES
