"""Work that is put off is not metered, and not stored as if it were."""

from __future__ import annotations

import io
import multiprocessing.pool
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from pytest_energy.metering.lazy import why_lazy_function, why_lazy_output, why_put_off


def generator(sample):
    yield sample


async def coroutine(sample):
    return sample


async def stream(sample):
    yield sample


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (generator, "for part in fn(sample)"),
        (partial(generator, 1), "for part in fn(sample)"),
        (stream, "async for part in fn(sample)"),
        (coroutine, "await energy.arun(fn, samples)"),
    ],
)
def test_functions_whose_calls_do_nothing_are_refused_with_the_remedy(function, remedy):
    assert remedy in why_lazy_function(function)


def test_plain_functions_are_not():
    assert why_lazy_function(len) == why_lazy_function(lambda sample: sample) == ""


def test_outputs_that_stand_for_work_to_come_are_refused_with_the_remedy():
    with ThreadPoolExecutor(1) as pool:
        assert "fn(sample).result()" in why_lazy_output(pool.submit(len, ""))
        assert "list(fn(sample))" in why_lazy_output(pool.map(len, [""]))
    with multiprocessing.pool.ThreadPool(1) as threads:
        assert "fn(sample).result()" in why_lazy_output(threads.apply_async(len, ("",)))
        assert "list(fn(sample))" in why_lazy_output(threads.imap(len, [""]))
    assert "list(fn(sample))" in why_lazy_output(generator(1))
    assert "list(fn(sample))" in why_lazy_output(map(len, []))
    assert "await energy.arun(fn, samples)" in why_lazy_output(coroutine(1))
    assert "consume it inside" in why_lazy_output(stream(1))


@pytest.mark.parametrize("output", [None, 1, "text", [1], (1,), {}, range(3), io.BytesIO()])
def test_plain_outputs_are_not(output):
    assert why_lazy_output(output) == ""


def test_samples_that_are_all_drawn_before_the_work_are_noticed():
    assert why_put_off(0.0004, 100, after=3.0, waited=2.9) == (
        "all 100 samples were drawn in 400 µs, and the test went on for 3.00 s: its work was not"
        " done in the loop (in a pool, or with gather?); do it there, one sample after the other"
    )
    assert why_put_off(0.5, 100, after=60.0, waited=60.0) == ""  # five milliseconds each are work
    assert why_put_off(0.0004, 100, after=0.01, waited=0.01) == ""
    assert why_put_off(0.0, 0, after=3.0, waited=3.0) == ""


def test_what_a_test_works_out_itself_after_quick_inferences_is_its_own_business():
    assert why_put_off(0.0004, 100, after=3.0, waited=0.01) == ""
