"""The `energy_results` fixture: a session's measurements, for tests that compare models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pytest_energy import verdict
from pytest_energy.measurement import Measurement, Result, Subject


class Results(Sequence[Result]):
    """The measurements so far, for tests that compare models.

    Args:
        source: gives the results so far, in the order in which their tests ran.
    """

    def __init__(self, source: Callable[[], Iterable[Result]]) -> None:
        self._source = source

    def where(self, **wanted: str) -> Results:
        """Those whose subject agrees.

        Args:
            wanted: `test`, `region`, `task`, `model`, `dataset`, `role` or `unit`, exactly.

        Raises:
            TypeError: another name.
        """
        for name in wanted:
            if name not in Subject.__slots__:
                raise TypeError(f"where() knows {', '.join(Subject.__slots__)}, not {name!r}")
        found = tuple(
            result
            for result in self
            if all(getattr(result.subject, name) == value for name, value in wanted.items())
        )
        return Results(lambda: found)

    def ratio(self, over: Results) -> verdict.Ratio:
        """Energy per unit of these over that of others, with a 95 % interval.

        Several on one side are put together as their geometric mean.

        Raises:
            LookupError: nothing was measured on one of the sides; says what there is.
        """
        for side, results in (("numerator", self), ("denominator", over)):
            if not results.measurements:
                names = ", ".join(r.subject.key for r in results) or "no results"
                raise LookupError(f"nothing was measured in the ratio's {side}: {names}")
        return verdict.ratio(self.measurements, over.measurements)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The measurements alone, without what was not measured."""
        return tuple(r.measurement for r in self if r.measurement is not None)

    def __getitem__(self, index: Any) -> Any:
        return tuple(self._source())[index]

    def __iter__(self) -> Iterator[Result]:
        return iter(tuple(self._source()))

    def __len__(self) -> int:
        return len(tuple(self._source()))
