"""The store: names of files, what is stored, and that nothing is ever half written."""

from __future__ import annotations

import json
import multiprocessing
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.file_format import BaselineError, read_file
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.machine import Machine
from support.baselines import CARBON, MACHINE, _store_many, addition, subject

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


# Storing


def test_what_is_stored_can_be_read_back(store):
    (stored,) = store.store([addition(2.0)])
    assert (stored.action, stored.before) == ("created", None)
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
    (stored,) = store.store([addition(3.0, agrees=False)])
    assert stored.action == "replaced"
    assert len(stored.before.sessions) == 2
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
    entries = baselines.entries_of(store.folder)
    deleted = [entry for entry in entries if entry.subject.test == gone.test]
    assert len(deleted) == 2
    baselines.delete(store.folder, deleted)
    assert list(read_file(store.path(kept)).entries) == [kept.key]
    assert not store.path(subject(model="alone")).exists()


def test_pruning_without_anything_gone_touches_no_file(store):
    store.store([addition(2.0)])
    before = store.path(subject()).stat().st_mtime_ns
    baselines.delete(store.folder, [])
    assert store.path(subject()).stat().st_mtime_ns == before


def test_storing_reports_what_it_did_with_each_addition(store):
    (first,) = store.store([addition(2.0)])
    assert (first.action, first.before, first.agreement) == (baselines.Action.CREATED, None, None)
    appended, replaced = (
        store.store([addition(3.0, agrees=agrees)])[0] for agrees in (True, False)
    )
    assert appended.action is baselines.Action.APPENDED
    assert appended.before is not None
    assert [session.joules_per_unit for session in appended.before.sessions] == [2.0]
    assert replaced.action is baselines.Action.REPLACED
    assert [session.joules_per_unit for session in replaced.before.sessions] == [2.0, 3.0]
    assert [session.joules_per_unit for session in store.find(subject()).sessions] == [3.0]


def test_a_file_that_was_refused_leaves_nothing_in_memory(store):
    path = store.path(subject())
    path.parent.mkdir(parents=True)
    path.write_text("[" + "{}," * 900_000 + "{}]")
    with pytest.raises(BaselineError):
        store.find(subject())
    kept = store._files.of(path)
    assert isinstance(kept, BaselineError)
    assert (kept.__cause__, kept.__context__) == (None, None)


def test_what_many_bytes_hold_is_not_read_to_find_who_claims_it(store, monkeypatch):
    store.store([addition()])
    other = store.path(subject(model="other"))
    other.write_bytes(store.path(subject()).read_bytes())
    assert {entry.path for entry in store.entries()} == {store.path(subject()), other}
    fresh = baselines.BaselineStore(store.folder, MACHINE, CARBON)
    fresh.find(subject())
    monkeypatch.setattr("pytest_energy.baselines.read_files.MOST_UNREAD_BYTES", 100)
    assert {entry.path for entry in fresh.entries()} == {store.path(subject())}
