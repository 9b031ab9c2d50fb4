"""Meters that come in through the hook."""

from __future__ import annotations

import pytest


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
