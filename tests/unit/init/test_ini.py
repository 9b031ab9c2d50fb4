"""Settings are added to a file, and nothing else in it changes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.init.ini import insert

WANTED = {"energy_tolerance": "5%", "energy_judge": "counted"}

TOML = 'energy_tolerance = "5%"\nenergy_judge = "counted"\n'
INI = "energy_tolerance = 5%\nenergy_judge = counted\n"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("pytest.ini", "", f"[pytest]\n{INI}"),
        ("pytest.ini", "[pytest]", f"[pytest]\n{INI}"),
        ("pytest.ini", "[pytest]\naddopts =\n    -q\n", f"[pytest]\n{INI}addopts =\n    -q\n"),
        ("tox.ini", "[tox]\na = 1", f"[tox]\na = 1\n\n[pytest]\n{INI}"),
        ("setup.cfg", "[tool:pytest]  # ours\n", f"[tool:pytest]  # ours\n{INI}"),
        ("pyproject.toml", "", f"[tool.pytest.ini_options]\n{TOML}"),
        ("pyproject.toml", "a = 1\n", f"a = 1\n\n[tool.pytest.ini_options]\n{TOML}"),
        (
            "pyproject.toml",
            "[ tool . pytest . ini_options ] # x\nminversion = '8'\n[b]\nc = 1\n",
            f"[ tool . pytest . ini_options ] # x\n{TOML}minversion = '8'\n[b]\nc = 1\n",
        ),
        (
            "pyproject.toml",
            '[tool.pytest]\naddopts = ["-q"]\n',
            f'[tool.pytest]\n{TOML}addopts = ["-q"]\n',
        ),
        ("pytest.toml", "[pytest]\nverbosity = 1\n", f"[pytest]\n{TOML}verbosity = 1\n"),
        ("pytest.toml", "", f"[pytest]\n{TOML}"),
    ],
)
def test_settings_stand_below_the_header_of_pytests_table(name, before, after):
    assert insert(name, before, WANTED).text == after


def test_line_ends_stay_as_they_are():
    before = "[pytest]\r\naddopts = -q\r\n"
    assert insert("pytest.ini", before, {"energy_tolerance": "5%"}).text == (
        "[pytest]\r\nenergy_tolerance = 5%\r\naddopts = -q\r\n"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\nenergy_judge = both\nenergy_tolerance = 10%\n"),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\nenergy_judge = "both"\nenergy_tolerance = "10%"\n',
        ),
    ],
)
def test_a_setting_that_is_there_is_kept_as_it_is(name, text):
    found = insert(name, text, WANTED)
    assert (found.text, found.lines) == (text, ())


def test_only_the_one_that_is_missing_is_added():
    found = insert("pytest.ini", "[pytest]\nenergy_judge = both\n", WANTED)
    assert found.text == "[pytest]\nenergy_tolerance = 5%\nenergy_judge = both\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool]\npytest.ini_options.minversion = '8'\n"),
        ("pyproject.toml", "[tool]\npytest = {ini_options = {minversion = '8'}}\n"),
        (
            "pyproject.toml",
            "a = '''\n[tool.pytest.ini_options]\n'''\n[tool.pytest.ini_options]\nb = '1'\n",
        ),
        ("pyproject.toml", "no toml"),
        ("pytest.ini", "no section\n"),
        ("pytest.ini", "[pytest]\na = 1\na = 2\n"),
        ("pytest.ini", "\ufeff[pytest]\n"),
    ],
)
def test_where_the_table_is_not_certain_the_lines_are_told_and_nothing_is_made(name, text):
    found = insert(name, text, WANTED)
    assert found.text is None
    assert found.header in ("[tool.pytest.ini_options]", "[pytest]")
    assert len(found.lines) == 2


_NAMES = st.text("abc_", min_size=1, max_size=5)
_TABLES = st.sampled_from(["tool.pytest.ini_options", "tool.pytest", "pytest", "tool", "other"])


@given(
    st.lists(
        st.one_of(
            st.builds("[{}]".format, _TABLES),
            st.builds("{} = {}".format, _NAMES, st.sampled_from(["1", '"x"', "[1, 2]", "{a = 1}"])),
            st.builds("# {}".format, _NAMES),
            st.just(""),
            st.sampled_from(['x = """', '"""', "x = [", "]"]),
        ),
        max_size=12,
    ).map("\n".join)
)
def test_whatever_the_file_it_says_what_it_said_and_the_settings(text):
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = insert("pyproject.toml", text, {"energy_new": "1"})
    if found.text is None:
        return
    after = tomllib.loads(found.text)
    pytest_table = after["tool"]["pytest"]
    table = pytest_table.get("ini_options", pytest_table)
    assert table.pop("energy_new") == "1"
    kept = iter(found.text.split("\n"))
    assert all(line in kept for line in text.split("\n") if line)
    if not table:
        after["tool"]["pytest"].pop("ini_options", None)
        before.get("tool", {}).get("pytest", {}).pop("ini_options", None)
    for document in (after, before):
        if not document.get("tool", {"x": 1}).get("pytest", {"x": 1}):
            document["tool"].pop("pytest")
        if not document.get("tool", {"x": 1}):
            document.pop("tool")
    assert after == before
