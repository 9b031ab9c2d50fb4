"""`pytest-energy comment`: printed, or posted to a server that answers as GitHub's does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_energy.cli.main import main
from pytest_energy.comment.body import marker
from pytest_energy.report import json as json_report
from support.github import BOT, REPOSITORY, TOKEN, FakeGitHub, Scripted
from support.reports import OTHER_MACHINE, hostile_session, result, session

READ_ONLY = {"message": "Resource not accessible by integration"}


def write(name, *results, **members):
    assert json_report.write_report(Path(name), session(*results, **members)) == []


def pull_request(head=REPOSITORY):
    return {
        "pull_request": {
            "number": 7,
            "head": {"repo": {"full_name": head}},
            "base": {"repo": {"full_name": REPOSITORY}},
        }
    }


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a run's report, on a machine that is none of GitHub's."""
    for name in [*os.environ]:
        if name.startswith("GITHUB_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    write("run.json", result(3.0))
    return tmp_path


@pytest.fixture
def fake(here, monkeypatch):
    """GitHub, as the step of a workflow for a pull request sees it."""
    found = FakeGitHub()
    (here / "event.json").write_text(json.dumps(pull_request()))
    for name, value in {
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_API_URL": found.url,
        "GITHUB_EVENT_PATH": "event.json",
        "GITHUB_EVENT_NAME": "pull_request",
    }.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


@pytest.fixture
def fails(capfd):
    def fails(*arguments, code=2):
        """Run it, and what it says of what went wrong; nothing of it is the token."""
        assert main(["comment", "run.json", *arguments]) == code
        out, err = capfd.readouterr()
        assert out == ""
        assert TOKEN not in err
        return err

    return fails


def test_without_post_the_body_is_printed_and_nothing_is_sent(fake, capfd):
    assert main(["comment", "run.json"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"{marker('')}\n**Energy: 1 regressed**; 1 compared (1 regressed)\n")
    assert "| **regressed** | `tests/test_x.py::test_a` | 3.00 J | +50.0 %" in out
    assert err == ""
    assert fake.asked == []


def test_printing_needs_neither_github_nor_requests(here):
    script = "import sys; sys.modules['requests'] = None\n"
    script += "from pytest_energy.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "comment", "run.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(marker(""))
    environment = os.environ | {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY}
    done = subprocess.run(
        [*command, "--post", "--pull-request=7"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'pytest-energy[github]'" in done.stderr


def test_posted_twice_it_is_one_comment_and_its_address_is_printed(fake, capfd):
    assert main(["comment", "run.json", "--post"]) == 0
    url = f"https://github.test/{REPOSITORY}/pull/7#issuecomment-1\n"
    assert capfd.readouterr() == (url, "")
    write("run.json", result(2.0))
    assert main(["comment", "run.json", "--post"]) == 0
    assert capfd.readouterr() == (url, "")
    (body,) = fake.bodies()
    assert body.startswith(f"{marker('')}\n**Energy: no regression**")
    assert main(["comment", "run.json"]) == 0
    assert capfd.readouterr().out == body


def test_a_name_makes_it_a_comment_of_its_own(fake):
    assert main(["comment", "run.json", "--post"]) == 0
    assert main(["comment", "run.json", "--post", "--name", "gpu; $(x) -->"]) == 0
    assert main(["comment", "run.json", "--post", "--name=gpu; $(x) -->"]) == 0
    assert len(fake.bodies()) == 2
    assert "#### `gpu; $(x) -->`" in fake.bodies()[1]


def test_several_runs_are_one_comment_by_machine_class(fake, capfd):
    write("other.json", result(2.0), machine=OTHER_MACHINE)
    assert main(["comment", "run.json", "other.json", "./run.json", "--post"]) == 0
    assert "2 compared (1 ok, 1 regressed)" in fake.bodies()[0]


def test_a_pull_request_may_be_named(fake, here, monkeypatch):
    monkeypatch.delenv("GITHUB_EVENT_PATH")
    assert main(["comment", "run.json", "--post", "--pull-request", "8"]) == 0
    assert len(fake.bodies(8)) == 1
    monkeypatch.setenv("GITHUB_REF", "refs/pull/9/merge")
    assert main(["comment", "run.json", "--post"]) == 0
    assert len(fake.bodies(9)) == 1


def workflow_run(sha):
    run = {"head_repository": {"owner": {"login": "fork"}}, "head_branch": "fix", "head_sha": sha}
    return json.dumps({"workflow_run": run})


def test_after_another_workflow_the_pull_request_is_found_by_its_commit(fake, here, capfd):
    fake.pulls = [{"number": 12, "head": {"label": "fork:fix", "sha": "a" * 40}}]
    (here / "event.json").write_text(workflow_run("a" * 40))
    assert main(["comment", "run.json", "--post"]) == 0
    assert len(fake.bodies(12)) == 1
    capfd.readouterr()
    (here / "event.json").write_text(workflow_run("b" * 40))
    assert main(["comment", "run.json", "--post"]) == 0
    assert capfd.readouterr() == (
        "",
        "pytest-energy: the comment was not posted: bbbbbbb is the head of no open pull request,"
        " or is so no longer\n",
    )
    assert len(fake.bodies(12)) == 1


def test_on_a_forks_pull_request_the_ways_out_are_named(fake, here, fails):
    (here / "event.json").write_text(json.dumps(pull_request("fork/models")))
    fake.script[("POST", "/comments")] = [Scripted(403, READ_ONLY)]
    err = fails("--post", code=3)
    assert (
        "(HTTP 403): Resource not accessible by integration; the pull request comes from a" in err
    )
    assert "runs on workflow_run (docs/ci.md), or read the report in the step's summary" in err


def test_where_the_job_lacks_the_permission_it_is_named(fake, fails):
    fake.script[("POST", "/comments")] = [Scripted(403, READ_ONLY)]
    err = fails("--post", code=3)
    assert "give the job `permissions: pull-requests: write`" in err
    assert "fork, and" not in err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set; in a workflow: env: GITHUB_TOKEN: ${{"),
        ({"GITHUB_TOKEN": f"{TOKEN}x"}, "does not accept the token (HTTP 401): Bad credentials"),
        ({"GITHUB_TOKEN": f"{TOKEN}\n"}, "a line break at its end, say"),
        ({"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY is not set; set it to OWNER/NAME"),
        ({"GITHUB_REPOSITORY": "octo/gone"}, "(HTTP 404); check GITHUB_REPOSITORY"),
        ({"GITHUB_API_URL": "http://127.0.0.1:1"}, "can it be reached from here? HTTPS_PROXY"),
        ({"GITHUB_API_URL": f"http://{TOKEN}@x"}, "GITHUB_API_URL: expected an address such as"),
        ({"GITHUB_EVENT_PATH": "none"}, "GITHUB_EVENT_PATH: none: No such file or directory"),
        ({"GITHUB_EVENT_PATH": ""}, "there is no pull request in the event 'pull_request'; run"),
    ],
    ids=lambda value: value if isinstance(value, str) else "".join(value),
)
def test_what_is_missing_or_wrong_is_said_with_the_remedy(
    fake, fails, monkeypatch, change, problem
):
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    assert problem in fails("--post")
    assert fake.bodies() == []


def test_a_server_that_repeats_the_token_has_it_not_shown(fake, fails):
    hostile = {"message": f"\x1b[2J{TOKEN}\n::error::x"}
    fake.script[("POST", "/comments")] = [Scripted(422, hostile)]
    err = fails("--post")
    assert "\x1b" not in err
    assert "\n::error" not in err


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://x/a\nverdict=ok", "https://x/\x1b"]
)
def test_an_address_that_is_none_is_not_printed(fake, capfd, url):
    made = {"id": 1, "user": {"login": BOT}, "body": "x", "html_url": url}
    fake.script[("POST", "/comments")] = [Scripted(201, made)]
    assert main(["comment", "run.json", "--post"]) == 0
    assert capfd.readouterr().out == "\n"


def test_the_body_is_within_githubs_limit_for_a_run_of_many_tests(fake, here):
    write("run.json", *(result(3.0, test=f"test_ü.py::test_{i}") for i in range(2000)))
    assert main(["comment", "run.json", "--post", "--name", "ü" * 100]) == 0
    (body,) = fake.bodies()
    assert 50_000 < len(body) <= 65_536
    assert "more are left out" in body


def test_a_hostile_report_posts_nothing_that_acts(fake, here):
    assert json_report.write_report(Path("run.json"), hostile_session()) == []
    assert main(["comment", "run.json", "--post"]) == 0
    (body,) = fake.bodies()
    assert "<script" not in body
    assert "\x1b" not in body


def test_what_is_no_report_is_refused_and_nothing_is_sent(fake, here, fails):
    (here / "run.json").write_text("{")
    assert "run.json, line 1: not JSON" in fails("--post")
    assert fake.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run.json", "--pull-request=0"],
        ["run.json", "--pull-request=-1"],
        ["run.json", "--pull-request=x"],
        ["run.json", "--pull-request=1" + "0" * 20],
        ["run.json", "--name= "],
        ["run.json", "--name", "x" * 201],
        ["run.json", "--postt"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_refused(here, capfd, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["comment", *arguments])
    assert ended.value.code == 2
    assert "usage: pytest-energy comment" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
def test_an_interrupt_is_said_without_a_traceback(fake, fails):
    main_thread = threading.get_ident()

    def interrupt(handler):
        signal.pthread_kill(main_thread, signal.SIGINT)
        handler.usual(fake.asked[-1])

    fake.script[("GET", "/user")] = [interrupt]
    err = fails("--post")
    assert err == (
        "pytest-energy: interrupted; where the comment was posted already, the next run updates"
        " it\n"
    )


def test_processes_at_once_leave_one_comment(fake, here):
    def run(_):
        command = [sys.executable, "-m", "pytest_energy", "comment", "run.json", "--post"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(run, range(3)))
    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * 3
    assert len(fake.bodies()) == 1


def test_the_exit_codes_stand_in_the_help(here, capfd):
    with pytest.raises(SystemExit):
        main(["comment", "--help"])
    text = " ".join(capfd.readouterr().out.split())
    assert "Exit code: 0, 2 for an error, or 3 where the token may not write" in text
