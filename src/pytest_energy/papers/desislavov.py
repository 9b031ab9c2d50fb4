"""Joules on other hardware, estimated from operations and bytes: after Desislavov et al.

R. Desislavov, F. Martínez-Plumed, J. Hernández-Orallo: "Trends in AI inference energy consumption:
Beyond the performance-vs-parameter laws of deep learning", Sustainable Computing 38 (2023), arXiv
2109.05472. They divide a model's operations per inference by a device's peak rate per watt. What
comes out is an estimate and, for a device that draws its rated power, a lower bound. Where the
bytes that an inference moves are known too, the bound is that of the roofline model: a device needs
the longer of the time for the operations and the time for the bytes.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from pytest_energy.published.shipped import rows
from pytest_energy.types.units import kwh

STORED_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2}
"""Bytes of a number in memory, by the precision of a row: tf32 is a way of multiplying fp32."""

DAYS_PER_YEAR = 365
"""For the multiplicative factor; a year is no more exact than the number of inferences a day."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device's peak rates and rated power, as its maker states them.

    Args:
        name: as its maker calls it.
        kind: `gpu`, `cpu` or `edge`.
        year: when it was announced.
        precision: of the numbers multiplied: `fp32`, `tf32` or `fp16`.
        peak_flops: floating-point operations per second, dense (without sparsity).
        watts: rated power of the board, module or socket (TDP, TGP, TBP), in watts.
        source: the document; for CPUs with the product that the peak is.
        bytes_per_second: peak bandwidth of the memory that holds the weights; None where unknown.
        memory_source: the document that has the bandwidth; with the product that it is, if any.
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
    bytes_per_second: float | None
    memory_source: str
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
            float(row["bytes_per_second"]) if row["bytes_per_second"] else None,
            row["memory_source"],
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


def lower_bound_joules(flops: float, device: Device, bytes_moved: float = 0) -> float:
    """Least joules on a device at its peak: watts * max(flops / peak, bytes / bandwidth).

    The time is that of the roofline model: S. Williams, A. Waterman, D. Patterson, "Roofline: an
    insightful visual performance model for multicore architectures", CACM 52(4), 2009. Operations
    and transfers may overlap completely, so that the longer of both is a lower bound.

    An estimate and a lower bound: no model reaches the peak, and host, memory outside of the
    board, cooling and waiting are missing. It bounds a device that draws its rated power; one
    that is held well below it, or that waits for its memory and draws less, may come nearer.

    What the part of memory bounds depends on the bytes:

    * Weights, once for each forward pass: any execution on a device whose caches are much smaller
      than the weights. What a cache can keep of them from one pass to the next is not taken off;
      activations are left out, since they may stay in caches.
    * What operators read and write, each operand of a call once, as a run counts it: execution
      operator by operator out of memory. Fused operators, and caches between them, need less.

    Args:
        flops: floating-point operations; a multiplication and an addition are two.
        device: a row of the table.
        bytes_moved: to and from the device's memory, numbers stored in the row's precision; 0
            where they are not known. The bound is that of the operations alone then, and on a
            device whose bandwidth is not known.

    Returns:
        Joules.

    Raises:
        ValueError: operations or bytes below 0.
    """
    if not flops >= 0:
        raise ValueError(f"floating-point operations cannot be {flops!r}")
    return device.watts * max(flops / device.peak_flops, _memory_seconds(device, bytes_moved))


def is_memory_bound(flops: float, device: Device, bytes_moved: float) -> bool:
    """Whether the bytes take longer than the operations, both at their peaks.

    Args:
        flops: floating-point operations.
        device: a row of the table.
        bytes_moved: as for `lower_bound_joules`.
    """
    return _memory_seconds(device, bytes_moved) > flops / device.peak_flops


def _memory_seconds(device: Device, bytes_moved: float) -> float:
    if not bytes_moved >= 0:
        raise ValueError(f"bytes cannot be {bytes_moved!r}")
    return bytes_moved / device.bytes_per_second if device.bytes_per_second else 0


def of_reality(joules: float, flops: float, device: Device, bytes_moved: float = 0) -> float:
    """How many times its lower bound a measured energy is.

    Args:
        joules: measured, for this work on this device.
        flops: floating-point operations, above 0 unless there are bytes.
        device: a row of the table.
        bytes_moved: as for `lower_bound_joules`.

    Raises:
        ValueError: no work, so no bound.
    """
    bound = lower_bound_joules(flops, device, bytes_moved)
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
