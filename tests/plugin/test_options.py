"""Options, their twins in the ini file, and the help."""

from __future__ import annotations

import json

import pytest

from support.projects import TEST


def test_ini_values_apply_and_the_command_line_wins(loop):
    loop.run("--energy-update")
    loop.set_cost(2.3)
    loop.ini("energy_meter = scripted", "energy_tolerance = 20%")
    assert loop.verdicts()[TEST]["status"] == "ok"
    assert loop.verdicts("--energy-tolerance=10%")[TEST]["status"] == "regressed"
    loop.ini(
        "energy_meter = scripted",
        "energy_update = true",
        "energy_baselines = elsewhere",
        "energy_country = FRA",
        "energy_pue = 1.5",
    )
    result = loop.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["energy: energy_update stands in a configuration file: *"])
    (path,) = (loop.path / "elsewhere").glob("[!c]*/*/*.json")
    (entry,) = json.loads(path.read_text())["entries"].values()
    assert entry["carbon_intensity"]["place"] == "France"
    assert entry["carbon_intensity"]["pue"] == 1.5


def test_paths_are_read_from_where_the_user_stands_and_ini_paths_from_the_rootdir(
    loop, monkeypatch
):
    below = loop.path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    loop.run("--energy-update", "--energy-baselines=here", "--energy-json=report.json", "..")
    assert list((below / "here").glob("*/*/*.json"))
    assert (below / "report.json").exists()
    loop.run("--energy-update", "..")
    assert len(loop.baselines()) == 1


def test_the_markers_tolerance_wins_over_the_sessions(loop):
    loop.write(
        test_it=(loop.path / "test_it.py").read_text().replace("n=100", "n=100, tolerance='50%'")
    )
    loop.run("--energy-update")
    loop.set_cost(2.8)
    assert loop.verdicts("--energy-tolerance=1%")[TEST]["status"] == "ok"


def test_markers_reads_like_a_manual(project):
    project.run("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.inference(n, task, model, *): *tolerance: allowed rise*"]
    )


@pytest.mark.parametrize("flag", ["report", "update", "off"])
def test_no_option_swallows_the_path_behind_it(loop, flag):
    loop.write(test_other="def test_other(): pass")
    loop.run(f"--energy-{flag}", "test_it.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--energy-tolerance=abc", '--energy-tolerance (or ini energy_tolerance): *such as "5%"'),
        ("--energy-precision=0%", "--energy-precision*above 0"),
        ("--energy-pue=0.5", "--energy-pue*a ratio of 1 or more such as 1.2, found '0.5'"),
        ("--energy-carbon-intensity=green", "--energy-carbon-intensity*grams of CO2e per kWh"),
        ("--energy-carbon-intensity=-1", "--energy-carbon-intensity*found '-1'"),
        ("--energy-country=Atlantis", "--energy-country (or ini energy_country): no carbon intens"),
        ("--energy-region=texas", "--energy-region (or ini energy_region) needs --energy-country"),
        (
            "--energy-meter=watt",
            "no meter named 'watt'; there are: auto; rapl (",
        ),
        ("--energy-meter=scripted,rapl", "meter 'rapl' is unavailable: there is no folder"),
    ],
)
def test_a_wrong_option_is_a_usage_error_with_the_remedy(loop, option, problem, monkeypatch):
    monkeypatch.setenv("PYTEST_ENERGY_POWERCAP", "/nonexistent")
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{problem}*"])


@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_an_unknown_country_is_said_first_and_alone(loop, workers):
    for where in (["--energy-country=Narnia"], ["-o", "energy_country=Narnia"]):
        if workers and where[0] == "-o":
            continue  # each worker reads the ini file
        result = loop.run(*where, *workers)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "energy: " not in result.stdout.str()
        result.stderr.fnmatch_lines(
            [
                "ERROR: --energy-country (or ini energy_country): no carbon intensity for 'Narnia';"
                " write an ISO 3166-1 code or a name, as USA, US or United States",
            ]
        )


def test_beside_an_error_of_the_command_nothing_is_said_of_what_was_compared(loop):
    result = loop.run("--energy-meter=watt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "nothing was compared" not in result.stdout.str()


def test_lists_of_tests_and_fixtures_say_nothing_of_energy(loop):
    for option in ("--collect-only", "--setup-plan", "--setup-only", "--fixtures", "-h"):
        text = loop.run(option).stdout.str()
        assert "energy: " not in text, option
    assert loop.run("--setup-only").ret == pytest.ExitCode.OK


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest reads no TOML table of its own")
def test_numbers_in_pytests_own_toml_table_are_numbers(loop):
    (loop.path / "tox.ini").unlink()
    (loop.path / "pyproject.toml").write_text(
        "[tool.pytest]\n"
        'energy_meter = "scripted"\nenergy_pue = 1.2\nenergy_processes = 1\nenergy_idle = 0\n'
    )
    report = loop.report()
    assert report["carbon"]["pue"] == 1.2
    (loop.path / "pyproject.toml").write_text('[tool.pytest]\nenergy_pue = "1.2"\n')
    result = loop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "energy_pue" in result.stderr.str()


def test_a_conftest_with_our_hook_works_without_the_plugin(loop, monkeypatch):
    loop.write(test_it="def test_plain(): pass")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = loop.pytester.runpytest_subprocess("-p", "no:energy", "-p", "energy_hooks")
    result.assert_outcomes(passed=1)


def test_a_marker_of_that_name_that_is_not_ours_is_explained(project):
    project.write(
        test_it="""
        import pytest
        @pytest.mark.inference(backend="cuda")
        def test_x(): pass
        """
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "if the marker is the project's own" in result.stderr.str()
