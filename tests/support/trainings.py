"""Windows of training steps, and results of a training."""

from __future__ import annotations

from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import Block, Measurement
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.verdict import Rule, Status, Verdict

GRID = Carbon(400.0, "X", 2024, "a test", pue=1.5)


def window(joules_per_step=3.0, steps=20, blocks=20, method=Method.COUNTER, scatter=0.0):
    """Steps of one second each; `scatter` makes every other block so much dearer."""
    gpu = Domain("gpu:0", "gpu", method, "NVML", 0.1)
    ram = Domain("dram", "dram", Method.CONSTANT, "5 W", 0.0)
    each = steps // blocks
    figures = [joules_per_step * (1 + scatter * (i % 2)) for i in range(blocks)]
    return Measurement(
        ("scripted",),
        (gpu, ram),
        tuple(Block(each, float(each), (each * joules, 5.0 * each)) for joules in figures),
        steps,
        float(steps),
    )


def result(measurement, training=None, *, model="tiny", test="t.py::test_it", region="", **verdict):
    role = "training" if training else "task-specific"
    unit = "step" if training else "inference"
    subject = Subject(test, region, "sentiment", model, "", role, unit, 20)
    judged = Verdict(**{"status": Status.NEW, **verdict})
    return Result(subject, measurement, Rule(0.05), judged, training_run=training)


TRAINING = """
import pytest
from model import infer

@pytest.mark.training(steps=40, total_steps=1_800_000, task="sentiment", model="tiny")
def test_training(energy):
    for batch in energy.each(range(7)):
        infer(batch)

@pytest.mark.inference(n=40, task="sentiment", model="tiny")
def test_inference(energy):
    for sample in energy.each(range(7)):
        infer(sample)
"""
