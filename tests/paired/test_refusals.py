"""What a paired run cannot do is refused with the reason."""

from __future__ import annotations

import pytest


def test_under_xdist_it_is_refused_with_the_reason(repository):
    repository.own_process = True
    result = repository.against("-n", "2")
    text = result.stdout.str() + result.stderr.str()
    assert "pytest-xdist's workers would all run at once and interfere with both: use -n 0" in text
    repository.against("-n", "0").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--energy-against="], "no revision is given (an empty variable?)"),
        (["--energy-against=nothing"], "'nothing' is neither a folder nor a revision"),
        (["--energy-against=--help"], "'--help' is neither a folder nor a revision"),
        (["--energy-against=."], "'.' is or holds the tree that is tested"),
        (["--energy-against=main", "--energy-against-timeout=soon"], "expected seconds"),
        (["--energy-against=main", "--energy-meter=nothing"], "no meter named 'nothing'"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_that_says_what_is_meant(repository, arguments, words):
    result = repository.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


@pytest.mark.parametrize(
    ("base", "remedy"),
    [
        ("origin/release", "yet: git fetch origin release (a branch is origin/release then); in a"),
        ("v9", "yet: git fetch origin v9 (a branch is origin/v9 then); in a shallow clone"),
        ("HEAD~90", "yet: in a shallow clone git fetch --unshallow, in GitHub's checkout action"),
    ],
)
def test_a_revision_that_was_not_fetched_is_named_with_the_remedy(repository, base, remedy):
    result = repository.against(base=base)
    result.stderr.fnmatch_lines([f"*'{base}' is neither*{remedy}*fetch-depth: 0"])


def test_outside_of_git_a_folder_will_do_and_a_revision_will_not(loop):
    result = loop.run("--energy-against=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "not a git repository" in result.stderr.str()
    other = loop.path.with_name(f"{loop.path.name}-other")
    other.mkdir()
    for name in ("conftest.py", "scripted.py", "model.py", "test_it.py", "tox.ini"):
        (other / name).write_bytes((loop.path / name).read_bytes())
    loop.set_cost(2.3)
    loop.run(f"--energy-against={other}").assert_outcomes(failed=1)


def test_metered_tests_switched_off_need_no_base(repository):
    repository.against("--energy-off", base="nothing").assert_outcomes(passed=1)


def test_a_session_without_metered_tests_starts_nothing(repository):
    repository.write(test_it="def test_plain(): pass")
    repository.against(base="nothing").assert_outcomes(passed=1)


def test_installed_modules_by_name_are_refused_with_the_reason(repository):
    result = repository.against("--pyargs", "test_it")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "installed modules are the same on both sides" in result.stderr.str()
