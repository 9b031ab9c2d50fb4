"""Baseline files are read with suspicion: what cannot be true is named with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.baselines.file_format import BaselineError, read_file
from support.baselines import addition, subject


def _spoil(store, old, new):
    store.store([addition(2.0)])
    path = store.path(subject())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    line = path.read_text()[: path.read_text().index(new)].count("\n") + 1
    return path, line


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"joules_per_unit": 2.0', '"joules_per_unit": "2.1J"', 'expected a number, found "2.1J"'),
        ('"joules_per_unit": 2.0', '"joules_per_unit": NaN', "a finite number, found NaN"),
        (
            '"joules_per_unit": 2.0',
            '"joules_per_unit": Infinity',
            "a finite number, found Infinity",
        ),
        ('"joules_per_unit": 2.0', '"joules_per_unit": -2.0', "above 0, found -2.0"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 0', "above 0, found 0"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 1e40', "more than any inference takes"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 1.5', "is not the median"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": true', "expected a number, found true"),
        ('"cpu": 2.0', '"cpu": -1', "above 0, found -1"),
        ('"n": 100', '"n": 0', "whole number from 1 to 1e+15, found 0"),
        ('"n": 100', '"n": 1.5', "whole number, found 1.5"),
        ('"method": "counter"', '"method": "guess"', "expected one of counter, sampled"),
        ('"date": "2026-03-04T05:06:07Z"', '"date": "yesterday"', "ISO 8601"),
        ('"n": 100', '"n": ' + "1" * 400, "whole number from 1 to 1e+15, found 1111"),
        (
            '"seconds_per_unit": 0.1',
            '"seconds_per_unit": ' + "1" * 400,
            "a finite number, found 1111",
        ),
        ('"kwh_per_1000": 0.000555556', '"kwh_per_1000": NaN', "a finite number, found NaN"),
        ('"metered_count": 100', '"metered_count": 0', "whole number from 1 to 1e+15, found 0"),
        ('"commit": "abc1234"', '"commit": 7', "expected a text, found 7"),
        ('"unit": "inference"', '"unit": null', "expected a text, found null"),
        ('"schema": 2', '"schema": 0', "schema 0, this version reads 1 and 2: not a known schema"),
        ('"schema": 2', '"schema": "x"', "not a known schema"),
        ('"other_cpu_share": null', '"other_cpu_share": "a"', "expected a number"),
        ('"repeat_difference": null', '"repeat_difference": "a"', "expected a number"),
        (
            '"repeat_difference": null',
            '"repeat_difference": ' + "1" * 400,
            "expected a finite number, found 1111",
        ),
        ('"test": "t.py::test_x"', '"test": "t.py::test_z"', "is of test 't.py::test_z'"),
    ],
)
def test_a_figure_that_cannot_be_true_is_named_with_its_line(store, old, new, problem):
    path, line = _spoil(store, old, new)
    before = path.read_bytes()
    with pytest.raises(BaselineError) as error:
        store.store([addition(2.0)])
    assert problem in str(error.value)
    assert "the file was left as it is" in str(error.value)
    assert path.read_bytes() == before
    if "is of test" in problem:  # the entry's own line
        line = 1 + next(
            i for i, x in enumerate(path.read_text().splitlines()) if '"t.py::test_x"' in x
        )
    assert f"{path}, line {line}: " in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NaN", "expected a finite number, found NaN"),
        ("-Infinity", "expected a finite number, found -Infinity"),
        ("1e999", "expected a finite number, found Infinity"),
        ("1" * 400, "expected a finite number, found 1111"),
        ("-" + "1" * 400, "expected a finite number, found -1111"),
        ('"high"', 'expected a number, found "high"'),
        ("true", "expected a number, found true"),
    ],
)
def test_what_a_test_recorded_is_a_finite_number(store, text, problem):
    path, line = _spoil(store, '"date":', f'"recorded": {{"accuracy": {text}}},\n"date":')
    with pytest.raises(BaselineError) as error:
        store.find(subject())
    assert f"{path}, line {line}: {problem}" in str(error.value)


def test_what_a_test_recorded_may_be_below_0(store):
    _spoil(store, '"date":', '"recorded": {"loglikelihood": -1.5},\n"date":')
    assert store.find(subject()).sessions[0].recorded == {"loglikelihood": -1.5}


def test_a_truncated_file_is_named_with_its_last_line(store):
    store.store([addition(2.0)])
    path = store.path(subject())
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(BaselineError, match=rf"line \d+: .*{re.escape('the file was left')}"):
        store.find(subject())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x93NUMPY\x00\xff", "line 1: not UTF-8"),
        (b"", "line 1: Expecting value"),
        (b"[]", "line 1: expected an object"),
        (b"{}", "line 1: 'schema' is missing"),
        (b'\n\n{"schema": 1}', "line 3: 'task' is missing"),
        (
            b'{"schema": 1, "task": "t", "model": "m", "entries": []}',
            "expected an object, found []",
        ),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "Exceeds the limit"),
        (b"<<<<<<< HEAD\n{}", "line 1: markers of a merge conflict: take one side"),
    ],
)
def test_what_is_no_baseline_file_is_refused(store, content, problem):
    path = store.path(subject())
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(BaselineError) as error:
        store.find(subject())
    assert problem in str(error.value)
    assert path.read_bytes() == content


def test_an_entry_that_a_merge_left_twice_is_not_lost_with_the_next_writing(store):
    path, _ = _spoil(store, '"entries": {', '"entries": {"t.py::test_x": {}, ')
    before = path.read_bytes()
    with pytest.raises(BaselineError, match=r'"t\.py::test_x" stands twice in one object'):
        store.store([addition(2.0)])
    assert path.read_bytes() == before


def test_half_a_character_is_refused_where_it_stands_since_no_file_could_hold_it(store):
    _, line = _spoil(store, '"dataset": ""', '"dataset": "\\ud800"')
    with pytest.raises(BaselineError, match=rf"line {line}: .* has half a character"):
        store.find(subject())


def test_a_missing_member_is_named_with_the_line_of_its_object(store):
    path, _ = _spoil(store, '"seconds_per_unit"', '"seconds"')
    with pytest.raises(BaselineError, match=r"line \d+: 'seconds_per_unit' is missing") as error:
        store.find(subject())
    line = int(re.search(r"line (\d+)", str(error.value))[1])
    assert path.read_text().splitlines()[line - 1].strip() == "{"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(value=json_values)
def test_any_json_is_read_or_refused_with_a_line(value, tmp_path_factory):
    path = Path(tmp_path_factory.mktemp("any")) / "x.json"
    path.write_text(json.dumps(value))
    with pytest.raises(BaselineError, match=r"x\.json, line \d+: "):
        read_file(path)
