"""What a Prometheus server is asked: presets, and PromQL of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from pytest_energy.web.answers import is_address

DEFAULT_URL = "http://localhost:9090"
"""Where Prometheus listens by default (`--web.listen-address`)."""

TOKEN = "PYTEST_ENERGY_PROMETHEUS_TOKEN"
USER = "PYTEST_ENERGY_PROMETHEUS_USER"
PASSWORD = "PYTEST_ENERGY_PROMETHEUS_PASSWORD"

MICROJOULES = 1_000_000
"""In a joule."""

OWN = "Prometheus"
"""Source of what is asked in PromQL of the user's own."""

_NAMED = re.compile(r"([A-Za-z_]\w*)\s*=(?![=~])\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Query:
    """One domain, and where its joules stand.

    Args:
        name: of the domain.
        kind: `cpu`, `dram`, `gpu` or `system`.
        ways: PromQL; the first that finds something is taken.
        source: the instrument, for people.
        microjoules: in one unit of the answer.
        optional: left out when nothing is found.
        once_by: label of which no two series may have the same value; empty for no such rule.
        whole: kinds of hardware that are counted whole, whatever the domain is called.
    """

    name: str
    kind: str
    ways: tuple[str, ...]
    source: str = OWN
    microjoules: int = MICROJOULES
    optional: bool = False
    once_by: str = ""
    whole: frozenset[str] = frozenset()


# node_exporter shows the packages' twins under intel-rapl-mmio too, with another path.
_NO_TWIN = 'path!~".*intel-rapl-mmio.*"'

PRESETS: dict[str, tuple[Query, ...]] = {
    # NVIDIA/dcgm-exporter, etc/default-counters.csv: "Total energy consumption since boot (in mJ)".
    # With MIG, or with boards that pods share, one board has several series.
    "dcgm": (
        Query(
            "gpu",
            "gpu",
            ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",),
            "DCGM through Prometheus",
            microjoules=1000,
            once_by="UUID",
        ),
    ),
    # Current Kepler: docs/user/metrics.md, kepler_node_cpu_joules_total by zone (sockets are
    # summed, mmio twins left out: rapl_sysfs_power_meter.go). Before it was rewritten: kepler-doc,
    # docs/design/metrics.md, kepler_node_{package,dram}_joules_total, idle and dynamic energy as
    # two series; without RAPL those are a trained model's estimate, and are left out.
    "kepler": (
        *(
            Query(
                kind,
                kind,
                (
                    f'kepler_node_cpu_joules_total{{zone="{zone}"}}',
                    f'kepler_node_{zone}_joules_total{{source!="trained_power_model"}}',
                ),
                "Kepler through Prometheus",
                optional=kind == "dram",
            )
            for kind, zone in (("cpu", "package"), ("dram", "dram"))
        ),
        # A GPU server's boards: kepler_node_gpu_joules_total{gpu, gpu_uuid, vendor}. Before Kepler
        # was rewritten, idle and dynamic energy were two series there.
        Query(
            "gpu",
            "gpu",
            ("kepler_node_gpu_joules_total",),
            "Kepler through Prometheus",
            optional=True,
            once_by="gpu_uuid",
        ),
    ),
    # hubblo-org/scaphandre, docs_src/references/metrics.md: "Energy measurement for the whole host,
    # as extracted from the sensor, in microjoules": psys where there is one, else packages + dram.
    "scaphandre": (
        Query(
            "host",
            "system",
            ("scaph_host_energy_microjoules",),
            "Scaphandre through Prometheus",
            microjoules=1,
            whole=frozenset({"cpu", "dram"}),
        ),
    ),
    # prometheus/node_exporter, collector/rapl_linux.go: node_rapl_<zone>_joules_total, "Current
    # RAPL <zone> value in joules", or node_rapl_joules_total{rapl_zone} with
    # --collector.rapl.enable-zone-label; a socket of several dies has a zone per die.
    "node_exporter": tuple(
        Query(
            kind,
            kind,
            (
                f"node_rapl_{zone}_joules_total{{{_NO_TWIN}}}",
                f'node_rapl_joules_total{{rapl_zone=~"{zone}(-.*)?",{_NO_TWIN}}}',
                f'{{__name__=~"node_rapl_{zone}_[0-9]+_die_[0-9]+_joules_total",{_NO_TWIN}}}',
            ),
            "node_exporter through Prometheus",
            optional=kind == "dram",
        )
        for kind, zone in (("cpu", "package"), ("dram", "dram"))
    ),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Prometheus server and what is asked of it.

    Args:
        url: base URL, without user and password.
        queries: a domain each, with distinct names.
        interval_seconds: how often the counters move, where that is known better than by the
            scrape interval, or the scrape interval cannot be found out.
    """

    url: str = DEFAULT_URL
    queries: tuple[Query, ...] = ()
    interval_seconds: float | None = None


def parse_url(text: str) -> str:
    """The base URL of a server, as it was written but for a slash at the end.

    Raises:
        ValueError: it cannot be one, or it holds credentials; those are not repeated.
    """
    if "@" in text:
        raise ValueError(
            f"a URL with a user or password is refused, since URLs end up in logs; set {USER} and"
            f" {PASSWORD}, or {TOKEN}, in the environment"
        )
    if "?" in text or "#" in text:  # may be a token: not repeated either
        raise ValueError(f"expected a URL such as {DEFAULT_URL}, without ? and #")
    if not is_address(text.strip()):
        raise ValueError(f"expected a URL such as {DEFAULT_URL}, found {text!r}")
    return text.strip().rstrip("/")


def parse_queries(texts: Iterable[str]) -> tuple[Query, ...]:
    """What is asked: presets by name, `NAME=PROMQL`, or bare PromQL.

    PromQL has `=` in braces and `==` between expressions, never a single one behind its first
    word; so a word with a single `=` behind it is a name.

    Raises:
        ValueError: a name without PromQL, or two queries that would count the same.
    """
    queries: list[Query] = []
    for text in filter(None, (text.strip() for text in texts)):
        queries += _parse_query(text)
    for one, other in combinations(queries, 2):
        if one.name == other.name:
            raise ValueError(
                f"two queries of the name {one.name!r}, {one.ways[0]!r} and {other.ways[0]!r}:"
                " name your own as in NAME=PROMQL; of presets that count the same choose one"
            )
        if other.kind in one.whole or one.kind in other.whole:
            raise ValueError(
                f"{one.ways[0]!r} and {other.ways[0]!r} both count"
                f" {other.kind if other.kind in one.whole else one.kind!r}, which would count it"
                " twice: choose one"
            )
    return tuple(queries)


def _parse_query(text: str) -> tuple[Query, ...]:
    if text in PRESETS:
        return PRESETS[text]
    named = _NAMED.fullmatch(text)
    if named is None:
        return (Query("prometheus", "system", (text,)),)
    name, promql = named.groups()
    if not promql:
        raise ValueError(f"expected PromQL behind {name}=, or one of {', '.join(PRESETS)}")
    if promql in PRESETS:
        raise ValueError(f"a preset names its domains itself: write {promql}, not {text!r}")
    kind = next((kind for kind in ("cpu", "gpu", "dram") if name.startswith(kind)), "system")
    return (Query(name, kind, (promql,)),)
