"""A rise over the base that is accepted."""

from __future__ import annotations

import json

import pytest

from support.projects import TEST, flowing


def test_an_accepted_rise_is_ok_until_the_base_has_it_and_more_than_it_is_not(repository):
    repository.set_cost(2.3)
    result = repository.against("--energy-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [f"energy: {TEST}: accepted: +15.0 % over ??????? (main) (baselines/accepted.json)"]
    )
    entry = json.loads((repository.path / "baselines" / "accepted.json").read_text())
    assert entry["accepted"][TEST]["change"] == pytest.approx(0.15)
    assert entry["accepted"][TEST]["base"].endswith("(main)")

    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["paired"]["accepted"]) == ("ok", pytest.approx(0.15))
    repository.set_cost(2.6)
    assert repository.paired()[TEST]["status"] == "regressed"

    repository.set_cost(2.3)
    repository.commit("merged")
    assert repository.paired()[TEST]["status"] == "ok"
    repository.set_cost(2.6)
    verdict = repository.paired()[TEST]
    assert (verdict["status"], verdict["paired"]["accepted"]) == ("regressed", None)


def test_what_is_accepted_outside_of_the_repository_would_never_be_used_up(repository, tmp_path):
    repository.set_cost(2.3)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    result = repository.against("--energy-update", f"--energy-baselines={elsewhere}")
    said = flowing(result)
    assert f"not accepted: {elsewhere} lies outside of {repository.path}" in said
    assert not elsewhere.exists()


def test_nothing_is_accepted_where_nothing_rose(repository):
    repository.against("--energy-update").stdout.fnmatch_lines(
        [f"energy: {TEST}: nothing was accepted: no rise"]
    )
    assert not (repository.path / "baselines" / "accepted.json").exists()


def test_a_test_that_fails_otherwise_accepts_nothing(repository):
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(f"{text}\n    assert False\n")
    repository.set_cost(2.3)
    repository.against("--energy-update").assert_outcomes(failed=1)
    assert not (repository.path / "baselines" / "accepted.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting property name"),
        ('{"schema": 9, "accepted": {}}', "schema 9 is not 1"),
        ('{"schema": 1}', "'accepted' is missing"),
        (
            '{"schema": 1, "accepted": {"x": {"change": -1.0, "base": "", "date": ""}}}',
            "expected a rise such as 0.15, 10 at most, found -1",
        ),
        (
            '{"schema": 1, "accepted": {"x": {"change": 1, "base": "", "date": "soon"}}}',
            'expected an ISO 8601 date, found "soon"',
        ),
        ('{"schema": 1, "accepted": {"x": {"rise": 1.0}}}', "'change' is missing"),
        ('{"schema": 1, "accepted": []}', "expected an object, found []"),
    ],
)
def test_a_broken_file_of_accepted_rises_is_named_and_left_alone(repository, content, words):
    path = repository.path / "baselines" / "accepted.json"
    path.parent.mkdir()
    path.write_text(content)
    result = repository.against()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *accepted.json, line 1: *{words}*"])
    assert path.read_text() == content
