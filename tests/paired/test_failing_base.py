"""The base fails: that is said, and the other tests go on."""

from __future__ import annotations

import time

import pytest

from support.projects import TEST


def with_base(repository, body: str, *, more: str = "") -> None:
    """A base whose one test has this body; the head's is in order, and so is a second test."""
    good = (repository.path / "test_it.py").read_text()
    second = good.replace("test_loop", "test_second")
    (repository.path / "test_second.py").write_text(second)
    (repository.path / "test_it.py").write_text(
        f"import os, signal, sys, time\nimport pytest\n{more}\n"
        f"def test_loop(energy):\n    {body}\n    for _ in energy.each(range(100)):\n        pass\n"
    )
    repository.commit()
    (repository.path / "test_it.py").write_text(good)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no weights')", "failed: RuntimeError: no weights (test_it.py:5)"),
        ("assert energy is None", "the base's test failed: assert <"),
        ("pytest.skip('no GPU')", "the base's test was skipped: "),
        ("pytest.xfail('known')", "the base's test xfailed"),
        ("sys.exit(2)", "the base's test failed: SystemExit: 2"),
        ("os._exit(7)", "the base's process ended with exit status 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the base's process was ended by SIGSEGV"),
    ],
)
def test_what_goes_wrong_on_the_base_is_said_and_the_others_go_on(repository, body, words):
    with_base(repository, body)
    found = repository.paired()
    assert found[TEST]["status"] == "incomparable"
    assert words in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


def test_the_bases_own_error_is_shown(repository):
    with_base(repository, "raise RuntimeError('no weights')")
    result = repository.against("--energy-allow=base")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "energy: incomparable: the base's test failed: RuntimeError: no weights (test_it.py:5)",
            "*energy: output of the base*",
            ">       raise RuntimeError('no weights')",
            "energy: 1 compared (1 ok), 1 incomparable*",
        ]
    )
    repository.against().assert_outcomes(passed=1, failed=1)


def test_a_failure_is_said_on_a_busy_machine_too(repository, monkeypatch):
    def busy(window):
        window._other_cpu_share = 0.6

    monkeypatch.setattr("pytest_energy.metering.window.Window.read_conditions", busy)
    with_base(repository, "raise RuntimeError('no weights')")
    found = repository.paired()
    assert "no weights" in found[TEST]["reason"]
    assert "others used 60 %" in found["test_second.py::test_second"]["reason"]


def test_a_module_that_is_skipped_on_the_base_is_not_new(repository):
    with_base(repository, "pass", more="pytest.importorskip('nothing_of_this_name')")
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "could not import 'nothing_of_this_name'" in verdict["reason"]


def test_a_test_that_the_head_skips_leaves_the_base_ready_for_the_next_module(repository):
    repository.write(
        test_it="""
        import os
        import pytest
        from model import infer

        @pytest.fixture(scope="module", autouse=True)
        def weights():
            yield

        def test_loop(energy):
            for _ in energy.each(range(20)):
                infer()

        @pytest.mark.skipif("tree" not in os.getcwd(), reason="on the head")
        def test_skipped(energy):
            for _ in energy.each(range(20)):
                infer()
        """,
        test_third="""
        from model import infer

        def test_third(energy):
            for _ in energy.each(range(20)):
                infer()
        """,
    )
    repository.commit()
    found = repository.paired()
    assert {name.partition("::")[2]: verdict["status"] for name, verdict in found.items()} == {
        "test_loop": "ok",
        "test_third": "ok",
    }


def test_a_flaky_base_does_not_get_out_of_step(repository):
    good = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        good.replace("@pytest", "@pytest.mark.flaky(reruns=2)\n@pytest", 1) + "\n    assert False\n"
    )
    (repository.path / "test_second.py").write_text(good.replace("test_loop", "test_second"))
    repository.commit()
    (repository.path / "test_it.py").write_text(good)
    found = repository.paired()
    assert "the base's test failed" in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


def test_a_process_that_a_dead_base_leaves_behind_keeps_nobody_waiting(repository):
    with_base(
        repository,
        "print('last words', flush=True); os.fork() or time.sleep(600); os._exit(7)",
    )
    began = time.monotonic()
    report = repository.report("--energy-against=main", "--energy-against-timeout=300")
    assert time.monotonic() - began < 200  # neither for the sleeper nor for the time-out
    verdict = next(r["verdict"] for r in report["results"] if r["subject"]["test"] == TEST)
    assert verdict["reason"] == "the base's process ended with exit status 7"
    assert verdict["paired"]["error"].endswith("last words")


def test_a_base_that_ends_its_session_says_with_what_status(repository):
    with_base(repository, "pytest.exit('enough', returncode=9)")
    assert repository.paired()[TEST]["reason"] == "the base's process ended with exit status 9"


def test_a_base_that_fails_half_way_leaves_the_head_its_figure(repository):
    with_base(repository, "pass", more="import model\nmodel.left = 50")
    (repository.path / "model.py").write_text(
        "from scripted import spend\nleft = None\n\ndef infer(sample=None):\n    spend(2.0)\n"
    )
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text)
    base = text.replace("infer(sample)", "infer(sample)\n        assert energy.count < 30")
    (repository.path / "test_it.py").write_text(base)
    repository.commit()
    (repository.path / "test_it.py").write_text(text)
    report = repository.report("--energy-against=main")
    result = next(r for r in report["results"] if r["subject"]["test"] == TEST)
    assert result["verdict"]["status"] == "incomparable"
    assert "assert 30 < 30" in result["verdict"]["reason"]
    assert result["measurement"]["metered_count"] == 100


def test_a_base_that_fails_in_a_fixture_says_where(repository):
    with_base(
        repository,
        "pass",
        more="@pytest.fixture(autouse=True)\ndef weights():\n    raise OSError('no network')\n",
    )
    reason = repository.paired()[TEST]["reason"]
    assert "the base's test failed in its setup: OSError: no network" in reason


def test_a_base_that_cannot_be_imported_takes_only_its_own_module_along(repository):
    with_base(repository, "pass", more="import nothing_of_this_name")
    found = repository.paired()
    assert found[TEST]["status"] == "incomparable"
    assert "could not be collected" in found[TEST]["reason"]
    assert "No module named 'nothing_of_this_name'" in found[TEST]["reason"]
    assert found["test_second.py::test_second"]["status"] == "ok"


@pytest.mark.parametrize("break_", ["raise ValueError('broken')", "def broken(:"])
def test_a_base_whose_conftest_is_broken_is_incomparable_as_a_whole(repository, break_):
    conftest = (repository.path / "conftest.py").read_text()
    (repository.path / "conftest.py").write_text(f"{conftest}\n{break_}\n")
    repository.commit()
    (repository.path / "conftest.py").write_text(conftest)
    result = repository.against("--energy-report")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pytest failed on the base: *", "*energy: output of the base*"])


def test_a_base_that_hangs_is_given_up_after_the_time_for_one_turn(repository):
    with_base(repository, "time.sleep(600)")
    began = time.monotonic()
    found = repository.paired("--energy-against-timeout=3")
    assert found[TEST]["reason"] == (
        "the base did not answer within 3.00 s (--energy-against-timeout)"
    )
    assert found["test_second.py::test_second"]["status"] == "ok"
    assert time.monotonic() - began < 300  # it did not wait for the sleeper


def test_what_the_base_prints_disturbs_nothing(repository):
    with_base(
        repository,
        "print('{\"said\": \"finished\"}', flush=True); os.write(1, b'noise'); os.write(2, b'x')",
    )
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(text)
    found = repository.paired("-s")
    assert found[TEST]["status"] != "incomparable"


def test_a_head_that_fails_leaves_the_base_ready_for_the_next_test(repository):
    second = (repository.path / "test_it.py").read_text().replace("test_loop", "test_second")
    (repository.path / "test_second.py").write_text(second)
    repository.commit()
    text = (repository.path / "test_it.py").read_text()
    (repository.path / "test_it.py").write_text(
        text.replace("infer(sample)", "infer(sample); assert energy.count < 50")
    )
    result = repository.against()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["energy: 1 compared (1 ok), 1 unmeasured*"])
