"""What the user says: command line, ini file and marker, as one frozen `Settings` / `Inference`."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy import factors
from pytest_energy.arguments import (
    FOLLOWER,
    MARKERS,
    NO_OVERHEAD,
    flag,
    is_xdist_controller,
    option_value,
)
from pytest_energy.baseline_file import MOST_N
from pytest_energy.measurement import TRAINING_ROLE, Training
from pytest_energy.meters.promql import Endpoint, parse_queries, parse_url
from pytest_energy.units import Budget, parse_budget, parse_flops, parse_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROLES = ("task-specific", "general-purpose")

EXTENT = ("total_steps", "hours")
"""How long one whole training is: one of the two is given."""

MOST_HOURS = 1e9
"""More than any training lasts (114,000 years)."""

SETTLED = 0.0
"""The precision that `"verdict"` stands for: end once more blocks can hardly change the verdict."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole session.

    Args:
        report, update, strict, off, prune: the flags of the same names.
        meters: names, or `("auto",)`.
        baselines: the folder, absolute.
        tolerance: allowed rise, as a fraction.
        precision: wanted half-width of the interval, as a fraction, or `SETTLED`; None to perform
            all n.
        yardstick: whether estimates are measured beside reference work.
        work: whether floating-point operations are counted.
        idle: for how many seconds idle power is measured before a window; 0 for not.
        country, region: where the electricity comes from; None where not said.
        against: a git revision or folder to compare with; empty for stored baselines.
        against_setup: shell command to run there first; empty for none.
        against_timeout: seconds that the other side may take for one turn.
        carbon_intensity: gCO2e/kWh, or None.
        pue: power usage effectiveness.
        factors: whose carbon intensity and PUE: `today`, or a paper's.
        prometheus: the server that the meter of this name asks, and what.
        json: the report's path, or None.
    """

    report: bool
    update: bool
    strict: bool
    off: bool
    prune: bool
    meters: tuple[str, ...]
    baselines: Path
    tolerance: float
    precision: float | None
    yardstick: bool
    work: bool
    idle: float
    country: str | None
    region: str | None
    carbon_intensity: float | None
    pue: float
    factors: str
    against: str
    against_setup: str
    against_timeout: float
    prometheus: Endpoint
    json: Path | None


@dataclass(frozen=True, slots=True)
class Inference:
    """What one test says of itself: the marker's arguments, None or empty where not given.

    With the marker `training`, n are its steps, and `training` says what they are a part of.
    """

    n: int | None = None
    task: str = ""
    model: str = ""
    dataset: str = ""
    role: str = ""
    unit: str = "inference"
    training: Training | None = None
    warmup: int | None = None
    tolerance: float | None = None
    budget: Budget | None = None
    max_flops: int | None = None
    precision: float | None = None
    quality: str = ""
    quality_tolerance: float = 0.01


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path as pytest's users expect: from where they stand, or from the ini file's rootdir."""
    given: str | None = config.getoption(f"energy_{name}", default=None)
    if given:
        return config.invocation_params.dir / given
    written: str = config.getini(f"energy_{name}")
    return config.rootpath / written if written else None


def read_settings(config: pytest.Config) -> Settings:
    """The session's settings.

    Raises:
        pytest.UsageError: a value that cannot be meant; names the option, what was found, and
            how to write it.
    """
    given_meters = option_value(config, "meter")
    texts = given_meters if isinstance(given_meters, list) else [given_meters]
    meters = tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
    return Settings(
        report=flag(config, "report"),
        update=flag(config, "update"),
        strict=flag(config, "strict"),
        off=flag(config, "off"),
        prune=flag(config, "prune"),
        meters=meters or ("auto",),
        baselines=_path(config, "baselines") or config.rootpath / "baselines",
        tolerance=_read("tolerance", option_value(config, "tolerance"), parse_percent),
        precision=_optional("precision", option_value(config, "precision"), _parse_precision),
        yardstick=_read("yardstick", option_value(config, "yardstick"), _parse_switch),
        work=_read("work", option_value(config, "work"), _parse_switch),
        idle=_read("idle", option_value(config, "idle"), _parse_idle),
        country=option_value(config, "country") or None,
        region=option_value(config, "region") or None,
        carbon_intensity=_optional(
            "carbon_intensity", option_value(config, "carbon_intensity"), _parse_intensity
        ),
        pue=_read("pue", option_value(config, "pue"), _parse_pue),
        factors=_factors(config),
        against=option_value(config, "against"),
        against_setup=option_value(config, "against_setup"),
        against_timeout=_read(
            "against_timeout", option_value(config, "against_timeout"), _parse_seconds
        ),
        prometheus=_endpoint(config),
        json=_path(config, "json"),
    )


def _factors(config: pytest.Config) -> str:
    """Whose factors; a paper's leave nothing to be said about the grid.

    Raises:
        pytest.UsageError: no such paper, or the grid is named as well; says what to leave out.
    """
    name: str = _read("factors", option_value(config, "factors"), factors.parse)
    if name == factors.TODAY:
        return name
    usual = {"country": "", "region": "", "carbon_intensity": "", "pue": NO_OVERHEAD}
    given = [
        f"--energy-{key.replace('_', '-')} (or ini energy_{key})"
        for key, unset in usual.items()
        if config.getoption(f"energy_{key}", default=None) is not None
        or config.getini(f"energy_{key}") != unset
    ]
    if given:
        raise pytest.UsageError(
            f"--energy-factors={name} brings the paper's own carbon intensity and PUE: leave out"
            f" {', '.join(given)}, or --energy-factors (or ini energy_factors)"
        )
    return name


def _endpoint(config: pytest.Config) -> Endpoint:
    given = option_value(config, "prometheus_query")
    # PromQL has commas: in an ini file each query has a line of its own.
    texts = given if isinstance(given, list) else given.splitlines()
    return Endpoint(
        url=_read("prometheus_url", option_value(config, "prometheus_url"), parse_url),
        queries=_read("prometheus_query", texts, parse_queries),
        interval_seconds=_optional(
            "prometheus_interval", option_value(config, "prometheus_interval"), _parse_interval
        ),
    )


def _read(name: str, text: Any, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        flag = name.replace("_", "-")
        raise pytest.UsageError(f"--energy-{flag} (or ini energy_{name}): {error}") from error


def _optional(name: str, text: str, parse: Any) -> Any:
    return _read(name, text, parse) if text else None


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


def _parse_switch(text: str) -> bool:
    if text not in ("auto", "off"):
        raise ValueError(f"expected auto or off, found {text!r}")
    return text == "auto"


def _parse_number(text: str, least: float, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"expected {wanted}, found {text!r}")
    return value


def _parse_intensity(text: str) -> float:
    return _parse_number(text, 0.0, "grams of CO2e per kWh such as 369")


def _parse_seconds(text: str) -> float:
    return _parse_number(text, 1.0, "seconds, 1 or more, such as 600")


def _parse_idle(text: str) -> float:
    return _parse_number(text, 0.0, "seconds such as 1, or 0 for none")


def _parse_interval(text: str) -> float:
    return _parse_number(text, 1e-3, "seconds such as 15")


def _parse_pue(text: str) -> float:
    return _parse_number(text, 1.0, "a ratio of 1 or more such as 1.2")


def read_inference(item: pytest.Item) -> Inference:
    """The marker's arguments of one test; the closest marker wins, argument by argument.

    Raises:
        ValueError: an argument that cannot be meant, in words for the test's author.
    """
    marker = marker_of(item)
    arguments: dict[str, Any] = {}
    for mark in item.iter_markers(marker):  # closest first
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
        _refuse_unknown(arguments, [f.name for f in fields(Inference) if f.name != "training"])
    inference = _checked(arguments, training)
    if inference.n is None and "energy" not in getattr(item, "fixturenames", ()):
        name, what = ("steps", "steps") if marker == "training" else ("n", "inferences")
        raise ValueError(
            f"{name} is missing: without the energy fixture the whole body is metered, and {name}"
            f" says how many {what} it performs"
        )
    if inference.quality and "energy" not in getattr(item, "fixturenames", ()):
        raise ValueError(
            "quality: it is what the test records, so take the energy fixture and call"
            f" energy.record({inference.quality}=...)"
        )
    if inference.max_flops is not None and "energy" not in getattr(item, "fixturenames", ()):
        raise ValueError(
            "max_flops: operations are counted in one unmetered inference of energy.each, and a"
            " body is never called twice: loop over energy.each(samples)"
        )
    return inference


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


def _of_training(arguments: dict[str, Any]) -> tuple[dict[str, Any], Training]:
    """What the marker `training` says: what an `Inference` has too, and the whole of it."""
    own = ("steps", *EXTENT, "runs")
    shared = [f.name for f in fields(Inference) if f.name not in ("n", "role", "unit", "training")]
    _refuse_unknown(arguments, [*own, *shared])
    if len([name for name in EXTENT if name in arguments]) != 1:
        found = "both" if EXTENT[0] in arguments else "neither"
        raise ValueError(
            "one of total_steps (of the whole run) and hours (that it lasts) is needed, found"
            f" {found}"
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
    training = Training(total_steps, hours, runs)
    return {**checked, "unit": "step"}, training


def _positive(name: str, value: object, most: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not value > 0:  # type: ignore[operator]
        raise ValueError(f"{name}: expected a number above 0, found {_shown(value)}")
    if value > most:  # type: ignore[operator]
        raise ValueError(f"{name}: expected {most:,.0f} at most, found {_shown(value)}")
    return float(value)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    """A value in a message: whole numbers of thousands of digits have no text in Python."""
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return "a number of hundreds of digits"
    return repr(value)


def _refuse_unknown(arguments: dict[str, Any], known: Sequence[str]) -> None:
    for name in arguments:
        if name not in known:
            raise ValueError(f"unknown argument {name!r}; there are: {', '.join(known)}")


def _checked(arguments: dict[str, Any], training: Training | None) -> Inference:
    checked = dict(arguments)
    for name, least in (("n", 1), ("warmup", 0)):
        if name in arguments:
            checked[name] = whole_number(name, arguments[name], least, MOST_N)
    for name in ("task", "model", "dataset", "unit"):
        if name in arguments and not (isinstance(arguments[name], str) and arguments[name].strip()):
            raise ValueError(f"{name}: expected a text, found {arguments[name]!r}")
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
        checked |= {"role": TRAINING_ROLE, "training": training}
    return Inference(**checked)


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value`, if it is an int of `least` or more, and of `most` at most.

    Raises:
        ValueError: names the argument, says what was expected and what was found.
    """
    # A bool is an int to Python; n=True is a slip.
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{name}: expected a whole number of {least} or more, found {_shown(value)}"
        )
    if most is not None and value > most:
        raise ValueError(f"{name}: expected {most:,} at most, found {_shown(value)}")
    return value


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
    module = Path(item.nodeid.partition("::")[0]).stem
    return module.removeprefix("test_") or item.name, item.name


def check_against(config: pytest.Config) -> None:
    """Refuse a paired run where it cannot be one.

    Raises:
        pytest.UsageError: says why.
    """
    if FOLLOWER in config.stash:
        return
    if config.getoption("energy_against", default=None) == "":
        raise pytest.UsageError(
            "--energy-against: no revision is given (an empty variable?); write"
            " --energy-against origin/main, say"
        )
    if not option_value(config, "against"):
        return
    if is_xdist_controller(config):
        raise pytest.UsageError(
            "--energy-against lets head and base take turns, one always waiting while the other"
            " runs; pytest-xdist's workers would all run at once and disturb both: use -n 0"
        )
    if config.getoption("pyargs", default=False):
        raise pytest.UsageError(
            "--energy-against cannot be had with --pyargs: installed modules are the same on both"
            " sides; name the files"
        )
    if sys.platform == "win32":
        raise pytest.UsageError(
            "--energy-against needs a POSIX system: its two processes talk over an inherited socket"
        )


def check_prune(config: pytest.Config) -> None:
    """Refuse `--energy-prune` where the collected tests are not all that there are.

    Raises:
        pytest.UsageError: says which argument stands in the way.
    """
    obstacles = [f"{arg!r} names a single test" for arg in config.args if "::" in arg]
    if config.getoption("lf", default=False):
        obstacles.append("--last-failed leaves tests out")
    if is_xdist_controller(config):
        obstacles.append("pytest-xdist collects in its workers (use -n 0)")
    if obstacles:
        raise pytest.UsageError(
            "--energy-prune deletes the baselines of tests that were not collected, so whole"
            f" modules must be: {'; '.join(obstacles)}"
        )
