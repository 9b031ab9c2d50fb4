"""Meters that come in through the hook."""

from __future__ import annotations

import pytest

WALL = """
import itertools, time
from pytest_energy import Domain, Meter, MeterLostError, MeterSource, Method

class Wall(Meter):
    name = "wall"
    domains = (Domain("socket", "system", Method.COUNTER, "Shelly", resolution_seconds=1e-6),)
    readings = 0

    def read(self):
        self.readings += 1
        good = round(time.perf_counter() * 100e6)  # 100 W
        if self.readings < {at}:
            return (good,)
        {answer}

def pytest_energy_meters(config):
    return [MeterSource("wall", Wall)]
"""

METERED = """
import time
import pytest

@pytest.mark.inference(n=60, warmup=2, task="t", model="m")
def test_loop(energy):
    for _ in energy.each([0]):
        time.sleep(0.002)
"""


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("return scripted.sources()[0]", None),
        ("return None", None),
        ("return 1 / 0", "pytest_energy_meters: ZeroDivisionError"),
        ("return 3", "pytest_energy_meters: TypeError: 'int' object is not iterable"),
    ],
)
def test_a_hook_with_a_defect_is_named(project, hook, said):
    project.pytester.makeconftest(
        f"import scripted\ndef pytest_energy_meters(config):\n    {hook}\n"
    )
    project.write(
        test_it="""
        import pytest
        from model import infer
        @pytest.mark.inference(n=1)
        def test_x(): infer()
        """
    )
    result = project.run("--energy-meter=cpu_time" if hook == "return None" else "-v")
    if said is None:
        result.assert_outcomes(passed=1)
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{said}*"])


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ('whole_kinds = frozenset({"cpu"})', "whole_kinds is now called covers"),
        ("left_out = ()", "left_out is now called skipped_hardware"),
        ("longest_seconds = 10.0", "longest_seconds is now called max_read_interval_seconds"),
        ("gaps = 0", "gaps is now called missed_samples"),
        ("def disturbances(self): return ()", "disturbances is now called interference"),
    ],
)
def test_a_meter_for_the_older_contract_is_refused_with_the_new_names(loop, member, message):
    loop.pytester.makeconftest(
        f"""
        import scripted
        from pytest_energy import MeterSource

        class Older(scripted.Scripted):
            {member}

        def pytest_energy_meters(config):
            return [MeterSource("scripted", Older)]
        """
    )
    result = loop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*'scripted' is unavailable: Older is written for an older contract*{message}"]
    )


def test_a_refusal_in_the_older_words_names_the_new_one(loop):
    loop.pytester.makeconftest(
        """
        from pytest_energy import MeterSource, MeterUnavailableError

        def closed():
            raise MeterUnavailableError("it is locked", remedy="unlock it")

        def pytest_energy_meters(config):
            return [MeterSource("scripted", closed)]
        """
    )
    result = loop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*MeterUnavailableError: remedy= is now called hint=*"])


FAULTS = {
    "1e22 J": ("return (10**28,)", "the counter of socket (Shelly) reads 1e+22 J"),
    "and goes on from there": (
        "return (good + self.readings * 10**26,)",
        "the counter of socket (Shelly) reads ",
    ),
    # More than 1 GW even where a busy machine leaves a minute between two readings.
    "1e11 J more a reading": (
        "return (good + self.readings * 10**17,)",
        "the counter of socket (Shelly) rose by ",
    ),
    "10,000 digits": ("return (10**10_000,)", "the counter of socket (Shelly) reads 1e+9994 J"),
    "negative": ("return (-1,)", "the counter of socket (Shelly) reads -1e-06 J"),
    "decreasing": (
        "return (round(1e13 - self.readings * 1e6),)",
        "the counter of socket (Shelly) ",
    ),
    "infinite": ("return (float('inf'),)", "read() returned inf for socket"),
    "not a number": ("return (float('nan'),)", "read() returned nan for socket"),
    "a float": ("return (float(good),)", "read() returned "),
    "a bool": ("return (True,)", "read() returned True for socket"),
    "a text": ("return '5'", "read() returned '5'"),
    "bytes": ("return b'5'", "read() returned b'5'"),
    "nothing": ("return None", "read() returned None"),
    "a dictionary": ("return {'socket': good}", "read() returned {'socket': "),
    "too few": ("return ()", "read() returned 0, and should return one count per domain: 1"),
    "too many": (
        "return (good, good)",
        "read() returned more than 1, and should return one count per domain: 1",
    ),
    "without an end": ("return itertools.count()", "read() returned more than 1, and should"),
    "an error": ("raise OSError(5, 'I/O error')", "OSError: [Errno 5] I/O error"),
    "lost": ("raise MeterLostError('fell\\noff')", "fell off"),
    "an error without words": ("raise RuntimeError", "RuntimeError"),
    "itself": ("return self.read()", "RecursionError"),
}


@pytest.mark.parametrize("at", [1, 12], ids=["from the start", "half-way"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_reading_that_cannot_be_leaves_no_figure_and_is_said_with_the_meter(project, fault, at):
    answer, reason = FAULTS[fault]
    project.pytester.makeconftest(WALL.format(at=at, answer=answer))
    project.write(test_it=METERED)
    report = project.report("--energy-meter=wall", "--energy-update")
    (result,) = report["results"]
    assert result["verdict"]["status"] == "unmeasured"
    assert result["verdict"]["reason"].startswith(f"the meter was lost: wall: {reason}")
    assert result["measurement"] is None
    assert result["outcome"] == "passed"
    assert project.baselines() == []
    # Nothing of it is in what the gate itself took.
    assert report["overhead"]["joules"] < 1e5


@pytest.mark.parametrize(
    "answer",
    [
        "self.stopped = getattr(self, 'stopped', good); return (self.stopped,)",
        "self.began = getattr(self, 'began', good); return (good - self.began,)",
    ],
    ids=["stops", "begins anew"],
)
def test_a_counter_that_stops_or_begins_anew_half_way_leaves_no_figure(project, answer):
    project.pytester.makeconftest(WALL.format(at=16, answer=answer))
    project.write(test_it=METERED)
    (result,) = project.report("--energy-meter=wall", "--energy-update")["results"]
    assert result["verdict"]["status"] == "unmeasured"
    assert "wall: the counter of socket (Shelly) " in result["verdict"]["reason"]
    assert project.baselines() == []


def test_a_counter_that_never_moves_gives_no_figure_to_store(project):
    project.pytester.makeconftest(WALL.format(at=1, answer="return (5,)"))
    project.write(test_it=METERED)
    (verdict,) = project.verdicts("--energy-meter=wall", "--energy-update").values()
    assert (verdict["status"], verdict["reason"]) == ("unresolved", "the counters did not move")
    assert project.baselines() == []


def test_numpy_integers_are_counts(project):
    answer = "import numpy; return numpy.array([good])"
    project.pytester.makeconftest(WALL.format(at=1, answer=answer))
    project.write(test_it=METERED)
    project.own_process = True
    (result,) = project.report("--energy-meter=wall")["results"]
    assert result["verdict"]["status"] in ("new", "inconclusive")
    assert result["measurement"]["joules_per_unit"] > 0.2


def test_a_users_interrupt_in_the_midst_of_a_reading_ends_the_session(project):
    answer = "if self.readings == 12: raise KeyboardInterrupt\n        return (good,)"
    project.pytester.makeconftest(WALL.format(at=1, answer=answer))
    project.write(test_it=METERED)
    project.own_process = True
    assert project.run("--energy-meter=wall").ret == pytest.ExitCode.INTERRUPTED
