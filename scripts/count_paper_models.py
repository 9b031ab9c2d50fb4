"""Count what an inference of the papers' models does: operations, weights read, operands moved.

    python scripts/count_paper_models.py [FILE]

FILE is `luccioni2024_work.csv` of the package when left out. Nothing is measured, and no weights
are needed: the architectures of `examples/tests_models/shapes.py` with random weights do the same
work as the paper's models. They need PyTorch and transformers (`pip install '.[examples]'`), 4 GiB
of memory, and two minutes of a CPU.

The length of the paper's texts is not known. What is taken is in the column `input`, and is short,
since less work is a lower bound of more. Generated texts have ten new tokens, as in the authors'
scripts (summaries: ten at least); images are 640 × 480, as there.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytest_energy.counting.counter import Counter

ROOT = Path(__file__).parents[1]
FILE = ROOT / "src" / "pytest_energy" / "papers" / "data" / "luccioni2024_work.csv"
sys.path.append(str(ROOT / "examples" / "tests_models"))

NEW_TOKENS = 10
TOKENS = 64
"""Of a text where the paper does not say; short for a paragraph, long for a review's sentence."""

FIRST_ID = 1000
"""Of a text's tokens, which are all different: below it are the tokens that end a text."""

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """A model on an input, and the paper's tasks on which it does so.

    Args:
        model: the hub's id, in `shapes.SHAPES`.
        tasks: as Hugging Face's pipelines call them.
        input: for people.
        inputs: of the model.
        generates: whether it writes `NEW_TOKENS` tokens, one pass for each.
    """

    model: str
    tasks: tuple[str, ...]
    input: str
    inputs: Inputs
    generates: bool = False


def text(tokens: int) -> Inputs:
    """A text of so many tokens, without padding."""
    ids = torch.arange(FIRST_ID, FIRST_ID + tokens)[None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def image(height: int, width: int) -> Inputs:
    """Pixels as the model's image processor hands them on."""
    return {"pixel_values": torch.linspace(-1, 1, 3 * height * width).reshape(1, 3, height, width)}


def cases() -> Iterator[Case]:
    """The models that there are shapes of, task-specific ones first."""
    tokens = f"{TOKENS} tokens"
    for model, task in (
        ("distilbert-base-uncased-finetuned-sst-2-english", "text-classification"),
        ("siebert/sentiment-roberta-large-english", "text-classification"),
        ("distilbert-base-uncased-distilled-squad", "question-answering"),
        ("bert-large-uncased-whole-word-masking-finetuned-squad", "question-answering"),
        ("dslim/bert-base-NER", "token-classification"),
    ):
        yield Case(model, (task,), tokens, text(TOKENS))
    # What the length does that nobody knows, on the model that the bound is mostly shown with.
    for length in (TOKENS // 4, TOKENS, TOKENS * 4):
        yield Case("bert-base-uncased", ("fill-mask",), f"{length} tokens", text(length))
    # DETR's processor scales the shorter side to 800 pixels.
    detr = image(800, 1066) | {"pixel_mask": torch.ones(1, 800, 1066, dtype=torch.long)}
    yield Case("facebook/detr-resnet-50", ("object-detection",), "image of 640 x 480", detr)
    written = f"{tokens}, {NEW_TOKENS} new"
    for model in ("ainize/bart-base-cnn", "facebook/bart-large-cnn"):
        yield Case(model, ("summarization",), f"{written}, 4 beams", text(TOKENS), True)
    yield Case(
        "microsoft/git-base",
        ("image-to-text",),
        f"image of 640 x 480, {NEW_TOKENS} new",
        image(224, 224),
        True,
    )
    general = ("text-classification", "question-answering", "summarization")
    for model in ("google/flan-t5-base", "bigscience/bloomz-560m"):
        yield Case(model, general, written, text(TOKENS), True)


@dataclass(frozen=True)
class Counted:
    """What an inference did.

    Args:
        passes: forward passes of the model, an encoder's own included.
        flops: floating-point operations; a multiplication and an addition are two.
        weight_bytes: of the weights that the passes read, each pass all that it uses, once. Of a
            table of embeddings, the rows that are looked up.
        operator_bytes: that operators read and wrote, each operand of a call once.
    """

    passes: int
    flops: int
    weight_bytes: int
    operator_bytes: int


LOOKS_UP = {"embedding", "index_select", "gather", "index"}
"""Operators that read of their first operand as much as they write."""

TOUCHES_NOTHING = {"empty", "empty_like", "empty_strided", "new_empty", "lift_fresh", "detach"}


class Traffic(TorchDispatchMode):
    """Counts the bytes of what runs inside, operator by operator.

    Args:
        model: whose parameters and buffers are weights.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.operator_bytes = 0
        self.weight_bytes = 0
        self.passes = 0
        weights = [*model.parameters(), *model.buffers()]
        self._weights = {_storage(w): w.untyped_storage().nbytes() for w in weights}
        self._read: dict[int, dict[object, int]] = {}

    def new_pass(self, *_: object) -> None:
        """What was read so far is read again from here on."""
        for storage, parts in self._read.items():
            self.weight_bytes += min(sum(parts.values()), self._weights[storage])
        self.passes += bool(self._read)
        self._read = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        read = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        written = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
        view = not func._schema.is_mutable and any(
            _storage(out) == _storage(one) for out in written for one in read
        )
        if view or name in TOUCHES_NOTHING:
            return result
        for position, one in enumerate(read):
            looked_up = name in LOOKS_UP and position == 0
            size = _bytes(written[0]) if looked_up else _bytes(one)
            self.operator_bytes += size
            storage = _storage(one)
            if storage in self._weights:
                parts = self._read.setdefault(storage, {})
                part = "rows" if looked_up else one.storage_offset()
                parts[part] = parts.get(part, 0) + size if looked_up else size
        self.operator_bytes += sum(map(_bytes, written))
        return result


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _bytes(tensor: torch.Tensor) -> int:
    """Of the memory that a tensor's strides touch: what is expanded counts once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    touched = 1
    for size, stride in sizes:
        touched *= size if stride or not size else 1
    return touched * tensor.element_size()


def performer(case: Case, model: Any) -> Callable[[], object]:
    """What performs one inference."""
    if not case.generates:
        return lambda: model(**case.inputs)
    model.generation_config.pad_token_id = 0
    lengths = {"min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
    return lambda: model.generate(**case.inputs, **lengths, max_length=None, do_sample=False)


@contextmanager
def _passes(model: torch.nn.Module, traffic: Traffic) -> Iterator[None]:
    hook = model.register_forward_pre_hook(traffic.new_pass)
    try:
        yield
    finally:
        hook.remove()
        traffic.new_pass()


def count(case: Case, model: torch.nn.Module) -> Counted:
    """Run an inference twice, for its operations and for its bytes.

    Args:
        case: the input.
        model: of the case's shape, in float32 on the CPU.
    """
    perform = performer(case, model)
    counter, traffic = Counter("operators alone"), Traffic(model)
    with torch.no_grad():
        with counter.counting():
            perform()
        with _passes(model, traffic), traffic:
            perform()
    counts = counter.counts([1])
    if counts is None or counts.operators_unavailable or counts.without_formula:
        raise SystemExit(f"{case.model}: {counts}")
    return Counted(traffic.passes, counts.total.flops, traffic.weight_bytes, traffic.operator_bytes)


HEAD = """\
# What one inference of the models of Luccioni et al., arXiv 2311.16863, does in fp32, batch size 1: counted, not measured.
# Written by scripts/count_paper_models.py from architectures with random weights on a CPU, with PyTorch {torch} and
# transformers {transformers}; not from the paper, which has no operations and does not say how long its texts were.
# input: what was taken, assumed for texts (short ones: less work is a lower bound of more).
# passes: forward passes of the model, an encoder's own included. flops: a multiplication and an addition are two.
# weight_bytes: of the weights that the passes read, each pass all that it uses once; of embeddings, the rows looked up.
# operator_bytes: that operators read and wrote, each operand of a call once, as PyTorch executes them one by one.
"""  # noqa: E501


def main() -> None:
    """Count all cases, and write the file."""
    import shapes
    import transformers

    torch.set_num_threads(2)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    rows, loaded = [], ("", None)
    for case in cases():
        if loaded[0] != case.model:
            loaded = ("", None)  # one at a time in memory
            loaded = (case.model, shapes.SHAPES[case.model]())
        counted = count(case, loaded[1])
        print(case.model, case.input, counted)
        rows += [(task, case.model, case.input, *vars(counted).values()) for task in case.tasks]
    with path.open("w", newline="", encoding="utf-8") as file:
        version = torch.__version__.partition("+")[0]
        file.write(HEAD.format(torch=version, transformers=transformers.__version__))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("task", "model", "input", *Counted.__dataclass_fields__))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
