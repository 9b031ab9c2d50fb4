"""Files of schema 1 are read, compared, and rewritten with the next session that is stored."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError, from_schema_1, read_file
from pytest_energy.types.measurement import ReferenceReadings
from support.baselines import NOW, addition, measurement, subject
from support.schema_1 import BASELINE, turn_back

OTHER = "t.py::test_other"


def with_reference():
    """A session with everything that has another name now."""
    readings = ReferenceReadings("product 64x768, 1 thread", 1, (0.0209513,) * 20)
    measured = replace(measurement(2.0), other_cpu_share=0.011, reference=readings)
    session = baselines.session_of(measured, NOW, "abc1234", -0.0251)
    return baselines.Addition(subject(), measured, session, addition().agreement)


@pytest.fixture
def path(store):
    """The file of a store with two entries."""
    store.store([with_reference(), addition(3.14159, of=subject(OTHER))])
    return store.path(subject())


def test_the_same_entries_are_read_from_both_schemas(path):
    current = read_file(path)
    turn_back(path)
    older = read_file(path)
    assert older.entries == current.entries
    assert older.record == current.record
    assert (older.schema, current.schema) == (1, 2)
    session = older.entries[subject().key].sessions[0]
    assert session.metered_count == 100
    assert session.other_cpu_share == 0.011
    assert session.repeat_difference == -0.0251
    assert session.reference_joules == (0.0209513,) * 20
    assert older.entries[subject().key].reference_workload == "product 64x768, 1 thread"


def test_a_file_that_schema_1_had_is_read():
    file = read_file(BASELINE)
    assert list(file.entries) == [
        "test_it.py::test_region",
        "test_it.py::test_region#prefill",
        "test_it.py::test_specific",
        "test_it.py::test_training",
    ]
    (session,) = file.entries["test_it.py::test_specific"].sessions
    assert session.metered_count == 8
    assert session.recorded == {"parameters": 1e8}


def test_reading_writes_nothing(path):
    before = turn_back(path)
    read_file(path)
    assert path.read_bytes() == before


def test_the_next_session_rewrites_the_whole_file_and_no_other_figure(path, store):
    current = json.loads(path.read_text("utf-8"))
    turn_back(path)
    store.store([addition(2.0)])
    after = json.loads(path.read_text("utf-8"))
    assert after["schema"] == 2
    assert after["entries"][OTHER] == current["entries"][OTHER]
    first, second = after["entries"][subject().key]["sessions"]
    assert first == current["entries"][subject().key]["sessions"][0]
    assert set(first) == set(second)


def test_pruning_rewrites_the_whole_file_too(path, store):
    current = json.loads(path.read_text("utf-8"))
    turn_back(path)
    gone = [each for each in baselines.entries_of(store.folder) if each.subject.test == OTHER]
    baselines.delete(store.folder, gone)
    del current["entries"][OTHER]
    assert json.loads(path.read_text("utf-8")) == current


def test_what_the_first_versions_did_not_store_is_said_to_be_absent(path):
    record = json.loads(turn_back(path))
    entry = record["entries"][subject().key]
    for name in ("yardstick", "flops_per_inference"):
        del entry[name]
    for name in ("yardstick", "looks", "flops"):
        del entry["sessions"][0][name]
    path.write_text(json.dumps(record))
    file = read_file(path)
    entry = file.record["entries"][subject().key]
    assert (entry["reference_workload"], entry["flops_per_inference"]) == ("", None)
    session = file.entries[subject().key].sessions[0]
    assert (session.reference_joules, session.repeat_difference, session.flops) == ((), None, None)


def test_what_the_format_does_not_know_is_kept(path):
    record = json.loads(turn_back(path))
    record["note"] = "by hand"
    record["entries"][subject().key]["note"] = "likewise"
    found = from_schema_1(record)
    assert found["note"] == "by hand"
    assert found["entries"][subject().key]["note"] == "likewise"


def test_the_conversion_leaves_the_record_that_it_is_given(path):
    record = json.loads(turn_back(path))
    from_schema_1(record)
    assert record == json.loads(path.read_bytes())


def test_a_test_may_be_called_like_a_member(store):
    named = subject("yardstick", region="done")
    store.store([addition(2.0, of=named)])
    turn_back(store.path(named))
    (key,) = read_file(store.path(named)).entries
    assert key == "yardstick#done"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"done": 100', '"done": 0', "expected a whole number from 1 to 1e+15, found 0"),
        ('"done": 100', '"done": "many"', 'expected a whole number, found "many"'),
        ('"others_share": 0.011', '"others_share": -1', "expected a number above 0, found -1"),
        ('"others_share": 0.011', '"others_share": NaN', "expected a finite number, found NaN"),
        ('"looks": -0.0251', '"looks": "far"', 'expected a number, found "far"'),
        ('"yardstick": [0.02', '"yardstick": [-0.02', "expected a number above 0, found -0.02"),
        ('"yardstick": [0.', '"yardstick": [1, 0.', "expected one figure for each of 20 blocks"),
        ('"yardstick": "product', '"yardstick": 7, "x": "product', "expected a text, found 7"),
        ('"done": 100', '"done": 100, "metered_count": 9', "'done' and 'metered_count' are the"),
    ],
)
def test_a_wrong_member_is_named_with_its_line_in_the_file_as_it_stands(path, old, new, problem):
    text = turn_back(path).decode()
    assert old in text
    text = text.replace(old, new, 1)
    path.write_text(text)
    line = text[: text.index(new)].count("\n") + 1
    with pytest.raises(BaselineError) as error:
        read_file(path)
    assert f"{path}, line {line}: {problem}" in str(error.value)
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["done", "others_share"])
def test_a_missing_member_is_named_as_the_file_would_call_it(path, name):
    lines = turn_back(path).decode().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if f'"{name}":' in line)
    opening = max(i for i in range(at) if lines[i].strip() == "{")
    del lines[at]
    path.write_text("".join(lines))
    with pytest.raises(BaselineError, match=rf"line {opening + 1}: '{name}' is missing"):
        read_file(path)


def test_the_old_names_are_unknown_to_schema_2(path):
    text = turn_back(path).decode()
    path.write_text(text.replace('"schema": 1', '"schema": 2'))
    with pytest.raises(BaselineError, match="'metered_count' is missing"):
        read_file(path)


@pytest.mark.parametrize("schema", ["3", "2.5", "17"])
def test_a_newer_schema_is_refused_by_name_and_left(path, store, schema):
    text = re.sub('"schema": 2', f'"schema": {schema}', path.read_text())
    path.write_text(text)
    with pytest.raises(BaselineError) as error:
        store.store([addition(2.0)])
    line = text[: text.index('"schema"')].count("\n") + 1
    assert str(error.value) == (
        f"{path}, line {line}: schema {schema}, this version reads 1 and 2: written by a newer"
        " pytest-energy: upgrade it; the file was left as it is"
    )
    assert path.read_text() == text
