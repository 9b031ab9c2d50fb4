"""The live line, on a real pseudo-terminal."""

from __future__ import annotations

import re
import subprocess

import pytest

from support.terminals import COMMAND, screen_of

LIVE = """
import pytest, time
from model import infer

@pytest.mark.inference(n=60, warmup=0)
def test_live(energy):
    for _ in energy.each([0]):
        infer()
        time.sleep(0.02)
    print("captured")

def test_after(): pass
"""


@pytest.mark.parametrize(("columns", "flags"), [(80, []), (120, []), (80, ["-v"])])
def test_a_long_loop_shows_a_live_line_and_leaves_no_trace(project, columns, flags):
    project.write(test_it=LIVE)
    drawn, last = screen_of([*COMMAND, *flags], project.path, columns)
    live = [s for s in drawn if re.search(r"test_live.*\d+/60 +[\d.]+ J +\d.* left", s)]
    assert live
    assert "left" not in last
    assert "2 passed" in last
    if flags:
        assert re.search(r"test_it.py::test_live PASSED", last)
    else:
        assert re.search(r"^test_it\.py \.\. ", last, re.MULTILINE)


def test_a_loop_over_batches_shows_inferences(project):
    text = LIVE.replace("energy.each([0])", "energy.each([[0] * 6] * 10, batch_size=6)")
    project.write(test_it=text.replace("sleep(0.02)", "sleep(0.1)"))
    drawn, _ = screen_of(COMMAND, project.path, 80)
    shown = {int(n) for screen in drawn for n in re.findall(r"test_live.* (\d+)/60 ", screen)}
    assert shown
    assert all(done % 6 == 0 for done in shown)
    assert max(shown) > 10


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (["-q"], {}),
        (["-s"], {}),
        ([], {"CI": "true"}),
        ([], {"TERM": "dumb"}),
        (["--energy-off"], {}),
    ],
)
def test_nothing_of_the_sort_when_nobody_watches(project, flags, environment):
    project.write(test_it=LIVE)
    drawn, last = screen_of([*COMMAND, *flags], project.path, environment=environment)
    assert not any(" left" in screen for screen in drawn)
    assert "2 passed" in last


def test_no_live_line_when_output_is_not_a_terminal(project):
    project.write(test_it=LIVE)
    done = subprocess.run(COMMAND, cwd=project.path, capture_output=True, text=True, check=True)
    assert " left" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_live_line_is_erased_when_the_body_raises(project):
    project.write(
        test_it="""
        import pytest, time
        calls = []

        def slow(sample):
            time.sleep(0.05)
            calls.append(1)
            assert len(calls) < 25  # six of them are not metered, to be counted

        @pytest.mark.inference(n=60, warmup=0)
        def test_live(energy):
            energy.run(slow, [0])

        def test_after(): pass
        """
    )
    drawn, last = screen_of(COMMAND, project.path)
    assert any(" left" in screen for screen in drawn)
    assert " left" not in last
    assert "test_it.py F." in last


MANY = """
import pytest, time
from model import infer

@pytest.mark.parametrize("i", range(4))
@pytest.mark.inference(n=40, warmup=0, task="a long task", model="model")
def test_live(energy, i):
    for _ in energy.each([0]):
        infer()
        time.sleep(0.02)
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_the_time_of_the_whole_run_is_shown_once_two_tests_have_ended(project, columns):
    project.write(test_it=MANY)
    drawn, last = screen_of(COMMAND, project.path, columns)
    told = {
        int(number)
        for screen in drawn
        for number in re.findall(r"test_live\[(\d)\].* left \(run: about \d+ s\)", screen)
    }
    assert told == {2}  # the last one's own time is that of the run
    assert "run:" not in last


def test_a_narrow_terminal_keeps_the_tests_own_line(project):
    project.write(test_it=MANY)
    drawn, _ = screen_of(COMMAND, project.path, 50)
    assert any(re.search(r"\d+/40 .* left", screen) for screen in drawn)
    assert not any("(run" in screen for screen in drawn)
    live = [line for screen in drawn for line in screen.split("\n") if "/40 " in line]
    assert all(line.endswith(" left") for line in live)  # on one line


def test_the_line_is_as_wide_as_the_terminal(project):
    project.write(test_it=LIVE)
    drawn, _ = screen_of(COMMAND, project.path, 140)
    live = [line for screen in drawn for line in screen.split("\n") if "/60 " in line]
    assert {len(line) for line in live} == {139}
