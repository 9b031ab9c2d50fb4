"""The datasets of "Power Hungry Processing" as they are to be had today.

Split, column and number of samples are those of the authors' scripts. `datasets` no longer runs
loading scripts: what has moved or been converted since is taken from there, and what cannot be had
any more is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import huggingface_hub
from tasks import IMAGE_SIZE

CONVERTED = "refs/convert/parquet"
"""Where the hub keeps its own conversion of datasets that come with a script."""

IMAGES = 200
"""Different images at most: one of 640 × 480 takes 0.9 MB, a thousand of them 0.9 GB."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset is, and what of a row is a sample.

    Args:
        path: on the hub.
        split: as the authors took it.
        sample: a row in, what a task takes out.
        config, revision, files: further arguments of `load_dataset`; empty for none.
        gated: whether one has to accept terms and log in.
        most: different samples, where all that are asked for would not fit into memory; 0 for
            as many as are asked for.
    """

    path: str
    split: str
    sample: Callable[[dict[str, Any]], Any]
    config: str = ""
    revision: str = ""
    files: str = ""
    gated: bool = False
    most: int = 0

    def load(self, n: int) -> list[Any]:
        """The first `n` samples, streamed, without empty ones.

        Of images the first `IMAGES`, which come round again: all are decoded and scaled before
        anything is metered, and have one size, so that other ones would be the same work.

        Raises:
            LookupError: the dataset could not be loaded; names it.
        """
        from datasets import load_dataset

        arguments: dict[str, Any] = {
            name: value
            for name, value in (
                ("name", self.config),
                ("revision", self.revision),
                ("data_files", self.files),
            )
            if value
        }
        try:
            rows = load_dataset(self.path, split=self.split, streaming=True, **arguments)
            different = min(n, self.most or n)
            return list(islice(filter(None, map(self.sample, rows)), different))
        except (OSError, RuntimeError, ValueError) as error:
            # What is read as files has no name but theirs.
            name = self.files if self.path == "parquet" else self.path
            raise LookupError(f"the dataset {name} could not be loaded: {error}") from error


def _column(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row[name].strip()


def _image(name: str) -> Callable[[dict[str, Any]], Any]:
    # Scaled by the nearest pixel, as the authors do.
    return lambda row: row[name].convert("RGB").resize(IMAGE_SIZE, resample=0)


def _images(path: str, split: str, column: str, gated: bool = False) -> Source:
    return Source(path, split, _image(column), gated=gated, most=IMAGES)


def _words(row: dict[str, Any]) -> str:
    return " ".join(row["tokens"])


def _question(question: str, context: str) -> Callable[[dict[str, Any]], Any]:
    # sciq has questions without a passage to find the answer in.
    return lambda row: (
        {"question": row[question], "context": row[context]} if row[context] else None
    )


_BOOKS = Source("bookcorpus/bookcorpus", "train", _column("text"), revision=CONVERTED)
_COCO = _images("detection-datasets/coco", "val", "image")

_OSCAR = "comes with a script only, and its text is gated"
_VISUAL_GENOME = "comes with a script only, which fetches the images from elsewhere"

SOURCES: dict[tuple[str, str], Source | str] = {
    ("text-classification", "imdb"): Source("stanfordnlp/imdb", "test", _column("text")),
    ("text-classification", "sst2"): Source("stanfordnlp/sst2", "test", _column("sentence")),
    ("text-classification", "tomatoes"): Source(
        "cornell-movie-review-data/rotten_tomatoes", "test", _column("text")
    ),
    ("question-answering", "squad"): Source(
        "rajpurkar/squad", "validation", _question("question", "context")
    ),
    ("question-answering", "squadv2"): Source(
        "rajpurkar/squad_v2", "validation", _question("question", "context")
    ),
    ("question-answering", "sciq"): Source(
        "allenai/sciq", "test", _question("question", "support")
    ),
    ("fill-mask", "bookcorpus"): _BOOKS,
    ("fill-mask", "c4"): Source("allenai/c4", "train", _column("text"), config="en"),
    ("fill-mask", "oscar"): _OSCAR,
    ("token-classification", "conll2003"): Source("lhoestq/conll2003", "validation", _words),
    ("token-classification", "wikiann"): Source("unimelb-nlp/wikiann", "test", _words, config="en"),
    # Converted files have no configurations, and one that is named is the split "train".
    ("token-classification", "record"): Source(
        "aps/super_glue",
        "train",
        _column("passage"),
        files="record/test/*.parquet",
        revision=CONVERTED,
    ),
    ("image-classification", "cifar10"): _images("uoft-cs/cifar10", "test", "img"),
    ("image-classification", "cifar100"): _images("uoft-cs/cifar100", "test", "img"),
    ("image-classification", "imagenet"): _images(
        "ILSVRC/imagenet-1k", "test", "image", gated=True
    ),
    ("object-detection", "coco"): _COCO,
    ("object-detection", "CPPE"): _images("rishitdagli/cppe-5", "train", "image"),
    ("object-detection", "visualgenome"): _VISUAL_GENOME,
    ("text-generation", "bookcorpus"): _BOOKS,
    ("text-generation", "oscar"): _OSCAR,
    ("text-generation", "wikitext"): Source(
        "Salesforce/wikitext", "test", _column("text"), config="wikitext-103-raw-v1"
    ),
    ("summarization", "cnn"): Source(
        "abisee/cnn_dailymail", "test", _column("article"), config="3.0.0"
    ),
    ("summarization", "samsum"): Source("knkarthick/samsum", "train", _column("dialogue")),
    ("summarization", "xsum"): Source(
        "EdinburghNLP/xsum", "test", _column("document"), revision=CONVERTED
    ),
    ("image-to-text", "coco"): _COCO,
    ("image-to-text", "redcaps"): "comes with a script only, and links to images many of which are"
    " gone",
    ("image-to-text", "visualgenome"): _VISUAL_GENOME,
    # Of the next two the prompts are in a table of their own, beside the images. They are read as
    # files, since beside a script no dataset is loaded by its name.
    ("text-to-image", "diffusiondb"): Source(
        "parquet",
        "train",
        _column("prompt"),
        files="hf://datasets/poloclub/diffusiondb/metadata.parquet",
    ),
    ("text-to-image", "imagereward"): Source(
        "parquet",
        "train",
        _column("prompt"),
        files="hf://datasets/THUDM/ImageRewardDB/metadata-train.parquet",
    ),
    ("text-to-image", "sd_prompts"): Source(
        "Gustavosta/Stable-Diffusion-Prompts", "test", _column("Prompt")
    ),
}
"""By task and the paper's name of the dataset: where it is, or why it is left out."""


def left_out(task: str, dataset: str) -> str:
    """Why a dataset of the paper is not run here; empty where it is."""
    source = SOURCES[task, dataset]
    if isinstance(source, str):
        return f"the dataset {dataset} {source}"
    if source.gated and not huggingface_hub.get_token():
        return f"the dataset {source.path} needs its terms accepted, and `hf auth login`"
    return ""
