"""Another process's word: on a suspect, and on what is to be stored."""

from __future__ import annotations

import os

import pytest

from support.projects import LOOP, TEST, flowing, store_five


def takes_here(project, joules, elsewhere=2.0):
    """The model takes so much in pytest's own process, and another figure in a new one."""
    project.write(
        model=f"""
        import os
        from scripted import spend

        def infer(sample=None):
            spend({joules} if os.getpid() == {os.getpid()} else {elsewhere})
            return sample
        """
    )


# Confirmation


def test_what_one_process_alone_takes_more_does_not_fail(loop):
    store_five(loop)
    takes_here(loop, 2.4)
    (result,) = loop.report()["results"]
    assert result["outcome"] == "passed"
    assert result["verdict"]["status"] == "inconclusive"
    assert result["verdict"]["change"]["passes"] == [pytest.approx(0.2), pytest.approx(0.0)]
    assert result["measurement"]["joules_per_unit"] == pytest.approx(2.2)
    assert result["measurement"]["metered_count"] == 100
    text = flowing(loop.run("--energy-report"))
    assert "two processes: +20.0 %, +0.0 %" in text


def test_what_two_processes_take_more_fails_and_the_message_shows_both(loop):
    store_five(loop)
    loop.set_cost(2.3)
    loop.run().stdout.fnmatch_lines(
        [
            "energy regressed: 2.30 J per inference, baseline 2.00 J (5 sessions, 2.00 to 2.00)",
            "  change     +15.0 %  [[]*[]] (95 %)   allowed +5 %",
            "  detectable  +*",
            "  processes  +15.0 %, +15.0 %",
        ]
    )


def test_what_one_process_alone_takes_less_is_no_improvement(loop):
    store_five(loop)
    takes_here(loop, 1.6)
    assert loop.verdicts()[TEST]["status"] == "inconclusive"
    loop.set_cost(1.6)
    assert loop.verdicts()[TEST]["status"] == "improved"


def test_only_suspects_pay(loop):
    store_five(loop)
    calm = loop.report()["overhead"]["joules"]
    loop.set_cost(2.3)
    suspect = loop.report()["overhead"]["joules"]
    assert suspect == pytest.approx(calm * 1.15 + 230)


def test_a_body_and_a_region_are_confirmed_like_a_loop(project):
    project.write(
        test_it="""
        import pytest
        from model import infer
        from scripted import spend

        @pytest.mark.inference(n=1, model="body")
        def test_body():
            infer()

        @pytest.mark.inference(n=20, model="loop")
        def test_region(energy):
            for i in energy.each(range(20)):
                spend(100)
                with energy.measure("decode"):
                    infer()
        """
    )
    store_five(project)
    project.set_cost(2.6)
    verdicts = project.verdicts()
    assert verdicts["test_it.py::test_region"]["status"] == "ok"
    for key in ("test_it.py::test_body", "test_it.py::test_region#decode"):
        assert verdicts[key]["status"] == "regressed"
        assert verdicts[key]["change"]["passes"] == [pytest.approx(0.3), pytest.approx(0.3)]
    takes_here(project, 2.6)
    verdicts = project.verdicts()
    assert verdicts["test_it.py::test_body"]["status"] == "inconclusive"
    assert verdicts["test_it.py::test_region#decode"]["status"] == "inconclusive"


def test_a_loop_that_ended_early_ends_as_early_in_the_second_process(loop):
    store_five(loop)
    loop.set_cost(2.4)
    (result,) = loop.report("--energy-precision=verdict")["results"]
    assert result["verdict"]["status"] == "regressed"
    assert result["measurement"]["metered_count"] == 25
    assert len(result["verdict"]["change"]["passes"]) == 2


def test_a_test_that_cannot_run_twice_is_inconclusive_and_says_why(loop, tmp_path):
    store_five(loop)
    loop.set_cost(2.4)
    loop.write(
        test_it=LOOP.replace(
            "    for sample",
            f"    import os\n    os.mkdir({str(tmp_path / 'once')!r})\n    for sample",
        )
    )
    verdict = loop.verdicts()[TEST]
    assert verdict["status"] == "inconclusive"
    assert verdict["reason"].startswith(
        "+20.0 % in one process, and a second gave no figure: the second process's test failed:"
        " FileExistsError"
    )
    assert "run again in a new process" in verdict["hint"]


def test_a_second_process_that_dies_is_said_and_the_next_test_gets_another(loop):
    loop.write(test_it=LOOP + LOOP.replace("test_loop", "test_next").replace("tiny", "next"))
    store_five(loop)
    takes_here(loop, 2.4, elsewhere="2.4 if sample != 7 else os._exit(3)")
    verdicts = list(loop.verdicts().values())
    assert [verdict["status"] for verdict in verdicts] == ["inconclusive"] * 2
    for verdict in verdicts:
        assert "the second process's process ended with exit status 3" in verdict["reason"]


def test_it_has_the_sessions_own_options_and_configuration(loop):
    loop.ini("energy_meter = scripted", "addopts = --energy-tolerance=50%", "markers = slow")
    conftest = loop.path / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\ndef pytest_addoption(parser):\n"
        "    parser.addoption('--joules', type=float, default=2.0)\n"
        "import pytest\n"
        "@pytest.fixture\ndef joules(request):\n    return request.config.getoption('--joules')\n"
    )
    loop.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.inference(n=100, task="sentiment", model="tiny")
        def test_loop(energy, joules):
            for _ in energy.each(range(30)):
                spend(joules)
        """
    )
    store_five(loop)
    change = loop.verdicts("--joules=4")[TEST]["change"]
    assert change["passes"] == [pytest.approx(1.0), pytest.approx(1.0)]


def test_averages_over_the_loop_stay_right(loop):
    loop.write(
        test_it="""
        import pytest
        from model import infer

        @pytest.mark.inference(n=100, task="sentiment", model="tiny")
        def test_loop(energy):
            hits = sum(infer(i) is not None for i in energy.each(range(30)))
            energy.record(accuracy=hits / energy.count)
            assert energy.count == 2 + 6 + 100
        """
    )
    store_five(loop)
    loop.set_cost(2.3)
    (result,) = loop.report()["results"]
    assert result["measurement"]["recorded"] == {"accuracy": 1.0}
    assert len(result["verdict"]["change"]["passes"]) == 2


# Capture


def test_update_stores_the_mean_of_two_processes_and_how_far_they_differed(loop):
    takes_here(loop, 2.04)
    loop.run("--energy-update")
    (session,) = loop.baseline()["entries"][TEST]["sessions"]
    assert session["joules_per_unit"] == pytest.approx(2.02)
    assert session["repeat_difference"] == pytest.approx(-0.0196, abs=1e-4)
    assert len(session["blocks"]) == 20


def test_two_processes_that_differ_are_stored_all_the_same_and_count_for_less(loop):
    store_five(loop)
    sharp = loop.verdicts()[TEST]["change"]["high"]
    for path in loop.baselines():
        path.unlink()
    takes_here(loop, 2.4)
    store_five(loop)
    (entry,) = loop.baseline()["entries"].values()
    assert {session["repeat_difference"] for session in entry["sessions"]} == {-0.1667}
    loop.set_cost(2.2)
    assert loop.verdicts()[TEST]["change"]["high"] > sharp


def test_nothing_is_stored_on_one_process_s_word(loop, tmp_path):
    loop.write(
        test_it=LOOP.replace(
            "    for sample",
            f"    import os\n    os.mkdir({str(tmp_path / 'once')!r})\n    for sample",
        )
    )
    result = loop.run("--energy-update")
    text = flowing(result)
    assert "not stored: the second process's test failed: FileExistsError" in text
    assert loop.baselines() == []
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_doubled_work_is_accepted_by_one_update(loop):
    store_five(loop)
    takes_here(loop, 4.2, elsewhere=3.9)
    loop.run("--energy-update").stdout.fnmatch_lines([f"energy: {TEST}: replaced (was 2.00 J, +*"])
    loop.set_cost(4.05)
    assert loop.verdicts()[TEST]["status"] == "ok"


# History


def test_what_was_replaced_stays_as_a_line_of_history(loop):
    store_five(loop)
    for joules in (3.0, 2.0):
        loop.set_cost(joules)
        loop.run("--energy-update").assert_outcomes(passed=1)
    (entry,) = loop.baseline()["entries"].values()
    assert len(entry["sessions"]) == 1
    first, second = entry["history"]
    assert (first["joules_per_unit"], first["sessions"]) == (2.0, 5)
    assert first["reason"] == "+50.0 %, accepted with --energy-update"
    assert (second["joules_per_unit"], second["sessions"]) == (3.0, 1)
    loop.run("--energy-update")
    (entry,) = loop.baseline()["entries"].values()
    assert [line["joules_per_unit"] for line in entry["history"]] == [2.0, 3.0]


def test_ten_lines_of_history_are_kept(loop):
    for number in range(13):
        loop.set_cost(1.0 + number)
        loop.run("--energy-update")
    (entry,) = loop.baseline()["entries"].values()
    assert [line["joules_per_unit"] for line in entry["history"]] == [
        float(j) for j in range(3, 13)
    ]


# What ran


def test_another_version_stands_beside_a_change(loop):
    conftest = loop.path / "conftest.py"
    text = (
        conftest.read_text()
        + "\nimport sys, types\nsys.modules['vllm'] = types.ModuleType('vllm')\n"
    )
    conftest.write_text(text + "sys.modules['vllm'].__version__ = '0.9.1'\n")
    store_five(loop)
    conftest.write_text(text + "sys.modules['vllm'].__version__ = '0.10.0'\n")
    loop.set_cost(2.5)
    loop.run().stdout.fnmatch_lines(["  versions   vllm 0.9.1, now 0.10.0"])


# Under pytest-xdist


def test_a_single_worker_of_xdist_has_a_second_process_too(loop):
    pytest.importorskip("xdist")
    store_five(loop)
    loop.set_cost(2.3)
    verdict = loop.verdicts("-n", "1")[TEST]
    assert verdict["status"] == "regressed"
    assert verdict["change"]["passes"] == [pytest.approx(0.15), pytest.approx(0.15)]


def test_more_processes_can_be_asked_for_and_the_verdict_is_of_all(loop):
    store_five(loop)
    (result,) = loop.report("--energy-processes=3")["results"]
    assert (result["verdict"]["status"], result["verdict"]["change"]["passes"]) == ("ok", [0, 0, 0])
    takes_here(loop, 2.4)
    (result,) = loop.report("--energy-processes=3")["results"]
    assert result["verdict"]["status"] == "inconclusive"
    assert result["verdict"]["change"]["passes"] == pytest.approx([0.2, 0, 0], abs=1e-6)
