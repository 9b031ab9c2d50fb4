"""What the user says: command line, ini file and marker, as one frozen `Settings` / `Inference`."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_energy.carbon import factors
from pytest_energy.settings import (
    COMMAND,
    NO_OVERHEAD,
    PROMETHEUS_URL,
    WORKER,
    flag,
    ini_value,
    option_value,
    update_from_file,
)
from pytest_energy.settings.inference import _parse_precision
from pytest_energy.settings.xdist import is_xdist_controller
from pytest_energy.types.counts import Judge
from pytest_energy.types.measurement import REFERENCE_LIBRARIES
from pytest_energy.types.obstacle import MEANINGS, Obstacle
from pytest_energy.types.units import parse_percent

if TYPE_CHECKING:
    from pytest_energy.meters.prometheus.queries import Endpoint
    from pytest_energy.meters.served.counters import Page


MOST_REASON = 200
"""Characters of a reason that are kept."""

MOST_PROCESSES = 100
"""Pairs of processes that may be asked for; more would be a slip."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole session.

    Args:
        report, update, strict, off: the flags of the same names.
        prune: `show` or `delete` what no test claims; empty for neither.
        meters: names, or `("auto",)`.
        baselines: the folder, absolute.
        baselines_given: whether somebody named it; else a test's is the nearest above its file.
        tolerance: allowed rise, as a fraction.
        precision: wanted half-width of the interval, as a fraction, or `SETTLED`; None to perform
            all n.
        reference: what estimates are measured beside: `auto`, a library's work, or `off`.
        counts: whether it is counted what some of a loop's samples do.
        judge: what decides: measured joules, exact counts, or both.
        steady_allocator: whether the memory allocator is held steady.
        pin: whether metered work on a single thread is held on one CPU.
        reason: why `--energy-update` accepts a rise or replaces what is stored; empty for no word.
        wait: for how many seconds at most a test waits for a quiet machine; 0 for not.
        allow: what in a run may keep a figure from being compared without failing the test.
        lock: whether a metered test has the machine to itself.
        lock_timeout: for how many seconds at most a test waits for that.
        idle: for how many seconds idle power is measured before a window; 0 for not.
        country, region: where the electricity comes from; None where not given.
        against: a git revision or folder to compare with; empty for stored baselines.
        against_setup: shell command to run there first; empty for none.
        processes: pairs of processes that each test of a paired run gets at least.
        against_timeout: seconds that the other revision may take for one block.
        carbon_intensity: gCO2e/kWh, or None.
        pue: power usage effectiveness.
        factors: whose carbon intensity and PUE: `today`, or a paper's.
        prometheus: the server that the meter of this name asks, and what; None where no option
            says anything about it.
        metrics, http: the page that the meter of this name reads, likewise.
        processes_of: `port` or `pid` and the number of a server; None for no server.
        json: the report's path, or None.
        json_blocks: whether the blocks of every measurement are in it.
        html: the page's path, or None.
        markdown: the Markdown report's path, or None.
        exports: formats and their files as they were written.
        exports_from: the folder that relative paths among them start from.
    """

    report: bool
    update: bool
    strict: bool
    off: bool
    prune: str
    meters: tuple[str, ...]
    baselines: Path
    baselines_given: bool
    tolerance: float
    precision: float | None
    reference: str
    counts: bool
    judge: Judge
    steady_allocator: bool
    pin: bool
    reason: str
    wait: float
    allow: frozenset[Obstacle]
    lock: bool
    lock_timeout: float
    idle: float
    country: str | None
    region: str | None
    carbon_intensity: float | None
    pue: float
    factors: str
    against: str
    against_setup: str
    against_timeout: float
    processes: int
    prometheus: Endpoint | None
    metrics: Page | None
    http: Page | None
    processes_of: tuple[str, int] | None
    json: Path | None
    json_blocks: bool
    html: Path | None
    markdown: Path | None
    exports: tuple[str, ...]
    exports_from: Path

    @property
    def unmetered(self) -> str:
        """The option that keeps every test from being metered; empty without one."""
        if self.off:
            return "--energy-off"
        return f"--energy-judge={self.judge.value}" if self.judge is Judge.COUNTED else ""


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path as pytest's users expect: from where they stand, or from the ini file's rootdir.

    Raises:
        pytest.UsageError: the option has an empty value.
    """
    given: str | None = config.getoption(f"energy_{name}", default=None)
    if given is not None:
        if not given.strip():
            raise pytest.UsageError(_nothing_given(name, _PATHS[name]))
        return config.invocation_params.dir / given
    written: str = ini_value(config, name)
    return config.rootpath / written if written else None


_PATHS = {
    "baselines": "baselines",
    "json": "energy.json",
    "html": "energy.html",
    "markdown": "energy.md",
}
"""Options that take a path, with one for example."""


def _nothing_given(name: str, example: str, what: str = "path") -> str:
    """What is wrong with an option with an empty value: nothing would be written."""
    return (
        f"--energy-{name}: no {what} is given (an empty variable?); write"
        f" --energy-{name}={example}, say, or leave the option out"
    )


def _exports(config: pytest.Config) -> tuple[str, ...]:
    """What `--energy-export` names, as written.

    Raises:
        pytest.UsageError: it has an empty value on the command line.
    """
    given = option_value(config, "export")
    if isinstance(given, list) and not all(text.strip() for text in given):
        raise pytest.UsageError(_nothing_given("export", "csv=energy.csv", "format"))
    return _lines(given)


def _folder(config: pytest.Config, name: str) -> Path:
    """Where relative paths of an option start, by where it stands."""
    given = config.getoption(f"energy_{name}", default=None)
    return config.rootpath if given is None else config.invocation_params.dir


def _lines(value: list[str] | str) -> tuple[str, ...]:
    """What was given several times, or stands on several lines of an ini file."""
    texts = value if isinstance(value, list) else value.splitlines()
    return tuple(text.strip() for text in texts if text.strip())


def read_settings(config: pytest.Config) -> Settings:
    """The session's settings.

    Raises:
        pytest.UsageError: a value that cannot be meant; names the option, what was found, and
            how to write it.
    """
    if flag(config, "strict"):
        for weaker, what in (
            (flag(config, "off"), "--energy-off (or ini energy_off) meters nothing"),
            (update_from_file(config), "energy_update in a configuration file accepts everything"),
        ):
            if weaker:
                raise pytest.UsageError(
                    f"{what}, and --energy-strict (or ini energy_strict) fails what is not"
                    " compared: take one of the two away"
                )
    _check_grid(config)
    given_meters = option_value(config, "meter")
    texts = given_meters if isinstance(given_meters, list) else [given_meters]
    meters = tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
    return Settings(
        report=flag(config, "report"),
        update=flag(config, "update"),
        strict=flag(config, "strict"),
        off=flag(config, "off"),
        prune=_optional("prune", option_value(config, "prune"), _parse_prune) or "",
        meters=meters or ("auto",),
        baselines=_path(config, "baselines") or config.rootpath / "baselines",
        baselines_given=_is_given(config, "baselines", "baselines"),
        tolerance=_read("tolerance", option_value(config, "tolerance"), parse_percent),
        precision=_optional("precision", option_value(config, "precision"), _parse_precision),
        reference=_read("yardstick", option_value(config, "yardstick"), _parse_yardstick),
        counts=_read("counts", option_value(config, "counts"), _parse_switch),
        judge=_judge(config),
        steady_allocator=_read("allocator", option_value(config, "allocator"), _parse_allocator),
        pin=_read("pin", option_value(config, "pin"), _parse_switch),
        reason=option_value(config, "reason").strip()[:MOST_REASON],
        wait=_read("wait", option_value(config, "wait"), _parse_wait),
        allow=_allowed(config),
        lock=_read("lock", option_value(config, "lock"), _parse_switch),
        lock_timeout=_read("lock_timeout", option_value(config, "lock_timeout"), _parse_seconds),
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
        processes=_read("processes", option_value(config, "processes"), _parse_processes),
        prometheus=_endpoint(config),
        metrics=_page(config, "metrics"),
        http=_page(config, "http"),
        processes_of=_optional("processes_of", option_value(config, "processes_of"), _parse_server),
        json=_path(config, "json"),
        json_blocks=flag(config, "json_blocks"),
        html=_path(config, "html"),
        markdown=_path(config, "markdown"),
        exports=_exports(config),
        exports_from=_folder(config, "export"),
    )


def _allowed(config: pytest.Config) -> frozenset[Obstacle]:
    """What `--energy-allow` names.

    Raises:
        pytest.UsageError: a reason that there is not; lists those that there are.
    """
    given = option_value(config, "allow")
    texts = given if isinstance(given, list) else given.split("\n")
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(Obstacle):
            known = "; ".join(f"{each} ({MEANINGS[each]})" for each in Obstacle)
            raise pytest.UsageError(
                f"--energy-allow (or ini energy_allow): there is no reason {name!r}; there are:"
                f" {known}"
            )
    return frozenset(map(Obstacle, names))


def _factors(config: pytest.Config) -> str:
    """Name of the factors; a paper's own exclude every option about the grid.

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
        if _is_given(config, key, unset)
    ]
    if given:
        raise pytest.UsageError(
            f"--energy-factors={name} brings the paper's own carbon intensity and PUE: leave out"
            f" {', '.join(given)}, or --energy-factors (or ini energy_factors)"
        )
    return name


def _check_grid(config: pytest.Config) -> None:
    """Refuse a country or region that the tables do not know, before anything else is said.

    Raises:
        pytest.UsageError: names it, with near ones.
    """
    if COMMAND in config.stash or _factors(config) != factors.TODAY:
        return  # the doctor says it beside all else that it has found
    country, region = (option_value(config, name) or None for name in ("country", "region"))
    if (country or region) and not option_value(config, "carbon_intensity"):
        try:
            factors.resolve(factors.TODAY, country, region, None, 1.0)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error


def _is_given(config: pytest.Config, name: str, default: str) -> bool:
    """Whether an option stands on the command line, or in the ini file with another value."""
    on_command_line = config.getoption(f"energy_{name}", default=None) is not None
    return on_command_line or ini_value(config, name) != default


def _endpoint(config: pytest.Config) -> Endpoint | None:
    usual = {"url": PROMETHEUS_URL, "query": "", "interval": ""}
    if not any(_is_given(config, f"prometheus_{key}", unset) for key, unset in usual.items()):
        return None
    # Only here: most sessions ask no server, and need neither the presets nor the parser.
    from pytest_energy.meters.prometheus.queries import Endpoint, parse_queries, parse_url

    # PromQL has commas: in an ini file each query has a line of its own.
    texts = _lines(option_value(config, "prometheus_query"))
    return Endpoint(
        url=_read("prometheus_url", option_value(config, "prometheus_url"), parse_url),
        queries=_read("prometheus_query", texts, parse_queries),
        interval_seconds=_optional(
            "prometheus_interval", option_value(config, "prometheus_interval"), _parse_interval
        ),
    )


def _page(config: pytest.Config, meter: str) -> Page | None:
    names = [f"{meter}_{key}" for key in ("url", "counter", "interval")]
    names += ["metrics_requests"] if meter == "metrics" else []
    if not any(_is_given(config, name, "") for name in names):
        return None
    from pytest_energy.meters.served.counters import (  # only here, as above
        Page,
        parse_address,
        parse_metrics,
        parse_paths,
    )

    def address(text: str) -> str:
        return parse_address(text, f"PYTEST_ENERGY_{meter.upper()}")

    def asked(name: str) -> str:
        return str(_read(name, option_value(config, name), address))

    texts = _lines(option_value(config, f"{meter}_counter"))
    interval = f"{meter}_interval"
    return Page(
        url=asked(f"{meter}_url"),
        counters=_read(
            f"{meter}_counter", texts, parse_metrics if meter == "metrics" else parse_paths
        ),
        interval_seconds=_optional(interval, option_value(config, interval), _parse_interval),
        requests_url=asked("metrics_requests") if meter == "metrics" else "",
    )


def _parse_server(text: str) -> tuple[str, int]:
    from pytest_energy.machine.served import parse_server

    return parse_server(text)


def _read(name: str, text: Any, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        flag = name.replace("_", "-")
        raise pytest.UsageError(f"--energy-{flag} (or ini energy_{name}): {error}") from error


def _optional(name: str, text: str, parse: Any) -> Any:
    return _read(name, text, parse) if text else None


def _parse_yardstick(text: str) -> str:
    known = ("auto", "off", *REFERENCE_LIBRARIES)
    if text not in known:
        raise ValueError(f"expected {', '.join(known[:-1])} or {known[-1]}, found {text!r}")
    return text


def _parse_switch(text: str) -> bool:
    if text not in ("auto", "off"):
        raise ValueError(f"expected auto or off, found {text!r}")
    return text == "auto"


def _judge(config: pytest.Config) -> Judge:
    """What decides.

    Raises:
        pytest.UsageError: no such word, or counts are to decide and are switched off.
    """
    judge: Judge = _read("judge", option_value(config, "judge"), _parse_judge)
    if judge is Judge.COUNTED and not _read(
        "counts", option_value(config, "counts"), _parse_switch
    ):
        raise pytest.UsageError(
            "--energy-judge=counted (or ini energy_judge) has nothing to go by with"
            " --energy-counts=off (or ini energy_counts): leave out one of them"
        )
    return judge


def _parse_judge(text: str) -> Judge:
    if text not in set(Judge):
        raise ValueError(f"expected {', '.join(Judge)}, found {text!r}")
    return Judge(text)


def _parse_prune(text: str) -> str:
    if text not in ("show", "delete"):
        raise ValueError(
            f"expected show or delete, found {text!r}; before a path write --energy-prune=show"
        )
    return text


def _parse_allocator(text: str) -> bool:
    if text not in ("steady", "as-is"):
        raise ValueError(f"expected steady or as-is, found {text!r}")
    return text == "steady"


def _parse_number(text: str, least: float, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"expected {expected}, found {text!r}")
    return value


def _parse_intensity(text: str) -> float:
    return _parse_number(text, 0.0, "grams of CO2e per kWh such as 369")


def _parse_seconds(text: str) -> float:
    return _parse_number(text, 1.0, "seconds, 1 or more, such as 600")


def _parse_processes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_PROCESSES):
        raise ValueError(f"expected a whole number from 1 to {MOST_PROCESSES}, found {text!r}")
    return int(text)


def _parse_wait(text: str) -> float:
    return _parse_number(text, 0.0, "seconds such as 60, or 0 for none")


def _parse_idle(text: str) -> float:
    return _parse_number(text, 0.0, "seconds such as 1, or 0 for none")


def _parse_interval(text: str) -> float:
    return _parse_number(text, 1e-3, "seconds such as 15")


def _parse_pue(text: str) -> float:
    return _parse_number(text, 1.0, "a ratio of 1 or more such as 1.2")


def check_against(config: pytest.Config) -> None:
    """Refuse a paired run where it cannot be one.

    Raises:
        pytest.UsageError: says why.
    """
    if WORKER in config.stash:
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
            "--energy-against interleaves head and base, one always waiting while the other"
            " runs; pytest-xdist's workers would all run at once and interfere with both: use -n 0"
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
            "--energy-prune looks for baselines of tests that were not collected, so whole"
            f" modules must be: {'; '.join(obstacles)}"
        )
