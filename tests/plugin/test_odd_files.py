"""Baseline folders in which others have put what nobody expects: an error of ours, and no harm."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from pytest_energy.files import TEMPORARY_SUFFIX
from support.projects import TEST, flowing

pytestmark = [
    pytest.mark.skipif(
        sys.platform == "win32", reason="a FIFO, a device, a link: of POSIX systems"
    ),
    pytest.mark.usefixtures("no_hang"),
]


@pytest.fixture
def stored(loop):
    assert loop.run("--energy-update").ret == 0
    return loop


def a_fifo(path):
    os.mkfifo(path)


def a_device(path):
    path.symlink_to("/dev/zero")


def a_folder(path):
    path.mkdir()


def a_link_to_nothing(path):
    path.symlink_to("not_there.json")


def a_link_out(path):
    outside = path.parents[4] / "outside.json"
    outside.write_text('{"schema": 2, "secret": "s3cr3t"}')
    path.symlink_to(outside)


def too_large(path):
    path.write_bytes(b"[" + b" " * 9 * 2**20 + b"]")


def too_many_values(path):
    path.write_text('{"schema": 2, "entries": [' + "[]," * 1_000_000 + "[]]}")


def too_deep(path):
    path.write_text('{"schema": 2, "entries": ' + "[" * 100 + "]" * 100 + "}")


def deep_with_an_escape(path):
    path.write_text('{"\\u0041": ' + "[" * 1500 + "]" * 1500 + "}")


def very_deep(path):
    path.write_text("[" * 100_000)


ODD = [
    (a_fifo, "it is a FIFO, and only regular files are read"),
    (a_device, "a link leads out of baselines, to /dev/zero, and is not followed"),
    (a_folder, "it is a folder, and only regular files are read"),
    (a_link_out, "outside.json, and is not followed"),
    (a_link_to_nothing, "a link that leads to nothing"),
    (too_large, "more than 8,388,608 bytes, which no file of ours has"),
    (too_many_values, "more than 1,000,000 values, which no file of ours has"),
    (too_deep, "nested more than 20 levels deep"),
    (deep_with_an_escape, "nested"),
    (very_deep, "nested too deeply"),
]


@pytest.mark.parametrize(("put", "problem"), ODD)
def test_what_is_no_file_of_ours_is_refused_and_fails_the_test(stored, put, problem):
    (path,) = stored.baselines()
    path.unlink()
    put(path)
    before = os.lstat(path)
    for option in ("--energy-report", "--energy-update"):
        result = stored.run(option)
        assert result.ret == 1
        said = flowing(result)
        assert problem in said
        assert "s3cr3t" not in said
        assert "Traceback" not in said
    assert "not stored: its baseline file is broken" in said
    assert "run with --energy-update" in said  # the remedy
    assert os.lstat(path).st_ino == before.st_ino


@pytest.mark.parametrize(("put", "problem"), ODD[:4])
def test_such_a_file_of_another_test_is_left_alone(stored, put, problem):
    (path,) = stored.baselines()
    other = path.with_name("other.json")
    put(other)
    assert stored.run("--energy-strict").ret == 0
    stored.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])
    assert os.path.lexists(other)


@pytest.mark.parametrize(("put", "problem"), ODD[:4])
def test_such_an_accepted_json_stops_a_paired_run(repository, put, problem):
    folder = repository.path / "baselines"
    folder.mkdir()
    path = folder / "accepted.json"
    if put is a_link_out:
        (repository.path / "outside.json").write_text("{}")
        path.symlink_to(repository.path / "outside.json")
    else:
        put(path)
    result = repository.run("--energy-against=HEAD")
    assert result.ret != 0
    assert problem in " ".join([*result.outlines, *result.errlines])


def test_a_machine_folder_that_is_a_link_out_is_not_written_to(loop, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    loop.run("--energy-update")
    (path,) = loop.baselines()
    machine = path.parents[1]
    text = path.read_text()
    path.unlink()
    path.parent.rmdir()
    machine.rmdir()
    machine.symlink_to(outside, target_is_directory=True)
    result = loop.run("--energy-update")
    assert result.ret == 1
    assert f"a link leads out of baselines, to {outside}" in flowing(result)
    assert list(outside.iterdir()) == []
    assert text


@pytest.mark.parametrize("put", [a_fifo, a_device, a_folder])
def test_a_lock_that_is_no_file_is_refused_and_not_waited_for(stored, put):
    lock = stored.path / "baselines" / ".lock"
    lock.unlink()
    put(lock)
    result = stored.run("--energy-update")
    assert result.ret == 1
    assert "baselines/.lock is no regular file: delete it" in flowing(result)


def test_a_gitignore_that_leads_elsewhere_is_not_written_through(loop, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "authorized_keys"
    (loop.path / "baselines").mkdir()
    (loop.path / "baselines" / ".gitignore").symlink_to(outside)
    assert loop.run("--energy-update").ret == 0
    assert not outside.exists()


def test_temporary_files_of_killed_writers_are_ignored_by_git_and_swept(stored):
    (path,) = stored.baselines()
    left = path.with_name(f".{path.name}.x1{TEMPORARY_SUFFIX}")
    left.write_text("{")
    subprocess.run(["git", "init", "-q", str(stored.path)], check=True)
    ignored = ["git", "-C", str(stored.path), "check-ignore", "-q", str(left)]
    assert subprocess.run(ignored, check=False).returncode == 0
    assert stored.run("--energy-update").ret == 0
    assert not left.exists()


def test_a_folder_that_is_a_link_out_is_passed_over_when_pruning(stored, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "task").mkdir()
    (path,) = stored.baselines()
    (outside / "task" / "x.json").write_text(path.read_text())
    (stored.path / "baselines" / "out").symlink_to(outside, target_is_directory=True)
    stored.run("--energy-prune=delete").stdout.fnmatch_lines(["energy: nothing to prune"])
    assert (outside / "task" / "x.json").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("x" * 300 + ".json", "File name too long"),
        ("report.json/x.json", "report.json/x.json: report.json is not a folder"),
        ("baselines", "baselines is a folder; name a file in it"),
    ],
)
def test_a_report_whose_path_cannot_be_is_refused_before_a_test_runs(stored, name, problem):
    (stored.path / "report.json").touch()
    for arguments in ([f"--energy-json={name}"], ["-o", f"energy_json={name}"]):
        result = stored.run(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = result.stderr.str()
        assert "--energy-json (or ini energy_json): " in said
        assert problem in said
        assert "passed" not in result.stdout.str()


def test_a_report_that_cannot_be_written_is_said_and_the_results_stand(stored):
    path = stored.path / "report.json"
    a_fifo(path)
    result = stored.run(f"--energy-json={path}")
    assert result.ret == 1
    assert "--energy-json: report.json: " in flowing(result)
    assert "the report was not written" in flowing(result)
    assert "1 compared (1 ok)" in flowing(result)


def test_a_report_into_a_link_leaves_the_link(stored):
    (stored.path / "report.json").symlink_to("there.json")
    assert stored.run("--energy-json=report.json").ret == 0
    assert (stored.path / "report.json").is_symlink()
    assert json.loads((stored.path / "there.json").read_text())["schema"] == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="makes a device, as root")
def test_a_device_is_written_into_also_by_root(stored):
    device = stored.path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError:
        pytest.skip("this file system takes no devices")
    assert stored.run("--energy-json=null").ret == 0
    assert stat.S_ISCHR(device.stat().st_mode)


ACCENTED = """
import pytest
from model import infer

@pytest.mark.inference(n=100, task="sentiment", model="modèle")
def test_loop(energy):
    for sample in energy.each(range(30)):
        infer(sample)
"""


def ascii_alone(monkeypatch):
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)


def test_where_file_names_are_ascii_such_a_model_is_refused_with_the_remedy(project, monkeypatch):
    project.write(test_it=ACCENTED)
    project.own_process = True
    ascii_alone(monkeypatch)
    for option in ("--energy-report", "--energy-update"):
        result = project.run(option)
        said = flowing(result)
        assert result.ret == 1
        assert "set PYTHONUTF8=1 in the environment, or a locale with UTF-8" in said
        assert "Traceback" not in said


def test_where_file_names_are_ascii_others_are_compared(stored, monkeypatch):
    stored.own_process = True
    ascii_alone(monkeypatch)
    assert stored.run("--energy-strict", TEST).ret == 0


def test_a_current_folder_that_is_gone_is_an_error_of_ours_on_the_command_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    for command in ("migrate", "doctor", "papers"):
        script = (
            "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]);"
            "from pytest_energy.cli.main import main; sys.exit(main([sys.argv[2]]))"
        )
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", script, str(gone), command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "pytest-energy: the current folder cannot be used (No such file or directory): change"
            " to another one\n"
        )
