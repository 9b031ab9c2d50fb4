"""Calls of Python functions, by caller and callee: the same to the last one in every run."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap

import pytest

from pytest_energy.counting.counter import IN_EVENT_LOOP, Counter
from pytest_energy.types.counts import BUILT_IN

HERE = "unit/counting/test_python_calls.py"


def counted(call, times=1):
    counter = Counter()
    for _ in range(times):
        with counter.counting():
            call()
    return counter.counts([1] * times)


def calls(counts):
    """Caller and callee without their files: calls, and calls beneath."""
    return {
        (row.caller.rpartition(":")[2], row.callee.rpartition(":")[2]): (row.calls, row.beneath)
        for row in counts.python
    }


def clean(text):
    return text.strip().lower()


def prepare(texts):
    done = []
    for text in texts:
        done.append(clean(text))
    return done


def test_functions_and_built_in_ones_are_counted_by_who_calls_them():
    counts = counted(lambda: prepare([" One", "Two "]))
    found = calls(counts)
    assert found["prepare", "clean"] == (2, 6)  # each of them, strip and lower
    assert found["prepare", BUILT_IN] == (2, 2)
    assert found["clean", BUILT_IN] == (4, 4)
    assert len({one.python_calls for one in counted(lambda: prepare([" One"]), 3).samples}) == 1


def test_a_function_is_named_by_its_file_from_where_it_is_imported():
    (row,) = [row for row in counted(lambda: clean(" a")).python if row.callee.endswith(":clean")]
    assert row.callee.endswith("test_python_calls.py:clean")
    assert not row.callee.startswith("/")


def down(depth):
    return down(depth - 1) if depth else 0


def test_a_function_that_calls_itself_has_what_is_beneath_it_once():
    found = calls(counted(lambda: down(4)))
    assert found["down", "down"] == (4, 4)
    assert next(n for (_, callee), n in found.items() if callee == "down") == (1, 5)


def generate(n):
    yield from range(n)


def test_each_resumption_of_a_generator_counts():
    found = calls(counted(lambda: list(generate(3))))
    (count, _), *_ = [n for (_, callee), n in found.items() if callee == "generate"]
    assert count == 4


def refuse():
    raise ValueError("no")


def forgive():
    with pytest.raises(ValueError, match="no"):
        refuse()
    return clean("a")


def test_exceptions_leave_nothing_behind():
    found = calls(counted(forgive, 2))
    assert found["forgive", "refuse"][0] == 2
    assert found["forgive", "clean"][0] == 2


def test_what_is_cached_is_not_called():
    @functools.lru_cache
    def remembered(text):
        return text.upper()

    remembered("a")
    names = {callee for _, callee in calls(counted(lambda: remembered("a")))}
    assert not any("remembered" in name for name in names)


def test_beside_a_profiler_they_are_not_counted_and_that_is_said():
    def profiler(*_):
        return None

    if sys.version_info >= (3, 12):
        tools = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
        for tool in tools:
            sys.monitoring.use_tool_id(tool, "somebody")
        counts = counted(lambda: clean("a"))
        for tool in tools:
            sys.monitoring.free_tool_id(tool)
        assert counts.python_unavailable == "every tool of sys.monitoring was in use"
    else:
        sys.setprofile(profiler)
        counts = counted(lambda: clean("a"))
        assert sys.getprofile() is profiler
        sys.setprofile(None)
        assert counts.python_unavailable == "a profiler was running"
    assert counts.total.python_calls == 0
    assert not counts.python


def test_in_an_event_loop_they_are_not_counted():
    counter = Counter(IN_EVENT_LOOP)
    with counter.counting():
        clean("a")
    assert "event loop" in counter.counts([1]).python_unavailable


def test_without_torch_it_is_said_what_was_not_counted():
    program = """
    import sys
    from pytest_energy.counting.counter import Counter
    counter = Counter()
    with counter.counting():
        sorted([2, 1])
    counts = counter.counts([1])
    assert "torch" not in sys.modules
    print(counts.total.python_calls, counts.operators_unavailable, *counts.notes, sep="|")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (
        "1|torch was not loaded|of compiled libraries the calls were counted, not what they do"
    )


def test_counts_do_not_depend_on_how_strings_are_hashed():
    program = """
    import json
    from pytest_energy.counting.counter import Counter
    def work():
        return json.loads(json.dumps({"a": [1, 2, {"b": None}], "c": "d"}, indent=1))
    counter = Counter()
    work()
    for _ in range(3):
        with counter.counting():
            work()
    print(*{one.python_calls for one in counter.samples})
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(4)
    }
    assert len(found) == 1
    assert len(found.pop().split()) == 1
