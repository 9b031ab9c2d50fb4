"""What training costs, after Strubell et al.: their formula, their factors, their Table 3.

E. Strubell, A. Ganesh, A. McCallum: "Energy and Policy Considerations for Deep Learning in NLP",
ACL 2019, arXiv 1906.02243. The factors are of 2018 and are kept as published, to reproduce and to
compare; what is metered today is counted with today's (`--energy-factors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pytest_energy.carbon import factors
from pytest_energy.published.shipped import rows

PUE = factors.STRUBELL_PUE
POUNDS_PER_KWH = factors.STRUBELL_POUNDS_PER_KWH
GRAMS_PER_POUND = factors.GRAMS_PER_POUND

CARBON = factors.STRUBELL
"""The paper's factors in the form in which they are applied to a session (`--energy-factors`)."""

RUNS_OF_CASE_STUDY = 4789
"""Jobs that the development of one model took, the paper's case study. They were of different
lengths: one full training times this is an order of magnitude, no more."""


def kwh(hours: float, cpu_watts: float, ram_watts: float, gpu_watts: float, gpus: int = 1) -> float:
    """Energy of a training, the data centre's overhead included: 1.58 t (p_c + p_r + g p_g) / 1000.

    Args:
        hours: that it lasts.
        cpu_watts: mean power of all CPU sockets together.
        ram_watts: mean power of all memory together.
        gpu_watts: mean power of one GPU.
        gpus: their number.

    Returns:
        Kilowatt-hours.

    Raises:
        ValueError: a negative figure.
    """
    if min(hours, cpu_watts, ram_watts, gpu_watts, gpus) < 0:
        raise ValueError("hours, watts and the number of GPUs are 0 or more")
    return PUE * hours * (cpu_watts + ram_watts + gpus * gpu_watts) / 1000


def pounds(kwh: float) -> float:
    """Pounds of CO2e that so many kWh emitted in the United States of 2018: 0.954 times kWh.

    Args:
        kwh: with the data centre's overhead, as `kwh` gives them.
    """
    return POUNDS_PER_KWH * kwh


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table 3: as printed, and recomputed.

    Args:
        model, hardware: as printed.
        watts: mean power of all hardware together; None for TPUs, whose power was not public.
        hours: as printed.
        printed_kwh: kWh times PUE, as printed; None without watts.
        printed_pounds: CO2e in pounds, as printed; None without watts.
        cloud_usd: what the cloud would have taken, from and to, in US dollars, as printed.
        exact_hours: that the printed figures were computed with.
        note: why these are not the printed hours; empty where they are.
    """

    model: str
    hardware: str
    watts: float | None
    hours: float
    printed_kwh: float | None
    printed_pounds: float | None
    cloud_usd: tuple[float, float]
    exact_hours: float
    note: str = ""

    @property
    def kwh(self) -> float | None:
        """By the formula, from watts and exact hours."""
        return None if self.watts is None else kwh(self.exact_hours, 0.0, 0.0, self.watts)

    @property
    def pounds(self) -> float | None:
        """By the formula, from `kwh`."""
        return None if self.kwh is None else pounds(self.kwh)


_EXACT_HOURS = {
    ("BERT_base", "V100x64"): (
        79.2,
        "printed as 79 h, with which 1,503 kWh come out; computed with the 3.3 days (79.2 h) of the"
        " paper's text",
    )
}


@cache
def table() -> tuple[Row, ...]:
    """Table 3, row by row, in its order."""
    return tuple(_row(row) for row in rows("strubell2019_training.csv"))


def _row(row: dict[str, str]) -> Row:
    hours = float(row["hours"])
    exact, note = _EXACT_HOURS.get((row["model"], row["hardware"]), (hours, ""))
    return Row(
        row["model"],
        row["hardware"],
        _number(row["power_w"]),
        hours,
        _number(row["kwh_pue"]),
        _number(row["co2e_lbs"]),
        (float(row["cloud_usd_low"]), float(row["cloud_usd_high"])),
        exact,
        note,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
