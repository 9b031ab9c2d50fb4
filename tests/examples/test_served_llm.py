"""The example of a served language model: against its own server, and against scripted ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest

from support.chat_server import PROMPT_TOKENS, TOKENS, chat_server
from support.examples import ROOT, lean

pytest.importorskip("openai", reason="pip install 'pytest-energy[served-llm]'")
pytest.importorskip("fastapi", reason="pip install 'pytest-energy[served-llm]'")

EXAMPLE = ROOT / "examples" / "served_llm"


@pytest.fixture
def run(tmp_path):
    """Runs the example's tests; what pytest said, and the results by test and region."""

    def it(*arguments, n=8):
        report = tmp_path / "report.json"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"]
        command += [f"--energy-baselines={tmp_path / 'none'}", f"--energy-json={report}"]
        done = subprocess.run(
            [*command, *arguments],
            cwd=EXAMPLE,
            env=lean("anyio.pytest_plugin") | {"SERVED_N": str(n), "SERVED_TOKENS": "10"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        results = json.loads(report.read_text())["results"] if report.exists() else []
        names = (one["subject"] for one in results)
        keys = [f"{name['test'].partition('::')[2]}#{name['region']}".rstrip("#") for name in names]
        return done, dict(zip(keys, results, strict=True))

    return it


def test_a_real_server_is_started_asked_and_metered(run):
    done, results = run()
    assert done.returncode == 0, done.stdout
    for concurrency in (1, 4, 8):
        result = results[f"test_tokens[{concurrency}]"]
        assert result["subject"]["unit"] == "token"
        assert result["subject"]["concurrency"] == concurrency
        measured = result["measurement"]
        assert measured["unit_count"] == measured["recorded"]["tokens"] > 0
        assert measured["recorded"]["prompt_tokens"] > 0
        assert measured["joules_per_unit"] > 0
        assert result["measurement"]["latency"]["first_token"]["median_seconds"] > 0
    parts = [results[f"test_prefill_and_decode#{name}"] for name in ("prefill", "decode")]
    assert all(one["measurement"]["joules_per_unit"] > 0 for one in parts)
    assert "8 at a time" in done.stdout


@pytest.mark.parametrize("concurrency", [1, 8])
def test_any_server_is_asked_and_its_tokens_are_counted_exactly(run, concurrency):
    with chat_server() as url:
        done, results = run(f"--serve-url={url}", f"-ktest_tokens[{concurrency}]", n=40)
    assert done.returncode == 0, done.stdout
    (result,) = results.values()
    assert result["subject"]["model"] == url
    inferences = result["measurement"]["metered_count"]
    assert inferences >= 40
    assert result["measurement"]["recorded"] == {
        "tokens": inferences * TOKENS,
        "prompt_tokens": inferences * PROMPT_TOKENS,
    }


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", "RateLimitError: Error code: 429 - too busy, says the script"),
        ("500", "InternalServerError: Error code: 500 - too busy, says the script"),
        ("no usage", "sent no usage at the end of the stream, so that its tokens are not known"),
        (
            "half",
            "sent no usage at the end of the stream, so that its tokens are not known: did it",
        ),
        ("endless", "has not ended its answer to "),
    ],
)
def test_a_server_that_fails_half_way_fails_the_test_with_its_own_words(run, fault, said):
    with chat_server(fault) as url:
        done, results = run(
            f"--serve-url={url}", "-ktest_tokens[4]", "--serve-timeout=2", "--tb=short", n=200
        )
    assert done.returncode == 1, done.stdout
    assert said in done.stdout
    assert "energy.arun: raised by sample " in done.stdout
    (result,) = results.values()
    assert result["verdict"]["status"] == "unmeasured"
    assert result["verdict"]["reason"].startswith("the body raised ")
    assert "1 failed" in done.stdout


def test_a_server_that_is_not_there_is_named(run):
    done, _ = run("--serve-url=http://127.0.0.1:9/v1", "-ktest_requests")
    assert done.returncode == 1
    assert "APIConnectionError" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a child with its parent")
def test_a_run_that_is_killed_leaves_no_server_behind(tmp_path):
    code = (
        "import pathlib, serving, time\n"
        "with serving.serve('no-such-model', pathlib.Path('/dev/null')): pass"
    )
    marker = f"no-such-model-{tmp_path.name}"
    with subprocess.Popen(
        [sys.executable, "-c", code.replace("no-such-model", marker)], cwd=EXAMPLE
    ) as run:
        server = soon(lambda: child(run.pid, marker))
        run.kill()
    assert soon(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def child(pid, marker):
    """A process below another one whose command line has a word."""
    below = psutil.Process(pid).children()
    return next((one for one in below if marker in " ".join(one.cmdline())), None)


def soon(look):
    """What is found within a minute."""
    deadline = time.monotonic() + 60
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_a_server_that_does_not_come_up_shows_what_it_said(run):
    done, _ = run("--serve-args=--no-such-option", "-ktest_requests", "--tb=short")
    assert done.returncode == 1
    assert "ServerError" in done.stdout
    assert "ended with 2; its last lines:" in " ".join(done.stdout.split())
    assert "--no-such-option" in done.stdout
