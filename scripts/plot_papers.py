"""Plots of a run beside the papers' figures.

    python scripts/plot_papers.py REPORT.json FOLDER [--tasks-of TEXT]

REPORT.json is what `pytest examples/tests_models --energy-json=REPORT.json` wrote. Four plots come
into FOLDER: energy by task (of the tests whose id contains TEXT), both kinds of model by task,
energy against operations, energy against accuracy. Hollow marks are of random weights. What the run
did not measure is left out, and said.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

try:
    import matplotlib as mpl
except ImportError as error:
    sys.exit(
        f"matplotlib cannot be imported: {error}; the extra examples brings it:"
        " pip install 'pytest-energy[examples]' (in a clone: pip install '.[examples]')"
    )

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from pytest_energy.papers import luccioni, own
from pytest_energy.papers.run import Measured, Run, read_run
from pytest_energy.report.read import RunError

# Okabe and Ito's palette, which colour-blind people can tell apart.
OWN, PAPER = "#0072B2", "#D55E00"
GENERAL_OWN, GENERAL_PAPER = "#56B4E9", "#E69F00"
SEVERAL = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X<>p"

PAPER_LABEL = "Luccioni et al. 2024, a node of 8 A100"


RANDOM = "(random weights)"
"""In the name of a model that takes the energy of the real one and knows nothing."""


def energy_by_task(run: Run, tests: str = "") -> Figure | None:
    """The ten tasks in the paper's order, on a log axis, this machine's beside the paper's."""
    measured = own.by_task(run, tests)
    if not measured:
        return None
    rows = list(luccioni.table2())
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    places = range(len(rows))
    for row, place in zip(rows, places, strict=True):
        of_models = [r.kwh_per_1000 for r in luccioni.where(row.task, luccioni.SPECIFIC)]
        axes.plot(
            [min(of_models), max(of_models)], [place + 0.14] * 2, color=PAPER, lw=1, alpha=0.6
        )
    axes.plot(
        [row.recomputed_kwh_per_1000 for row in rows],
        [place + 0.14 for place in places],
        "D",
        color=PAPER,
        label=f"{PAPER_LABEL}: mean and range of 24 rows",
    )
    there = [(place, row) for place, row in enumerate(rows) if row.task in measured]
    axes.plot(
        [measured[row.task].kwh_per_1000 for _, row in there],
        [place - 0.14 for place, _ in there],
        "o",
        color=OWN,
        label=f"this run, {_how(run)}",
    )
    axes.set_xscale("log")
    axes.set_yticks(list(places), [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("kWh per 1,000 inferences")
    _finish(axes, "Energy of the ten tasks")
    figure.legend(loc="outside lower center", frameon=False, fontsize=8, ncols=2)
    return figure


def both_kinds(run: Run) -> Figure | None:
    """General-purpose beside task-specific, for the three tasks that the paper compares."""
    figures = {
        (task, role): [
            one.measurement.kwh_per_1000
            for one in run.measured
            if own.task_of(one) == task and one.subject.role == role
        ]
        for task in luccioni.COMPARED_TASKS
        for role in (luccioni.SPECIFIC, luccioni.GENERAL)
    }
    tasks = [
        task
        for task in luccioni.COMPARED_TASKS
        if figures[task, luccioni.SPECIFIC] and figures[task, luccioni.GENERAL]
    ]
    if not tasks:
        return None
    figure, halves = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
    for axes, title, colours in (
        (halves[0], f"this run, {_how(run)}", (OWN, GENERAL_OWN)),
        (halves[1], PAPER_LABEL, (PAPER, GENERAL_PAPER)),
    ):
        for place, task in enumerate(tasks):
            for shift, role, colour in zip(
                (-0.17, 0.17), (luccioni.SPECIFIC, luccioni.GENERAL), colours, strict=True
            ):
                values = figures[task, role]
                if axes is halves[1]:
                    values = [row.kwh_per_1000 for row in luccioni.where(task, role)]
                axes.plot([place + shift] * len(values), values, "o", ms=4, alpha=0.5, color=colour)
                mean = sum(values) / len(values)
                axes.hlines(mean, place + shift - 0.13, place + shift + 0.13, color=colour, lw=2.5)
                if place == 0:
                    axes.plot([], [], "o", color=colour, label=role)
        axes.set_yscale("log")
        axes.set_xticks(range(len(tasks)), [_broken(task) for task in tasks])
        _finish(axes, title, across=False)
        axes.legend(frameon=False, fontsize=8)
    halves[0].set_ylabel("kWh per 1,000 inferences (bar: mean)")
    return figure


def against_operations(run: Run) -> Figure | None:
    """Joules against floating-point operations per inference, both as logarithms."""
    counted = [
        one for one in run.measured if one.measurement.flops and one.measurement.flops.count > 0
    ]
    # Operators without a formula would place a model too far to the left.
    counted = [one for one in counted if not one.measurement.flops.without_formula]
    if len(counted) < 2:
        return None
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    _by_task(
        axes,
        counted,
        [one.measurement.flops.count / 1e9 for one in counted],
        [one.measurement.joules_per_unit for one in counted],
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    for per_joule in (1, 10, 100, 1000):
        axes.plot([low, high], [low / per_joule, high / per_joule], ":", color="#999999", lw=0.8)
        if bottom < high / per_joule < top:
            label = f" {per_joule:,} GFLOP/J"
            axes.text(high, high / per_joule, label, fontsize=7, color="#666666", va="center")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("GFLOP per inference")
    axes.set_ylabel("joules per inference")
    _finish(axes, f"Energy against operations ({_how(run)})")
    return figure


def against_accuracy(run: Run) -> Figure | None:
    """Joules against the accuracy that was measured beside them."""
    graded = [one for one in run.measured if "accuracy" in (one.measurement.recorded or {})]
    if len(graded) < 2:
        return None
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    _by_task(
        axes,
        graded,
        [one.measurement.joules_per_unit for one in graded],
        [one.measurement.recorded["accuracy"] for one in graded],
    )
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())  # its labels would run into each other
    axes.set_xlabel("joules per inference")
    axes.set_ylabel("accuracy")
    _finish(axes, f"Energy against accuracy ({_how(run)})")
    return figure


def _by_task(
    axes: Axes, points: Sequence[Measured], across: Sequence[float], up: Sequence[float]
) -> None:
    tasks = list(dict.fromkeys(own.task_of(one) for one in points))
    for number, task in enumerate(tasks):
        colour, marker = SEVERAL[number % len(SEVERAL)], MARKERS[number % len(MARKERS)]
        for hollow in (False, True):
            chosen = [
                i
                for i, one in enumerate(points)
                if own.task_of(one) == task and (RANDOM in one.subject.model) == hollow
            ]
            axes.plot(
                [across[i] for i in chosen],
                [up[i] for i in chosen],
                marker,
                color=colour,
                markerfacecolor="none" if hollow else colour,
                ms=6,
                alpha=0.85,
            )
        axes.plot([], [], marker, color=colour, label=task)
    if any(RANDOM in one.subject.model for one in points):
        axes.plot([], [], "o", color="#555555", markerfacecolor="none", label="random weights")
    axes.legend(frameon=False, fontsize=7, loc="best")


def _how(run: Run) -> str:
    return own.methods(run.measured)


def _broken(task: str) -> str:
    return task.replace("-", "-\n", 1)


def _finish(axes: Axes, title: str, across: bool = True) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="both" if across else "y", which="major", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


PLOTS: dict[str, Callable[[Run], Figure | None]] = {
    "both-kinds": both_kinds,
    "energy-against-operations": against_operations,
    "energy-against-accuracy": against_accuracy,
}
"""By file name, each a function of the run; None where it measured too little for one."""


def main(report: Path, folder: Path, tests: str) -> None:
    """Draw what the run has figures for."""
    run = read_run(report)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {name: draw(run) for name, draw in PLOTS.items()}
    for name, figure in {"energy-by-task": energy_by_task(run, tests), **figures}.items():
        target = folder / f"{name}.png"
        if figure is None:
            target.unlink(missing_ok=True)  # of an earlier run
            print(f"{name}: the run measured too little for it", file=sys.stderr)
            continue
        figure.savefig(target, dpi=130)
        plt.close(figure)
        print(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path, metavar="REPORT.json")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--tasks-of", metavar="TEXT", default="", help="tests of the ten tasks")
    given = parser.parse_args()
    try:
        main(given.report, given.folder, given.tasks_of)
    except (OSError, RunError) as error:
        raise SystemExit(f"plot_papers: {error}") from error
