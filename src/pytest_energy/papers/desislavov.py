"""Joules on other hardware, estimated from operations: the method of Desislavov et al.

R. Desislavov, F. Martínez-Plumed, J. Hernández-Orallo: "Trends in AI inference energy consumption:
Beyond the performance-vs-parameter laws of deep learning", Sustainable Computing 38 (2023), arXiv
2109.05472. They divide a model's operations per inference by a device's peak rate per watt. What
comes out is an estimate and, for a device that draws its rated power, a lower bound.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from pytest_energy.papers.shipped import rows
from pytest_energy.types.units import kwh

DAYS_PER_YEAR = 365
"""For the multiplicative factor; a year is no more exact than the number of inferences a day."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device's peak rate and rated power, as its maker states them.

    Args:
        name: as its maker calls it.
        kind: `gpu`, `cpu` or `edge`.
        year: when it was announced.
        precision: of the numbers multiplied: `fp32`, `tf32` or `fp16`.
        peak_flops: floating-point operations per second, dense (without sparsity).
        watts: rated power of the board, module or socket (TDP, TGP, TBP), in watts.
        source: the document; for CPUs with the product that the peak is.
        driver_name: the name that the driver gives the board, but for its memory; empty where
            unknown.
    """

    name: str
    kind: str
    year: int
    precision: str
    peak_flops: float
    watts: float
    source: str
    driver_name: str = ""

    @property
    def flops_per_joule(self) -> float:
        """Operations that a joule buys at the peak: peak FLOPS over watts."""
        return self.peak_flops / self.watts


@cache
def devices() -> tuple[Device, ...]:
    """Every device of the table, one row for each precision, in the table's order."""
    return tuple(
        Device(
            row["name"],
            row["kind"],
            int(row["year"]),
            row["precision"],
            float(row["peak_flops"]),
            float(row["watts"]),
            row["source"],
            row["driver_name"],
        )
        for row in rows("devices.csv")
    )


def device(name: str, precision: str = "fp32") -> Device:
    """One row of the table.

    Args:
        name: as in the table; upper and lower case are the same.
        precision: `fp32`, `tf32` or `fp16`.

    Raises:
        LookupError: no such device, or not in this precision; says what is near or there.
    """
    named = [one for one in devices() if one.name.lower() == name.lower()]
    for one in named:
        if one.precision == precision:
            return one
    if named:
        there = ", ".join(one.precision for one in named)
        raise LookupError(f"no {precision!r} rate of {named[0].name}; there is {there}")
    known = {one.name.lower(): one.name for one in devices()}
    near = [known[n] for n in difflib.get_close_matches(name.lower(), known, 3, 0.4)]
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise LookupError(f"no device named {name!r} in the table{hint}")


def device_of_board(board: str) -> Device | None:
    """The fp32 row of a board, by the name that its driver gives it; None for an unknown one.

    The name must be the whole name, for whatever follows makes another board of it: a 3090 Ti, a
    4090 D, a laptop's, a slice. Only the size of the memory may follow.

    Args:
        board: as `NVIDIA A100-SXM4-80GB`.
    """
    for one in devices():
        named = one.driver_name and re.fullmatch(
            rf"{re.escape(one.driver_name)}(?:[- ]\d+GB)?", board
        )
        if named and one.precision == "fp32":
            return one
    return None


def lower_bound_joules(flops: float, device: Device) -> float:
    """What so many operations take on a device that works at its peak: flops * watts / peak FLOPS.

    An estimate and a lower bound: no model reaches the peak, and host, memory outside of the
    board, cooling and waiting are missing. It bounds a device that draws its rated power; one
    that is held well below it may come nearer.

    Args:
        flops: floating-point operations; a multiplication and an addition are two.
        device: a row of the table.

    Returns:
        Joules.

    Raises:
        ValueError: operations below 0.
    """
    if not flops >= 0:
        raise ValueError(f"floating-point operations cannot be {flops!r}")
    return flops * device.watts / device.peak_flops


def of_reality(joules: float, flops: float, device: Device) -> float:
    """How many times its lower bound a measured energy is.

    Args:
        joules: measured, for these operations on this device.
        flops: floating-point operations, above 0.
        device: a row of the table.

    Raises:
        ValueError: no operations, so no bound.
    """
    bound = lower_bound_joules(flops, device)
    if not bound:
        raise ValueError("without operations there is no bound to compare with")
    return joules / bound


def yearly_kwh(joules_per_inference: float, inferences_per_day: float, users: float = 1) -> float:
    """Energy a year: the paper's "multiplicative factor", which is what makes small figures large.

    Args:
        joules_per_inference: measured or estimated.
        inferences_per_day: of one user.
        users: how many there are.

    Returns:
        Kilowatt-hours in a year of 365 days, before PUE.
    """
    return kwh(joules_per_inference) * inferences_per_day * users * DAYS_PER_YEAR
