"""What can be done to a classifier so that it takes less energy.

A student distilled from it, its weights in bf16, its linear layers in int8, its code compiled.
"""

from __future__ import annotations

import copy
import os
import shutil
import sysconfig
import warnings
from pathlib import Path

import torch
from batches import LARGEST
from families import Classifier, layers_of
from models import Loaded
from sentiment import TRAINING, embed, reviews
from shelf import loads
from torch.nn.functional import mse_loss

STUDENT_LAYERS = (1, 3, 5)
"""Every other one of the teacher's six, as in DistilBERT (arXiv 1910.01108)."""

EPOCHS, BATCH, RATE, LOGITS_WEIGHT = 2, 16, 5e-4, 0.1
"""Of distillation: 100 steps, 15 s on a quiet core."""


@loads("minilm-distilled", "minilm-6", "minilm-embeddings")
def distil(teacher: Classifier, embeddings: list[torch.Tensor]) -> tuple[Classifier, str]:
    """A student of half the layers that has learnt the teacher's embeddings and logits.

    It sees the reviews that heads are trained on and no label: what it learns is the teacher's.
    It answers with the teacher's head.
    """
    student = untrained_student(teacher)
    target = embeddings[-1]
    texts = reviews().select(range(TRAINING))["text"][:]
    by_length = sorted(range(TRAINING), key=lambda i: len(texts[i]))  # little is padded
    batches = [by_length[i : i + BATCH] for i in range(0, TRAINING, BATCH)]
    # The word embeddings, half of the model, stay the teacher's.
    weights = list(student.encoder.model.encoder.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(weights, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=EPOCHS * len(batches), pct_start=0.1
    )
    order = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for number in torch.randperm(len(batches), generator=order).tolist():
            wanted = target[batches[number]]
            found = embed(student.encoder, [texts[i] for i in batches[number]])
            loss = mse_loss(found, wanted) / target.var()
            loss = loss + LOGITS_WEIGHT * mse_loss(student.head(found), student.head(wanted))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    student.encoder.model.requires_grad_(False)
    layers = f"{len(STUDENT_LAYERS)} of {len(teacher.encoder.model.encoder.layer)} layers"
    return student, f"MiniLM's student of {layers}: distilled here, on {TRAINING} reviews"


def untrained_student(teacher: Classifier) -> Classifier:
    """The student before it has learnt anything: layers of the teacher, with others left out."""
    model = layers_of(teacher.encoder.model, list(STUDENT_LAYERS))
    model.encoder = copy.deepcopy(model.encoder)  # weights of its own, to be trained
    return Classifier(Loaded(model, teacher.encoder.tokenizer), teacher.head)


@torch.inference_mode()
def distance(student: Classifier, teacher: Classifier, texts: list[str]) -> float:
    """How far a student's embeddings are from the teacher's.

    Args:
        student: whose embeddings.
        teacher: who was to be imitated.
        texts: that neither was trained on.

    Returns:
        Mean squared distance over the mean squared length of the teacher's.
    """
    found, wanted = (
        torch.cat(
            [embed(one.encoder, texts[i : i + LARGEST]) for i in range(0, len(texts), LARGEST)]
        )
        for one in (student, teacher)
    )
    return float((found - wanted).square().sum() / wanted.square().sum())


@loads("minilm-bf16", "minilm-6")
def in_bf16(classifier: Classifier) -> tuple[Classifier, str]:
    """Weights and operations in 16 bits; a CPU without units for them converts, which costs."""
    model = copy.deepcopy(classifier.encoder.model).bfloat16()
    return classifier._replace(encoder=Loaded(model, classifier.encoder.tokenizer)), ""


@loads("minilm-int8", "minilm-6")
def in_int8(classifier: Classifier) -> tuple[Classifier, str]:
    """Linear layers in 8-bit whole numbers, scaled batch by batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchao is to take it over
        from torch.ao.quantization import quantize_dynamic

        model = quantize_dynamic(
            copy.deepcopy(classifier.encoder.model).cpu(), {torch.nn.Linear}, dtype=torch.qint8
        )
    encoder = Loaded(model, classifier.encoder.tokenizer)
    return classifier._replace(encoder=encoder, head=copy.deepcopy(classifier.head).cpu()), ""


def why_not_int8() -> str:
    """What dynamic quantisation lacks here, as a clause; empty where it lacks nothing."""
    if torch.cuda.is_available():
        return "needs a machine without a GPU: dynamic int8 layers run on CPUs only"
    return ""


def why_not_compiled() -> str:
    """What torch.compile lacks here, as a clause; empty where it lacks nothing."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"needs a compiler ({compiler})"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "needs Python's headers (Python.h, in python3-dev)"
    return ""


@loads("minilm-compiled", "minilm-6")
def compiled(classifier: Classifier) -> tuple[Classifier, str]:
    """The encoder as one compiled program for texts of any length; compiled before it is metered.

    Dynamic shapes: a length that was not seen before is no reason to compile again.
    """
    import torch._inductor.config

    torch._inductor.config.compile_threads = 1  # else it starts processes that wait for work
    model = torch.compile(classifier.encoder.model, dynamic=True)
    found = classifier._replace(encoder=Loaded(model, classifier.encoder.tokenizer))
    for text in reviews().select(range(8))["text"]:
        found([text])
    return found, ""


def programs() -> int:
    """How many programs torch.compile has made so far in this process."""
    import torch._dynamo.utils

    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
