"""This machine's figures beside the papers': a run's energies by task, by model and by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_energy.analysis.ranks import FEWEST, spearman
from pytest_energy.analysis.ratio import RatioEstimate, ratio
from pytest_energy.papers import luccioni
from pytest_energy.papers.desislavov import (
    STORED_BYTES,
    Device,
    device,
    device_of_board,
    of_reality,
)
from pytest_energy.papers.run import Measured, Run
from pytest_energy.types.units import significant
from pytest_energy.verdict.rules import load_clause


@dataclass(frozen=True, slots=True)
class Figure:
    """Energy of one or several results.

    Args:
        kwh_per_1000: their mean, kilowatt-hours per 1,000 inferences.
        results: how many.
        method: how they came about.
    """

    kwh_per_1000: float
    results: int
    method: str

    @property
    def words(self) -> str:
        """As a cell of a table has it."""
        return f"{significant(self.kwh_per_1000)} {self.method}"


def of_tests(run: Run, tests: str) -> list[Measured]:
    """The results of some of the run's tests.

    Args:
        run: whose results.
        tests: what a test's id contains, as `test_ten_tasks.py`; all contain the empty text.

    Raises:
        LookupError: no id contains it; the message has examples of ids.
    """
    selected = [one for one in run.measured if tests in one.subject.test]
    if tests and not selected:
        seen = f"such as {run.measured[0].subject.test}" if run.measured else "and there is none"
        raise LookupError(
            f"no test that was measured per inference has {tests!r} in its id, {seen}"
        )
    return selected


def by_task(run: Run, tests: str = "") -> dict[str, Figure]:
    """Mean energy of the task-specific results of each of the paper's ten tasks.

    Args:
        run: whose results.
        tests: take only tests whose id contains this: a run may have models of other comparisons,
            large ones for one task and small ones for another, which move the tasks' order.

    Returns:
        By task, as Hugging Face's pipelines call it, in the paper's order; tasks without a
        result are left out.

    Raises:
        LookupError: no test's id contains it.
    """
    specific = [one for one in of_tests(run, tests) if one.subject.role == luccioni.SPECIFIC]
    figures = {}
    for task in luccioni.TASKS.values():
        of_it = [one for one in specific if task_of(one) == task]
        if of_it:
            figures[task] = _figure(of_it)
    return figures


def by_model(run: Run) -> dict[str, Figure]:
    """Mean energy of each general-purpose model, over its tasks and datasets.

    Args:
        run: whose results.

    Returns:
        By the run's own name of the model, in the run's order.
    """
    groups: dict[str, list[Measured]] = {}
    for one in run.measured:
        if one.subject.role == luccioni.GENERAL:
            groups.setdefault(one.subject.model, []).append(one)
    return {model: _figure(group) for model, group in groups.items()}


def without_role(run: Run) -> int:
    """Results of the paper's tasks that say no role, and are left out for that."""
    tasks = set(luccioni.TASKS.values())
    return sum(not one.subject.role and task_of(one) in tasks for one in run.measured)


def interference(run: Run) -> dict[str, int]:
    """What makes the run's figures doubtful, as clauses, and how many results each concerns.

    Args:
        run: whose results.
    """
    clauses = [
        "; ".join(measured.interference) or load_clause(measured)
        for measured in (one.measurement for one in run.measured)
        if measured.interference or measured.busy
    ]
    return {clause: clauses.count(clause) for clause in dict.fromkeys(clauses)}


def _figure(of: Sequence[Measured]) -> Figure:
    return Figure(fmean(one.measurement.kwh_per_1000 for one in of), len(of), methods(of))


def methods(of: Iterable[Measured]) -> str:
    """How the figures came about, each word once: `counter`, or `counter, estimated`."""
    return ", ".join(dict.fromkeys(one.method for one in of))


def task_of(one: Measured) -> str:
    """The task as Hugging Face's pipelines call it; the paper's own names are understood."""
    name = one.subject.task
    by_printed = {printed.lower(): task for printed, task in luccioni.TASKS.items()}
    return by_printed.get(name.lower(), name)


def same_model(own: str, hub: str) -> bool:
    """Whether a run's name of a model is a model of the hub.

    Args:
        own: `google/flan-t5-base`, `flan-t5-base`, or that with more behind it, as
            `flan-t5-base (random weights)`.
        hub: `google/flan-t5-base`; or without an organisation, as the paper has `gpt2`: the hub
            has put those models under one since (`openai-community/gpt2`).

    Returns:
        Whether they are alike, the organisation left out where one side has none.
    """
    organisation, _, name = hub.lower().rpartition("/")
    whose = rf"(?:{re.escape(organisation)}/)?" if organisation else r"(?:[\w.-]+/)?"
    return re.match(rf"{whose}{re.escape(name)}(?![\w.-])", own.lower()) is not None


@dataclass(frozen=True, slots=True)
class Kinds:
    """General-purpose over task-specific on one task, both of this run.

    Args:
        task: one of the paper's three.
        ratio: of geometric means, with its 95 % interval; None where there is none to tell.
        general, specific: results on either side.
        method: how they came about.
        problem: why there is no ratio, as a clause.
        per_parameter: general-purpose over task-specific, of arithmetic means of energy for each
            parameter, as `luccioni.Comparison.ratio_per_parameter`; where every result has
            `recorded` the `parameters` of its model, None elsewhere.
    """

    task: str
    ratio: RatioEstimate | None
    general: int
    specific: int
    method: str
    problem: str = ""
    per_parameter: float | None = None


def kinds(run: Run) -> tuple[Kinds, ...]:
    """General-purpose over task-specific for each of the three tasks of the paper.

    The interval is that of this session (see `pytest_energy.ratio`). Figures of one method are
    never set against those of another.
    """
    pairs = []
    for task in luccioni.COMPARED_TASKS:
        of_it = [one for one in run.measured if task_of(one) == task]
        general = [one for one in of_it if one.subject.role == luccioni.GENERAL]
        specific = [one for one in of_it if one.subject.role == luccioni.SPECIFIC]
        method = methods([*general, *specific])
        problem = ""
        if not general or not specific:
            sides = (("general-purpose", general), ("task-specific", specific))
            problem = f"no {' and no '.join(name for name, side in sides if not side)} result"
        elif len({one.domains for one in (*general, *specific)}) > 1:
            problem = "metered in different ways"
        value = per_parameter = None
        if not problem:
            value = ratio(
                [one.measurement for one in general], [one.measurement for one in specific]
            )
            per_parameter = _per_parameter(general, specific)
        pairs.append(
            Kinds(task, value, len(general), len(specific), method, problem, per_parameter)
        )
    return tuple(pairs)


def _per_parameter(general: Sequence[Measured], specific: Sequence[Measured]) -> float | None:
    means = []
    for side in (general, specific):
        sizes = [(one.measurement.recorded or {}).get("parameters", 0.0) for one in side]
        if min(sizes) <= 0:
            return None
        each = zip(side, sizes, strict=True)
        means.append(fmean(one.measurement.joules_per_unit / size for one, size in each))
    return means[0] / means[1]


@dataclass(frozen=True, slots=True)
class Order:
    """How far the order of the tasks is the paper's.

    Args:
        tasks: that both have.
        correlation: Spearman's; None where there is none to tell.
        problem: why there is none, as a clause.
    """

    tasks: tuple[str, ...]
    correlation: float | None
    problem: str = ""


def order(run: Run, tests: str = "") -> Order:
    """The rank correlation of the run's tasks with Table 2's.

    The paper's side is the means of its rows: the printed ones are rounded, and tie.

    Args:
        run: with task-specific results.
        tests: as for `by_task`.

    Raises:
        LookupError: as for `by_task`.
    """
    paper = {row.task: row.recomputed_kwh_per_1000 for row in luccioni.table2()}
    own = by_task(run, tests)
    tasks = tuple(own)
    if len(tasks) < FEWEST:
        return Order(
            tasks,
            None,
            f"{len(tasks)} of the ten tasks {'was' if len(tasks) == 1 else 'were'} measured with"
            f' role="task-specific"; an order takes {FEWEST} or more',
        )
    if len({figure.method for figure in own.values()}) > 1:
        return Order(tasks, None, "the tasks were metered in different ways")
    try:
        value = spearman([own[t].kwh_per_1000 for t in tasks], [paper[t] for t in tasks])
    except ValueError as error:
        return Order(tasks, None, str(error))
    return Order(tasks, value)


@dataclass(frozen=True, slots=True)
class Reality:
    """A measured energy over the lower bound of the device it was measured on.

    Args:
        device: the row of the table.
        joules: per inference.
        times: energy over the bound of the operations alone.
        of: whose energy it is, for people.
        times_with_memory: energy over the larger of the bounds of operations and memory, operator
            by operator; None where the run has no bytes, or the table no bandwidth.
    """

    device: Device
    joules: float
    times: float
    of: str
    times_with_memory: float | None


def bytes_on(one: Measured, device: Device) -> float:
    """Bytes that the operators of a result would move on a device, as few as they may be.

    A precision whose numbers are narrower than the run's moves fewer; of wider ones, what the run
    moved is taken.

    Args:
        one: a result.
        device: a row of the table.

    Returns:
        Bytes per inference; 0 where the run has not counted them, so that a bound is that of the
        operations alone.
    """
    if one.traffic is None:
        return 0
    narrower = STORED_BYTES[device.precision] / one.traffic.bytes_per_number
    return one.traffic.bytes_per_inference * min(1, narrower)


def _reality(one: Measured, device: Device, joules: float, flops: int, of: str) -> Reality:
    moved = bytes_on(one, device)
    with_memory = None
    if moved and device.bytes_per_second is not None:
        with_memory = of_reality(joules, flops, device, moved)
    return Reality(device, joules, of_reality(joules, flops, device), of, with_memory)


def paper_reality(one: Measured) -> Reality | None:
    """The paper's energy for the same model on the same task, over the A100's bound.

    The bound is of this run's operations in fp32, which is what pipelines use unless told
    otherwise; the energy is the whole node's, with seven idle boards and the constants.

    Args:
        one: a result whose operations were counted.

    Returns:
        None where the paper has not run that model (the energy of others says nothing of these
        operations), or there are no operations.
    """
    work = one.measurement.flops
    if work is None or not work.count:
        return None
    rows = luccioni.where(task=task_of(one), role=one.subject.role or luccioni.SPECIFIC)
    of_model = [row for row in rows if same_model(one.subject.model, row.model)]
    if not of_model:
        return None
    joules = fmean(row.joules_per_inference for row in of_model)
    a100 = device("A100 SXM4 80GB", "fp32")
    return _reality(one, a100, joules, work.count, f"the paper's {of_model[0].model}")


def own_reality(one: Measured, run: Run) -> Reality | None:
    """The measured energy over the bound of this machine's own board, if the table has it.

    Args:
        one: a result whose operations were counted.
        run: of the result.

    Returns:
        None unless the machine has one board, the table has it, and its joules are in the figure.
    """
    work = one.measurement.flops
    metered = {one.measurement.domains[i].kind for i in one.measurement.gated}
    if work is None or not work.count or "gpu" not in metered or len(run.gpus) != 1:
        return None
    board = device_of_board(run.gpus[0])
    if board is None:
        return None
    return _reality(one, board, one.measurement.joules_per_unit, work.count, "this machine")
