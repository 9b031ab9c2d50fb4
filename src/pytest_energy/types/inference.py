"""What one test says of itself, as its marker gives it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pytest_energy.types.result import TrainingRun
from pytest_energy.types.units import Budget

SETTLED = 0.0
"""The precision that `"verdict"` stands for: end once more blocks can hardly change the verdict."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What one test says of itself: the marker's arguments, None or empty where not given.

    With the marker `training`, n are its steps, and `training_run` says what they are a part of.
    """

    n: int | None = None
    task: str = ""
    model: str = ""
    dataset: str = ""
    role: str = ""
    unit: str = "inference"
    training_run: TrainingRun | None = None
    warmup: int | None = None
    tolerance: float | None = None
    budget: Budget | None = None
    max_flops: int | None = None
    precision: float | None = None
    quality: str = ""
    quality_tolerance: float = 0.01


def shown_value(value: object) -> str:
    """A value in a message: whole numbers of thousands of digits have no text in Python."""
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return "a number of hundreds of digits"
    return repr(value)


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value`, if it is an int of `least` or more, and of `most` at most.

    Raises:
        ValueError: names the argument, says what was expected and what was found.
    """
    # A bool is an int to Python; n=True is a slip.
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{name}: expected a whole number of {least} or more, found {shown_value(value)}"
        )
    if most is not None and value > most:
        raise ValueError(f"{name}: expected {most:,} at most, found {shown_value(value)}")
    return value
