"""Named regions of a test."""

from __future__ import annotations

import pytest

REGION = """
import pytest
from scripted import spend

@pytest.mark.inference(n=200, warmup=4, unit="token"{more})
def test_x(energy):
    cold = iter([1000] * 4)
    for _ in energy.each([0]):
        spend(1)
        with energy.measure("decode"):
            spend(next(cold, 2))
        energy.add(tokens=10)
"""


def test_a_region_in_the_loop_leaves_the_warm_up_out_and_has_the_loops_blocks(project):
    project.write(test_it=REGION.format(more=""))
    results = {r["subject"]["region"]: r for r in project.report()["results"]}
    decode = results["decode"]
    assert (decode["subject"]["n"], decode["subject"]["unit"]) == (200, "inference")
    assert decode["measurement"]["joules_per_unit"] == 2.0
    assert [block["n"] for block in decode["measurement"]["blocks"]] == [10] * 20
    assert results[""]["measurement"]["joules_per_unit"] == pytest.approx(0.3)


def test_after_an_early_stop_a_region_is_still_comparable(project):
    project.write(test_it=REGION.format(more=""))
    project.run("--energy-update")
    project.write(test_it=REGION.format(more=", precision='2%'"))
    verdicts = project.verdicts()
    assert verdicts["test_it.py::test_x#decode"]["status"] == "ok"
    assert verdicts["test_it.py::test_x"]["status"] == "ok"


def test_a_region_beside_the_marker_keeps_the_bodys_gate(project):
    body = "import pytest\nfrom scripted import spend\n\n@pytest.mark.inference(n=10)\n"
    project.write(test_it=f"{body}def test_x(energy):\n    spend(20)\n")
    project.run("--energy-update")
    project.write(
        test_it=f"{body}def test_x(energy):\n    spend(40)\n    with energy.measure('a'): spend(1)"
    )
    assert project.verdicts()["test_it.py::test_x"]["status"] == "regressed"


def test_named_regions_have_baselines_of_their_own_and_their_entries_add_up(project):
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        def test_generate(energy):
            for _ in range(3):
                with energy.measure("prefill"):
                    spend(5)
                with energy.measure("decode", n=10):
                    spend(20)
            assert energy.result.joules_per_unit == 2.0
        """
    )
    project.run("--energy-update")
    entries = {}
    for path in project.baselines():
        import json

        entries |= json.loads(path.read_text())["entries"]
    assert entries["test_it.py::test_generate#prefill"]["joules_per_unit"] == 5.0
    assert entries["test_it.py::test_generate#prefill"]["n"] == 3
    assert entries["test_it.py::test_generate#decode"]["joules_per_unit"] == 2.0
    assert entries["test_it.py::test_generate#decode"]["n"] == 30


def test_a_region_inside_the_loop_is_metered_beside_it(project):
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.inference(n=4, warmup=0)
        def test_generate(energy):
            for _ in energy.each([1]):
                spend(3)
                with energy.measure("decode"):
                    spend(1)
        """
    )
    results = {r["subject"]["region"]: r["measurement"] for r in project.report()["results"]}
    assert results[""]["joules_per_unit"] == 4.0
    assert results["decode"]["joules_per_unit"] == 1.0


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ('energy.measure("")', "expected a name"),
        ("energy.measure(3)", "expected a name, found 3"),
        ('energy.measure("x", n=0)', "n: expected a whole number of 1 or more, found 0"),
        ('energy.measure("x", n=True)', "found True"),
    ],
)
def test_a_region_needs_a_name_and_a_number(project, call, problem):
    project.write(test_it=f"def test_x(energy):\n    with {call}: pass\n")
    project.run().stdout.fnmatch_lines([f"*UsageError: energy.measure*{problem}*"])


REGIONS = """
import pytest
from scripted import spend

@pytest.mark.inference(n=100, task="t", model="m")
def test_loop(energy):
    for _ in energy.each(range(100)):
        with energy.measure("decode"):
            spend(1.0)

def test_apart(energy):
    for _ in range(2):
        with energy.measure("prefill", n=5):
            spend(5.0)
"""


def test_the_pieces_of_a_region_are_counted(project):
    project.write(test_it=REGIONS)
    found = {r["subject"]["region"]: r["measurement"] for r in project.report()["results"]}
    assert found[""]["segments"] == 1
    assert found["decode"]["segments"] == 100
    assert found["prefill"]["segments"] == 2


def test_what_a_test_with_regions_is_judged_by_it_is_stored_by(project):
    # A region is one more comparison: +6.5 % is within the limit of two, and beyond that of one.
    project.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=20, tolerance="1%")
        def test_x(energy):
            for _ in energy.each(range(20)):
                with energy.measure("all"):
                    infer()
        """
    )
    project.run("--energy-update")
    project.set_cost(2.13)
    assert project.verdicts()["test_it.py::test_x"]["status"] == "inconclusive"
    project.run("--energy-update").stdout.fnmatch_lines(
        [
            "energy: test_it.py::test_x: added to 1 session",
            "energy: test_it.py::test_x#all: added to 1 session",
        ]
    )


def test_many_short_pieces_need_a_longer_window_and_say_how_much(project):
    # The counter moves every 10 ms by what it says; 100 pieces of about nothing are not enough.
    project.write(test_it=REGIONS.split("def test_apart")[0])
    scripted = (project.path / "scripted.py").read_text()
    (project.path / "scripted.py").write_text(scripted.replace('"RAPL", 0.0', '"RAPL", 0.01'))
    verdict = project.verdicts()["test_it.py::test_loop#decode"]
    assert verdict["status"] == "unresolved"
    assert "200 updates are needed for 100 segments" in verdict["reason"]
    assert verdict["hint"].endswith("times as many inferences would do")
