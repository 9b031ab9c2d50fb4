"""Meters that read what a test sets."""

from __future__ import annotations

from pytest_energy.meters.base import Meter, MeterLostError, MeterSource
from pytest_energy.types.energy import Domain, Method


class Scripted(Meter):
    """Reads what the test has set."""

    name = "scripted"

    def __init__(self, resolution=0.0, method=Method.COUNTER):
        self.domains = (Domain("cpu", "cpu", method, "RAPL", resolution),)
        self.joules = 0.0
        self.lost = ""

    def read(self):
        if self.lost:
            raise MeterLostError(self.lost)
        return (round(self.joules * 1e6),)


class Fixed(Meter):
    """A meter that always reads the same."""

    def __init__(self, name, *domains):
        self.name = name
        self.domains = domains
        self.closed = False

    def read(self):
        return (0,) * len(self.domains)

    def close(self):
        self.closed = True


class Answering(Meter):
    """A meter that answers what a test says, or raises it."""

    def __init__(self, name, *domains):
        self.name = name
        self.domains = domains
        self.answer = (0,) * len(domains)

    def read(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def source(name, method, kind="cpu", automatic=True, error=None):
    """What opens a meter of one domain, or fails to."""

    def open_it():
        if error:
            raise error
        return Fixed(name, Domain(kind, kind, method, name, 0.0))

    return MeterSource(name, open_it, automatic, kind)


def source_of(meter):
    """What opens a meter of the CPU that a test has made already."""
    return MeterSource(meter.name, lambda: meter, automatic=True, kind="cpu")
