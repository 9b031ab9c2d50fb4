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
