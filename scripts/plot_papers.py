"""Plots of a run beside the papers' figures.

    python scripts/plot_papers.py REPORT.json FOLDER [--tasks-of TEXT]

REPORT.json is what `pytest examples/tests_models --energy-json=REPORT.json` wrote. Four plots come
into FOLDER: energy by task (of the tests whose id contains TEXT), both kinds of model by task,
energy against operations, energy against accuracy. Every energy is in joules per inference (the
paper's kWh per 1,000 inferences, times 3,600). Hollow marks are of random weights. A mark of the
run has the 95 % interval of its blocks, where the report has blocks (--energy-json-blocks); where
it is the mean of several results, their range. What the run did not measure is left out, and said.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import stdev

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
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from pytest_energy.papers import luccioni, own
from pytest_energy.papers.run import Measured, Run, read_run
from pytest_energy.report.printable import printable
from pytest_energy.report.read import RunError
from pytest_energy.report.shortening import shortened
from pytest_energy.types.units import JOULES_PER_KWH
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS
from pytest_energy.verdict.estimators import student_quantile

# Okabe and Ito's palette, which colour-blind people can tell apart.
OWN, PAPER = "#0072B2", "#D55E00"
GENERAL_OWN, GENERAL_PAPER = "#56B4E9", "#E69F00"
SEVERAL = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X<>p"

PAPER_LABEL = "Luccioni et al. 2024, a node of 8 A100"


RANDOM = "(random weights)"
"""In the name of a model that takes the energy of the real one and knows nothing."""

UNIT = "joules per inference"

LONGEST_NAME = 26
"""Characters of a model's name beside its point."""


def energy_by_task(run: Run, tests: str = "") -> Figure | None:
    """The ten tasks in the paper's order, on a log axis, this machine's beside the paper's."""
    measured = own.by_task(run, tests)
    if not measured:
        return None
    rows = list(luccioni.table2())
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    places = range(len(rows))
    of_models = {
        row.task: [_joules(r.kwh_per_1000) for r in luccioni.where(row.task, luccioni.SPECIFIC)]
        for row in rows
    }
    counts = sorted({len(figures) for figures in of_models.values()})
    each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    means = [_joules(row.recomputed_kwh_per_1000) for row in rows]
    axes.errorbar(
        means,
        [place + 0.14 for place in places],
        xerr=_around(means, [(min(of_models[row.task]), max(of_models[row.task])) for row in rows]),
        fmt="D",
        color=PAPER,
        elinewidth=1.2,
        capsize=2.5,
        label=f"{PAPER_LABEL}: mean of {each} rows; bar: their range",
    )
    there = [(place, row) for place, row in enumerate(rows) if row.task in measured]
    figures = [_joules(measured[row.task].kwh_per_1000) for _, row in there]
    spans = [_span(_specific(run, row.task, tests)) for _, row in there]
    axes.errorbar(
        figures,
        [place - 0.14 for place, _ in there],
        xerr=_around(figures, spans),
        fmt="o",
        color=OWN,
        elinewidth=1.2,
        capsize=2.5,
        label=f"this run, {_how(run)}{_bars(spans, [measured[r.task].results for _, r in there])}",
    )
    axes.set_xscale("log")
    _label_log(axes.xaxis)
    axes.set_yticks(list(places), [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(UNIT)
    _finish(axes, "Energy of the ten tasks")
    figure.legend(loc="outside lower center", frameon=False, fontsize=8, ncols=1)
    return figure


def _specific(run: Run, task: str, tests: str) -> list[Measured]:
    return [
        one
        for one in own.of_tests(run, tests)
        if one.subject.role == luccioni.SPECIFIC and own.task_of(one) == task
    ]


def both_kinds(run: Run) -> Figure | None:
    """General-purpose beside task-specific, for the three tasks that the paper compares."""
    figures = {
        (task, role): [
            one.measurement.joules_per_unit
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
    # One scale for both: a factor is as high in the one as in the other.
    figure, halves = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained", sharey=True)
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
                    values = [_joules(row.kwh_per_1000) for row in luccioni.where(task, role)]
                axes.plot([place + shift] * len(values), values, "o", ms=4, alpha=0.5, color=colour)
                mean = sum(values) / len(values)
                axes.hlines(mean, place + shift - 0.13, place + shift + 0.13, color=colour, lw=2.5)
                if place == 0:
                    axes.plot([], [], "o-", lw=2.5, color=colour, label=f"{role}; bar: mean")
        axes.set_yscale("log")
        axes.set_xlim(-0.5, len(tasks) - 0.5)
        axes.set_xticks(range(len(tasks)), [_broken(task) for task in tasks])
        axes.set_ylabel(UNIT)
        axes.tick_params(labelleft=True)
        _finish(axes, title, across=False)
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    _label_log(halves[0].yaxis)
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
    operations = [one.measurement.flops.count / 1e9 for one in counted]
    joules = [one.measurement.joules_per_unit for one in counted]
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    _by_task(axes, counted, operations, joules, energy_is_up=True)
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    for per_joule in (0.1, 1, 10, 100, 1000):
        axes.plot([low, high], [low / per_joule, high / per_joule], ":", color="#999999", lw=0.8)
        label = f"{per_joule:g} GFLOP/J" if per_joule < 1000 else f"{per_joule:,} GFLOP/J"
        style = {"fontsize": 7, "color": "#666666"}
        if bottom < high / per_joule < top:
            axes.text(high, high / per_joule, f" {label}", va="center", **style)
        elif low < top * per_joule < high:  # it leaves the plot at its top
            axes.text(top * per_joule, top, label, ha="center", va="bottom", **style)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    _label_log(axes.xaxis)
    _label_log(axes.yaxis)
    axes.set_xlabel("GFLOP per inference")
    axes.set_ylabel(UNIT)
    _finish(axes, f"Energy against operations ({_how(run)})", above=14)
    figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    _name_points(axes, counted, operations, joules, energy_is_up=True)
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
        energy_is_up=False,
    )
    axes.set_xscale("log")
    _label_log(axes.xaxis)
    axes.set_xlabel(UNIT)
    axes.set_ylabel("accuracy (fraction)")
    _finish(axes, f"Energy against accuracy ({_how(run)})")
    figure.legend(loc="outside lower center", frameon=False, fontsize=8, ncols=2)
    energies = [one.measurement.joules_per_unit for one in graded]
    accuracies = [one.measurement.recorded["accuracy"] for one in graded]
    _name_points(axes, graded, energies, accuracies, energy_is_up=False)
    return figure


def _joules(kwh_per_1000: float) -> float:
    return kwh_per_1000 * JOULES_PER_KWH / 1000


_Span = tuple[float, float] | None


def _interval(one: Measured) -> _Span:
    """The 95 % interval of a figure from its blocks; None where there are too few."""
    blocks = one.measurement.block_joules_per_unit
    if len(blocks) < MIN_BLOCKS or min(blocks) <= 0:
        return None
    error = stdev(map(math.log, blocks)) / math.sqrt(len(blocks))
    factor = math.exp(student_quantile(0.975, len(blocks) - 1) * error)
    return one.measurement.joules_per_unit / factor, one.measurement.joules_per_unit * factor


def _span(of: Sequence[Measured]) -> _Span:
    """What the bar of one figure shows: the range of several results, the interval of one."""
    if len(of) == 1:
        return _interval(of[0])
    figures = [one.measurement.joules_per_unit for one in of]
    return min(figures), max(figures)


def _around(figures: Sequence[float], spans: Sequence[_Span]) -> list[list[float]]:
    """How far each bar goes below its figure and above it, as matplotlib has it."""
    ends = [span or (figure, figure) for figure, span in zip(figures, spans, strict=True)]
    return [
        [max(0.0, figure - low) for figure, (low, _) in zip(figures, ends, strict=True)],
        [max(0.0, high - figure) for figure, (_, high) in zip(figures, ends, strict=True)],
    ]


def _bars(spans: Sequence[_Span], results: Sequence[int]) -> str:
    """What the bars of a run's figures are, for the legend; empty where there are none."""
    several = [count > 1 for count in results]
    kinds = ["range of several results"] if any(several) else []
    if any(span and not many for span, many in zip(spans, several, strict=True)):
        kinds.append("95 % interval of its blocks")
    return f"; bar: {' or '.join(kinds)}" if kinds else ""


def _label_log(axis: Axis) -> None:
    """Label a logarithmic axis in plain figures: of few decades their twos and fives as well."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    if decades < 2.5:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades > 0.7 else range(1, 10)))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}")
    )
    axis.set_minor_formatter(NullFormatter())  # its labels would run into each other


def _name_points(
    axes: Axes,
    points: Sequence[Measured],
    across: Sequence[float],
    up: Sequence[float],
    energy_is_up: bool,
) -> None:
    """Write each point's model beside it, where it lies over as little as can be."""
    axes.figure.draw_without_rendering()
    spots = [axes.transData.transform(at) for at in zip(across, up, strict=True)]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    for one, x, y in zip(points, across, up, strict=True):
        for end in _interval(one) or ():
            away = axes.transData.transform((x, end) if energy_is_up else (end, y))
            (left, bottom), (right, top) = sorted(
                (axes.transData.transform((x, y)), away), key=tuple
            )
            taken.append(
                Bbox.from_extents(left - 1, min(bottom, top) - 1, right + 1, max(bottom, top) + 1)
            )
    names = [_short_name(one) for one in points]
    short = shortened(names, LONGEST_NAME)
    inside = axes.get_window_extent()
    named: set[tuple[str, int, int]] = set()
    for name, (x, y) in zip(names, spots, strict=True):
        place = (name, round(x / 12), round(y / 12))
        if place in named:  # the same model on nearly the same spot
            continue
        named.add(place)
        label = axes.annotate(
            short[name], (0, 0), fontsize=6.5, color="#333333", xycoords="figure pixels"
        )
        best, least = None, math.inf
        for side, shift_x, shift_y in _PLACES:
            label.set_horizontalalignment(side)
            label.set_position((x + shift_x, y + shift_y))
            box = label.get_window_extent()
            over = sum(_overlap(box, other) for other in taken)
            over += 2 * max(0.0, box.width * box.height - _overlap(box, inside))
            if over < least:
                best, least = (side, x + shift_x, y + shift_y, box), over
        assert best is not None
        side, left, bottom, box = best
        taken.append(box)
        label.remove()
        # In units of the data: a saved figure has other pixels than this one.
        axes.annotate(
            short[name],
            axes.transData.inverted().transform((left, bottom)),
            fontsize=6.5,
            color="#333333",
            ha=side,
            va="baseline",
            annotation_clip=False,
        )


_PLACES = [
    (side, sign * far, shift - 2.5)
    for far in (8, 14)
    for shift in (0, 9, -9, 18, -18, 27, -27)
    for side, sign in (("left", 1), ("right", -1))
]
"""Where a name may stand beside its point: its side, and how far across and up, in pixels."""


def _overlap(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else both.width * both.height


def _short_name(one: Measured) -> str:
    """A model without its owner and where its weights come from; printable, and no mathematics."""
    name = printable(one.subject.model).partition(" (")[0].rpartition("/")[2]
    return name.replace("$", r"\$")


def _by_task(
    axes: Axes,
    points: Sequence[Measured],
    across: Sequence[float],
    up: Sequence[float],
    energy_is_up: bool,
) -> None:
    """Draw points, a colour and a mark per task, with the interval of their energies."""
    energy, of = ("yerr", up) if energy_is_up else ("xerr", across)
    tasks = list(dict.fromkeys(own.task_of(one) for one in points))
    for number, task in enumerate(tasks):
        colour, marker = SEVERAL[number % len(SEVERAL)], MARKERS[number % len(MARKERS)]
        for hollow in (False, True):
            chosen = [
                i
                for i, one in enumerate(points)
                if own.task_of(one) == task and (RANDOM in one.subject.model) == hollow
            ]
            axes.errorbar(
                [across[i] for i in chosen],
                [up[i] for i in chosen],
                **{
                    energy: _around([of[i] for i in chosen], [_interval(points[i]) for i in chosen])
                },
                fmt=marker,
                elinewidth=1,
                color=colour,
                markerfacecolor="none" if hollow else colour,
                ms=6,
                alpha=0.85,
            )
        axes.plot([], [], marker, color=colour, label=printable(task).replace("$", r"\$"))
    if any(RANDOM in one.subject.model for one in points):
        axes.plot([], [], "o", color="#555555", markerfacecolor="none", label="random weights")
    if any(map(_interval, points)):
        stroke = "|" if energy_is_up else "_"
        axes.plot([], [], stroke, ms=12, color="#555555", label="bar: 95 %, of blocks")


def _how(run: Run) -> str:
    return own.methods(run.measured)


def _broken(task: str) -> str:
    return task.replace("-", "-\n", 1)


def _finish(axes: Axes, title: str, across: bool = True, above: float = 6) -> None:
    axes.set_title(title, loc="left", fontsize=10, pad=above)
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
