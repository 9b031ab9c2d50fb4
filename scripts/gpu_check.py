"""Check the nvml meter on a machine with a real NVIDIA GPU.

    python scripts/gpu_check.py [--size 8192] [--seconds 2] [--board 0]

Stand-alone: from a clone of the repository, with torch (CUDA), nvidia-ml-py and pytest installed.
It meters matrix products of known size and prints one table: the counter's update period and what a
reading costs, the counter against integrated power, how far windows of the same work differ, long
and short, with and without waiting for the counter's updates, and what the gate says of the same
work and of 10 % more. It takes some seven minutes, and exits with 1 if a check failed.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from pytest_energy.baselines.store import session_of
from pytest_energy.metering.window import Window, block_sizes
from pytest_energy.meters.base import MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.nvml import Nvml, boards
from pytest_energy.meters.power_sampler import PowerSampler
from pytest_energy.meters.updates import CounterUpdates, observe
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.measurement import Measurement, mean_of_passes
from pytest_energy.types.result import Subject
from pytest_energy.types.verdict import Rule, Status
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.early_stop import suspect
from pytest_energy.verdict.judge import judge

INFERENCES = 100
PRODUCTS = 10
"""Of one inference; 10 % more work is one product more."""

Row = tuple[str, str, str]


class Products:
    """Matrix products of known size on one device.

    Args:
        size: rows and columns of square bfloat16 matrices.
        device: as torch names it.
    """

    def __init__(self, size: int, device: str) -> None:
        import torch

        self._torch = torch
        self._a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
        self._out = torch.empty_like(self._a)
        self.flop = 2 * size**3
        self._cuda = device.startswith("cuda")
        self.run(20)
        self.wait()

    def run(self, products: int) -> None:
        for _ in range(products):
            self._torch.mm(self._a, self._a, out=self._out)

    def wait(self) -> None:
        if self._cuda:
            self._torch.cuda.synchronize()

    def seconds_each(self, products: int = 200) -> float:
        begun = time.perf_counter()
        self.run(products)
        self.wait()
        return (time.perf_counter() - begun) / products


def metered(window: Window, blocks: tuple[int, ...], work: Callable[[int], None]) -> Measurement:
    window.open()
    for number, size in enumerate(blocks):
        work(size)
        if number == len(blocks) - 1:
            window.close(size)
        else:
            window.split(size)
    found = window.measurement()
    if found is None:
        raise SystemExit(f"the meter was lost: {window.lost}")
    return found


def spread(figures: list[float]) -> float:
    return statistics.stdev(figures) / statistics.fmean(figures)


def check_counter(meter: Nvml, rows: list[Row]) -> float:
    (period,) = observe(meter)
    begun = time.perf_counter()
    for _ in range(50):
        meter.read()
    cost = (time.perf_counter() - begun) / 50
    seen = "does not move" if period is None else f"{period * 1e3:.1f} ms"
    rows.append(("counter's update period, observed", seen, "ok" if period else "FAILED"))
    rows.append(("one reading of it", f"{cost * 1e6:,.0f} µs", ""))
    return period or meter.domains[0].resolution_seconds


def check_power(meter: Nvml, products: Products, each: float, rows: list[Row]) -> None:
    """The counter against power samples that are integrated, idle and at work."""
    domain = meter.domains[0]
    power = meter.power_of(0)
    if power is None:
        rows.append(("power", "the driver does not report it", ""))
        return
    watts, basis = power
    for name, work in (("idle", None), ("at work", products)):
        sampler = PowerSampler(lambda: (watts(),), 0.02)
        meters = MeterSet([meter])
        window = Window(meters, CounterUpdates(meters))
        before = sampler.read()[0]
        window.open()
        begun = time.perf_counter()
        if work is None:
            time.sleep(8)
        else:
            work.run(int(8 / each))
            work.wait()
        seconds = time.perf_counter() - begun
        sampled = (sampler.read()[0] - before) / 1e6
        window.close(1)
        sampler.close()
        found = window.measurement()
        if found is None:
            raise SystemExit(f"the meter was lost: {window.lost}")
        # The sampler also saw the waiting for updates; means do not mind it.
        mean, mean_sampled = found.joules / seconds, sampled / (time.perf_counter() - begun)
        ratio = mean / mean_sampled
        within = "ok" if 0.9 < ratio < 1.1 else "FAILED"
        rows.append(
            (
                f"{domain.name} {name}: counter, over samples of {basis}",
                f"{mean:.1f} W, {ratio:.3f} times",
                within if work is not None else "",
            )
        )


def check_noise(meters: MeterSet, products: Products, each: float, period: float, rows: list[Row]):
    """Windows of the same work, by their length in updates."""
    counter_updates = CounterUpdates(meters)
    for updates in (1, 3, 5, 10, 20):
        count = max(1, round(updates * period / each))
        figures: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(20):
            for update_aligned in (True, False):
                time.sleep(random.uniform(0, 2 * period))  # begin anywhere between two updates
                window = Window(meters, counter_updates if update_aligned else None)
                found = metered(window, (count,), products.run)
                figures[update_aligned].append(found.joules / count)
        on, off = spread(figures[True]), spread(figures[False])
        note = "" if updates != 5 else "ok" if on < 0.03 else "FAILED"
        rows.append(
            (
                f"A/A, 20 windows of {updates * period:.2g} s, {updates} updates",
                f"sd {on:.1%} on updates, {off:.1%} at once",
                note,
            )
        )


def check_gate(
    meters: MeterSet, products: Products, each: float, seconds: float, rows: list[Row]
) -> None:
    """The gate's verdicts, five sessions stored: of the same work, and of 10 % more."""
    repeat = max(1, round(seconds / (INFERENCES * PRODUCTS * each)))
    subject = Subject("gpu_check", "", "matrix-product", "bf16", "", "", "inference", INFERENCES)
    counter_updates = CounterUpdates(meters)
    rule = Rule(tolerance=0.05)
    blocks = block_sizes(INFERENCES)

    def one_pass(more: int) -> Measurement:
        one = (PRODUCTS + more) * repeat
        seconds = one * each * INFERENCES
        window = Window(meters, counter_updates, seconds, seconds / len(blocks))
        return metered(window, blocks, lambda size: products.run(one * size))

    sessions = []
    for _ in range(5):
        both = mean_of_passes([one_pass(0), one_pass(0)])
        sessions.append(session_of(both, datetime.now(UTC), None))
    baseline = Baseline(subject, meters.names, meters.domains, tuple(sessions))
    joules = [session.joules_per_unit for session in sessions]
    rows.append(
        (
            f"five stored sessions of {INFERENCES} inferences",
            f"{statistics.fmean(joules):.2f} J each, sd {spread(joules):.2%}",
            "",
        )
    )
    for name, more, wanted in (
        ("the same work", 0, Status.OK),
        ("10 % more work", 1, Status.REGRESSED),
    ):
        statuses: list[Status] = []
        changes: list[float] = []
        for _ in range(10):
            passes = [one_pass(more)]
            if suspect(subject, passes[0], baseline, rule):
                passes.append(one_pass(more))
            verdict = judge(Case(subject, passes, rule, baseline, remeasured=True))
            statuses.append(verdict.status)
            if verdict.change is not None:
                changes.append(verdict.change.value)
        counts = ", ".join(
            f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)
        )
        rows.append(
            (
                f"gate at 5 %: {name}, 10 sessions",
                f"{statistics.fmean(changes or [math.nan]):+.1%} on average: {counts}",
                "ok" if statuses.count(wanted) >= 9 else "FAILED",
            )
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192, help="rows and columns of the matrices")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one pass of the gate")
    parser.add_argument("--board", default="0", help="index or UUID, for CUDA_VISIBLE_DEVICES")
    parser.add_argument("--device", default="cuda", help="cpu: to rehearse without a GPU")
    options = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", options.board)
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        meter = Nvml()
    except MeterUnavailableError as error:
        print(f"no nvml meter here: {error.reason}", error.hint, sep="\n", file=sys.stderr)
        return 2
    import pynvml
    import torch

    driver = pynvml.nvmlSystemGetDriverVersion()
    products = Products(options.size, options.device)
    each = products.seconds_each()
    products.run(int(5 / each))  # the board's clocks and temperature settle
    products.wait()
    each = products.seconds_each()
    tera = products.flop / each / 1e12
    rows: list[Row] = [
        ("board", f"{boards()[0].model}, limit {boards()[0].power_limit_watts} W", ""),
        (
            "driver, torch, Python",
            f"{driver}, {torch.__version__}, {platform.python_version()}",
            "",
        ),
        (f"one product, {options.size}³ bf16", f"{each * 1e3:.2f} ms, {tera:.0f} TFLOP/s", ""),
    ]
    period = check_counter(meter, rows)
    check_power(meter, products, each, rows)
    meters = MeterSet([meter])
    check_noise(meters, products, each, period, rows)
    check_gate(meters, products, each, options.seconds, rows)
    others = meter.interference()
    rows.append(("other processes on the board", "; ".join(others) or "none", ""))
    meter.close()
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, figure, note in rows:
        print(f"{name:<{wide[0]}}  {figure:<{wide[1]}}  {note}".rstrip())
    failed = sum(note == "FAILED" for *_, note in rows)
    print(f"{failed} checks failed" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
