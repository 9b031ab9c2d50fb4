"""Files of exact counts: what is stored is found again, and what cannot be true is refused."""

from __future__ import annotations

import difflib
import json
import multiprocessing
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from pytest_energy.baselines import migration
from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.counts import CountsStore
from pytest_energy.baselines.counts_format import (
    KEEP_VARIANTS,
    SCHEMA,
    SCHEMA_FILE,
    Action,
    CountsFile,
    read_counts,
)
from pytest_energy.baselines.file_format import BaselineError
from pytest_energy.baselines.folder import Names
from pytest_energy.types.counts import (
    CallRow,
    Coefficients,
    Counts,
    CountsBaseline,
    OperatorRow,
    Work,
)
from support.baselines import CARBON, MACHINE, addition, subject
from support.counts import BY, VERSIONS, counts, counts_addition

VARIANT = "cpu, python 3.11, torch 2.13.0, transformers 5.24.0"


@pytest.fixture
def store(tmp_path):
    return CountsStore(tmp_path / "baselines")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


# Storing


def test_what_is_stored_is_found_by_any_machine_and_to_the_last_digit(store):
    (stored,) = store.store([counts_addition()])
    assert (stored.action, stored.before) == (Action.CREATED, None)
    (found,) = store.find(subject())
    assert found.counts == counts()
    assert found.coefficients == BY
    assert found.joules == pytest.approx(counts_addition().joules, rel=1e-11)
    assert (found.n, found.unit, found.dataset) == (100, "inference", "")
    assert (found.date, found.commit, found.unverified) == ("2026-03-04T05:06:07Z", "abc1234", "")
    assert store.path(subject()).relative_to(store.folder).as_posix() == (
        "counts/sentiment/tiny.json"
    )


def test_of_another_test_nothing_is_found(store):
    assert store.find(subject()) == ()
    store.store([counts_addition()])
    assert store.find(subject("t.py::test_y")) == ()
    assert store.find(subject(model="other")) == ()


def test_a_test_is_found_again_from_another_rootdir(tmp_path):
    home = tmp_path / "repository"
    inside, above = (
        CountsStore(home / "baselines", Names(root, home)) for root in (home / "package", home)
    )
    inside.store([counts_addition()])
    assert len(above.find(subject("package/t.py::test_x"))) == 1


def test_what_was_asked_for_once_can_be_asked_for_again(store):
    store.store([counts_addition()])
    assert store.find(subject()) == store.find(subject()) != ()


def test_what_was_loaded_is_found_when_the_folder_is_gone(store):
    store.store([counts_addition()])
    store.load(subject())
    shutil.rmtree(store.folder)
    assert len(store.find(subject())) == 1


def test_the_same_counts_write_nothing_whenever_they_are_taken(store):
    store.store([counts_addition()])
    path = store.path(subject())
    before, written = path.read_bytes(), path.stat().st_mtime_ns
    later = counts_addition(date=datetime(2027, 1, 1, tzinfo=UTC), commit="fffffff")
    (stored,) = store.store([later])
    assert stored.action is Action.UNCHANGED
    assert stored.before == store.find(subject())[0]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, written)


def test_other_counts_replace_those_of_the_same_versions(store):
    store.store([counts_addition()])
    (stored,) = store.store([counts_addition(counts(3), commit="fffffff")])
    assert stored.action is Action.REPLACED
    assert stored.before.counts == counts()
    (found,) = store.find(subject())
    assert (found.counts, found.commit) == (counts(3), "fffffff")


@pytest.mark.parametrize(
    "other",
    [
        replace(counts_addition(), coefficients=replace(BY, joules_per_byte=2e-9)),
        counts_addition(of=subject(dataset="reviews")),
        counts_addition(replace(counts(), notes=())),
        counts_addition(replace(counts(), sizes=(2, 2, 2))),
    ],
    ids=["coefficients", "dataset", "notes", "sizes"],
)
def test_whatever_else_has_changed_replaces_them_too(store, other):
    store.store([counts_addition()])
    assert store.store([other])[0].action is Action.REPLACED


def test_each_device_and_set_of_versions_keeps_its_own(store):
    store.store([counts_addition()])
    newer = counts_addition(counts(2, torch="2.14.0"), date=datetime(2026, 4, 1, tzinfo=UTC))
    on_gpu = counts_addition(counts(device="cuda"), date=datetime(2026, 3, 30, tzinfo=UTC))
    for one in (newer, on_gpu):
        (stored,) = store.store([one])
        assert (stored.action, stored.before) == (Action.ADDED, None)
    found = store.find(subject())
    assert [(each.counts.device, each.counts.versions["torch"]) for each in found] == [
        ("cpu", "2.14.0"),
        ("cuda", "2.13.0"),
        ("cpu", "2.13.0"),
    ]
    assert store.store([counts_addition()])[0].action is Action.UNCHANGED


def test_of_too_many_variants_the_oldest_goes(store):
    for day in range(1, KEEP_VARIANTS + 2):
        one = counts(torch=f"2.{day}")
        store.store([counts_addition(one, date=datetime(2026, 3, day, tzinfo=UTC))])
    found = {each.counts.versions["torch"] for each in store.find(subject())}
    assert found == {f"2.{day}" for day in range(2, KEEP_VARIANTS + 2)}
    # One that is stored is not the one that goes, however old.
    store.store([counts_addition(date=datetime(2020, 1, 1, tzinfo=UTC))])
    found = {each.counts.versions["torch"] for each in store.find(subject())}
    assert found == {"2.13.0", *(f"2.{day}" for day in range(3, KEEP_VARIANTS + 2))}


def test_entries_that_are_not_touched_keep_their_text(store):
    other = subject("t.py::test_y")
    store.store([counts_addition(of=other)])
    path = store.path(other)
    record = json.loads(path.read_text("utf-8"))
    record["entries"][other.key]["note"] = "by hand"
    path.write_text(json.dumps(record), "utf-8")
    store.store([counts_addition()])
    entries = json.loads(path.read_text("utf-8"))["entries"]
    assert entries[other.key] == record["entries"][other.key]


def test_light_rows_are_not_stored(store):
    rows = tuple(OperatorRow("Bert", f"aten::op{i:03}", "float32", 1, 0, 0) for i in range(200))
    big = OperatorRow("Bert", "aten::addmm", "float32", 10**6, 0, 0)
    sample = Work(10**6 + 200, 0, 0, 0)
    many = Counts("cpu", VERSIONS, (sample,), (1,), (big, *rows))
    store.store([counts_addition(many)])
    (found,) = store.find(subject())
    assert found.counts.operators == (big, OperatorRow("", "(others)", "float32", 200, 0, 0))
    assert found.counts.samples == (sample,)


def test_counts_that_no_file_can_have_are_refused_and_nothing_is_written(store):
    store.store([counts_addition()])
    before = store.path(subject()).read_bytes()
    less = replace(counts(2), samples=(Work(1, 1, 1, 1),) * 3)
    with pytest.raises(BaselineError, match=r"t.py::test_y: operators: .*nothing was written"):
        store.store([counts_addition(counts(2)), counts_addition(less, subject("t.py::test_y"))])
    assert store.path(subject()).read_bytes() == before


def _store_many(folder, name):
    store = CountsStore(folder)
    for i in range(20):
        store.store([counts_addition(of=subject(f"t.py::test_{name}_{i}"))])


def test_two_runs_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_store_many, args=(tmp_path, name)) for name in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(read_counts(CountsStore(tmp_path).path(subject())).entries) == 40


# Text


def test_each_row_and_each_sample_stands_on_a_line_of_its_own(store):
    store.store([counts_addition()])
    lines = [line.strip() for line in store.path(subject()).read_text("utf-8").splitlines()]
    for line in (
        '"Bert.encoder.[0-5].dense aten::addmm float32": [6000000, 6000, 18],',
        '"aten::copy_ int64": [0, 4000, 6]',
        '"Bert aten::lift -": [0, 100000, 3],',
        '"tests/test_x.py:run > bert.py:Bert.forward": [3, 2000]',
        '"tests/test_x.py:run": [3, 3000],',
        "[2000000, 40000, 10, 1000],",
        '"sizes": [1, 1, 1],',
        '"bytes": 37333.3,',
        '"python_calls": 1000',
    ):
        assert line in lines


def test_a_diff_shows_what_has_changed_and_nothing_else(store):
    store.store([counts_addition()])
    path = store.path(subject())
    before = path.read_text("utf-8").splitlines()
    store.store(
        [counts_addition(counts(2), date=datetime(2026, 3, 5, tzinfo=UTC), commit="def5678")]
    )
    after = path.read_text("utf-8").splitlines()
    changed = [line[1:].strip() for line in difflib.ndiff(before, after) if line[0] == "+"]
    assert [line for line in changed if '"digest"' not in line] == [
        '"commit": "def5678",',
        '"date": "2026-03-05T00:00:00Z",',
        '"Bert.pooler aten::addmm float32": [2000000, 2000, 3],',
        '"counted_joules": 0.001404,',
        '"flops": 2666666.7,',
        "[4000000, 42000, 11, 1100]",
    ]


NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a > b", ">", "> > x", "x >", " ", "f>", "[1-3]", "m.[0-2].x", "-", ""]
)
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" "), min_size=1)
FIGURE = st.integers(0, 10**18)
BOUND = 10**25
COUNTS = st.builds(
    Counts,
    device=NAME,
    versions=st.dictionaries(NAME, NAME, max_size=3),
    samples=st.lists(
        st.builds(
            Work, *[st.integers(0, 10**27).map(lambda figure: figure + BOUND) for _ in range(4)]
        ),
        min_size=2,
        max_size=2,
    ).map(tuple),
    sizes=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    operators=st.lists(
        st.builds(
            OperatorRow,
            NAME.filter(lambda name: "[" not in name) | st.just("m.[0-2].x"),
            WORD,
            WORD.filter(lambda name: name != "-") | st.just(""),
            *[FIGURE.map(lambda figure: 3 * figure) for _ in range(3)],
        ),
        max_size=8,
        unique_by=lambda row: (row.module, row.operator, row.dtype),
    ).map(tuple),
    python=st.lists(
        st.builds(CallRow, NAME, NAME, FIGURE, FIGURE),
        max_size=8,
        unique_by=lambda row: (row.caller, row.callee),
    ).map(tuple),
    without_formula=st.lists(NAME, max_size=3).map(tuple),
    notes=st.lists(NAME, max_size=3).map(tuple),
    operators_unavailable=NAME,
    python_unavailable=NAME,
)


@given(COUNTS, st.floats(0, 1e9), st.floats(0, 1))
def test_whatever_was_counted_is_read_again_as_it_was(counts, joules, cost):
    by = Coefficients({"": cost, "é": 0.0}, cost, cost, cost)
    new = CountsBaseline(counts, by, joules, 7, "token", "é", "2026-03-04T05:06:07Z", None)
    file = CountsFile({}, {})
    assert file.put(subject(), new) == (Action.CREATED, None)
    (stored,) = file.entries[subject().key].variants.values()
    assert stored.counts.samples == counts.samples
    assert set(stored.counts.operators) == set(counts.operators)
    assert set(stored.counts.python) == set(counts.python)
    assert stored.joules == pytest.approx(joules, rel=1e-11)
    assert replace(stored.counts, operators=(), python=()) == replace(
        counts, operators=(), python=()
    )
    assert file.put(subject(), new)[0] is Action.UNCHANGED


@given(COUNTS)
def test_a_text_that_was_written_is_read_as_it_was_meant(tmp_path_factory, counts):
    new = CountsBaseline(counts, BY, 1.0, subject().n, date="2026-03-04T05:06:07Z")
    file = CountsFile({}, {})
    file.put(subject(), new)
    path = tmp_path_factory.mktemp("counts") / "file.json"
    path.write_text(file.text(), "utf-8", newline="\n")
    again = read_counts(path)
    assert again.entries == file.entries
    assert again.text() == file.text()


# Suspicion


def edited(store, change):
    """The stored file once somebody has changed its one variant; its path."""
    store.store([counts_addition()])
    path = store.path(subject())
    record = json.loads(path.read_text("utf-8"))
    variant = record["entries"][subject().key]["variants"][VARIANT]
    # The file has each table of coefficients once, beside its entries.
    table = variant["coefficients"]
    variant["coefficients"] = record["coefficients"][table]
    change(variant)
    record["coefficients"][table], variant["coefficients"] = variant["coefficients"], table
    file = CountsFile(record, {})
    path.write_text(file.text(), "utf-8")
    return path


def test_a_figure_that_was_edited_is_said_and_stored_anew(store):
    edited(store, lambda variant: variant.update(commit="fffffff"))
    (found,) = store.find(subject())
    assert found.unverified == "edited by hand"
    (stored,) = store.store([counts_addition()])
    assert stored.action is Action.REPLACED
    assert store.find(subject())[0].unverified == ""


def test_counts_without_a_digest_are_not_verified(store):
    edited(store, lambda variant: variant.pop("digest"))
    assert store.find(subject())[0].unverified.startswith("stored without a digest")


def test_a_variant_that_was_put_in_another_entry_is_not_verified(store):
    store.store([counts_addition(), counts_addition(counts(2), subject("t.py::test_y"))])
    path = store.path(subject())
    record = json.loads(path.read_text("utf-8"))
    entries = record["entries"]
    entries["t.py::test_y"]["variants"] = entries["t.py::test_x"]["variants"]
    path.write_text(json.dumps(record), "utf-8")
    assert store.find(subject("t.py::test_y"))[0].unverified == "edited by hand"


BROKEN = {
    "a count below 0": (("samples", 1, 0), -1, "whole number from 0"),
    "a count that is a float": (("samples", 1, 0), 2000000.0, "a whole number, found 2000000.0"),
    "a count beyond any": (("samples", 1, 0), 10**31, "whole number from 0 to 1e+30"),
    "too few figures": (("samples", 1), [1, 2, 3], "expected 4 members"),
    "no samples": (("samples",), [], "something in it"),
    "too few sizes": (("sizes",), [1, 1], "one size for each of 3 samples"),
    "a size of 0": (("sizes",), [1, 0, 1], "whole number from 1"),
    "a mean that is none": (("per_inference", "flops"), 1, "not the mean of the samples"),
    "negative joules": (("per_inference", "counted_joules"), -1, "a number from 0"),
    "too much in a row": (
        ("operators", "Bert.pooler aten::addmm float32"),
        [10**9, 2000, 3],
        "these rows make 1006000000, and the samples 7000000",
    ),
    "too many Python calls": (
        ("python", "tests/test_x.py:run > bert.py:Bert.forward"),
        [9000, 2000],
        "these rows make 10203, and the samples 3000",
    ),
    "too many beneath": (
        ("python", "tests/test_x.py:run > bert.py:Bert.forward"),
        [3, 4000],
        "from 0 to 3000",
    ),
    "a row of too few names": (("operators", "aten::addmm"), [0, 0, 0], "module, operator and"),
    "a row of too few figures": (("operators", "a b"), [0, 0], "expected 3 members"),
    "a range that ends before it begins": (
        ("operators", "M.[5-2].x aten::y float32"),
        [0, 0, 0],
        "ends before it begins",
    ),
    "more layers than any model has": (
        ("operators", "M.[0-9999].[0-9999].x aten::y float32"),
        [0, 0, 0],
        "more than 1,000,000 modules",
    ),
    "figures that layers cannot share": (
        ("operators", "Bert.encoder.[0-5].dense aten::addmm float32"),
        [5_999_999, 6000, 18],
        "6 layers that do the same",
    ),
    "a coefficient below 0": (("coefficients", "joules_per_call"), -1e-9, "a number from 0"),
    "an infinite coefficient": (("coefficients", "joules_per_call"), 1e999, "finite number"),
    "no coefficient for all": (("coefficients", "joules_per_flop"), {"float32": 1}, 'member ""'),
    "no date": (("date",), "yesterday", "ISO 8601"),
    "no n": (("n",), 0, "whole number from 1"),
    "another device": (("device",), "cuda", "is of 'cuda, python 3.11"),
    "another version": (("versions", "torch"), "3", "is of 'cpu, python 3.11, torch 3"),
    "a long name": (("unit",), "x" * 20_000, "10,000 characters at most"),
    "a note that is none": (("notes", 0), 3, "expected a text, found 3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_true_is_named_with_its_line_and_left(store, name, monkeypatch):
    place, value, problem = BROKEN[name]

    def change(variant):
        *parents, last = place
        found = variant
        for step in parents:
            found = found[step]
        found[last] = value

    path = edited(store, change) if value != 1e999 else _with_infinity(store)
    before = path.read_bytes()
    monkeypatch.chdir(store.folder.parent)
    with pytest.raises(BaselineError) as raised:
        store.find(subject())
    said = str(raised.value)
    assert said.startswith("baselines/counts/sentiment/tiny.json, line ")
    assert problem in said
    assert said.endswith("Mend it, or delete it and run with --energy-update")
    with pytest.raises(BaselineError):
        store.store([counts_addition()])
    assert path.read_bytes() == before


def _with_infinity(store):
    store.store([counts_addition()])
    path = store.path(subject())
    path.write_text(path.read_text("utf-8").replace("1e-05", "1e999"), "utf-8")
    return path


def test_the_line_is_that_of_the_row(store):
    path = edited(store, lambda variant: variant["operators"].update({"aten::x": [0, 0, 0]}))
    lines = path.read_text("utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, 1) if '"aten::x"' in text)
    with pytest.raises(BaselineError, match=rf"line {line}: expected module"):
        store.find(subject())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1: Expecting property name"),
        ("[]", "line 1: expected an object"),
        ('{\n"schema": "1"}', "line 2: .*not a known schema"),
        ('{\n"schema": 2}', "line 2: .*written by a newer pytest-energy: upgrade it"),
        ('{"schema": 1, "schema": 1}', "stands twice"),
        ('{"schema": 1}', "'task' is missing"),
        ('{"schema": 1, "task": "\\ud800"}', "half a character"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "{}," * 900_000 + "{}]", "which no file of ours has"),
    ],
)
def test_what_is_no_file_of_counts_is_refused(store, text, problem):
    path = store.path(subject())
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    with pytest.raises(BaselineError, match=problem):
        store.find(subject())


def test_an_entry_of_another_test_is_refused(store):
    store.store([counts_addition()])
    path = store.path(subject())
    path.write_text(path.read_text("utf-8").replace('"t.py::test_x": {', '"t.py::test_y": {'))
    with pytest.raises(BaselineError, match=r"is of test 't\.py::test_x'"):
        store.find(subject())


# The rest of the folder


@pytest.fixture
def folder(store):
    """A folder with an entry of each kind."""
    baselines.BaselineStore(store.folder, MACHINE, CARBON).store([addition(2.0)])
    store.store([counts_addition(), counts_addition(of=subject("t.py::test_y"))])
    return store.folder


def test_a_folder_with_counts_alone_is_one_of_ours(store):
    assert not baselines.is_baseline_folder(store.folder)
    store.store([counts_addition()])
    assert baselines.is_baseline_folder(store.folder)


def test_counts_are_of_no_machine_class(folder):
    store = baselines.BaselineStore(folder, replace(MACHINE, cpu="other"), CARBON)
    assert store.machines_with(subject()) == (MACHINE.slug,)
    assert store.machines_with(subject("t.py::test_y")) == ()
    assert store.find(subject()) is None


def test_counts_are_listed_with_what_was_measured(folder):
    found = [(entry.machine, entry.subject.key) for entry in baselines.entries_of(folder)]
    assert found == [
        (MACHINE.slug, "t.py::test_x"),
        ("", "t.py::test_x"),
        ("", "t.py::test_y"),
    ]
    store = baselines.BaselineStore(folder, MACHINE, CARBON)
    assert [entry.shown for entry in store.entries()] == [
        entry.shown for entry in baselines.entries_of(folder)
    ]


def test_counts_are_deleted_by_entry_and_with_the_last_one_the_file(folder, store):
    gone = [entry for entry in baselines.entries_of(folder) if entry.subject.key == "t.py::test_y"]
    baselines.delete(folder, gone)
    assert len(store.find(subject())) == 1
    assert store.find(subject("t.py::test_y")) == ()
    baselines.delete(folder, baselines.entries_of(folder))
    assert [path for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("device", "machine", "others"),
    [
        ("cpu", MACHINE, False),
        ("cuda", MACHINE, True),
        ("cpu", replace(MACHINE, cpu="another"), True),
    ],
    ids=["on a CPU", "on a GPU", "measured elsewhere as well"],
)
def test_whose_counts_are(folder, store, device, machine, others):
    store.store([counts_addition(counts(device=device))])
    seen = baselines.BaselineStore(folder, machine, CARBON)
    (entry,) = [
        each
        for each in seen.entries()
        if each.subject.key == subject().key and each.path.parents[1].name == "counts"
    ]
    assert seen.is_of_others(entry) == others


def test_migrating_leaves_counts_as_they_are(folder, store):
    before = store.path(subject()).read_bytes()
    assert [one.path for one in migration.migrate(folder)] == [
        baselines.BaselineStore(folder, MACHINE, CARBON).path(subject())
    ]
    assert list(migration.migrate(folder / "counts")) == []
    assert store.path(subject()).read_bytes() == before


# The JSON Schema


def test_the_schema_has_an_address_of_its_version():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    assert (
        schema["$id"]
        == f"https://pytest-energy.github.io/pytest-energy/schema/counts-{SCHEMA}.json"
    )
    assert schema["properties"]["schema"]["const"] == SCHEMA


def test_a_written_file_fits_the_schema(store, validator):
    bare = Counts("cpu", samples=(Work(),), sizes=(1,))
    without = replace(counts_addition(bare, subject("t.py::test_y", region="r")), commit=None)
    store.store([counts_addition(), counts_addition(counts(device="cuda")), without])
    validator.validate(json.loads(store.path(subject()).read_text("utf-8")))


@pytest.mark.parametrize(
    "name",
    [
        "a count below 0",
        "a count beyond any",
        "too few figures",
        "no samples",
        "a size of 0",
        "negative joules",
        "a row of too few figures",
        "a coefficient below 0",
        "no coefficient for all",
        "no date",
        "no n",
        "a long name",
        "a note that is none",
    ],
)
def test_what_the_reader_refuses_by_itself_the_schema_refuses(store, validator, name):
    place, value, _ = BROKEN[name]

    def change(variant):
        *parents, last = place
        for step in parents:
            variant = variant[step]
        variant[last] = value

    path = edited(store, change)
    with pytest.raises(ValidationError):
        validator.validate(json.loads(path.read_text("utf-8")))


def test_every_member_is_described():
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    for found in (schema, *schema["$defs"].values()):
        for name, member in found.get("properties", {}).items():
            assert found["additionalProperties"] is False
            assert member.get("description"), name
