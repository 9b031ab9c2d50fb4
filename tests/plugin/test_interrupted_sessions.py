"""Broken files, no permission, sessions that are ended half-way: what is stored stays whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from support.projects import TEST


def test_a_broken_baseline_is_named_with_its_line_and_left_alone(loop):
    loop.run("--energy-update")
    (path,) = loop.baselines()
    path.write_text(path.read_text()[:200])
    before = path.read_bytes()
    result = loop.run("--energy-update")
    result.assert_outcomes(failed=1)
    text = " ".join(result.outlines)
    assert f"{path.name}, line " in text
    assert "the file was left as it is" in text
    assert path.read_bytes() == before
    loop.run("--energy-allow=baseline").assert_outcomes(passed=1)
    strict = loop.run("--energy-strict", "--energy-allow=baseline")
    strict.assert_outcomes(failed=1)


def test_a_folder_that_cannot_be_written_leaves_the_results_and_says_what_was_not_stored(loop):
    setpriv = shutil.which("setpriv")
    root = os.geteuid() == 0
    if root and setpriv is None:
        pytest.skip("root may write anywhere: needs setpriv (Debian: util-linux)")
    loop.run("--energy-update")
    (path,) = loop.baselines()
    before = path.read_bytes()
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        folder.chmod(0o555)
    # Without this capability root is bound by permissions as everybody is.
    drop = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if root else []
    done = subprocess.run(
        [*drop, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in (path.parent.parent.parent, path.parent.parent, path.parent):
        folder.chmod(0o755)
    assert "1 passed" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"not stored: {TEST}" in done.stdout
    assert "Permission denied; nothing was written" in done.stdout.replace("\n ", "")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_report_that_cannot_be_written_is_said_and_the_results_stand(loop):
    conftest = loop.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\ndef pytest_runtest_teardown():\n"
        "    import pathlib; pathlib.Path('report.json').mkdir(exist_ok=True)\n"
    )
    result = loop.run("--energy-json=report.json")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["energy: --energy-json: report.json: Is a directory; the report was not written"]
    )


def test_control_c_stores_nothing_and_leaves_no_half_written_file(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1, model="first")
        def test_first(): infer()

        @pytest.mark.inference(n=1000, model="second")
        def test_second(energy):
            for i, _ in enumerate(energy.each([0])):
                infer()
                if i == 500:
                    raise KeyboardInterrupt
        """
    )
    loop.own_process = True
    result = loop.run("--energy-update")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["energy: the session was interrupted: nothing was stored"])
    assert loop.baselines() == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_session_leaves_the_stored_files_whole(loop):
    loop.run("--energy-update")
    (path,) = loop.baselines()
    before = path.read_bytes()
    loop.write(
        model="""
        import pathlib, time
        def infer(sample=None):
            pathlib.Path("running").touch()
            time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (loop.path / "running").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    loop.set_cost(2.0)
    loop.run("--energy-update").assert_outcomes(passed=1)  # the lock died with the process


def test_a_run_that_is_killed_half_way_stores_nothing_and_leaves_the_baseline_whole(loop):
    loop.run("--energy-update")
    before = [path.read_bytes() for path in loop.baselines()]
    loop.write(
        model="""
        import os, signal
        from scripted import spend
        calls = []

        def infer(sample=None):
            spend(2.0)
            calls.append(sample)
            if len(calls) == 50:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--energy-update"],
        cwd=loop.path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9
    assert [path.read_bytes() for path in loop.baselines()] == before


def test_a_session_that_is_ended_from_inside_stores_nothing(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1)
        def test_x(): infer()
        def test_y(): pytest.exit("enough", returncode=7)
        """
    )
    assert project.run("--energy-update").ret == 7
    assert project.baselines() == []
