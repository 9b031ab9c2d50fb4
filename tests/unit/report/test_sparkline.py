"""Stored sessions as a small line: its heights, as text and as a drawing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.report.sparkline import (
    BARS,
    HEIGHT,
    LIMIT,
    MIDDLE,
    WIDTH,
    bars,
    heights,
    sparkline,
    svg,
    text,
)
from support.reports import history_of, new, result

NOISE = (2.0, 1.98, 2.02, 2.01, 1.99)
"""Within 1 % of 2 J."""


def line_of(*joules, now=2.0, **changes):
    return sparkline(replace(result(now), history=history_of(*joules), **changes))


def test_one_percent_of_noise_is_a_flat_line():
    line = line_of(*NOISE)
    assert line.limit == pytest.approx(0.05, abs=0.001)
    assert set(bars(line.stored, "utf-8")) == {"▅"}


def test_a_doubling_stands_at_the_edge_whatever_else_is_drawn():
    assert bars(line_of(2.0, 2.0, 4.0, 2.0, 1.0).stored, "utf-8") == "▅▅█▅▁"


def test_the_median_and_the_limit_have_fixed_places_whatever_the_tolerance():
    for limit in (0.01, 0.05, 0.5):
        low = 1 / (1 + limit)
        at_median, at_limit, below = heights([3.0, 3.0 * (1 + limit), 3.0 * low], 3.0, limit)
        assert at_median == pytest.approx(MIDDLE)
        assert at_limit == pytest.approx(LIMIT)
        assert below == pytest.approx(2 * MIDDLE - LIMIT)
        assert bars([at_limit], "utf-8") == "▆"
        beyond = heights([3.0 * (1 + limit) * 1.001], 3.0, limit)
        assert bars(beyond, "utf-8") == "▇"


def test_a_tolerance_of_nothing_is_drawn_as_one_percent():
    rule = replace(result().rule, tolerance=0.0)
    line = sparkline(replace(new(), history=history_of(*NOISE), rule=rule))
    assert line.limit == 0.01
    assert line.now is None  # nothing was compared


def test_the_present_figure_is_drawn_by_the_judged_change():
    one = result(3.0)
    assert one.verdict.change.value == pytest.approx(0.5, abs=0.001)
    one = replace(one, verdict=replace(one.verdict, change=replace(one.verdict.change, value=0.0)))
    assert sparkline(replace(one, history=history_of(*NOISE))).now == pytest.approx(MIDDLE)


def test_without_stored_sessions_there_is_nothing_to_draw():
    assert sparkline(result()) is None
    assert line_of() is None
    assert line_of(0.0, 0.0) is None


def test_the_text_says_where_the_limit_lies():
    line = line_of(*NOISE, now=3.0)
    assert text(line, "utf-8") == "▅▅▅▅▅ now █ (▇ and █: over +5.0 %)"
    assert text(line, "ascii") == "55555 now 8 (7 and 8: over +5.0 %)"
    for encoding in ("ascii", "latin-1", "cp437", "cp1252"):
        text(line, encoding).encode(encoding)
    assert text(line, "no such encoding") == text(line, "utf-8")


def test_the_drawing_has_a_point_per_session_and_one_of_now():
    drawing = svg(line_of(*NOISE, now=3.0), "a label")
    root = ElementTree.fromstring(drawing)
    assert root.get("aria-label") == "a label"
    circles = root.findall("circle")
    assert len(circles) == len(NOISE) + 1
    assert [circle.get("fill") for circle in circles][-1] == "#c00000"
    (points,) = [one.get("points").split() for one in root.findall("polyline")]
    assert len(points) == len(NOISE)
    assert "id=" not in drawing
    assert "\n" not in drawing
    assert svg(line_of(2.0), "x").count("<circle") == 2


@given(
    st.lists(st.floats(min_value=0, max_value=1e300), min_size=1, max_size=30),
    st.floats(min_value=0, max_value=1e3),
)
def test_whatever_is_stored_it_can_be_drawn(joules, tolerance):
    rule = replace(result().rule, tolerance=tolerance)
    line = sparkline(replace(new(), history=history_of(*joules), rule=rule))
    if line is None:
        return
    assert len(bars(line.stored, "utf-8")) == len(joules)
    assert set(bars(line.stored, "utf-8")) <= set(BARS)
    assert all(0 <= height <= 1 for height in line.stored)
    for across, down in re.findall(r'cx="([^"]+)" cy="([^"]+)"', svg(line, "x")):
        assert 0 <= float(across) <= WIDTH
        assert 0 <= float(down) <= HEIGHT


@given(
    st.floats(min_value=0.01, max_value=10),
    st.floats(min_value=1e-9, max_value=1e9),
    st.floats(min_value=1e-9, max_value=1e9),
)
def test_more_is_never_drawn_lower(limit, one, other):
    low, high = heights(sorted((one, other)), math.sqrt(one * other), limit)
    assert low <= high
