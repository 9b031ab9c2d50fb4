"""AI Energy Score's result rows: the energy of the GPU alone, in Wh per 1,000 queries.

Columns are those of its `ResultsAggregator` (huggingface/AIEnergyScore, `results_aggregator.py`),
with the test and the machine class behind them. Tokens that were not counted are 0, as they are
there. A class and stars are given by its leaderboard, for its own data set on its own hardware:
there are none here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_energy.files import stable
from pytest_energy.report.exports.csv import table_of
from pytest_energy.report.exports.published import Figure, figures_of, model_name, plain
from pytest_energy.report.exports.selection import check_not_empty
from pytest_energy.types.energy import Method
from pytest_energy.types.session import SessionReport
from pytest_energy.types.units import kwh

COLUMNS = (
    *("model_name", "model_class", "task", "reasoning_state", "total_prompts"),
    *("successful_prompts", "failed_prompts", "total_duration_seconds", "avg_total_time"),
    *("avg_time_to_first_token", "total_tokens", "total_prompt_tokens", "total_completion_tokens"),
    *("throughput_tokens_per_second", "gpu_energy_wh", "wh_per_1000_queries", "co2_emissions_g"),
    *("tokens_per_joule", "avg_energy_per_prompt_wh", "timestamp", "error_message"),
    *("test", "machine"),
)
"""Watt-hours, seconds and grams; what we do not know is empty."""


def render(reports: Sequence[SessionReport]) -> str:
    """A heading, and a row for each test of whole inferences whose GPU has a counter.

    Args:
        reports: of one session or of several; of each test the latest of each machine class.

    Raises:
        ReportError: there is no such test among several.
    """
    rows = []
    for figure in figures_of(reports):
        joules = _gpu_joules(figure)
        if figure.training is None and not figure.subject.region and joules > 0:
            rows.append(_row(figure, joules))
    hint = "AI Energy Score has no other energy; pytest-energy doctor says what can be counted here"
    check_not_empty(rows, reports, "a GPU whose energy is counted", hint)
    return table_of(COLUMNS, rows)


def _gpu_joules(figure: Figure) -> float:
    """Of the whole window; estimates and samples do not stand beside what a counter says."""
    measurement = figure.measurement
    return sum(
        joules
        for domain, joules in zip(measurement.domains, measurement.domain_joules, strict=True)
        if domain.kind == "gpu" and domain.method is Method.COUNTER
    )


def _row(figure: Figure, joules: float) -> dict[str, Any]:
    subject, measurement, report = figure.subject, figure.measurement, figure.report
    queries, seconds = measurement.metered_count, measurement.seconds
    tokens = round(measurement.unit_count) if subject.unit == "token" else 0
    each = kwh(joules) * 1000 / queries
    numbers = {
        "total_duration_seconds": seconds,
        "avg_total_time": seconds / queries,
        "gpu_energy_wh": kwh(joules) * 1000,
        "wh_per_1000_queries": each * 1000,
        "co2_emissions_g": report.carbon.grams(joules),
        "avg_energy_per_prompt_wh": each,
    }
    if tokens:
        numbers |= {
            "throughput_tokens_per_second": tokens / seconds,
            "tokens_per_joule": tokens / joules,
        }
    return {
        "model_name": model_name(subject),
        "task": subject.task,
        "total_prompts": queries,
        "successful_prompts": queries,
        "failed_prompts": 0,
        "total_tokens": tokens,
        **{name: plain(stable(number)) for name, number in numbers.items()},
        "timestamp": report.date,
        "test": subject.key,
        "machine": report.machine.slug,
    }
