"""The stored sessions of a test as a small line, on a scale that is set by what is allowed.

A line that is stretched from its lowest to its highest figure makes a mountain of 1 % of noise.
Here the scale is made of what is allowed, and heights say the same in every test: of eight bars the
stored sessions' median lies in the middle of the fifth, and the allowed rise ends with the sixth.
Above that, the seventh and the eighth are more than is allowed; figures that differ by less than a
third of the limit make a flat line. What is further off than the scale goes stands at its edge.
Distances are those of logarithms, as the gate compares. A limit below 1 % is drawn as 1 %.

"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pytest_energy.types.result import Result
from pytest_energy.types.units import format_change

LEAST_LIMIT = 0.01
"""As a fraction: the scale's limit where less is allowed. Finer than that is noise of any meter."""

MIDDLE, LIMIT = 4.5 / 8, 6 / 8
"""Heights at which the median and the allowed rise lie; an allowed fall lies as far below."""

BARS = "▁▂▃▄▅▆▇█"

PLAIN_BARS = "12345678"
"""What stands for them where an encoding lacks them: a height from 1 to 8."""

ABOVE_LIMIT = int(LIMIT * len(BARS))
"""The first of the bars that stand for more than is allowed."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Heights of the stored sessions and of the present figure, from 0 to 1.

    Args:
        stored: of the sessions, oldest first.
        now: of the present figure, by the judged change; None where nothing was compared with them.
        limit: the allowed change that the scale is made of, as a fraction.
    """

    stored: tuple[float, ...]
    now: float | None
    limit: float


def sparkline(result: Result) -> Sparkline | None:
    """The sparkline of a result; None where no session is stored, or figures allow for none.

    The present figure is drawn by the judged change: where a reference workload says that the
    machine is slower, joules are not what is compared.

    Args:
        result: with its history.
    """
    history, change = result.history, result.verdict.change
    if history is None or not history.sessions:
        return None
    figures = [session.joules_per_unit for session in history.sessions]
    middle = median(figures)
    if not 0 < middle < math.inf:
        return None
    limit = result.rule.tolerance
    now = None
    if change is not None and result.verdict.paired is None:
        limit = change.limit
        now = middle * (1 + change.value)
    limit = max(limit, LEAST_LIMIT)
    at = [*figures, *([] if now is None else [now])]
    drawn = heights(at, middle, limit)
    return Sparkline(drawn[: len(figures)], None if now is None else drawn[-1], limit)


def heights(figures: Sequence[float], middle: float, limit: float) -> tuple[float, ...]:
    """Heights from 0 to 1 on a scale on which `middle` and what is allowed have fixed places.

    Args:
        figures: in any unit.
        middle: the figure that lies at `MIDDLE`, above 0.
        limit: the allowed change, as a fraction above 0: `middle` and so much lies at `LIMIT`.

    Returns:
        A height per figure; 0 of one that is not above 0.
    """
    per_log = (LIMIT - MIDDLE) / math.log1p(limit)
    zero = math.log(middle)  # a quotient of the figures themselves might be too small for a number
    return tuple(
        min(1.0, max(0.0, MIDDLE + per_log * (math.log(figure) - zero))) if figure > 0 else 0.0
        for figure in figures
    )


def bars(line: Sequence[float], encoding: str) -> str:
    """Heights as text, a character each.

    Args:
        line: heights from 0 to 1.
        encoding: of what is written to.
    """
    ramp = ramp_of(encoding)
    return "".join(ramp[_level(height)] for height in line)


def ramp_of(encoding: str) -> str:
    """Characters of eight heights, the lowest first, as far as an encoding has them.

    Args:
        encoding: of what is written to; one that Python does not know is taken for UTF-8.
    """
    try:
        BARS.encode(encoding)
    except UnicodeEncodeError:
        return PLAIN_BARS
    except LookupError:
        pass
    return BARS


def text(line: Sparkline, encoding: str) -> str:
    """A sparkline and where its limit lies: `▅▅▆▅ now ▇ (▇ and █: over +5.0 %)`.

    Args:
        line: of a result.
        encoding: of what is written to.
    """
    now = "" if line.now is None else f" now {bars([line.now], encoding)}"
    above = " and ".join(ramp_of(encoding)[ABOVE_LIMIT:])
    return f"{bars(line.stored, encoding)}{now} ({above}: over {format_change(line.limit)})"


def _level(height: float) -> int:
    """Which of the eight bars; a figure at the very limit is not above it."""
    # Rounded: what is computed of exactly the allowed change may come out a hair above it.
    exact = round(height * len(BARS), 9)
    if exact == ABOVE_LIMIT:
        return ABOVE_LIMIT - 1
    return min(len(BARS) - 1, int(exact))


WIDTH, HEIGHT = 100, 28
"""Of the drawing, in pixels of CSS."""

_EDGE = 3
"""Around the points, so that a circle at the edge is whole."""


def svg(line: Sparkline, label: str) -> str:
    """A sparkline as an SVG for HTML: sessions as points of a line, the limits dashed.

    No `id` and no style sheet, so that hundreds may stand in one page; colours follow the page's
    text, but for the present figure where it is above the limit.

    Args:
        line: of a result.
        label: what it shows, as it may stand in HTML: for who does not see it.
    """
    count = len(line.stored) + (line.now is not None)
    step = (WIDTH - 2 * _EDGE) / max(1, count - 1)

    def place(number: int, height: float) -> str:
        across = _EDGE + number * step if count > 1 else WIDTH / 2
        return f"{across:.1f},{_down(height):.1f}"

    points = " ".join(place(i, height) for i, height in enumerate(line.stored))
    parts = [
        f'<line x1="0" x2="{WIDTH}" y1="{_down(at):.1f}" y2="{_down(at):.1f}" stroke="{colour}"'
        f' stroke-width="1" stroke-dasharray="3 2" opacity="{opacity}"/>'
        for at, colour, opacity in (
            (LIMIT, "#b35900", 1),
            (2 * MIDDLE - LIMIT, "currentColor", 0.4),
        )
    ]
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.2"/>'
    )
    parts += [
        _circle(place(i, height), 1.5, "currentColor") for i, height in enumerate(line.stored)
    ]
    if line.now is not None:
        above = _level(line.now) >= ABOVE_LIMIT
        parts.append(_circle(place(count - 1, line.now), 3, "#c00000" if above else "#0072b2"))
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}"><title>{label}</title>{"".join(parts)}</svg>'
    )


def _down(height: float) -> float:
    return HEIGHT - _EDGE - height * (HEIGHT - 2 * _EDGE)


def _circle(at: str, radius: float, colour: str) -> str:
    across, down = at.split(",")
    return f'<circle cx="{across}" cy="{down}" r="{radius}" fill="{colour}"/>'
