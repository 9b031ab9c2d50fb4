"""Which counters are read of a page: presets, and what users write, with units.

Where each metric name and unit of a preset is documented stands in `prometheus/queries.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from pytest_energy.web.answers import is_address

MICROJOULES = {
    "uJ": 1,
    "mJ": 1_000,
    "J": 1_000_000,
    "kJ": 1_000_000_000,
    "mWh": 3_600_000,
    "Wh": 3_600_000_000,
    "kWh": 3_600_000_000_000,
}
"""In one unit of a counter; a watt-hour is 3,600 J."""

_SPELLINGS = {"µJ": "uJ", "μJ": "uJ", "microjoules": "uJ", "millijoules": "mJ", "joules": "J"}

_NAMED_UNITS = (
    ("microjoules", "uJ"),
    ("millijoules", "mJ"),
    ("kilojoules", "kJ"),
    ("joules", "J"),
    ("kwh", "kWh"),
    ("mwh", "mWh"),
    ("wh", "Wh"),
)
"""What a word of a name says about its unit."""

_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_SELECTOR = re.compile(
    r'([A-Za-z_:][\w:]*)\s*(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?\s*([A-Za-zµμ]*)'
)
_NAMED = re.compile(r"([A-Za-z_]\w*)\s*=(?![=~])\s*(.*)", re.DOTALL)
_PATH = re.compile(r"(\S+)\s+([A-Za-zµμ]+)")


@dataclass(frozen=True, slots=True)
class Selector:
    """Series of a page of metrics.

    Args:
        name: of the metric, a regular expression.
        matchers: label, operator (`=`, `!=`, `=~`, `!~`) and value.
        unit: a key of `MICROJOULES`.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()
    unit: str = "J"

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series is meant; a label that is not there is empty, as in PromQL."""
        if not re.fullmatch(self.name, name):
            return False
        for label, operator, value in self.matchers:
            found = labels.get(label, "")
            same = re.fullmatch(value, found) if operator.endswith("~") else found == value
            if bool(same) == operator.startswith("!"):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Counter:
    """One domain, and where its joules stand.

    Args:
        name: of the domain.
        kind: `cpu`, `dram`, `gpu` or `system`.
        written: for messages, and what is compared with a baseline's; a preset's name.
        ways: of a page of metrics; the first that finds something is taken.
        path: keys and positions in a JSON answer; empty for a page of metrics.
        unit: of the figure at that path, a key of `MICROJOULES`.
        source: the instrument, for people.
        optional: left out when nothing is found.
        once_by: label of which no two series may have the same value; empty for no such rule.
        whole: kinds of hardware that are counted whole, whatever the domain is called.
        whose: energy it is, in a few words.
        seconds: how often it moves where its maker says so and it was not seen; 0 for unknown.
    """

    name: str
    kind: str
    written: str
    ways: tuple[Selector, ...] = ()
    path: tuple[str, ...] = ()
    unit: str = "J"
    source: str = "metrics"
    optional: bool = False
    once_by: str = ""
    whole: frozenset[str] = frozenset()
    whose: str = "all that the exporter counts there"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page and what is read of it.

    Args:
        url: whole.
        counters: a domain each, with distinct names.
        interval_seconds: how often they move, where that is known; None to watch them.
        requests_url: where the server tells how many requests it works on; empty for `url`.
    """

    url: str = ""
    counters: tuple[Counter, ...] = ()
    interval_seconds: float | None = None
    requests_url: str = ""


_NO_TWIN = (("path", "!~", ".*intel-rapl-mmio.*"),)


def _kepler(kind: str, zone: str) -> Counter:
    return Counter(
        kind,
        kind,
        "kepler",
        (
            Selector("kepler_node_cpu_joules_total", (("zone", "=", zone),)),
            Selector(
                f"kepler_node_{zone}_joules_total", (("source", "!=", "trained_power_model"),)
            ),
        ),
        source="Kepler",
        optional=kind == "dram",
        whose="the whole node's",
    )


def _node_exporter(kind: str, zone: str) -> Counter:
    return Counter(
        kind,
        kind,
        "node_exporter",
        (
            Selector(f"node_rapl_{zone}_joules_total", _NO_TWIN),
            Selector("node_rapl_joules_total", (("rapl_zone", "=~", f"{zone}(-.*)?"), *_NO_TWIN)),
            Selector(rf"node_rapl_{zone}_[0-9]+_die_[0-9]+_joules_total", _NO_TWIN),
        ),
        source="node_exporter",
        optional=kind == "dram",
        whose="the whole node's",
    )


PRESETS: dict[str, tuple[Counter, ...]] = {
    "dcgm": (
        Counter(
            "gpu",
            "gpu",
            "dcgm",
            (Selector("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", unit="mJ"),),
            source="DCGM",
            once_by="UUID",
            whose="the whole boards'",
            seconds=30.0,  # dcgm-exporter's --collect-interval, 30,000 ms unless given
        ),
    ),
    "kepler": (
        _kepler("cpu", "package"),
        _kepler("dram", "dram"),
        Counter(
            "gpu",
            "gpu",
            "kepler",
            (Selector("kepler_node_gpu_joules_total"),),
            source="Kepler",
            optional=True,
            once_by="gpu_uuid",
            whose="the whole boards'",
        ),
    ),
    "scaphandre": (
        Counter(
            "host",
            "system",
            "scaphandre",
            (Selector("scaph_host_energy_microjoules", unit="uJ"),),
            source="Scaphandre",
            whole=frozenset({"cpu", "dram"}),
            whose="the whole node's",
        ),
    ),
    "node_exporter": (_node_exporter("cpu", "package"), _node_exporter("dram", "dram")),
}


def parse_address(text: str, prefix: str) -> str:
    """The URL of a page, as it was written.

    Args:
        text: a URL.
        prefix: of the variables for credentials.

    Raises:
        ValueError: it cannot be one, or it holds credentials; those are not repeated.
    """
    text = text.strip()
    if not text:
        return ""
    if "@" in text.partition("?")[0]:
        raise ValueError(
            "a URL with a user or password is refused, since URLs end up in logs; set"
            f" {prefix}_USER and {prefix}_PASSWORD, or {prefix}_TOKEN, in the environment"
        )
    if not is_address(text) or "#" in text or re.search(r"\s", text):
        shown = text.partition("?")[0].partition("#")[0]  # behind it a token may stand
        raise ValueError(f"expected a URL such as http://localhost:9400/metrics, found {shown!r}")
    return text


def parse_metrics(texts: Iterable[str]) -> tuple[Counter, ...]:
    """Counters of a page of metrics: presets, or `[NAME=]METRIC{label="…"} [UNIT]`.

    Raises:
        ValueError: what was written cannot be meant, or two would count the same.
    """
    counters: list[Counter] = []
    for text in filter(None, map(str.strip, texts)):
        counters += PRESETS[text] if text in PRESETS else [_parse_metric(text)]
    return _distinct(counters)


def parse_paths(texts: Iterable[str]) -> tuple[Counter, ...]:
    """Counters of a JSON answer: `[NAME=]PATH UNIT`, the path with dots: `aenergy.total Wh`.

    Raises:
        ValueError: what was written cannot be meant, or two have one name.
    """
    counters = []
    for text in filter(None, map(str.strip, texts)):
        name, inner = _named(text, "http")
        found = _PATH.fullmatch(inner)
        if found is None:
            raise ValueError(f"expected PATH UNIT such as 'aenergy.total Wh', found {text!r}")
        path = tuple(found[1].split("."))
        if not all(path):
            raise ValueError(f"the path {found[1]!r} has a key without a name")
        unit = _unit(found[2], path[-1])
        written = f"{found[1]} {unit}"
        counters.append(
            Counter(
                name,
                _kind(name),
                written,
                path=path,
                unit=unit,
                source="HTTP",
                whose="all that this counter sees",
            )
        )
    return _distinct(counters)


def known_unit(text: str) -> str:
    """A unit by the name of `MICROJOULES`; empty where it is none of energy."""
    unit = _SPELLINGS.get(text, text)
    return unit if unit in MICROJOULES else ""


def _parse_metric(text: str) -> Counter:
    name, inner = _named(text, "metrics")
    if inner in PRESETS:
        raise ValueError(f"a preset names its domains itself: write {inner}, not {text!r}")
    found = _SELECTOR.fullmatch(inner)
    if found is None:
        raise ValueError(
            f'expected {", ".join(PRESETS)}, or METRIC{{label="value"}} UNIT, found {text!r}'
        )
    metric, braces, unit = found.groups()
    matchers = _matchers(braces or "", text)
    unit = _unit(unit, metric)
    return Counter(name, _kind(name), inner, (Selector(re.escape(metric), matchers, unit),))


def _matchers(text: str, whole: str) -> tuple[tuple[str, str, str], ...]:
    matchers, at = [], 0
    while text[at:].strip():
        found = _MATCHER.match(text, at)
        if found is None:
            raise ValueError(f'expected label="value" in the braces of {whole!r}')
        label, operator, value = found.groups()
        if operator in ("=", "!="):
            value = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)
        else:
            value = value.replace("\\\\", "\\")
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} in {whole!r} is no pattern: {error}") from None
        matchers.append((label, operator, value))
        at = found.end()
    return tuple(matchers)


def _named(text: str, usual: str) -> tuple[str, str]:
    named = _NAMED.fullmatch(text)
    if named is None:
        return usual, text
    if not named[2]:
        raise ValueError(f"expected a counter behind {named[1]}=")
    return named[1], named[2].strip()


def _unit(written: str, name: str) -> str:
    """The unit that was written, else the one that the name tells.

    Raises:
        ValueError: neither is known, or they contradict each other.
    """
    words = re.split(r"[^a-z]+", name.lower())
    told = next((unit for word, unit in _NAMED_UNITS if word in words), "")
    if not written:
        if told:
            return told
        raise ValueError(
            f"the unit of {name!r} is not known: write one of {', '.join(MICROJOULES)}"
        )
    unit = known_unit(written)
    if not unit:
        raise ValueError(f"{written!r} is no unit of energy; there are {', '.join(MICROJOULES)}")
    if told and told != unit:
        raise ValueError(f"{name!r} says {told}, and {written} is written behind it")
    return unit


def _kind(name: str) -> str:
    return next((kind for kind in ("cpu", "gpu", "dram") if name.startswith(kind)), "system")


def _distinct(counters: list[Counter]) -> tuple[Counter, ...]:
    for one, other in combinations(counters, 2):
        if one.name == other.name:
            raise ValueError(
                f"two counters of the name {one.name!r}, {one.written!r} and {other.written!r}:"
                " name your own as in NAME=…; of presets that count the same choose one"
            )
        if other.kind in one.whole or one.kind in other.whole:
            raise ValueError(
                f"{one.written!r} and {other.written!r} both count the same hardware, which would"
                " count it twice: choose one"
            )
    return tuple(counters)
