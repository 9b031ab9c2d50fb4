"""Joules, kilowatt-hours, grams and percent: parse what people write, format what they read.

Inside the plugin energy is joules, time is seconds, intensity is gCO2e/kWh and a share is a
plain fraction (0.05 is 5 %). Other units exist only in this file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

JOULES_PER_KWH = 3.6e6
"""One kilowatt-hour in joules (1,000 W for 3,600 s; exact)."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_PERCENT = re.compile(rf"\s*({_NUMBER})\s*%\s*")
_BUDGET = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z0-9]+)\s*(?:/\s*([\d,_]+))?\s*")
_FLOPS = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]+)\s*")
_FLOPS_IN = {"FLOP": 1, "kFLOP": 1e3, "MFLOP": 1e6, "GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15}
_JOULES_IN = {
    "mJ": 1e-3,
    "J": 1.0,
    "kJ": 1e3,
    "MJ": 1e6,
    "mWh": 3.6,
    "Wh": 3.6e3,
    "kWh": JOULES_PER_KWH,
}
_GRAMS_IN = {"mgCO2e": 1e-3, "gCO2e": 1.0, "kgCO2e": 1e3}


@dataclass(frozen=True, slots=True)
class Budget:
    """A ceiling per unit of work, in joules or in grams of CO2e; the other one is None.

    Args:
        text: what the user wrote, for messages.
        joules: joules per unit.
        grams: grams of CO2e per unit.
    """

    text: str
    joules: float | None
    grams: float | None


def parse_percent(text: object) -> float:
    """Read `"5%"` as 0.05.

    Raises:
        ValueError: not a percentage, negative, or not finite; the message says how to write one.
    """
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'expected a percentage such as "5%", found {text!r}')
    value = float(match[1]) / 100
    if not math.isfinite(value) or value < 0:
        raise ValueError(f'expected a percentage of 0 or more such as "5%", found {text!r}')
    return value


def parse_budget(text: object) -> Budget:
    """Read `"2 J"`, `"0.5 Wh/1000"` or `"0.6 gCO2e/1000"` as a ceiling per unit.

    Raises:
        ValueError: not such a text; the message lists the units.
    """
    hint = (
        'expected a budget such as "2 J", "0.5 Wh/1000" or "0.6 gCO2e/1000"'
        f" (units: {', '.join([*_JOULES_IN, *_GRAMS_IN])}), found {text!r}"
    )
    match = _BUDGET.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(hint)
    amount, unit = float(match[1]), match[2]
    per = int(re.sub(r"[,_]", "", match[3]) or 0) if match[3] else 1
    if not math.isfinite(amount) or amount <= 0 or per < 1:
        raise ValueError(hint)
    if unit in _JOULES_IN:
        return Budget(match[0].strip(), amount * _JOULES_IN[unit] / per, None)
    if unit in _GRAMS_IN:
        return Budget(match[0].strip(), None, amount * _GRAMS_IN[unit] / per)
    raise ValueError(hint)


def share_of_budget(text: str, share: float) -> str:
    """So much of a budget, in the budget's own unit: 80 % of `"0.5 Wh/1000"` is `0.4 Wh/1000`.

    Args:
        text: of the budget, as `parse_budget` takes it.
        share: as a fraction.
    """
    match = _BUDGET.fullmatch(text)
    if match is None:
        return ""
    return significant(float(match[1]) * share) + text.strip()[len(match[1]) :]


def parse_flops(value: object) -> int:
    """Read `"8.5 GFLOP"`, or a whole number of operations.

    Raises:
        ValueError: not such a text or number; the message lists the units.
    """
    hint = (
        'expected floating-point operations such as "8.5 GFLOP"'
        f" (units: {', '.join(_FLOPS_IN)}), found {value!r}"
    )
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _FLOPS.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in _FLOPS_IN:
        raise ValueError(hint)
    amount = float(match[1]) * _FLOPS_IN[match[2]]
    if not (math.isfinite(amount) and amount >= 1):
        raise ValueError(hint)
    return round(amount)


def utc_text(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC, to the second.

    Args:
        moment: in UTC.
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and no exponent between 1e-4 and 1e6."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if not -5 < magnitude < 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def _scaled(value: float, unit: str, steps: tuple[tuple[float, str], ...]) -> str:
    for size, prefix in steps:
        if abs(value) >= size * 0.9995:
            return f"{significant(value / size)} {prefix}{unit}"
    size, prefix = steps[-1]
    return f"{significant(value / size)} {prefix}{unit}"


def format_joules(joules: float) -> str:
    """`2.41` as `2.41 J`, `0.0041` as `4.10 mJ`, `12300` as `12.3 kJ`."""
    if joules == 0:
        return "0 J"
    return _scaled(
        joules, "J", ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
    )


def format_count(count: float) -> str:
    """`1570000` as `1.57 million`, `12345.6` as `12,346`, `3.24` as `3.24`."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size * 0.9995:
            return f"{significant(count / size)} {name}"
    return significant(count) if count < 100 else f"{count:,.0f}"


def format_flops(flops: float) -> str:
    """`8450000000` as `8.45 GFLOP`."""
    steps = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
    return _scaled(flops, "FLOP", steps)


def format_bytes(count: float) -> str:
    """`12400000` as `12.4 MB`."""
    if count < 999.5:
        return f"{significant(count) if count % 1 else f'{count:.0f}'} B"
    return _scaled(count, "B", ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")))


def format_grams(grams: float) -> str:
    """`0.69` as `0.690 g`, `0.04` as `40.0 mg`, `1200` as `1.20 kg`."""
    if grams == 0:
        return "0 g"
    if 0.1 <= abs(grams) < 1:  # tenths of a gram are what 1,000 inferences often take
        return f"{significant(grams)} g"
    return _scaled(grams, "g", ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")))


def format_seconds(seconds: float) -> str:
    """`0.0116` as `11.6 ms`, `75` as `1:15`."""
    if seconds >= 59.95:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    if seconds == 0:
        return "0 s"
    return _scaled(seconds, "s", ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")))


def format_interval(low: float, high: float) -> str:
    """The bounds of a change, without its unit: `-1.2 to +3.4` for -0.012 and 0.034."""
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def format_change(fraction: float) -> str:
    """`0.148` as `+14.8 %`; large changes without decimals, as `+1,250 %`."""
    percent = fraction * 100
    if abs(percent) >= 999.95:
        return f"{percent:+,.0f} %"
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(percent, 1) + 0.0:+.1f} %"


def format_percent(fraction: float) -> str:
    """`0.05` as `5 %`, `0.2838` as `28.4 %`."""
    percent = fraction * 100
    return f"{percent:,.0f} %" if percent >= 999.5 else f"{percent:.3g} %"


def kwh(joules: float) -> float:
    """Joules as kilowatt-hours."""
    return joules / JOULES_PER_KWH
