"""A stored figure that was edited is refused, or said; it never bends a verdict unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_energy.baselines.file_format import digest_of
from pytest_energy.types.codec import count_values
from support.projects import TEST, Project, flowing


@pytest.fixture
def stored(loop: Project) -> Project:
    """The loop, with two stored sessions of 2 J an inference."""
    for _ in range(2):
        assert loop.run("--energy-update").ret == 0
    return loop


def edit(project: Project, change: Callable[[dict[str, Any]], object], sign: bool = False) -> str:
    """Change the only entry, as with an editor; the file's text afterwards.

    Args:
        project: whose baseline.
        change: is given the entry.
        sign: whether with the digest that fits.
    """
    (path,) = project.baselines()
    record = json.loads(path.read_text("utf-8"))
    change(record["entries"][TEST])
    if sign:
        record["entries"][TEST]["digest"] = digest_of(record, TEST)
    path.write_text(json.dumps(record, indent=2, sort_keys=True), "utf-8")
    return path.read_text("utf-8")


def doubled(name: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for session in entry["sessions"]:
            figures = session[name]
            session[name] = (
                {key: 2 * value for key, value in figures.items()}
                if isinstance(figures, dict)
                else [2 * value for value in figures]
            )

    return change


@pytest.mark.parametrize("name", ["blocks", "domains"])
@pytest.mark.parametrize("sign", [False, True], ids=["edited", "with a digest"])
def test_figures_of_one_session_that_disagree_are_refused_with_file_and_line(stored, name, sign):
    text = edit(stored, doubled(name), sign)
    stored.set_cost(4.0)
    result = stored.run("--energy-strict")
    assert result.ret == 1
    said = flowing(result)
    (path,) = stored.baselines()
    line = next(
        n for n, each in enumerate(text.splitlines(), 1) if f'"{name}": ' in each and n > 20
    )
    assert f"{path.relative_to(stored.path)}, line {line}: " in said.replace(" tiny", "tiny")
    assert "joules_per_unit is 2: the figures of one session agree" in said
    assert path.read_text("utf-8") == text


def test_blocks_are_weighted_by_their_sizes(stored):
    """Of 100 inferences in blocks of 5, one of 86 with a figure of its own is found."""

    def change(entry):
        for session in entry["sessions"]:
            session["blocks"][0] = 40.0
            session["block_sizes"][0] = 1

    edit(stored, change, sign=True)
    said = flowing(stored.run())
    assert "these blocks make 2.39583 J per unit, and joules_per_unit is 2" in said


def test_a_session_without_block_sizes_lies_between_its_blocks(stored):
    def change(entry):
        for session in entry["sessions"]:
            del session["block_sizes"]
            session["blocks"] = [4.0] * 20

    edit(stored, change, sign=True)
    assert "these blocks make 4 J per unit" in flowing(stored.run())


def test_a_domain_that_the_entry_does_not_have_is_refused(stored):
    def change(entry):
        entry["sessions"][0]["domains"]["dram"] = 0.0

    edit(stored, change, sign=True)
    said = flowing(stored.run())
    assert "expected a figure for each of cpu, gpu:0, found cpu, dram, gpu:0" in said


def test_an_entry_that_was_edited_by_hand_is_used_and_said(stored):
    edit(stored, lambda entry: entry.update(history=[]) or entry["sessions"].pop())
    result = stored.run("--energy-report")
    assert result.ret == 0
    said = flowing(result)
    assert "energy: compared with what was edited by hand: test_loop" in said
    assert "test_loop: the baseline was edited by hand" in said


def test_an_entry_that_was_edited_by_hand_fails_under_strict(stored):
    edit(stored, lambda entry: entry["sessions"].pop())
    result = stored.run("--energy-strict")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "energy ok: 2.00 J per inference, baseline 2.00 J (1 session)",
            "  baseline   edited by hand; --energy-strict takes only what was measured",
            f"accept it: pytest {TEST} --energy-update",
        ]
    )
    assert stored.run("--energy-update", "--energy-strict").ret == 0
    assert stored.run("--energy-strict").ret == 0


@pytest.mark.parametrize("name", ["n", "dataset", "unit", "allocator"])
def test_an_edit_that_makes_an_entry_incomparable_is_red_and_said(stored, name):
    """One word changed would switch the gate off for the test."""
    edit(stored, lambda entry: entry.update({name: 50 if name == "n" else "as-is"}))
    stored.set_cost(4.0)
    result = stored.run()
    assert result.ret == 1
    said = flowing(result)
    assert f"the baseline's {name} was " in said or name == "allocator"
    assert ", and it was edited by hand" in said
    assert "start the baseline anew with --energy-update" in said


def test_what_could_not_be_read_again_is_not_written(stored, monkeypatch):
    (path,) = stored.baselines()
    before = path.read_bytes()
    most = count_values(before.decode()) + 10  # less than one session more
    monkeypatch.setattr("pytest_energy.baselines.file_format.MOST_VALUES", most)
    result = stored.run("--energy-update")
    assert result.ret == 1
    said = flowing(result)
    assert f"it would have more than {most} values, and could not be read; nothing was" in said
    assert path.read_bytes() == before


def test_an_entry_without_a_digest_is_said_to_be_without(stored):
    edit(stored, lambda entry: entry.pop("digest"))
    said = flowing(stored.run())
    without = "stored without a digest: by an older version, or by hand"
    assert f"energy: compared with what was {without}: test_loop" in said
    assert stored.run("--energy-strict").ret == 1


def test_a_file_that_was_copied_from_another_machines_folder_is_used_and_said(stored):
    """What another machine stored carries its own digest."""
    (path,) = stored.baselines()
    record = json.loads(path.read_text("utf-8"))
    record["machine"]["class"] = "another"
    record["entries"][TEST]["digest"] = digest_of(record, TEST)
    path.write_text(json.dumps(record), "utf-8")
    said = flowing(stored.run())
    assert "compared with what was copied from another machine's folder (another)" in said
    assert stored.run("--energy-strict").ret == 1


def test_an_entry_that_was_moved_to_another_file_is_edited(stored):
    (path,) = stored.baselines()
    record = json.loads(path.read_text("utf-8"))
    record["model"] = "other"
    other = path.with_name("other.json")
    other.write_text(json.dumps(record), "utf-8")
    stored.write(test_it=(stored.path / "test_it.py").read_text().replace("tiny", "other"))
    assert "compared with what was edited by hand" in flowing(stored.run())


def test_what_the_plugin_wrote_is_never_said_to_be_edited(stored):
    assert stored.run("--energy-strict").ret == 0
    assert "edited by hand" not in flowing(stored.run("--energy-report"))
    (path,) = stored.baselines()
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(record), "utf-8")  # another layout, the same figures
    assert stored.run("--energy-strict").ret == 0


def test_beside_ok_stand_the_joules_of_the_baseline(stored):
    result = stored.run("--energy-report")
    result.stdout.fnmatch_lines(["tiny*2.00 J*+0.0 %*ok*", "*test_loop*over 2.00 J*"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s.update(reference_joules=[5e-324] * 20), "less than any inference takes"),
        (lambda s: s.update(reference_joules=[1e-300] * 20), "less than any inference takes"),
        (lambda s: s["blocks"].__setitem__(3, 1e-200), "less than any inference takes"),
        (lambda s: s.update(seconds_per_unit=1e-30), "less than any inference takes"),
        (lambda s: s.update(joules_per_unit=1e22), "more than any inference takes"),
        (lambda s: s.update(blocks=[2.0] * 1001), "expected 1,000 members at most, found 1,001"),
        (lambda s: s.update(flops=1, flops_samples=[10**31]), "from 0 to 1e+30, found 1000000"),
        (lambda s: s.update(block_sizes=[5] * 19), "expected one size for each of 20 blocks"),
        (lambda s: s.update(block_sizes=[0] * 20), "expected a whole number from 1"),
    ],
)
def test_a_figure_with_which_nothing_can_be_computed_is_refused_where_it_is_read(
    stored, change, problem
):
    edit(stored, lambda entry: change(entry["sessions"][0]))
    result = stored.run()
    assert result.ret == 1
    said = flowing(result)
    assert problem in said
    assert "the file was left as it is" in said
    assert "Traceback" not in said


def test_operations_beyond_a_trillion_are_read_back(stored):
    """An inference of a large language model takes some 10 TFLOP."""

    def change(entry):
        entry["flops_per_inference"] = 10**13
        for session in entry["sessions"]:
            session.update(flops=10**13, flops_samples=[10**13, 2 * 10**13])

    edit(stored, change, sign=True)
    assert stored.run("--energy-strict").ret == 0


def test_an_entry_of_more_sessions_than_a_merge_leaves_is_refused(stored):
    edit(stored, lambda entry: entry.update(sessions=entry["sessions"] * 51))
    assert "sessions" in flowing(stored.run())
    assert "expected 100 members at most, found 102" in flowing(stored.run())
