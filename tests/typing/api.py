# pyright: strict
"""The public API as a typed test suite uses it: checked by mypy and pyright, never run.

`nox --session typing` checks it. A change of a type that users see changes a line here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import assert_type

import pytest

from pytest_energy import (
    Domain,
    Energy,
    Measurement,
    Meter,
    MeterLostError,
    MeterSource,
    MeterUnavailableError,
    Method,
    Ratio,
    Reporter,
    Result,
    Results,
    SessionReport,
    Status,
    Verdict,
)


def classify(text: str) -> int:
    return len(text)


async def classify_later(text: str) -> int:
    await asyncio.sleep(0)
    return len(text)


# The fixture energy


@pytest.mark.inference(n=100, task="text-classification", model="length", tolerance="5%")
def test_loop(energy: Energy) -> None:
    samples = energy.each(["a", "b"])
    assert_type(samples, Iterator[str])
    for sample in samples:
        assert_type(sample, str)
        classify(sample)
    assert_type(energy.count, int)
    energy.record(accuracy=0.9, loss=1)
    energy.add(tokens=3)
    energy.first_token()


def test_batches_and_callables(energy: Energy) -> None:
    assert_type(energy.each([["a", "b"], ["c"]], batch_size=2), Iterator[list[str]])
    assert_type(energy.run(classify, ["a"]), list[int])
    assert_type(energy.run(classify, ["a"], concurrency=8), list[int])
    assert_type(energy.run(lambda batch: len(batch), [["a"]], batch_size=1), list[int])
    assert_type(energy.measure("prefill", n=1), AbstractContextManager[None])
    with energy.measure("decode"):
        classify("a")


async def test_tasks(energy: Energy) -> None:
    assert_type(await energy.arun(classify_later, ["a"], concurrency=8), list[int])
    samples = energy.aeach(["a"], concurrency=8)
    assert_type(samples, AsyncIterator[str])
    async for sample in samples:
        task = energy.create_task(classify_later(sample))
        assert_type(task, asyncio.Task[int])


def test_result(energy: Energy) -> None:
    measurement = energy.result
    assert_type(measurement, Measurement | None)
    if measurement is not None:
        assert_type(measurement.joules_per_unit, float)
        assert_type(measurement.kwh_per_1000, float)
        assert_type(measurement.seconds, float)
        assert_type(measurement.watts, float)
        assert_type(measurement.domains, tuple[Domain, ...])
        assert_type(measurement.metered_count, int)


# The fixture energy_results


def test_ratio(energy_results: Results) -> None:
    task = energy_results.where(task="text-classification", unit="inference")
    assert_type(task, Results)
    ratio = task.where(role="general-purpose").ratio(task.where(role="task-specific"))
    assert_type(ratio, Ratio)
    assert_type(ratio.value, float)
    assert_type(ratio.low, float)
    assert_type(ratio.high, float)
    assert_type(ratio.interval, tuple[float, float] | None)


def test_results(energy_results: Results) -> None:
    assert_type(energy_results[0], Result)
    assert_type(energy_results[:2], tuple[Result, ...])
    assert_type(len(energy_results), int)
    assert_type(energy_results.measurements, tuple[Measurement, ...])
    for result in energy_results:
        assert_type(result, Result)
        assert_type(result.subject.model, str)
        assert_type(result.measurement, Measurement | None)
        assert_type(result.verdict, Verdict)
        assert_type(result.verdict.reason, str)


def test_status(energy_results: Results) -> None:
    assert_type(energy_results[0].verdict.status, Status)
    for status in Status:
        assert_type(status, Status)
        assert_type(status.words, str)


def test_training(energy_results: Results) -> None:
    cost = energy_results.training(model="length")
    assert_type(cost.joules, float)
    assert_type(cost.low, float)
    assert_type(cost.high, float)
    assert_type(cost.kwh(energy_results.carbon), float)
    assert_type(cost.grams(energy_results.carbon), float)
    assert_type(cost.break_even(0.1), float)


# Hooks: a meter and a report of one's own


class WallSocket(Meter):
    name = "wall"
    domains = (Domain("wall", "system", Method.COUNTER, "a socket", resolution_seconds=1.0),)
    covers = frozenset({"cpu", "dram", "gpu"})

    def __init__(self, address: str = "") -> None:
        if not address:
            raise MeterUnavailableError("no address", hint="set SOCKET", closed=True)

    def read(self) -> tuple[int, ...]:
        try:
            return (0,)
        except OSError as error:
            raise MeterLostError(str(error)) from error

    def interference(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        return


def pytest_energy_meters(config: pytest.Config) -> Sequence[MeterSource]:
    source = MeterSource("wall", WallSocket, automatic=False, kind="system", about="a socket")
    assert_type(source.open, Callable[[], Meter])
    return [source]


def render(reports: Sequence[SessionReport]) -> str:
    for report in reports:
        assert_type(report.results, tuple[Result, ...])
        assert_type(report.date, str)
        assert_type(report.has_failed("test_x.py::test_y"), bool)
    return ""


def pytest_energy_reporters(config: pytest.Config) -> Sequence[Reporter]:
    return [Reporter("lines", "energy.txt", render, about="a line per result")]
