"""The papers' tables as people read them on a terminal, with a run's figures in the next column.

For programs the same is in `report_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TextIO

from pytest_energy.papers import desislavov, luccioni, own
from pytest_energy.papers import report_leaderboards as papers_leaderboards
from pytest_energy.papers import report_training as papers_training
from pytest_energy.papers.run import Measured, Run
from pytest_energy.papers.work import Span, distances
from pytest_energy.report.console import console
from pytest_energy.report.page import Page
from pytest_energy.types.units import format_flops, format_joules, significant

WIDEST = 120
"""Columns that are used at most."""


def write(run: Run | None, stream: TextIO, tests: str = "") -> None:
    """Write the tables for people; colours only where `stream` is a terminal.

    Args:
        run: whose figures stand beside the papers'; None for the papers' alone.
        stream: an open file with a descriptor.
        tests: as for `own.by_task`.
    """
    place = console(stream, WIDEST)
    with place.capture() as captured:  # rich ends the process when its reader has gone
        for section in _sections(tests):
            section(Page(place), run)
    # Cells are padded to the column; a file of tables needs no blanks at the ends of its lines.
    lines = [line.rstrip() for line in captured.get().rstrip().splitlines()]
    stream.write("\n".join(lines) + "\n")


def _figure(figure: own.Figure | None) -> str:
    return "-" if figure is None else figure.words


def _stacked(figure: own.Figure) -> str:
    return f"{significant(figure.kwh_per_1000)}\n{figure.method}"


def _about(page: Page, run: Run | None) -> None:
    page.heading("Power Hungry Processing (Luccioni, Jernite, Strubell 2024, arXiv 2311.16863)")
    page.note(
        "The paper's energies are those of a whole node of eight A100-SXM4-80GB, one of them at"
        " work: the boards' own energy counters, and constants for CPU (42.5 W) and RAM (431 W)."
        ' "from rows" is recomputed from the 312 rows behind the tables.'
    )
    if run is None:
        page.note("With --run REPORT.json a run's figures stand beside these.")
    else:
        page.say(f"this machine: {run.machine}, {run.date}")
        for line in _metered(run):
            page.say(f"  {line}")
        page.note(
            "Its figures are of what was counted or sampled, else estimated; of no constant."
            " Orders and ratios can be set beside the paper's; absolute sizes are of two machines."
        )
        if clauses := own.interference(run):
            times = f"{sum(clauses.values())} of {len(run.measured)} results"
            page.say(f"{times} met interference, one of them this: {next(iter(clauses))}")
        if not run.has_blocks:
            page.say("no intervals: the run's report needs --energy-json-blocks for them")
        if missing := own.without_role(run):
            page.say(
                f"{missing} result{'s' * (missing > 1)} without role= left out: mark with"
                ' role="task-specific" or "general-purpose"'
            )
    page.end()


def _metered(run: Run) -> list[str]:
    domains = dict.fromkeys(domain for one in run.measured for domain in one.domains)
    sources = [f"{name}: {method} ({source})" for name, method, source in domains]
    return sources or ["nothing in it was measured per inference"]


def _tasks(page: Page, run: Run | None, tests: str) -> None:
    figures = {} if run is None else own.by_task(run, tests)
    page.heading("Table 2: kWh per 1,000 inferences, task-specific models (mean ± sd)")
    rows = []
    for row in luccioni.table2():
        mean, sd = row.recomputed_kwh_per_1000, row.recomputed_sd_kwh_per_1000
        cells = [
            row.name,
            f"{row.kwh_per_1000:.3f} ± {row.sd_kwh_per_1000:g}",
            f"{significant(mean)} ± {significant(sd, 2)}",
        ]
        rows.append([*cells, _figure(figures.get(row.task))] if run else cells)
    page.table(["task", "printed", "from rows", *(["this machine"] if run else [])], rows)
    if run is not None:
        page.note("0.001 kWh per 1,000 inferences are 3.6 J per inference, the plots' unit.")
        results = sum(figure.results for figure in figures.values())
        whose = f"whose id contains {tests!r}" if tests else "of the run (--tasks-of takes some)"
        page.say(
            f"This machine: {results} task-specific result{'s' * (results != 1)}, of tests {whose}."
        )
        order = own.order(run, tests)
        if order.correlation is None:
            page.say(f"No rank correlation: {order.problem}.")
        else:
            page.say(
                f"Rank correlation of the order of {len(order.tasks)} tasks with the paper's"
                f" (Spearman): {order.correlation:.2f}"
            )
    page.end()


def _general_models(page: Page, run: Run | None) -> None:
    figures = {} if run is None else own.by_model(run)
    page.heading("Table 3: general-purpose models, per 1,000 inferences")
    used, stated = luccioni.GRAMS_PER_KWH_USED, luccioni.GRAMS_PER_KWH_STATED
    names = ["model", "kWh\nprinted", "kWh\nfrom rows", "gCO2e\nprinted"]
    names += [f"gCO2e at\n{used:g}", f"gCO2e at\n{stated:g}"]
    rows, matched = [], set()
    for row in luccioni.table3():
        cells = [
            row.name,
            f"{row.kwh_per_1000:.3f}",
            f"{row.recomputed_kwh_per_1000:.4f}",
            f"{row.grams_per_1000:.2f}",
            f"{row.recomputed_grams_per_1000:.2f}",
            f"{row.grams_per_1000_as_stated:.2f}",
        ]
        if run is not None:
            same = [model for model in figures if own.same_model(model, row.model)]
            matched |= set(same)
            cells.append("\n".join(_stacked(figures[model]) for model in same) or "-")
        rows.append(cells)
    for model in [model for model in figures if model not in matched]:
        rows.append([model, *("-" * 5), _stacked(figures[model])])
    page.table([*names, *(["this\nmachine"] if run else [])], rows)
    page.note(
        f"The printed grams were computed with {used:g} g/kWh, while the paper's text says"
        f" {stated:g}: both are given, from the rows."
    )
    page.end()


def _both_kinds(page: Page, run: Run | None) -> None:
    page.heading("General-purpose over task-specific, same task")
    by_name = {} if run is None else {one.task: one for one in own.kinds(run)}
    rows = []
    for row in luccioni.comparisons():
        cells = [
            row.task,
            f"{row.ratio:.1f}",
            f"{row.geometric_ratio:.1f}",
            f"{row.ratio_per_parameter:.2f}",
            f"{row.at_equal_size:.1f}",
        ]
        rows.append([*cells, _kinds(by_name[row.task])] if run else cells)
    names = ["task", "means", "geometric\nmeans", "per\nparameter", "at equal\nsize"]
    page.table([*names, *(["this machine\n(geometric)"] if run else [])], rows)
    for one in by_name.values():
        if one.problem:
            page.say(f"{one.task}: no ratio, {one.problem}")
        elif one.per_parameter is not None:
            page.say(
                f"{one.task}: {one.per_parameter:.2f} per parameter on this machine, of means as in"
                " the paper's column"
            )
    page.note(
        "From the 312 rows. Per parameter: the means of Wh per 1,000 inferences and million"
        " parameters, general-purpose over task-specific; it is below 1 where small models pay"
        " much that does not depend on size. At equal size: parallel lines of log energy over log"
        " parameters, whose sizes overlap little (223 to 571 million at most)."
    )
    page.end()
    page.heading("Table 7: accuracy, mean over the models")
    rows = []
    for task, dataset, measure in dict.fromkeys(
        (one.task, one.dataset, one.measure) for one in luccioni.accuracy()
    ):
        means = [
            luccioni.mean_accuracy(task, dataset, role)
            for role in (luccioni.GENERAL, luccioni.SPECIFIC)
        ]
        shown = ["-" if mean is None else f"{mean:.3f}" for mean in means]
        rows.append([task, dataset, measure, *shown])
    page.table(["task", "dataset", "measure", "general-purpose", "task-specific"], rows, left=3)
    page.end()


def _kinds(kinds: own.Kinds) -> str:
    if kinds.ratio is None:
        return "-"
    value, low, high = kinds.ratio.value, kinds.ratio.low, kinds.ratio.high
    interval = "too few blocks" if low is None or high is None else f"[{low:.2f}, {high:.2f}]"
    return f"{value:.2f} {kinds.method}\n{interval}"


def _devices(page: Page, run: Run | None) -> None:
    page.heading(
        "Energy from operations and bytes (after Desislavov, Martínez-Plumed, Hernández-Orallo"
        " 2023, arXiv 2109.05472)"
    )
    page.note(
        "joules ≥ watts x the longer of operations / peak FLOPS and bytes / bandwidth: an estimate"
        " and a lower bound. Nothing reaches its peak; hosts, cooling and waiting are missing."
        " Dense rates, bandwidths and rated powers as the makers state them; CPUs at their highest"
        " clock with all memory channels. Without bytes it is the bound of the operations alone."
    )
    if run is None:
        rows = [
            [
                device.name,
                device.kind,
                str(device.year),
                device.precision,
                significant(device.peak_flops / 1e12),
                f"{device.watts:g}",
                significant(device.flops_per_joule / 1e9),
                _bandwidth(device.bytes_per_second),
            ]
            for device in desislavov.devices()
        ]
        names = ["device", "kind", "year", "precision", "peak\nTFLOPS", "W", "GFLOP\nper J"]
        page.table([*names, "memory\nGB/s"], rows, left=4)
        page.end()
        return
    page.end()
    counted = [one for one in run.measured if _flops(one)]
    if not counted:
        page.say("No result of this run has its operations counted (they are with PyTorch).")
        page.end()
        return
    _bounds(page, run, counted)
    _estimates(page, counted)


def _bandwidth(bytes_per_second: float | None) -> str:
    return "unknown" if bytes_per_second is None else f"{bytes_per_second / 1e9:,.4g}"


def _bounds(page: Page, run: Run, counted: Sequence[Measured]) -> None:
    page.heading("Measured, and how many times its bound reality is")
    rows = []
    for position, one in enumerate(counted, 1):
        paper, here = own.paper_reality(one), own.own_reality(one, run)
        rows.append(
            [
                f"#{position}",
                f"{one.subject.task}\n{one.subject.model}",
                format_flops(_flops(one)),
                f"{format_joules(one.measurement.joules_per_unit)}\n{one.method}",
                _times(here) if here else "-",
                f"{format_joules(paper.joules)}\n{_times(paper)}" if paper else "-",
            ]
        )
    names = ["", "task and model", "work", "this\nmachine", "of its\nbound", "paper's\nA100, times"]
    page.table(names, rows, left=2)
    if any(one.traffic for one in counted):
        page.note(
            "In brackets: with memory too, the bytes of every operator's operands once. Fused"
            " operators and caches need less, so that this one may be undercut."
        )
    page.note(
        "Per inference; bounds are of fp32. Below 1 x, a lower precision than fp32 was computed in"
        " (tf32, fp16, bf16), whose peak is higher."
    )
    page.note(
        "The paper's energy is the whole node's, for the same model and the paper's inputs; it is"
        " set over the A100's bound for the operations counted here. Models that the paper has not"
        " run have none."
    )
    page.end()


def _times(reality: own.Reality) -> str:
    alone = f"{significant(reality.times)} x"
    if reality.times_with_memory is None:
        return alone
    return f"{alone}\n({significant(reality.times_with_memory)} x)"


def _estimates(page: Page, counted: Sequence[Measured]) -> None:
    shown = _spread(counted, max(2, (page.width - 28) // 12))
    page.heading("Estimated joules per inference on other hardware: lower bounds")
    rows = []
    for device in desislavov.devices():
        bounds = [_bound(one, device) for one in shown]
        rows.append([f"{device.name}, {device.precision}", *bounds])
    places = [f"#{counted.index(one) + 1}" for one in shown]
    names = [
        f"{place}\n{format_flops(_flops(one))}" for place, one in zip(places, shown, strict=True)
    ]
    page.table(["device", *names], rows)
    if any(one.traffic for one in shown):
        page.note(
            f"{MEMORY_BOUND} of memory: the bytes of every operator's operands take longer than the"
            " operations. Fused operators and caches need less."
        )
    if len(shown) < len(counted):
        page.note(
            f"{len(shown)} of {len(counted)} results, from the least to the most work; all of"
            " them: --json"
        )
    page.end()


MEMORY_BOUND = "*"
"""Behind a bound that memory decides."""


def _bound(one: Measured, device: desislavov.Device) -> str:
    flops, moved = _flops(one), own.bytes_on(one, device)
    bound = format_joules(desislavov.lower_bound_joules(flops, device, moved))
    return f"≥ {bound}{MEMORY_BOUND * desislavov.is_memory_bound(flops, device, moved)}"


def _published(page: Page, run: Run | None) -> None:
    page.heading("The paper's energies, and how many times the bound of one A100 in fp32 they are")
    rows = []
    for one in distances():
        work = one.work
        rows.append(
            [
                f"{work.task}\n{work.model}\n{work.input}",
                f"{format_flops(work.flops)}\n{significant(work.weight_bytes / 1e9)} GB",
                _range(one.joules),
                *(_range(each) for each in (one.operations, one.with_memory, one.by_operator)),
            ]
        )
    names = ["task, model\nand input", "work,\nweights", "J", "operations\nalone, x"]
    page.table([*names, "memory\ntoo, x", "operands\ntoo, x"], rows)
    page.note(
        "Per inference, over the paper's datasets. Work is counted from the architecture; how long"
        " the paper's texts were is not known, so that short ones are assumed. Memory too: the"
        " weights are read once per forward pass, the least that any execution reads unless a cache"
        " keeps them. Operands too: those of every operator are moved, which fused operators and"
        " caches avoid. The energies are of the whole node of eight boards."
    )
    page.end()


def _range(span: Span) -> str:
    least, most = significant(span.least, 2), significant(span.most, 2)
    return least if least == most else f"{least} to {most}"


def _flops(one: Measured) -> int:
    return one.measurement.flops.count if one.measurement.flops else 0


def _spread(counted: Sequence[Measured], most: int) -> list[Measured]:
    """At most so many results, evenly from the least to the most operations."""
    by_work = sorted(counted, key=_flops)
    if len(by_work) <= most:
        return by_work
    return [by_work[round(i * (len(by_work) - 1) / (most - 1))] for i in range(most)]


def _sections(tests: str) -> tuple[Callable[[Page, Run | None], None], ...]:
    """What is printed, from the top."""
    return (
        _about,
        partial(_tasks, tests=tests),
        _general_models,
        _both_kinds,
        papers_training.break_even,
        papers_training.strubell_table,
        papers_leaderboards.by_task,
        papers_leaderboards.ai_energy_score,
        papers_leaderboards.per_token,
        _devices,
        _published,
    )
