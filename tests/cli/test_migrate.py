"""`pytest-energy migrate`: a folder of baselines becomes schema 2, whatever comes between."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import portalocker
import pytest

from pytest_energy.baselines import accepted
from pytest_energy.baselines.file_format import read_file
from pytest_energy.baselines.migration import Step, migrate
from pytest_energy.baselines.store import BaselineStore
from pytest_energy.cli.main import main
from pytest_energy.files import TEMPORARY_SUFFIX
from support.baselines import CARBON, MACHINE, addition, subject
from support.schema_1 import turn_back

COMMAND = [sys.executable, "-m", "pytest_energy", "migrate"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Three baselines of schema 1, one of them a folder deeper than a project's own."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "baselines", "a", "b")
    fill(tmp_path / "baselines" / "paper", "c")
    for left in ("baselines/.gitignore", "baselines/paper/.gitignore"):
        (tmp_path / left).unlink()
    return tmp_path / "baselines"


def fill(folder: Path, *models: str) -> None:
    store = BaselineStore(folder, MACHINE, CARBON)
    for model in models:
        store.store([addition(2.0, of=subject(model=model))])
        turn_back(store.path(subject(model=model)))
    (folder / ".lock").unlink(missing_ok=True)


def files(folder: Path) -> dict[str, bytes]:
    """What every file holds, hidden ones included, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def schemas(folder: Path) -> list[int]:
    return [json.loads(path.read_bytes())["schema"] for path in sorted(folder.rglob("*.json"))]


def run(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_each_file_is_rewritten_and_said(folder):
    before = {path: read_file(path).entries for path in folder.rglob("*.json")}
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    place = f"baselines/{MACHINE.slug}/sentiment"
    paper = f"baselines/paper/{MACHINE.slug}/sentiment"
    assert done.stdout.splitlines() == [
        f"rewritten: {place}/a.json",
        f"rewritten: {place}/b.json",
        f"rewritten: {paper}/c.json",
        "3 baseline files in baselines: 3 rewritten",
    ]
    assert schemas(folder) == [2, 2, 2]
    assert {path: read_file(path).entries for path in before} == before


def test_a_second_run_has_nothing_to_do_and_changes_no_byte(folder):
    main(["migrate"])
    before = files(folder)
    times = [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.json"))]
    done = run()
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "3 baseline files in baselines: 3 already schema 2, nothing to do"
    )
    assert files(folder) == before
    assert [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.json"))] == times


def test_a_half_migrated_folder_gets_the_rest(folder, capfd):
    first = min(folder.rglob("*.json"))
    main(["migrate"])
    turn_back(first)
    capfd.readouterr()
    assert main(["migrate", str(folder)]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == (
        "3 baseline files in baselines: 1 rewritten, 2 already schema 2"
    )
    assert schemas(folder) == [2, 2, 2]


def test_a_file_in_a_form_of_its_own_is_left_byte_for_byte_when_it_is_schema_2(folder):
    main(["migrate"])
    path = min(folder.rglob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text())))
    before = path.read_bytes()
    assert main(["migrate"]) == 0
    assert path.read_bytes() == before


def test_check_says_what_would_be_rewritten_and_writes_nothing(folder):
    before = files(folder)
    done = run("--check")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("would be rewritten: ") == 3
    assert done.stdout.endswith("3 baseline files in baselines: 3 would be rewritten\n")
    assert files(folder) == before
    main(["migrate"])
    assert main(["migrate", "--check"]) == 0


def test_a_broken_file_is_named_with_its_line_and_the_others_are_rewritten(folder):
    path = min(folder.rglob("*.json"))
    text = path.read_text().replace('"done": 100', '"done": "many"')
    path.write_text(text)
    line = text[: text.index('"many"')].count("\n") + 1
    done = run()
    assert done.returncode == 2
    first, *_, last = done.stdout.splitlines()
    assert first.startswith(
        f"left: {path.relative_to(folder.parent)}, line {line}: expected a whole number, found"
        ' "many"; the file was left as it is'
    )
    assert last == "3 baseline files in baselines: 2 rewritten, 1 left"
    assert path.read_text() == text
    assert sorted(schemas(folder)) == [1, 2, 2]


def test_a_file_of_a_newer_version_is_refused_by_name(folder, capfd):
    path = min(folder.rglob("*.json"))
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 3'))
    assert main(["migrate", "--check"]) == 2
    assert main(["migrate"]) == 2
    assert "schema 3, this version reads 1 and 2: written by a newer" in capfd.readouterr().out
    assert sorted(schemas(folder)) == [2, 2, 3]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"sch', b"\xff", b"{}"])
def test_what_is_no_baseline_file_is_left(folder, content, capfd):
    path = folder / "other.json"
    path.write_bytes(content)
    assert main(["migrate"]) == 2
    assert re.search(r"left: baselines/other\.json, line 1: ", capfd.readouterr().out)
    assert path.read_bytes() == content


def test_accepted_changes_have_a_schema_of_their_own(folder, capfd):
    accepted.store(folder, {"t.py::test_x": accepted.Accepted(0.15, "main", "2026-03-04")})
    before = (folder / accepted.NAME).read_bytes()
    assert main(["migrate"]) == 0
    assert accepted.NAME not in capfd.readouterr().out
    assert (folder / accepted.NAME).read_bytes() == before
    assert accepted.read(folder)


def test_a_baseline_of_a_model_called_accepted_is_one(folder):
    fill(folder, "accepted")
    assert main(["migrate"]) == 0
    assert schemas(folder) == [2] * 4


def test_a_link_stays_a_link_to_a_rewritten_file(folder):
    path = min(folder.rglob("*.json"))
    target = folder / ".shared" / "elsewhere.json"
    target.parent.mkdir()
    path.rename(target)
    path.symlink_to(target)
    assert main(["migrate"]) == 0
    assert path.is_symlink()
    assert json.loads(target.read_bytes())["schema"] == 2


def test_a_link_that_leads_out_of_the_folder_is_left_and_so_is_what_it_leads_to(
    folder, tmp_path, capfd
):
    path = min(folder.rglob("*.json"))
    target = tmp_path / "elsewhere.json"
    path.rename(target)
    path.symlink_to(target)
    before = target.read_bytes()
    assert main(["migrate"]) == 2
    assert f"a link leads out of baselines, to {target}, and is not followed" in (
        capfd.readouterr().out
    )
    assert path.is_symlink()
    assert target.read_bytes() == before


def test_a_folder_without_baselines_has_nothing_to_do_and_gets_no_lock(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"0 baseline files in {tmp_path}: nothing to do\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nope", "a_file"])
def test_what_is_no_folder_is_an_error(tmp_path, name):
    (tmp_path / "a_file").touch()
    done = run(name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    why = "does not exist" if name == "nope" else "is not a folder"
    assert done.stderr == (
        f"pytest-energy: {name} {why}; name the folder of the baselines: pytest-energy migrate"
        " FOLDER\n"
    )


def test_an_unknown_argument_is_an_error(folder):
    before = files(folder)
    done = run("--energy-off")
    assert done.returncode == 2
    assert "unrecognized arguments: --energy-off" in done.stderr
    assert files(folder) == before


def test_the_command_stands_in_the_help():
    done = subprocess.run([*COMMAND[:-1], "--help"], capture_output=True, text=True, check=True)
    assert "migrate rewrite baseline files of an older schema" in " ".join(done.stdout.split())


# Interruptions


# Of .gitignore and the first file, the file itself and its folder are made to last: four calls.
@pytest.mark.parametrize(("owner", "name", "call"), [(os, "fsync", 5), (Path, "replace", 3)])
def test_what_cannot_be_written_is_left_and_the_others_are_rewritten(
    folder, monkeypatch, capfd, owner, name, call
):
    before = files(folder)
    fail_the_call(call, monkeypatch, owner, name, OSError(28, "No space left"))
    assert main(["migrate"]) == 2
    assert "b.json: No space left; nothing was written" in capfd.readouterr().out
    assert schemas(folder) == [2, 1, 2]
    second = sorted(folder.rglob("*.json"))[1]
    assert second.read_bytes() == before[str(second.relative_to(folder))]
    assert not list(folder.rglob(f".*{TEMPORARY_SUFFIX}"))


# Of .gitignore and the first file, the file itself and its folder are made to last: four calls.
@pytest.mark.parametrize(("owner", "name", "call"), [(os, "fsync", 5), (Path, "replace", 3)])
def test_an_interruption_leaves_old_files_and_new_ones_and_says_so(
    folder, monkeypatch, capfd, owner, name, call
):
    with monkeypatch.context() as patched:
        fail_the_call(call, patched, owner, name, KeyboardInterrupt())
        assert main(["migrate"]) == 2
    out = capfd.readouterr().out
    assert out.endswith("baselines: 1 rewritten, interrupted: run it again for the rest\n")
    assert schemas(folder) == [2, 1, 1]
    assert not list(folder.rglob(f".*{TEMPORARY_SUFFIX}"))
    assert main(["migrate"]) == 0
    assert schemas(folder) == [2, 2, 2]


def fail_the_call(number: int, monkeypatch, owner: object, name: str, error: BaseException) -> None:
    """Let one call of a function raise, counted from 1."""
    real, calls = getattr(owner, name), []

    def call(*arguments, **options):
        calls.append(name)
        if len(calls) == number:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


def test_a_killed_process_leaves_each_file_old_or_new(tmp_path):
    """Killed again and again, wherever it happens to be, until a run comes through."""
    folder, copy = tmp_path / "baselines", tmp_path / "migrated"
    models = [f"m{i:02}" for i in range(60)]
    for place in (folder, copy):
        fill(place, *models)
    old = files(folder)
    assert all(done.step is Step.REWRITTEN for done in migrate(copy))
    new = files(copy)
    paths = sorted(folder.rglob("*.json"))
    partly, chance = 0, random.Random(1)
    for round_ in range(8):
        for path in paths[:: max(1, 3 - round_)]:
            path.write_bytes(old[str(path.relative_to(folder))])
        process = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.DEVNULL)
        watched = paths[chance.randrange(0, 40, 3)]
        while process.poll() is None and b'"schema": 1' in watched.read_bytes():
            time.sleep(0.001)
        time.sleep(chance.random() / 500)
        process.kill()
        process.wait()
        found = {path: path.read_bytes() for path in paths}
        for path, content in found.items():
            name = str(path.relative_to(folder))
            assert content in (old[name], new[name]), path
        partly += {b'"schema": 1' in content for content in found.values()} == {True, False}
    assert partly
    (folder / f".k3j2h1g0{TEMPORARY_SUFFIX}").write_text("{")  # one is left for certain
    done = run(folder)
    assert done.returncode == 0
    assert "removed, since an interrupted run left it half written: " in done.stdout
    assert files(folder).keys() == old.keys() | {".gitignore"} | ({".lock"} & files(folder).keys())
    assert {path: path.read_bytes() for path in paths} == {
        path: new[str(path.relative_to(folder))] for path in paths
    }


def test_another_run_that_writes_meanwhile_is_waited_for(folder):
    before = files(folder)
    with portalocker.Lock(folder / ".lock"):
        process = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        assert {k: v for k, v in files(folder).items() if k.endswith(".json")} == before
    out, _ = process.communicate(timeout=30)
    assert out.endswith("3 rewritten\n")


def test_a_reader_that_goes_away_stops_no_work(folder):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, str(folder)], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert schemas(folder) == [2, 2, 2]


def test_only_a_file_that_was_really_left_half_written_is_reported_as_removed(folder):
    ours, of_another_run = (folder / f".{n}{TEMPORARY_SUFFIX}" for n in "12")
    ours.touch()
    of_another_run.touch()
    done = migrate(folder)
    assert next(done).step is Step.REMOVED
    of_another_run.unlink()  # the other run has finished writing
    assert {file.step for file in done} == {Step.REWRITTEN}
