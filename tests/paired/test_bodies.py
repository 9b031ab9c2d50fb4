"""A body without a loop is one block of each side: both trees' processes run it again and again."""

from __future__ import annotations

import os

import pytest

BODY = """
import pytest
from model import infer

@pytest.mark.inference(n=2, task="sentiment", model="tiny", tolerance="2.8%")
def test_body():
    infer()
    infer()
"""
"""At 2.8 %, one figure of each side can tell nothing, and 20 pairs can."""

TEST = "test_it.py::test_body"


@pytest.fixture
def repository(repository):
    """A repository whose test is a body."""
    repository.write(test_it=BODY)
    repository.commit()
    return repository


def test_a_body_is_repeated_until_its_pairs_tell(repository):
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["paired"]["pairs"]) == ("ok", 20)


def test_where_one_pair_tells_enough_nothing_is_repeated(repository):
    text = BODY.replace("2.8%", "5%")
    repository.write(test_it=text)
    repository.commit()
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["paired"]["pairs"]) == ("ok", 1)


def test_a_long_body_is_not_repeated(repository, monkeypatch):
    monkeypatch.setattr("pytest_energy.gate.evaluate.LONGEST_BODY_SECONDS", 0.0)
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["paired"]["pairs"]) == ("inconclusive", 1)
    assert verdict["reason"].startswith("1 pair of blocks can tell little")
    assert verdict["hint"].startswith("loop over energy.each(samples)")


def test_a_dearer_body_is_confirmed_in_new_processes(repository):
    repository.set_cost(2.3)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "regressed"
    assert verdict["paired"]["pairs"] == 40
    assert verdict["change"]["passes"] == pytest.approx([0.15, 0.15])


def test_fixtures_of_the_function_are_made_anew_and_those_of_the_module_stay(repository):
    repository.write(
        test_it=BODY.replace("test_body():", "test_body(each_time, once):")
        + """
made = []

@pytest.fixture
def each_time():
    made.append("each")

@pytest.fixture(scope="module")
def once():
    made.append("once")
    yield
    with open("made", "a") as file:
        file.write(f"{made.count('each')}-{made.count('once')} ")
"""
    )
    repository.commit()
    repository.set_cost(2.3)
    repository.paired()
    # Pytest's own process, one that repeats, and a new one: a first time, and 20 more.
    assert (repository.path / "made").read_text().split() == ["21-1", "21-1", "1-1"]


def test_what_only_the_first_run_does_is_no_measure_of_the_rest(repository):
    repository.write(
        test_it=BODY.replace(
            "def test_body():\n",
            "def test_body():\n    if not LOADED:\n        LOADED.append(infer())\n"
            "        infer()\n        infer()\n",
        )
        + "\nLOADED = []\n"
    )
    repository.commit()
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"].endswith(
        "it was not repeated: in the same process it takes 5.00 J, and then 2.00 J: something is"
        " done the first time alone (a model that is loaded, say), which belongs into a fixture"
    )


@pytest.mark.parametrize("joules", [2.0, 2.3], ids=["unchanged", "dearer"])
def test_a_body_that_cannot_run_twice_says_why(repository, tmp_path, joules):
    repository.write(
        test_it=BODY.replace(
            "def test_body():\n",
            "def test_body():\n    import os\n"
            f"    os.mkdir({str(tmp_path)!r} + f'/{{os.getpid()}}')\n",
        )
    )
    repository.commit()
    repository.set_cost(joules)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "inconclusive"
    assert "test failed: FileExistsError" in verdict["reason"]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is no choice of CPUs",
)
def test_a_body_on_one_thread_is_held_on_one_cpu_with_the_base(repository):
    repository.write(
        test_it=BODY.replace(
            "    infer()\n    infer()",
            "    import time\n    end = time.perf_counter() + 0.1\n"
            "    while time.perf_counter() < end: pass\n    infer()",
        )
    )
    repository.commit()
    (result,) = repository.report("--energy-against=main")["results"]
    assert result["measurement"]["cpu"] is not None
    assert result["measurement"]["cpu"] == result["base"]["cpu"]
