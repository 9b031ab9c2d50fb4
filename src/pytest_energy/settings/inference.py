"""What a marker says of one test: its arguments, checked."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy.settings import MARKERS
from pytest_energy.settings.identity import own_name, test_id
from pytest_energy.types.baseline import MOST_CHARACTERS, MOST_N
from pytest_energy.types.codec import is_whole
from pytest_energy.types.inference import SETTLED, Inference, shown_value, whole_number
from pytest_energy.types.result import ROLES, TRAINING_ROLE, TrainingRun
from pytest_energy.types.units import parse_budget, parse_flops, parse_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EXTENT = ("total_steps", "hours")
"""Arguments that give the extent of a whole training run; one of the two is needed."""

MOST_HOURS = 1e9
"""More than any training lasts (114,000 years)."""


_FOREIGN = (
    "; if the marker is the project's own and not pytest-energy's, rename it there, or go without"
    " the plugin: -p no:energy"
)
"""What may help where a marker is not meant for this plugin."""


def _parse_precision(text: object) -> float:
    if text == "verdict":
        return SETTLED
    try:
        value = parse_percent(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ValueError(
            f'expected a percentage above 0 such as "2%", or "verdict", found {text!r}'
        )
    return value


def read_inference(item: pytest.Item) -> Inference:
    """The marker's arguments of one test; the closest marker wins, argument by argument.

    Raises:
        ValueError: an argument that cannot be meant, in words for the test's author.
    """
    if (length := len(test_id(item))) > MOST_CHARACTERS:
        raise ValueError(
            f"the test's name has {length:,} characters, {MOST_CHARACTERS:,} at most: a baseline is"
            " stored under it; give its parameters short ids, as in pytest.param(text, id='long')"
        )
    marker = marker_of(item)
    arguments: dict[str, Any] = {}
    for mark in marks_of(item, marker):
        if mark.args:
            example = "steps=20" if marker == "training" else "n=1000"
            raise ValueError(
                f"write its arguments as keywords, such as {example}, found {mark.args!r}"
            )
        # A test's own hours stand in the place of its class's total_steps.
        settled = EXTENT if any(name in arguments for name in EXTENT) else ()
        for name, value in mark.kwargs.items():
            if name not in settled:
                arguments.setdefault(name, value)
    training = None
    if marker == "training":
        if not arguments and "energy" not in getattr(item, "fixturenames", ()):
            raise ValueError(
                "this name belongs to pytest-energy, which meters a window of training steps and"
                " needs steps=... and total_steps=... or hours=...; if the marker is the project's"
                " own, rename it there, or go without the plugin: -p no:energy"
            )
        arguments, training = _of_training(arguments)
    else:
        known = [f.name for f in fields(Inference) if f.name != "training_run"]
        ours = "energy" in getattr(item, "fixturenames", ())
        _refuse_unknown(arguments, known, "" if ours else _FOREIGN)
    inference = _checked(arguments, training)
    if inference.n is None and "energy" not in getattr(item, "fixturenames", ()):
        name, what = ("steps", "steps") if marker == "training" else ("n", "inferences")
        raise ValueError(
            f"{name} is missing: without the energy fixture the whole body is metered, and {name}"
            f" says how many {what} it performs{_FOREIGN}"
        )
    if inference.quality and "energy" not in getattr(item, "fixturenames", ()):
        raise ValueError(
            "quality: it is what the test records, so take the energy fixture and call"
            f" energy.record({inference.quality}=...)"
        )
    if inference.max_flops is not None and "energy" not in getattr(item, "fixturenames", ()):
        raise ValueError(
            "max_flops: operations are counted in unmetered inferences of energy.each, and a"
            " body is never called twice: loop over energy.each(samples)"
        )
    return inference


def marks_of(item: pytest.Item, name: str) -> Iterator[pytest.Mark]:
    """A test's marks of a name, the closest first: parameter, function, class, base class, module.

    pytest has those of a base class before those of the class, and a parameter's after the
    function's.
    """
    for node in reversed(item.listchain()):
        ranks: dict[int, int] = {}
        if isinstance(node, pytest.Class):
            for rank, each in enumerate(node.obj.__mro__):
                own = each.__dict__.get("pytestmark", ())
                own = own if isinstance(own, list | tuple) else (own,)
                ranks.update((id(getattr(mark, "mark", mark)), rank) for mark in own)
        elif callspec := getattr(node, "callspec", None):
            ranks.update((id(getattr(mark, "mark", mark)), -1) for mark in callspec.marks)
        marks = [mark for mark in node.own_markers if mark.name == name]
        yield from sorted(marks, key=lambda mark: ranks.get(id(mark), 0))


def marker_of(item: pytest.Item) -> str:
    """The marker that a test carries, by its name; `inference` for a test without one.

    Raises:
        ValueError: it carries both.
    """
    carried = [name for name in MARKERS if item.get_closest_marker(name) is not None]
    if len(carried) > 1:
        raise ValueError(
            f"the test carries @pytest.mark.{carried[0]} as well; it meters the one or the other:"
            " take one away (from the test, its class or its module)"
        )
    return carried[0] if carried else "inference"


def _of_training(arguments: dict[str, Any]) -> tuple[dict[str, Any], TrainingRun]:
    """What the marker `training` says: what an `Inference` has too, and the whole of it."""
    own = ("steps", *EXTENT, "runs")
    shared = [
        f.name for f in fields(Inference) if f.name not in ("n", "role", "unit", "training_run")
    ]
    _refuse_unknown(arguments, [*own, *shared])
    if len([name for name in EXTENT if name in arguments]) != 1:
        given = "both" if EXTENT[0] in arguments else "neither"
        raise ValueError(
            "one of total_steps (of the whole run) and hours (that it lasts) is needed, found"
            f" {given}"
        )
    checked = {name: value for name, value in arguments.items() if name in shared}
    total_steps = hours = None
    if "steps" in arguments:
        checked["n"] = whole_number("steps", arguments["steps"], 1, MOST_N)
    if "hours" in arguments:
        hours = _positive("hours", arguments["hours"], MOST_HOURS)
    else:
        # A window that is longer than the whole is a slip.
        least = checked.get("n", 1)
        total_steps = whole_number("total_steps", arguments["total_steps"], least, MOST_N)
    runs = whole_number("runs", arguments.get("runs", 1), 1, MOST_N)
    training = TrainingRun(total_steps, hours, runs)
    return {**checked, "unit": "step"}, training


def _positive(name: str, value: object, most: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not value > 0:  # type: ignore[operator]
        raise ValueError(f"{name}: expected a number above 0, found {shown_value(value)}")
    if value > most:  # type: ignore[operator]
        raise ValueError(f"{name}: expected {most:,.0f} at most, found {shown_value(value)}")
    return float(value)  # type: ignore[arg-type]


def _refuse_unknown(arguments: dict[str, Any], known: Sequence[str], hint: str = "") -> None:
    for name in arguments:
        if name not in known:
            raise ValueError(f"unknown argument {name!r}; there are: {', '.join(known)}{hint}")


def _checked(arguments: dict[str, Any], training: TrainingRun | None) -> Inference:
    checked = dict(arguments)
    for name, least in (("n", 1), ("warmup", 0)):
        if name in arguments:
            checked[name] = whole_number(name, arguments[name], least, MOST_N)
    for name in ("task", "model", "dataset", "unit"):
        if name in arguments and not (isinstance(arguments[name], str) and arguments[name].strip()):
            raise ValueError(f"{name}: expected a text, found {arguments[name]!r}")
        if name in arguments and not is_whole(arguments[name]):
            raise ValueError(
                f"{name}: {arguments[name]!r} has half a character, which no file can hold"
            )
        if (length := len(arguments.get(name, ""))) > MOST_CHARACTERS:
            raise ValueError(f"{name}: {MOST_CHARACTERS:,} characters at most, found {length:,}")
    if "role" in arguments and arguments["role"] not in ROLES:
        raise ValueError(f"role: expected one of {ROLES}, found {arguments['role']!r}")
    quality = arguments.get("quality", "")
    if "quality" in arguments and not (isinstance(quality, str) and quality.isidentifier()):
        raise ValueError(
            "quality: expected the name of what energy.record is given, such as"
            f' "accuracy", found {quality!r}'
        )
    if "quality_tolerance" in arguments and not quality:
        raise ValueError('quality_tolerance: of what? Add quality="accuracy", say')
    for name, parse in (
        ("tolerance", parse_percent),
        ("quality_tolerance", parse_percent),
        ("budget", parse_budget),
        ("max_flops", parse_flops),
        ("precision", _parse_precision),
    ):
        if name in arguments:
            try:
                checked[name] = parse(arguments[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    if training is not None:
        checked |= {"role": TRAINING_ROLE, "training_run": training}
    return Inference(**checked)


def read_inferences(
    items: Iterable[pytest.Item],
) -> tuple[dict[pytest.Item, Inference], dict[pytest.Item, str]]:
    """What metered tests say of themselves.

    Args:
        items: with the marker, or asking for the fixture.

    Returns:
        What each says, and what is wrong with those that cannot be understood, in words that name
        the test.
    """
    metered: dict[pytest.Item, Inference] = {}
    problems: dict[pytest.Item, str] = {}
    for item in items:
        try:
            metered[item] = read_inference(item)
        except ValueError as error:
            marker = "training" if item.get_closest_marker("training") else "inference"
            problems[item] = f"{item.nodeid}: @pytest.mark.{marker}: {error}"
    return metered, problems


def default_names(item: pytest.Item) -> tuple[str, str]:
    """Task and model of a test that names none: the module's name, and the test's."""
    name = own_name(item)
    return item.path.stem.removeprefix("test_") or name, name
