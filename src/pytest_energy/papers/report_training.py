"""What training took, in the papers and in a run: break-even with inference, Strubell's table."""

from __future__ import annotations

from pytest_energy.papers import luccioni, strubell
from pytest_energy.papers.run import Run
from pytest_energy.report.page import Page
from pytest_energy.types.units import significant


def break_even(page: Page, run: Run | None) -> None:
    """Table 5 of Luccioni et al., and below it what the run says of its own models."""
    page.heading("Table 5: queries after which inference has taken as much as training")
    rows = [
        [
            row.name,
            f"{row.training_kwh:,.0f}",
            f"{row.finetuning_kwh:,.0f}",
            f"{row.kwh_per_query:g}",
            f"{row.printed_parity:,}",
            f"{row.parity:,.0f}",
        ]
        for row in luccioni.table5()
    ]
    for trained in run.trained if run else ():
        rows += [
            [
                f"{trained.model}, this machine",
                significant(trained.kwh),
                "-",
                f"{trained.kwh / inferences:.2g}",
                "-",
                f"{inferences:,.0f}",
            ]
            for inferences in trained.inferences
        ]
    names = ["model", "training\nkWh", "fine-tuning\nkWh", "kWh per\nquery", "printed", "formula"]
    page.table(names, rows)
    for row in luccioni.table5():
        if row.slip:
            page.note(f"{row.name} is {row.slip}: a slip in the paper.")
    page.note("Formula: (training + fine-tuning) / energy per query.")
    for trained in run.trained if run else ():
        page.note(
            f"{trained.model}: extrapolated from a window of steps, 95 %:"
            f" {significant(trained.kwh_low)} to {significant(trained.kwh_high)} kWh."
        )
    if run and run.trained:
        page.note(
            "This machine's kWh are at the meter, as in Table 2: the site's PUE is not in them."
        )
    page.end()


def strubell_table(page: Page, run: Run | None) -> None:
    """Table 3 of Strubell et al. 2019, printed and by its formula."""
    page.heading("Strubell, Ganesh, McCallum 2019 (arXiv 1906.02243), Table 3: training")
    rows = []
    for row in strubell.table():
        rows.append(
            [
                f"{row.model}, {row.hardware}",
                "-" if row.watts is None else f"{row.watts:,.1f}",
                f"{row.exact_hours:,g}",
                *_beside(row.printed_kwh, row.kwh),
                *_beside(row.printed_pounds, row.pounds),
            ]
        )
    names = ["model", "watts", "hours", "kWh x PUE\nprinted", "formula"]
    page.table([*names, "lb CO2e\nprinted", "formula"], rows)
    for row in strubell.table():
        if row.note:
            page.note(f"{row.model}: {row.note}.")
    page.note(
        f"Formula: {strubell.PUE} t (p_c + p_r + g p_g) / 1000 kWh, {strubell.POUNDS_PER_KWH} lb"
        " of CO2e per kWh, factors of 2018, kept as published. TPUs' power was not public."
        f" Development of one model took {strubell.RUNS_OF_CASE_STUDY:,} jobs."
    )
    page.end()


def _beside(printed: float | None, formula: float | None) -> tuple[str, str]:
    first, second = ("-" if value is None else f"{value:,.0f}" for value in (printed, formula))
    return first, second
