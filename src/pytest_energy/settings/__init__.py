"""What a user can write: options with their ini twins, and markers.

Every pytest session loads this package, metered or not, so it stands in one module that imports
nothing but pytest. The values are read in `settings.settings` and `settings.inference`, once a test
is metered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

MARKER = (
    "inference(n, task, model, dataset, role, unit, warmup, tolerance, budget,"
    " max_flops, precision, quality, quality_tolerance):"
    " meter this test's energy and fail it when it rises over its stored baseline."
    " n: inferences that the body performs (may be left out when the test loops over"
    " energy.each(samples))."
    " task, model: whose baseline it is; by default the module's and the test's name."
    " dataset: part of what must agree with the baseline."
    ' role: "task-specific" or "general-purpose".'
    ' unit: what the energy is divided by, "inference" by default; with "token" the divisor is'
    " what energy.add(tokens=...) adds up, inference by inference."
    " warmup: unmetered inferences that energy.each performs first; by default 2 % of n, at least"
    " 2."
    ' tolerance: allowed rise, "5%".'
    ' budget: ceiling that needs no baseline, "2 J" per unit, "0.5 Wh/1000", "0.6 gCO2e/1000".'
    ' max_flops: ceiling of one inference\'s floating-point operations, "8.5 GFLOP"; it needs torch'
    " and energy.each."
    ' precision: stop the loop once the figure is settled to "2%", or with "verdict" once more'
    " blocks can hardly change the verdict."
    ' quality: what energy.record is given that must not fall, "accuracy" say; greater is better.'
    ' quality_tolerance: how far it may fall, "1%" of the stored figure by default.'
    " All are keywords; on a class or module they hold for every test in it."
)

TRAINING = (
    "training(steps, total_steps, hours, runs, task, model, dataset, warmup, tolerance, budget,"
    " max_flops, precision, quality, quality_tolerance):"
    " meter a window of real training steps, fail the test when a step's energy rises over its"
    " stored baseline, and say what the whole training costs: kWh, CO2e, and how many inferences"
    " take as much."
    " steps: training steps that the body performs (may be left out when the test loops over"
    " energy.each(batches))."
    " total_steps or hours: of one whole run, one of the two."
    " runs: full trainings that search and development took, 1 by default."
    " The rest is as for inference, with a step in the place of an inference."
)

MARKERS = {"inference": MARKER, "training": TRAINING}
"""What pytest --markers says of each."""


NO_OVERHEAD = "1.0"
"""The PUE where none is given."""

PROMETHEUS_URL = "http://localhost:9090"
"""The Prometheus server where none is given."""

WORKER = pytest.StashKey[Any]()
"""Where the configuration of a paired run's worker keeps its `paired.worker.Worker`."""

COMMAND = pytest.StashKey[bool]()
"""Whether a command of the console script runs in place of the tests."""

DEFAULT_TOLERANCE = "5%"

# Name, kind ("flag", "text", "number", "whole", "choice", "list", "path"), metavar, default, help.
OPTIONS: tuple[tuple[str, str, str | None, str, str], ...] = (
    (
        "report",
        "flag",
        None,
        "",
        "show the full table at the end, as wide as the terminal, 200 columns at most; without it"
        " one line and the failures",
    ),
    (
        "update",
        "flag",
        None,
        "",
        "store what is measured as the baseline of the selected tests; a regression does not fail",
    ),
    (
        "reason",
        "text",
        "TEXT",
        "",
        "why: kept beside what --energy-update accepts, or replaces in a baseline",
    ),
    (
        "strict",
        "flag",
        None,
        "",
        "also fail what could not be compared: new, inconclusive, incomparable, unresolved,"
        " unmeasured; and a session that compared nothing: every metered test was skipped or, where"
        " this was typed (not in addopts), none was selected",
    ),
    (
        "off",
        "flag",
        None,
        "",
        "run the tests without metering; refused together with --energy-strict, wherever the two"
        " stand",
    ),
    (
        "allow",
        "list",
        "REASON",
        "",
        "do not fail a test that could not be compared for this reason, which lies in the run:"
        " tracer, workers, repeated, base, baseline, meter or unmeasured; several with commas",
    ),
    (
        "prune",
        "choice",
        "WHAT",
        "",
        "show (also without a value): name the stored entries that no test claims, of files that"
        " were collected whole; delete: delete them, and name them",
    ),
    (
        "meter",
        "list",
        "NAME",
        "auto",
        "meters to read: auto (every counter there is, an estimate where the CPU has none), or"
        " names as pytest-energy doctor lists them: rapl, nvml, cpu_time, a plugin's; several with"
        " commas",
    ),
    (
        "baselines",
        "path",
        "DIR",
        "baselines",
        "folder of the baselines (default: the nearest baselines/ above the test's file that holds"
        " some, or baselines/ under pytest's rootdir)",
    ),
    (
        "tolerance",
        "text",
        "PERCENT",
        DEFAULT_TOLERANCE,
        'allowed rise over the baseline where the marker says none (default: "5%%")',
    ),
    (
        "against",
        "text",
        "REV",
        "",
        "compare with another git revision (or a folder) instead of stored baselines: both run the"
        " selected metered tests interleaved, on this machine, in this run",
    ),
    (
        "against-setup",
        "text",
        "CMD",
        "",
        "shell command to run in the other revision's tree first, to build what is compiled or to"
        " make a virtual environment (.venv) of its own",
    ),
    (
        "against-timeout",
        "number",
        "SECONDS",
        "600",
        "how long the other revision, or a second process, may take for one block, fixtures"
        " included (default: 600)",
    ),
    (
        "processes",
        "whole",
        "N",
        "1",
        "run each test in so many processes at least, with --energy-against in so many pairs, all"
        " but the first new; what is suspect or to be stored gets a second in any case, two"
        " pairs that disagree a third (default: 1)",
    ),
    (
        "precision",
        "text",
        "PERCENT",
        "",
        "end energy.each once the figure is settled to so much, or with verdict once more blocks"
        " can hardly change the verdict, where the marker says nothing (default: perform all n)",
    ),
    (
        "yardstick",
        "text",
        "WHEN",
        "auto",
        "auto: measure an estimate beside a fixed reference workload, which drifts with the"
        " machine as it does, in the library that the test process has loaded; torch, numpy or"
        " python: in this one, as a server's work is like it; off: compare it as it is"
        " (default: auto)",
    ),
    (
        "counts",
        "text",
        "WHEN",
        "auto",
        "auto: count exactly what some inferences of energy.each do (3, or 3%% of them where they"
        " differ), unmetered: floating-point operations, bytes, operators and Python calls; off:"
        " do not (default: auto)",
    ),
    (
        "judge",
        "text",
        "WHAT",
        "both",
        "measured: joules decide; counted: exact counts decide, and nothing is metered: only the"
        " inferences that are counted are performed; both: a rise in either fails a test, but for"
        " one in Python calls alone (default: both)",
    ),
    (
        "allocator",
        "text",
        "HOW",
        "steady",
        "steady: from the first metered work on, memory that is freed is kept for the next"
        " inference (glibc), so that processes agree; as-is: leave the allocator as it is"
        " (default: steady)",
    ),
    (
        "pin",
        "text",
        "WHEN",
        "auto",
        "auto: hold metered work on a single thread on one CPU, in a paired run both sides on the"
        " same, unless CPUs were chosen for the process already; off: leave it to the system"
        " (default: auto)",
    ),
    (
        "wait",
        "number",
        "SECONDS",
        "0",
        "before each metered test, wait for so long at most until other processes leave the machine"
        " alone for a second (default: 0, do not)",
    ),
    (
        "lock",
        "text",
        "WHEN",
        "auto",
        "auto: a metered test has the machine to itself among all pytest processes with metered"
        " tests, pytest-xdist's workers included; off: do not wait for others (default: auto)",
    ),
    (
        "lock-timeout",
        "number",
        "SECONDS",
        "3600",
        "how long a test waits for the machine; after that a metered one fails (default: 3600)",
    ),
    (
        "idle",
        "number",
        "SECONDS",
        "0",
        "measure the idle power for so long right before each metered window and show it beside the"
        " figure; it is never taken off it (default: 0, do not)",
    ),
    (
        "country",
        "text",
        "NAME",
        "",
        "country of the electricity grid: its ISO 3166-1 code or its name, as USA, US or United"
        " States (default: the world average)",
    ),
    (
        "region",
        "text",
        "NAME",
        "",
        "US state, Canadian province, Nordic bidding zone or Chinese province of the grid",
    ),
    (
        "carbon-intensity",
        "number",
        "G_PER_KWH",
        "",
        "carbon intensity of the electricity in gCO2e/kWh; wins over country and region",
    ),
    (
        "pue",
        "number",
        "RATIO",
        NO_OVERHEAD,
        "power usage effectiveness of the site, 1 or more (default: 1.0)",
    ),
    (
        "factors",
        "text",
        "NAME",
        "today",
        "whose carbon intensity and PUE turn joules into grams: today's, by the options above,"
        " or those of a paper, as published: strubell2019 (432.7 g/kWh, PUE 1.58); no such option"
        " may then be given (default: today)",
    ),
    (
        "prometheus-url",
        "text",
        "URL",
        PROMETHEUS_URL,
        f"the Prometheus server that the meter prometheus asks (default: {PROMETHEUS_URL});"
        " credentials come from the environment",
    ),
    (
        "prometheus-query",
        "list",
        "QUERY",
        "",
        "what the meter prometheus counts: dcgm, kepler, scaphandre, node_exporter, or PromQL that"
        " gives joules, with a name as NAME=PROMQL; given several times, each is a domain (in an"
        " ini file one a line)",
    ),
    (
        "prometheus-interval",
        "number",
        "SECONDS",
        "",
        "how often those counters move, where Prometheus does not tell its scrape interval or the"
        " exporter refreshes more slowly than it is scraped",
    ),
    (
        "metrics-url",
        "text",
        "URL",
        "",
        "the exporter's page that the meter metrics reads, such as http://gpu-1:9400/metrics",
    ),
    (
        "metrics-counter",
        "list",
        "COUNTER",
        "",
        "what the meter metrics counts: dcgm, kepler, scaphandre, node_exporter, or"
        ' METRIC{label="value"} UNIT, with a name as NAME=METRIC; may be given several times (in an'
        " ini file one a line)",
    ),
    (
        "metrics-interval",
        "number",
        "SECONDS",
        "",
        "how often those counters move, where that cannot be seen within seconds",
    ),
    (
        "metrics-requests",
        "text",
        "URL",
        "",
        "the page of metrics where the server tells how many requests it works on: others' beside"
        " a window are interference (default: the page of --energy-metrics-url)",
    ),
    ("http-url", "text", "URL", "", "what answers the JSON that the meter http reads"),
    (
        "http-counter",
        "list",
        "COUNTER",
        "",
        "what the meter http counts: a path in the JSON and its unit, such as 'aenergy.total Wh',"
        " with a name as NAME=PATH; may be given several times (in an ini file one a line)",
    ),
    (
        "http-interval",
        "number",
        "SECONDS",
        "",
        "how often those counters move, where that cannot be seen within seconds",
    ),
    (
        "processes-of",
        "text",
        "PORT",
        "",
        "a server on this machine that the test did not start, by its port or as pid:NUMBER: the"
        " estimate of CPU time covers its processes too",
    ),
    ("json", "path", "PATH", "", "write every measurement and verdict as JSON to this file"),
    (
        "json-blocks",
        "flag",
        None,
        "",
        "with every block of every measurement and all digits: what pytest-energy papers takes"
        " intervals from, and pytest-energy compare each test's own noise",
    ),
    (
        "html",
        "path",
        "PATH",
        "",
        "write a page to this file, which needs no network: the table with filters, charts, history"
        " and culprits, in any unit (needs the extra html)",
    ),
    (
        "markdown",
        "path",
        "PATH",
        "",
        "write what changed, and what is to blame for it, as Markdown to this file; where"
        " GITHUB_STEP_SUMMARY is set, it is appended there without an option",
    ),
    (
        "export",
        "list",
        "FORMAT=PATH",
        "",
        "write the results in another format as well: ai-energy-score, bencher, boamps, codecarbon,"
        " csv, cyclonedx, github-action-benchmark, html, markdown, model-card, openmetrics, spdx3"
        " or a plugin's; given several times, each is a file (in an ini file one a line); FORMAT"
        " alone takes a file name of its own",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option with its ini twin.

    On the command line the default is None: only so can an ini value apply. An optional value takes
    the path behind it for itself: where there is one, what it may be is checked, and said.
    """
    group = parser.getgroup("energy", "energy per inference (pytest-energy)")
    for name, kind, metavar, default, text in OPTIONS:
        dest = f"energy_{name.replace('-', '_')}"
        flag = f"--energy-{name}"
        if kind == "flag":
            group.addoption(flag, dest=dest, action="store_true", default=None, help=text)
            parser.addini(dest, text.replace("%%", "%"), type="bool", default=False)
            continue
        action = "append" if kind == "list" else "store"
        more = {"nargs": "?", "const": "show"} if kind == "choice" else {}
        group.addoption(
            flag, dest=dest, action=action, default=None, metavar=metavar, help=text, **more
        )
        # Numbers are numbers where a file has them (pytest's own table in TOML).
        kinds: dict[str, tuple[Any, Any]] = {"number": ("float", float), "whole": ("int", int)}
        kind_of_ini, number = kinds.get(kind, ("string", str))
        unset = None if kind in kinds and not default else number(default)
        parser.addini(dest, text.replace("%%", "%"), type=kind_of_ini, default=unset)


def any_given(config: pytest.Config) -> bool:
    """Whether an option stands on the command line, so that it is checked in any session."""
    dests = (f"energy_{name.replace('-', '_')}" for name, *_ in OPTIONS)
    return any(config.getoption(dest, default=None) is not None for dest in dests)


def nodeid_from_here(config: pytest.Config, nodeid: str) -> str:
    """A node id with its path from the current folder, as it has to be typed there."""
    here = config.invocation_params.dir
    if here == config.rootpath:
        return nodeid
    path, colons, rest = nodeid.partition("::")
    return Path(os.path.relpath(config.rootpath / path, here)).as_posix() + colons + rest


def wants_file(config: pytest.Config) -> bool:
    """Whether a report as a file was asked for."""
    return any(option_value(config, name) for name in ("json", "html", "markdown", "export"))


def ini_value(config: pytest.Config, name: str) -> Any:
    """An option as a configuration file has it, numbers as text; its default where none has.

    Raises:
        pytest.UsageError: a value of another kind than the option's.
    """
    dest = f"energy_{name}"
    try:
        value = config.getini(dest)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"ini {dest}: {error}") from error
    if isinstance(value, bool):
        return value
    return "" if value is None else str(value) if isinstance(value, int | float) else value


def option_value(config: pytest.Config, name: str) -> Any:
    """An option as it was written, on the command line or else in the ini file."""
    given = config.getoption(f"energy_{name}", default=None)
    return ini_value(config, name) if given is None else given


def flag(config: pytest.Config, name: str) -> bool:
    """A flag, from the command line or else the ini file."""
    return bool(option_value(config, name))


def update_from_file(config: pytest.Config) -> bool:
    """Whether `energy_update` stands in a configuration file, not on the command line."""
    given = config.getoption("energy_update", default=None)
    return given is None and bool(ini_value(config, "update"))


def strict_given(config: pytest.Config) -> bool:
    """Whether `--energy-strict` was typed: this very session is to compare.

    What stands in `addopts` or in `PYTEST_ADDOPTS` is of every session, as in a configuration file.
    """
    import shlex

    option = "--energy-strict"
    if not config.getoption("energy_strict", default=None):
        return False
    always = [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
    return option in config.invocation_params.args or option not in always


def runs_nothing(config: pytest.Config) -> bool:
    """Whether tests are collected and none will run: for a list of them, or of fixtures."""
    options = ("collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test")
    return any(config.getoption(name, default=False) for name in options)


def metered_of(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests that carry one of the markers or ask for the fixture.

    Every session asks this of every test, so classes and modules are asked once each.
    """
    marked_parents: dict[int, bool] = {}
    metered = []
    for item in items:
        parent = item.parent
        by_parent = marked_parents.get(id(parent))
        if by_parent is None:
            by_parent = marked_parents[id(parent)] = parent is not None and is_marked(parent)
        own = item.own_markers
        if (
            by_parent
            or (own and any(mark.name in MARKERS for mark in own))
            or ("energy" in getattr(item, "fixturenames", ()) and _asks_for_fixture(item))
        ):
            metered.append(item)
    return metered


def is_marked(node: pytest.Item | pytest.Collector) -> bool:
    """Whether a test, a class or a module carries one of the markers, or what it stands in."""
    return any(mark.name in MARKERS for mark in node.iter_markers())


def _asks_for_fixture(item: pytest.Item) -> bool:
    # A project may have a fixture of this name of its own.
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.get("energy") if info is not None else None
    return not definitions or definitions[-1].func.__module__ == "pytest_energy.plugin"
