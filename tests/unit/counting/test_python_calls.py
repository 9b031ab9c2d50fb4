"""Calls of Python functions, by caller and callee: the same to the last one in every run."""

from __future__ import annotations

import collections.abc
import functools
import importlib
import io
import logging
import os
import random
import re
import subprocess
import sys
import textwrap
import warnings
from contextlib import redirect_stdout

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
    assert row.callee == "tests/unit/counting/test_python_calls.py:clean"


def test_its_name_is_the_same_from_every_folder_installed_or_not(tmp_path):
    for place in ("src", "installed"):
        folder = tmp_path / place / "package" / "inner"
        folder.mkdir(parents=True)
        for each in (folder, folder.parent):
            (each / "__init__.py").touch()
        (folder / "work.py").write_text("def work(): return clean()\ndef clean(): return 1\n")
    program = """
    import sys
    from pytest_energy.counting.counter import Counter
    from package.inner.work import work
    counter = Counter()
    with counter.counting():
        work()
    print([f"{row.caller} {row.callee}" for row in counter.counts([1]).python if row.caller])
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            check=True,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path / place)])},
        ).stdout
        for place, cwd in (
            ("src", tmp_path),
            ("src", tmp_path / "src" / "package"),
            ("installed", tmp_path),
        )
    }
    assert len(found) == 1
    assert "'package/inner/work.py:work package/inner/work.py:clean'" in found.pop()


def test_what_is_made_while_a_program_runs_has_no_number_in_its_name():
    made = {}
    exec(compile("def made(): return 1", "<eval_with_key>.17", "exec"), made)
    assert any(row.callee == "<eval_with_key>.#:made" for row in counted(made["made"]).python)


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


# What a process did before, and who else is there, makes no difference


def total(call):
    return counted(call).total.python_calls


def import_it(name="colorsys"):
    importlib.import_module(name)
    from xml.dom import pulldom

    return pulldom


def test_an_import_counts_the_same_whether_it_has_to_be_done_or_not():
    import_it()
    later = total(import_it)
    for name in ("colorsys", "xml.dom.pulldom"):
        del sys.modules[name]
    assert total(import_it) == later


def look_in_vain():
    with pytest.raises(ImportError):
        import nowhere_to_be_found  # noqa: F401
    return clean("a")


def test_what_is_not_installed_is_looked_for_in_any_number_of_places(tmp_path, monkeypatch):
    before = counted(look_in_vain)
    for name in "abc":
        (tmp_path / name).mkdir()
        monkeypatch.syspath_prepend(tmp_path / name)
    after = counted(look_in_vain)
    assert after.total == before.total
    assert calls(after)["look_in_vain", "clean"] == (1, 3)


def test_an_import_that_is_hidden_hides_no_more_than_itself():
    def both():
        sys.modules.pop("colorsys")
        import colorsys

        return clean(colorsys.__name__)

    import_it()
    assert calls(counted(both))[f"{both.__qualname__.replace('.<locals>', '')}", "clean"] == (1, 3)


def test_a_warning_counts_the_same_whether_it_is_shown_or_not():
    def warn():
        warnings.warn("so it is", stacklevel=1)
        return clean("a")

    found = set()
    for action in ("ignore", "always", "once"):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter(action)
            found |= {total(warn), total(warn)}
    assert len(found) == 1


def test_a_log_message_counts_the_same_whoever_listens():
    logger = logging.getLogger("somebody")
    found = []
    for listeners in range(3):
        handlers = [logging.NullHandler() for _ in range(listeners)]
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if listeners else logging.ERROR)
        found.append(counted(lambda: prepare([str(logger.info("read")), "a"])))
        for handler in handlers:
            logger.removeHandler(handler)
    assert len({one.total for one in found}) == 1
    assert sum(n for (_, callee), (n, _) in calls(found[0]).items() if callee == "Logger.info") == 1


def test_what_is_printed_counts_the_same_wherever_it_goes(tmp_path):
    def say():
        print("read", clean(" A "))

    found = set()
    for how in ("w", "w+"):  # pytest keeps output in a file that it also reads
        with (tmp_path / how).open(how, encoding="utf-8") as file, redirect_stdout(file):
            found.add(total(say))
    with redirect_stdout(io.StringIO()):
        found.add(total(say))
    assert len(found) == 1


def test_a_progress_bar_counts_nothing_and_what_it_stands_around_counts():
    tqdm = pytest.importorskip("tqdm").tqdm

    def work(**how):
        done = [clean(text) for text in tqdm(generate(20), total=20, file=Output(), **how)]
        with tqdm(total=5, file=Output(), **how) as bar:
            for _ in range(5):
                bar.update()
                done.append(clean("a"))

    ways = ({}, {"mininterval": 0}, {"mininterval": 0, "miniters": 1}, {"disable": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "clean", lambda text: text)
        found = [counted(lambda way=way: work(**way)) for way in ways]
    assert len({one.total for one in found}) == 1
    assert sum(n for (_, callee), (n, _) in calls(found[0]).items() if callee == "generate") == 21


class Output:
    """Written in Python, as pytest's is with some of its options."""

    encoding = "utf-8"

    def write(self, text):
        return len(clean(text))

    def flush(self):
        return None


def test_which_classes_were_registered_before_makes_no_difference():
    class One:
        pass

    def ask():
        return isinstance(One(), collections.abc.Sequence), clean("a")

    ask()
    before = total(ask)
    for _ in range(3):
        collections.abc.MutableSequence.register(type("Another", (), {}))
    assert total(ask) == before


def test_which_patterns_were_compiled_before_makes_no_difference():
    def split():
        return re.split(r"[,;]\s+(?=\d)", "1, 2")

    split()
    before = total(split)
    re.purge()
    assert total(split) == before


def test_chance_makes_no_difference():
    found = set()
    for seed in range(20):
        random.seed(seed)
        found.add(total(lambda: random.sample(range(600), 7)))
    assert len(found) == 1


def test_a_profiler_of_the_tests_own_is_left_alone_and_its_inferences_are_not_compared():
    events = []

    def work():
        sys.setprofile(lambda frame, event, arg: events.append(event))
        clean(" a")
        sys.setprofile(None)

    counts = counted(work)
    assert events.count("call") == 1
    if sys.version_info < (3, 12):
        assert "a profiler was started" in counts.python_unavailable
    assert sys.getprofile() is None
