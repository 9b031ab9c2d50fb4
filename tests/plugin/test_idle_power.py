"""Idle power beside the figure, on request."""

from __future__ import annotations

import re

import pytest

IDLING = '''
import time
from pytest_energy import Domain, Meter, MeterSource, Method


class Board(Meter):
    """50 W when idle, and 3 J for each inference on top."""

    name = "board"
    domains = (Domain("gpu:0", "gpu", Method.COUNTER, "NVML", 0.0),)
    spent = 0.0

    def read(self):
        return (round((time.perf_counter() * 50 + Board.spent) * 1e6),)


def infer():
    Board.spent += 3.0


def pytest_energy_meters(config):
    return [MeterSource("board", Board)]
'''


LOOP = """
import pytest
from conftest import infer

@pytest.mark.inference(n=40, task="t", model="m")
def test_loop(energy):
    for _ in energy.each(range(40)):
        infer()
"""


def about_50():
    """Watts of a board that counts by the clock: a busy machine reads it a little late."""
    return pytest.approx(50, rel=0.3)


@pytest.fixture
def board(project):
    project.pytester.makeconftest(IDLING)
    project.ini("energy_meter = board")
    project.write(test_it=LOOP)
    return project


def test_idle_power_stands_beside_the_figure_when_it_is_asked_for(board):
    (result,) = board.report("--energy-idle=0.2")["results"]
    assert result["measurement"]["idle_watts"] == [about_50()]
    assert result["measurement"]["joules_per_unit"] >= 3.0
    table = board.run("--energy-idle=0.2", "--energy-report").stdout.str()
    assert "\n test_loop" in table
    assert float(re.search(r" idle (\S+) W", table)[1]) == about_50()
    assert " idle " not in board.run("--energy-report").stdout.str()


def test_a_failing_test_says_what_of_it_would_flow_anyway(board):
    board.write(test_it=LOOP.replace('model="m"', 'model="m", budget="1 J"'))
    output = board.run("--energy-idle=0.2").stdout
    told = re.search(r"  idle       gpu:0 (\S+) W, right before; not subtracted\n", output.str())
    assert float(told[1]) == about_50()


def test_an_estimate_knows_no_idle_power(project):
    project.write(
        test_it="import pytest\n@pytest.mark.inference(n=1)\ndef test_one(): sum(range(10**6))\n"
    )
    result = project.run("--energy-meter=cpu_time", "--energy-idle=0.05", "--energy-report")
    assert " idle " not in result.stdout.str()


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan"])
def test_a_time_to_idle_that_cannot_be_meant_is_refused(board, seconds):
    result = board.run(f"--energy-idle={seconds}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--energy-idle*expected seconds such as 1, or 0 for none, found*"]
    )


def test_nothing_is_waited_for_inside_of_another_window(board):
    board.write(
        test_it="""
        import pytest
        from conftest import infer

        @pytest.mark.inference(n=40, task="t", model="m")
        def test_inside(energy):
            for _ in energy.each(range(40)):
                with energy.measure("inside"):
                    infer()

        def test_around(energy):
            with energy.measure("around"):
                for _ in energy.each(range(40)):
                    infer()
        """
    )
    found = {
        r["subject"]["region"]: r["measurement"]
        for r in board.report("--energy-idle=0.5")["results"]
    }
    assert found["inside"]["idle_watts"] == []
    assert found["around"]["seconds"] < 0.45
