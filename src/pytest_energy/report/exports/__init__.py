"""The formats that results can be written in, beside the JSON report: one small module each.

A module has a function `render` of the reports of one session or of several. It is imported when
its format is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module

from pytest_energy.types.reporter import Reporter
from pytest_energy.types.session import SessionReport


def _late(module: str) -> Callable[[Sequence[SessionReport]], str | bytes]:
    def render(reports: Sequence[SessionReport]) -> str | bytes:
        written: str | bytes = import_module(f"{__name__}.{module}").render(reports)
        return written

    return render


def _why_no_page() -> str:
    from pytest_energy.report.exports.html import why_unavailable

    return why_unavailable()


BUILT_IN = (
    Reporter("ai-energy-score", "ai-energy-score.csv", _late("ai_energy_score"), "its result rows"),
    Reporter("bencher", "bencher.json", _late("bencher"), "Bencher Metric Format"),
    Reporter("boamps", "boamps.jsonl", _late("boamps"), "BoAmps, for open data"),
    Reporter("codecarbon", "emissions.csv", _late("codecarbon"), "codecarbon's emissions.csv"),
    Reporter("csv", "energy.csv", _late("csv"), "one row per result"),
    Reporter("cyclonedx", "energy.cdx.json", _late("cyclonedx"), "CycloneDX bill of materials"),
    Reporter(
        "github-action-benchmark",
        "benchmark.json",
        _late("github_action_benchmark"),
        "customSmallerIsBetter",
    ),
    Reporter("html", "energy.html", _late("html"), "a page for people", _why_no_page),
    Reporter("markdown", "energy.md", _late("markdown"), "what changed, for a pull request"),
    Reporter("model-card", "model-card.md", _late("model_card"), "a Hugging Face card's metadata"),
    Reporter("openmetrics", "metrics.txt", _late("openmetrics"), "GitLab's metrics report"),
    Reporter("spdx3", "energy.spdx3.json", _late("spdx3"), "SPDX 3 with AI packages"),
)
"""The reporters that come with the plugin, in the order of their names."""


def reporters_by_name(added: Iterable[object] = ()) -> Mapping[str, Reporter]:
    """All reporters that there are.

    Args:
        added: by other plugins.

    Raises:
        TypeError: one of them is no reporter.
        ValueError: two have the same name.
    """
    found = {reporter.name: reporter for reporter in BUILT_IN}
    for reporter in added:
        if not isinstance(reporter, Reporter):
            raise TypeError(f"expected a Reporter, found {reporter!r}")
        if reporter.name in found:
            raise ValueError(f"two reporters are named {reporter.name!r}: give one another name")
        found[reporter.name] = reporter
    return found
