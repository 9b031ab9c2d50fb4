"""Work that is put off: what a loop would meter is then not the work, but its preparation."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pytest_energy.types.units import format_seconds

QUICK_SECONDS = 50e-6
"""An inference takes longer than that, and drawing a sample less."""

MUCH_LONGER = 10.0
"""A test that waits for so many times as long as its loop lasted has its work done then."""

LEAST_SECONDS = 0.05
"""What is done in less after a loop is too little to be the work."""


def why_lazy_function(function: Any) -> str:
    """Why calls of a function do no work, as a clause; empty where they do."""
    if inspect.iscoroutinefunction(function):
        return (
            "a coroutine function, whose calls only create coroutines; in an async test write:"
            " await energy.arun(fn, samples)"
        )
    return why_generator_function(function)


def why_generator_function(function: Any) -> str:
    """Why calls of a generator function do no work, as a clause; empty for other functions."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        loop = "async for" if inspect.isasyncgenfunction(function) else "for"
        return (
            "a generator function, whose calls do no work until they are consumed; write: for"
            f" sample in energy.each(samples): {loop} part in fn(sample): …"
        )
    return ""


def why_lazy_output(output: Any) -> str:
    """Why an output stands for work that is not done yet, as a clause; empty where it does not."""
    if inspect.isawaitable(output):
        if inspect.iscoroutine(output):
            output.close()
        return (
            "a function that returns something to await; in an async test write: await"
            " energy.arun(fn, samples)"
        )
    if hasattr(output, "add_done_callback") or _is_pool_result(output):
        return (
            "a function that returns a future, whose work is done elsewhere and later; wait for it"
            " inside: fn(sample).result()"
        )
    lazy = isinstance(output, Iterator | AsyncIterator) and not isinstance(output, io.IOBase)
    if lazy:
        return (
            f"a function that returns an iterator ({type(output).__name__}), whose work is done"
            " when it is consumed; consume it inside: list(fn(sample))"
        )
    return ""


def why_put_off(seconds: float, count: int, after: float, waited: float) -> str:
    """Why a loop did not do the work of its test, as a clause; empty where nothing says so.

    Args:
        seconds: that the loop was metered.
        count: samples that it yielded meanwhile.
        after: seconds that the test's body went on.
        waited: how many of these its thread waited for others; all where it is an event loop's,
            which does by itself what was put off.
    """
    if not count or seconds / count > QUICK_SECONDS:
        return ""
    if waited < max(LEAST_SECONDS, MUCH_LONGER * seconds):
        return ""
    return (
        f"all {count:,} samples were drawn in {format_seconds(seconds)}, and the test went on for"
        f" {format_seconds(after)}: its work was not done in the loop (in a pool, or with gather?);"
        " do it there, one sample after the other"
    )


def _is_pool_result(output: Any) -> bool:
    pool = sys.modules.get("multiprocessing.pool")
    return pool is not None and isinstance(output, pool.AsyncResult)


def in_event_loop() -> bool:
    """Whether this thread runs an event loop of asyncio."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
