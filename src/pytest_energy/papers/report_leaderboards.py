"""What leaderboards have published, beside the paper's tables: by task, per 1,000 and per token."""

from __future__ import annotations

from pytest_energy.papers import leaderboards, own
from pytest_energy.papers.run import Run
from pytest_energy.published.figure import Source
from pytest_energy.published.sources import AI_ENERGY_SCORE, ML_ENERGY, sources
from pytest_energy.report.page import Page
from pytest_energy.types.units import significant

MOST_CONCURRENCIES = 5
"""Columns of joules per token, on a terminal of 80."""


def by_task(page: Page, run: Run | None) -> None:
    """Every task of every source, and what the run has of it."""
    page.heading("Further sources: kWh per 1,000 inferences, by task")
    titles = {one.key: one.short_title for one in sources()}
    figures = {} if run is None else own.by_task(run)
    rows, shown = [], set()
    for row in leaderboards.by_task():
        shown.add(row.source)
        least, most = significant(row.least_kwh_per_1000), significant(row.most_kwh_per_1000)
        cells = [
            f"{row.task}\n{row.dataset}".rstrip(),
            titles[row.source],
            str(row.models),
            str(row.concurrency),
            significant(row.median_kwh_per_1000),
            f"{least} to {most}",
        ]
        figure = figures.pop(row.task, None)
        rows.append([*cells, "" if figure is None else figure.words] if run else cells)
    names = ["task", "source", "models", "at a\ntime", "median", "least to most"]
    page.table([*names, *(["this machine"] if run else [])], rows, left=2)
    for source in (one for one in sources() if one.key in shown):
        page.note(_protocol(source))
    page.note("Node and GPU are not comparable, nor are answers of other lengths: orders are.")
    page.end()


def ai_energy_score(page: Page, run: Run | None) -> None:
    """AI Energy Score, model by model."""
    del run
    page.heading(f"{AI_ENERGY_SCORE.title} ({AI_ENERGY_SCORE.year}): GPU Wh per 1,000 queries")
    rows = [
        [one.model, significant(leaderboards.wh_per_1000(one)), one.note.partition(" in ")[0]]
        for one in leaderboards.ai_energy_score()
    ]
    page.table(["model", "Wh per 1,000", "rating"], rows)
    page.note(_protocol(AI_ENERGY_SCORE))
    page.end()


def per_token(page: Page, run: Run | None) -> None:
    """ML.ENERGY's joules per token at several concurrencies, and the run's own."""
    page.heading(f"{ML_ENERGY.title} ({ML_ENERGY.year}): GPU joules per token of output")
    found = leaderboards.per_token()
    columns = leaderboards.concurrencies(found, MOST_CONCURRENCIES)
    rows = [
        [
            f"{row.model}\n{row.dataset}, {row.note}",
            *(significant(row.joules[n]) if n in row.joules else "" for n in columns),
            f"{significant(row.least)} at {_least_at(row)}",
            f"{row.times:.1f}",
        ]
        for row in found
    ]
    names = ["model\ndata, weights", *(f"{n}" for n in columns), "least", "times"]
    page.table(names, rows)
    page.note(
        "Columns: the most requests at a time that the server had. Times: the lowest concurrency's"
        " joules over the least."
    )
    page.note(_protocol(ML_ENERGY))
    for one in run.per_token if run else ():
        what = f"{one.subject.model}, {one.subject.concurrency} at a time"
        joules = significant(one.measurement.joules_per_unit)
        page.say(
            f"This machine, {what}: {joules} J per token ({one.method}), of all that is metered."
        )
    page.end()


def _least_at(row: leaderboards.PerToken) -> int:
    return min(row.joules, key=lambda n: (row.joules[n], n))


def _protocol(source: Source) -> str:
    interval = f"; {source.interval}" if source.interval else ""
    said = f"{source.short_title}, {source.hardware}: {source.protocol}{interval}"
    return f"{said} ({source.licence})."
