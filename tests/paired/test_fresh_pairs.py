"""A suspect's second word: the test once more in two new processes, one for each tree."""

from __future__ import annotations

import os

import pytest

from support.projects import LOOP, TEST

NUMBERED = """
import os
from pathlib import Path
from scripted import spend

counter = Path({folder!r}) / "processes"
number = counter.stat().st_size + 1 if counter.exists() else 1
with counter.open("a") as file:
    file.write("x")

def infer(sample=None):
    {body}
    spend({joules})
    return sample
"""


@pytest.fixture
def numbered(repository, tmp_path_factory):
    """Writes a model that knows which process it runs in, in the order of their first import."""
    folder = tmp_path_factory.mktemp("numbered")

    def write(joules="2.0", body="pass"):
        text = NUMBERED.format(folder=str(folder), joules=joules, body=body)
        (repository.path / "model.py").write_text(text)

    write()
    repository.commit()

    def count():
        return (folder / "processes").stat().st_size

    repository.write_model, repository.processes = write, count
    return repository


def test_only_suspects_pay(numbered):
    assert numbered.paired()[TEST]["status"] == "ok"
    assert numbered.processes() == 2


def test_more_pairs_of_processes_can_be_asked_for(numbered):
    verdict = numbered.paired("--energy-processes=3")[TEST]
    assert verdict["status"] == "ok"
    assert len(verdict["change"]["passes"]) == 3
    assert numbered.processes() == 6


def takes_in_this_process_alone(repository, joules):
    """Only pytest's own process takes another energy than the base: no new process does."""
    model = repository.path / "model.py"
    here = f"{joules} if os.getpid() == {os.getpid()} else 2.0"
    model.write_text("import os\n" + model.read_text().replace("2.0", here))


def test_a_rise_in_one_process_that_another_does_not_have_is_not_red(repository):
    takes_in_this_process_alone(repository, 2.3)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["change"]["passes"] == pytest.approx([0.15, 0, 0], abs=1e-6)


def test_where_two_pairs_disagree_a_third_decides(repository):
    takes_in_this_process_alone(repository, 2.14)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "ok"
    assert verdict["change"]["passes"] == pytest.approx([0.07, 0, 0], abs=1e-6)


def test_a_rise_that_half_of_the_processes_have_is_never_ok(numbered):
    """The first process is pytest's own, the last the base's: two of every pair."""
    numbered.write_model(joules="2.14 if number in (1, 5) else 2.0")
    verdict = numbered.paired()[TEST]
    assert verdict["change"]["passes"] == pytest.approx([0.07, 0, 0.07], abs=1e-6)
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"].startswith("pairs of processes disagree: +7.0 %, +0.0 %, +7.0 %")


def test_a_fall_in_one_process_alone_is_no_improvement(repository):
    takes_in_this_process_alone(repository, 1.7)
    assert repository.paired()[TEST]["status"] == "ok"


def test_a_fall_that_both_have_is_one(repository):
    repository.set_cost(1.7)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "improved"
    assert verdict["change"]["passes"] == pytest.approx([-0.15, -0.15])


def test_a_rise_over_the_tolerance_that_one_pair_cannot_settle_gets_a_second(repository):
    repository.set_cost(2.08)
    verdict = repository.paired("--energy-tolerance=2%")[TEST]
    assert verdict["change"]["passes"] == pytest.approx([0.04, 0.04])
    assert verdict["status"] == "regressed"


def test_a_test_that_cannot_run_twice_is_inconclusive_and_says_why(repository, tmp_path):
    once = tmp_path / "once"
    repository.write(
        test_it=LOOP.replace(
            "    for sample",
            "    import os\n"
            f"    tree = 'head' if os.getcwd() == {str(repository.path)!r} else 'base'\n"
            f"    os.mkdir({str(once)!r} + tree)\n"
            "    for sample",
        )
    )
    repository.commit()
    repository.set_cost(2.3)
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"].startswith(
        "+15.0 % in one pair of processes, and a second gave no figure: the second process's"
        " test failed: FileExistsError"
    )


def test_a_second_process_that_cannot_start_is_said(repository):
    repository.set_cost(2.3)
    conftest = repository.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\nimport os\n"
        f"if os.getpid() != {os.getpid()} and os.getcwd() == {str(repository.path)!r}:\n"
        "    os._exit(3)\n"
    )
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "inconclusive"
    assert "the second process's process ended with exit status 3" in verdict["reason"]


def test_later_tests_go_on_after_a_suspect(repository):
    repository.write(test_it=LOOP + LOOP.replace("test_loop", "test_next").replace("tiny", "next"))
    repository.commit()
    repository.set_cost(2.3)
    verdicts = repository.paired()
    assert [verdict["status"] for verdict in verdicts.values()] == ["regressed", "regressed"]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is no choice of CPUs",
)
def test_both_sides_are_held_on_the_same_cpu(repository):
    (result,) = repository.report("--energy-against=main")["results"]
    assert result["measurement"]["cpu"] is not None
    assert result["measurement"]["cpu"] == result["base"]["cpu"]
    (result,) = repository.report("--energy-against=main", "--energy-pin=off")["results"]
    assert result["measurement"]["cpu"] is None
    assert result["base"]["cpu"] is None


def test_the_two_are_no_load_of_strangers_to_each_other(repository, tmp_path):
    scripted = repository.path / "scripted.py"
    scripted.write_text(
        scripted.read_text().replace(
            "    def read(self):\n",
            "    def read(self):\n"
            "        from pathlib import Path\n"
            "        import os\n"
            f"        place = Path({str(tmp_path)!r}) / str(os.getpid())\n"
            "        place.write_text(' '.join(map(str, self.processes.excluded)))\n",
        )
    )
    repository.commit()
    repository.paired("--energy-processes=2")
    told = {int(p.name): set(map(int, p.read_text().split())) for p in tmp_path.glob("[0-9]*")}
    pairs = {(one, other) for one, others in told.items() for other in others if other in told}
    assert any((other, one) in pairs for one, other in pairs)  # each leaves the other out
