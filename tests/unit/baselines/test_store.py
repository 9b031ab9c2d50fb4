"""Baseline files: names, what is stored, what is refused, and that nothing is ever half written."""

from __future__ import annotations

import json
import multiprocessing
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError, read_file
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.machine import Gpu, Machine
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Subject

MACHINE = Machine("AMD EPYC", 2, (), "linux", "x86_64")
CARBON = Carbon(400.0, "Testland", 2024, "a test")
CPU = Domain("cpu", "cpu", Method.COUNTER, "RAPL", 1e-3)
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def subject(test="t.py::test_x", model="tiny", **fields):
    values = {"region": "", "task": "sentiment", "dataset": "", "role": "", "unit": "inference"}
    return Subject(test=test, model=model, n=100, **{**values, **fields})


def measurement(joules=2.0):
    blocks = tuple(Block(5, 0.5, (joules * 5,)) for _ in range(20))
    return Measurement(("rapl",), (CPU,), blocks, 100, 100.0)


def addition(joules=2.0, agrees=True, of=None, commit="abc1234"):
    measured = measurement(joules)
    session = baselines.session_of(measured, NOW, commit)
    return baselines.Addition(of or subject(), measured, session, lambda _: agrees)


@pytest.fixture
def store(tmp_path):
    return baselines.BaselineStore(tmp_path / "baselines", MACHINE, CARBON)


# Names


def test_a_plain_name_is_its_own_file_name():
    assert baselines.file_name("distilbert-sst2") == "distilbert-sst2"
    assert baselines.file_name("gpt-2_1.5b") == "gpt-2_1.5b"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("org/Model", "org-Model~"),
        ("DistilBERT", "DistilBERT~"),
        ("../../etc/passwd", "etc-passwd~"),
        ("..", "~"),
        ("a b", "a-b~"),
        ("模型", "模型~"),
        ("con", "_con~"),
        ("x.", "x~"),
        ("\x00\n", "~"),
    ],
)
def test_any_other_name_keeps_what_is_readable_and_gets_a_digest(name, readable):
    found = baselines.file_name(name)
    assert re.fullmatch(re.escape(readable) + "[0-9a-f]{8}", found)


@given(st.text(min_size=1, max_size=300))
def test_every_name_is_a_safe_file_name(name):
    found = baselines.file_name(name)
    assert len(found.encode()) <= 100
    assert not set(found) & set('/\\:*?"<>|\0\n')
    assert found.strip(".") == found
    assert found not in {"", ".", ".."}


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_distinct_names_have_distinct_files_even_where_case_is_folded(one, other):
    if one != other:
        assert baselines.file_name(one).casefold() != baselines.file_name(other).casefold()


def test_a_name_that_is_no_text_for_a_file_is_refused_and_nothing_is_written(store):
    with pytest.raises(BaselineError, match="nothing was written"):
        store.store([addition(of=subject(model="\ud800"))])
    assert not list(store.folder.glob("*/*/*"))


def test_names_of_300_characters_stay_apart_in_their_last_one(store):
    a, b = (store.path(subject(model="m" * 299 + end)) for end in "ab")
    assert a != b
    a.parent.mkdir(parents=True)
    a.write_text("")
    b.write_text("")


def test_every_path_lies_inside_the_folder(store):
    path = store.path(subject(model="../../../x", task="../.."))
    assert path.resolve().is_relative_to(store.folder.resolve())


def test_machine_classes_differ_in_every_field_and_read_well():
    gpus = (Gpu("NVIDIA H100", 700), Gpu("NVIDIA H100", 700))
    slug = Machine("Intel(R) Xeon(R) CPU @ 2.20GHz", 8, gpus, "linux", "x86_64").slug
    assert slug.startswith("intel-xeon-8cpu-2xnvidia-h100-linux-x86-64-")
    capped = Machine(
        "Intel(R) Xeon(R) CPU @ 2.20GHz", 8, (gpus[0], Gpu("NVIDIA H100", 400)), "linux", "x86_64"
    )
    assert capped.slug != slug


# Storing


def test_what_is_stored_can_be_read_back(store):
    assert store.store([addition(2.0)]) == [None]
    entry = store.find(subject())
    assert entry.subject == subject()
    assert entry.meters == ("rapl",)
    (session,) = entry.sessions
    assert (session.joules_per_unit, session.commit) == (2.0, "abc1234")
    assert session.date == "2026-03-04T05:06:07Z"
    assert session.blocks == (2.0,) * 20
    assert session.domains == {"cpu": 2.0}


def test_kwh_and_grams_stand_beside_the_joules_with_their_intensity(store):
    store.store([addition(3.6)])
    entry = json.loads(store.path(subject()).read_text())["entries"]["t.py::test_x"]
    assert entry["joules_per_unit"] == 3.6
    assert entry["kwh_per_1000"] == pytest.approx(0.001)
    assert entry["gco2e_per_1000"] == pytest.approx(0.4)
    assert entry["carbon_intensity"]["place"] == "Testland"


def test_sessions_that_agree_pile_up_to_ten(store):
    for i in range(12):
        store.store([addition(2.0 + i / 1000)])
    sessions = store.find(subject()).sessions
    assert [s.joules_per_unit for s in sessions] == pytest.approx(
        [2.002 + i / 1000 for i in range(10)]
    )


def test_a_session_that_does_not_agree_starts_the_entry_anew(store):
    store.store([addition(2.0)])
    store.store([addition(2.0)])
    (before,) = store.store([addition(3.0, agrees=False)])
    assert len(before.sessions) == 2
    assert [s.joules_per_unit for s in store.find(subject()).sessions] == [3.0]


def test_entries_that_are_not_touched_keep_their_text(store, tmp_path):
    other = subject("t.py::test_y")
    store.store([addition(2.0, of=other)])
    before = json.loads(store.path(other).read_text())["entries"][other.key]
    cleaner = baselines.BaselineStore(store.folder, MACHINE, Carbon(10.0, "Cleanland", 2030, "x"))
    cleaner.store([addition(2.0)])
    after = json.loads(store.path(other).read_text())["entries"]
    assert after[other.key] == before
    assert after[subject().key]["carbon_intensity"]["place"] == "Cleanland"


def test_a_file_is_sorted_and_keeps_lists_of_numbers_on_one_line(store):
    store.store([addition(2.0)])
    text = store.path(subject()).read_text()
    assert '"blocks": [2.0, 2.0, 2.0' in text
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["entries", "machine", "model", "schema", "task"]


def test_figures_keep_six_digits(store):
    store.store([addition(2.0 / 3)])
    assert '"joules_per_unit": 0.666667,' in store.path(subject()).read_text()


def test_a_file_keeps_its_permissions_and_a_new_one_follows_the_umask(store):
    store.store([addition(2.0)])
    path = store.path(subject())
    plain = store.folder / "plain"
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    store.store([addition(2.0)])
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_interrupted_write_leaves_the_old_file_and_nothing_beside_it(store, monkeypatch):
    store.store([addition(2.0)])
    path = store.path(subject())
    before = path.read_bytes()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_energy.files.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.store([addition(2.1)])
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def _store_many(folder, name):
    store = baselines.BaselineStore(folder, MACHINE, CARBON)
    for i in range(20):
        store.store([addition(2.0, of=subject(f"t.py::test_{name}_{i}"))])


def test_two_runs_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_store_many, args=(tmp_path, name)) for name in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    store = baselines.BaselineStore(tmp_path, MACHINE, CARBON)
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(read_file(store.path(subject())).entries) == 40


def test_the_lock_is_kept_out_of_the_repository(store):
    store.store([addition(2.0)])
    assert ".lock" in (store.folder / ".gitignore").read_text()


def test_a_folder_that_is_a_file_is_said_and_nothing_is_written(tmp_path):
    (tmp_path / "baselines").write_text("mine")
    store = baselines.BaselineStore(tmp_path / "baselines", MACHINE, CARBON)
    with pytest.raises(BaselineError, match="nothing was written"):
        store.store([addition(2.0)])
    assert (tmp_path / "baselines").read_text() == "mine"


def test_other_machine_classes_that_have_the_test_are_known(store):
    elsewhere = baselines.BaselineStore(
        store.folder, Machine("Apple M2", 8, (), "darwin", "arm64"), CARBON
    )
    elsewhere.store([addition(2.0)])
    assert store.find(subject()) is None
    assert store.machines_with(subject()) == (elsewhere.machine.slug,)
    assert store.machines_with(subject("t.py::test_other")) == ()


# Pruning


def test_pruning_deletes_what_is_gone_and_leaves_the_rest(store):
    gone, kept = subject("t.py::test_gone"), subject("t.py::test_kept")
    store.store([addition(2.0, of=gone), addition(2.0, of=kept)])
    store.store([addition(2.0, of=subject("t.py::test_gone", model="alone"))])
    deleted = baselines.prune(store.folder, lambda _, s: s.test == gone.test)
    assert len(deleted) == 2
    assert list(read_file(store.path(kept)).entries) == [kept.key]
    assert not store.path(subject(model="alone")).exists()


def test_pruning_without_anything_gone_touches_no_file(store):
    store.store([addition(2.0)])
    before = store.path(subject()).stat().st_mtime_ns
    assert baselines.prune(store.folder, lambda *_: False) == []
    assert store.path(subject()).stat().st_mtime_ns == before


# Files that cannot be true


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
        ('"joules_per_unit": 2.0', '"joules_per_unit": NaN', "above 0, found NaN"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": Infinity', "above 0, found Infinity"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": -2.0', "above 0, found -2.0"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 0', "above 0, found 0"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 1e40', "more than any inference takes"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": 1.5', "is not the median"),
        ('"joules_per_unit": 2.0', '"joules_per_unit": true', "expected a number, found true"),
        ('"cpu": 2.0', '"cpu": -1', "above 0, found -1"),
        ('"n": 100', '"n": 0', "whole number of 1 or more, found 0"),
        ('"n": 100', '"n": 1.5', "whole number of 1 or more, found 1.5"),
        ('"method": "counter"', '"method": "guess"', "expected one of counter, sampled"),
        ('"date": "2026-03-04T05:06:07Z"', '"date": "yesterday"', "ISO 8601"),
        ('"n": 100', '"n": ' + "1" * 400, "whole number of 1 or more, found 1111"),
        ('"seconds_per_unit": 0.1', '"seconds_per_unit": ' + "1" * 400, "more than any inference"),
        ('"kwh_per_1000": 0.000555556', '"kwh_per_1000": NaN', "above 0, found NaN"),
        ('"metered_count": 100', '"metered_count": 0', "whole number of 1 or more, found 0"),
        ('"commit": "abc1234"', '"commit": 7', "expected a text or null, found 7"),
        ('"unit": "inference"', '"unit": null', "expected a text, found null"),
        ('"schema": 1', '"schema": 2', "schema 2, this version reads 1: written by a newer"),
        ('"schema": 1', '"schema": "x"', "not a known schema"),
        ('"other_cpu_share": null', '"other_cpu_share": "a"', "expected a number"),
        ('"passes": null', '"passes": "a"', "expected a number"),
        ('"passes": null', '"passes": ' + "1" * 400, "expected a finite number, found 1111"),
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
        (b"<<<<<<< HEAD\n{}", "line 1: Expecting value"),
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
