"""The `energy_results` fixture: a session's measurements, for tests that compare models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, overload

from pytest_energy.analysis import ratio as ratios
from pytest_energy.analysis.training import TrainingCost, cost_of
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import Result, Subject
from pytest_energy.types.verdict import Status
from pytest_energy.verdict.baseline_comparison import MIN_BLOCKS


def _unavailable(reason: str) -> NoReturn:
    raise LookupError(reason)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One energy per unit over another.

    Args:
        value: the ratio.
        interval: its 95 % interval; None where there are too few blocks for one.
    """

    value: float
    interval: tuple[float, float] | None

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval.

        Raises:
            LookupError: there is none; says why.
        """
        __tracebackhide__ = True
        return self._known[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval.

        Raises:
            LookupError: there is none; says why.
        """
        __tracebackhide__ = True
        return self._known[1]

    @property
    def _known(self) -> tuple[float, float]:
        __tracebackhide__ = True
        if self.interval is None:
            raise LookupError(
                f"a ratio of {self.value:.3g} has no interval: one of the measurements has fewer"
                f" than {MIN_BLOCKS} blocks of some energy; loop over energy.each(samples), with"
                f" n={MIN_BLOCKS} or more, or ask for ratio.value alone"
            )
        return self.interval


class Results(Sequence[Result]):
    """The measurements so far, for tests that compare models.

    Args:
        source: gives the results so far, in the order in which their tests ran.
        carbon: gives the session's PUE and grid; None where nothing is metered.
        unmetered: the option that keeps everything from being metered, so that nothing will ever be
            measured; empty without one.
        skip: ends the test that asks for what there will never be, with a reason.
    """

    def __init__(
        self,
        source: Callable[[], Iterable[Result]],
        carbon: Callable[[], Carbon] | None = None,
        unmetered: str = "",
        skip: Callable[[str], NoReturn] = _unavailable,
    ) -> None:
        self._source = source
        self._carbon = carbon
        self._unmetered = unmetered
        self._skip = skip

    def where(self, **criteria: str) -> Results:
        """The results whose subject agrees with every criterion.

        Args:
            criteria: `test`, `region`, `task`, `model`, `dataset`, `role` or `unit`, exactly.

        Raises:
            TypeError: another name.
        """
        __tracebackhide__ = True
        for name in criteria:
            if name not in Subject.__slots__:
                known = ", ".join(Subject.__slots__)
                raise TypeError(f"where(): unknown name {name!r}; there are: {known}")
        selected = tuple(
            result
            for result in self
            if all(getattr(result.subject, name) == value for name, value in criteria.items())
        )
        return Results(lambda: selected, self._carbon, self._unmetered, self._skip)

    def ratio(self, over: Results) -> Ratio:
        """Energy per unit of these over that of others, with a 95 % interval.

        Several on one side are put together as their geometric mean. Under `--energy-off` and
        `--energy-judge=counted` the test that asks is skipped.

        Raises:
            LookupError: nothing was measured on one of the sides; says what there is.
            ValueError: the two are per different units.
        """
        __tracebackhide__ = True
        if self._unmetered:
            self._skip(f"{self._unmetered} meters nothing: there are no energies to compare")
        units = {result.subject.unit for result in (*self, *over)}
        if len(units) > 1:
            raise ValueError(f"a ratio of energies per different units: {', '.join(sorted(units))}")
        for side, results in (("numerator", self), ("denominator", over)):
            if not results.measurements:
                names = ", ".join(r.subject.key for r in results) or "no results"
                raise LookupError(
                    f"nothing was measured in the ratio's {side}: {names}; the tests that measure"
                    " it must stand before this one, and run in the same session"
                )
        found = ratios.ratio(self.measurements, over.measurements)
        if found.low is None or found.high is None:
            return Ratio(found.value, None)
        return Ratio(found.value, (found.low, found.high))

    def training(self, **criteria: str) -> TrainingCost:
        """What the one training among them costs as a whole, with a 95 % interval.

        Under `--energy-off` and `--energy-judge=counted` the test that asks is skipped.

        Args:
            criteria: as for `where`.

        Raises:
            LookupError: none among them is a training that was measured, or several are; says
                what there is.
            TypeError: another name, as for `where`.
        """
        __tracebackhide__ = True
        if self._unmetered:
            self._skip(f"{self._unmetered} meters nothing: there is no cost of a training to tell")
        trained = [result for result in self.where(**criteria) if result.training_run is not None]
        if len(trained) > 1:
            names = ", ".join(result.subject.key for result in trained)
            raise LookupError(f"several trainings: {names}; name one, with test=… or model=…")
        cost = cost_of(trained[0]) if trained else None
        if cost is None:
            what = (
                f"{trained[0].subject.key} has no figure" if trained else "no training was measured"
            )
            raise LookupError(
                f"{what}: the test with @pytest.mark.training must run before, in the same session"
                " (with pytest-xdist, in one @pytest.mark.xdist_group under --dist loadgroup)"
            )
        return cost

    @property
    def carbon(self) -> Carbon:
        """The session's PUE and grid intensity, for `cost.kwh(carbon)` and `cost.grams(carbon)`.

        Where nothing is metered the test that asks is skipped.
        """
        __tracebackhide__ = True
        if self._carbon is None:
            self._skip("nothing is metered in this session: no grid was looked up")
        return self._carbon()

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The measurements alone, without what was not measured or not resolved."""
        return tuple(
            result.measurement
            for result in self
            if result.measurement is not None and result.verdict.status is not Status.UNRESOLVED
        )

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Result, ...]: ...

    def __getitem__(self, index: int | slice) -> Result | tuple[Result, ...]:
        return tuple(self._source())[index]

    def __iter__(self) -> Iterator[Result]:
        return iter(tuple(self._source()))

    def __len__(self) -> int:
        return len(tuple(self._source()))
