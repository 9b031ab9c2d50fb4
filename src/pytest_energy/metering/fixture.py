"""The `energy` fixture: loops, regions and records of one test."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_energy.metering import flops as work
from pytest_energy.metering.loop import Loop, Plan, repeatable
from pytest_energy.metering.reference_work import ReferenceRecorder
from pytest_energy.metering.region import Region
from pytest_energy.metering.window import Window
from pytest_energy.types.inference import SETTLED, Inference, whole_number
from pytest_energy.types.measurement import Measurement
from pytest_energy.types.result import BaseRun, Result, Subject
from pytest_energy.verdict import early_stop as stopping
from pytest_energy.verdict import judge as verdict
from pytest_energy.verdict.baseline_comparison import average

if TYPE_CHECKING:
    from pytest_energy.gate.session import EnergySession
    from pytest_energy.paired.interleave import Interleaving
    from pytest_energy.report.live import LiveLine

S = TypeVar("S")
T = TypeVar("T")


class Energy:
    """Meters the loop, the regions or the whole body of one test.

    Args:
        session: the session's meters and stores; None under `--energy-off`.
        test: pytest's node id.
        inference: what the marker says.
        task, model: names to use where the marker says none.
        live: shows the loop's progress on a terminal; None elsewhere.
        turns: with the same test of another revision; None where there is none.
        base: what the other revision made of the test, once this one has ended, by whether this
            one has no figure and whether its loop ended early; None where nothing is paired.
    """

    def __init__(
        self,
        session: EnergySession | None,
        test: str,
        inference: Inference,
        task: str,
        model: str,
        live: LiveLine | None = None,
        turns: Interleaving | None = None,
        base: Callable[[bool, bool], BaseRun] | None = None,
    ) -> None:
        self._session = session
        self._turns = turns
        self._base = base
        self._base_run: BaseRun | None = None
        self._test = test
        self._inference = inference
        self._task = inference.task or task
        self._model = inference.model or model
        self._live = live
        self._body: Window | None = None
        self._beside_body: ReferenceRecorder | None = None
        self._loop: Loop | None = None
        self._counts_warmup = True
        self._could_judge = True
        """Whether a first pass could be judged when it ended: its units were known by then."""
        self._regions: dict[str, Region] = {}
        self._recorded: dict[str, float] = {}
        self._last: Callable[[], Measurement | None] = lambda: None

    @property
    def count(self) -> int:
        """Samples that `each` has yielded so far, warm-up and second looks included."""
        return 0 if self._loop is None else self._loop.count

    @property
    def result(self) -> Measurement | None:
        """The last finished measurement of this test; None before there is one."""
        return self._last()

    def each(self, samples: Iterable[S]) -> Iterator[S]:
        """Yield `n` samples, metered in blocks, after an unmetered warm-up.

        Args:
            samples: any iterable. With fewer than `n` they come round again; a generator is read
                once and kept. Without a marker, `n` is their number.

        Yields:
            The samples: first the warm-up's; with torch loaded the first one again, to count its
            operations; then `n`, from the first one on, or fewer when `precision` is set and
            reached; then the same once more where the figure is suspect or to be stored.

        Raises:
            pytest.UsageError: it was used before in this test.
        """
        __tracebackhide__ = True
        return self._each(samples)

    def run(self, fn: Callable[[S], T], samples: Iterable[S]) -> list[T]:
        """The loop of `each` around a plain callable.

        Args:
            fn: performs one inference; it is called for the warm-up as well.
            samples: as for `each`.

        Returns:
            The outputs of the first pass of metered calls, in order: `n` of them, unless
            `precision` ended it.

        Raises:
            pytest.UsageError: `fn` is a coroutine function; its calls would only create coroutines.
        """
        __tracebackhide__ = True
        if inspect.iscoroutinefunction(fn):
            raise _async_error()
        outputs: list[T] = []
        samples = self._each(samples)
        self._counts_warmup = False
        for sample in samples:
            output = fn(sample)
            if inspect.isawaitable(output):
                if inspect.iscoroutine(output):
                    output.close()
                raise _async_error()
            if self._loop is None or self._loop.first_pass:
                outputs.append(output)
        return outputs

    @contextmanager
    def measure(self, name: str, n: int = 1) -> Iterator[None]:
        """Meter a named region, with a baseline of its own.

        Args:
            name: of the region. Entered several times in one test, its entries add up; inside
                `each` they make blocks where the loop's blocks are, and the warm-up stays out.
            n: inferences that the region performs; the divisor, whatever the marker's unit.

        Raises:
            pytest.UsageError: no name, an `n` below 1, or the region is open already.
        """
        if not isinstance(name, str) or not name.strip():
            raise pytest.UsageError(f"energy.measure: expected a name, found {name!r}")
        try:
            whole_number("n", n, 1)
        except ValueError as error:
            raise pytest.UsageError(f"energy.measure({name!r}): {error}") from error
        loop = self._loop
        if self._session is None or (loop is not None and loop.warming):
            yield
            return
        region = self._regions.setdefault(name, Region(self._session.window()))
        if region.open:
            raise pytest.UsageError(
                f"energy.measure({name!r}) is open already: regions cannot nest in themselves"
            )
        inside = loop is not None and loop.running is not None
        others = self._body is not None or any(other.open for other in self._regions.values())
        if inside or others:
            region.window.read_at_once()  # waiting would stand in the window around it
        region.enter((loop.running, loop.block) if loop and inside else (None, 0))
        region.open = True
        region.window.open()
        try:
            yield
        except BaseException as error:
            region.reason = f"the region raised {type(error).__name__}"
            raise
        finally:
            region.window.pause()
            region.window.look_around()
            region.leave(n)
            region.open = False
        self._last = lambda: region.window.measurement(pending=region.pending)

    def record(self, **quantities: float) -> None:
        """Say what the energy bought: `energy.record(accuracy=0.91, tokens=5120)`.

        Args:
            quantities: finite numbers by name; a second record of a name replaces the first.

        Raises:
            pytest.UsageError: not a finite number.
        """
        __tracebackhide__ = True
        for name, value in quantities.items():
            try:
                number = float(value)
            except (OverflowError, TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise pytest.UsageError(
                    f"energy.record({name}=…): expected a finite number, found {value!r}"
                )
            self._recorded[name] = number

    # What the plugin calls.

    def open_body(self, marked: bool) -> None:
        """The test body begins; with the marker, the whole of it is a window."""
        session = self._session
        if session is None:
            return
        if session.gauge is not None:
            subject = self._subject("", self._inference.n or 0)
            with session.cost.counting(session.meters):
                preferred = session.preferred_reference(subject)
                self._beside_body = ReferenceRecorder(
                    session.gauge, session.gauge.reference(preferred)
                )
                self._beside_body.before_body()
        if self._turns is not None:
            with session.cost.counting(session.meters):
                self._turns.begin()
        if marked and self._inference.n is not None:
            self._body = session.window()
            self._body.open()

    def close_body(self) -> None:
        """The test body has ended without raising."""
        if self._body is not None and self._inference.n is not None:
            self._body.close(self._inference.n)
        beside, session = self._beside_body, self._session
        if beside is not None and session is not None and self._loop is None:
            metered = [self._body] if self._body else [r.window for r in self._regions.values()]
            with session.cost.counting(session.meters):
                beside.after_body(sum(window.seconds for window in metered))

    def conclude(self, interrupted: str = "") -> list[Result]:
        """Judge what was metered.

        Args:
            interrupted: why the body did not run to its end; empty when it did.
        """
        if self._session is None:
            return []
        self._session.meters.disarm()
        rule = self.rule()
        results = []
        n = self._inference.n or 0
        loop = self._loop
        if loop is not None:
            loop.generator.close()  # a reference may have kept it waiting
        if self._base is not None:
            left = interrupted or (loop.why_incomplete("") if loop else "")
            early = loop is not None and loop.metered < loop.n
            self._base_run = self._base(bool(left), early)
        if loop is not None:
            reason = loop.why_incomplete(interrupted)
            passes = [] if reason else loop.measurements(self._measured)
            for further in passes[1:]:  # only suspects pay, and the gate says what
                self._session.cost.add(further.seconds, further.joules)
            lost = next((one.window.lost for one in loop.passes if one.window.lost), "")
            results.append(self._judge("", loop.n, passes, reason, lost, rule))
        elif self._body is not None:
            found = None if interrupted else self._measured(self._body)
            passes = [self._beside(found)] if found else []
            results.append(self._judge("", n, passes, interrupted, self._body.lost, rule))
        elif not self._regions or _of_the_whole(rule):
            whole = self._subject("", n)
            marker = "training" if whole.is_training else "inference"
            reason = interrupted or (
                "the test asked for energy and metered nothing: loop over energy.each(samples),"
                f" or add @pytest.mark.{marker}({whole.argument}=…)"
                if not self._regions
                else "budget, max_flops and quality are of the whole body: give the marker"
                f" {whole.argument}"
            )
            results.append(self._judge("", n, [], reason, "", rule))
        # Budget and quality are of the whole; a region's divisor is its own.
        rule = replace(rule, budget_joules=None, budget_text="", max_flops=None, quality="")
        for name, region in self._regions.items():
            reason = region.reason or interrupted
            if region.open and not reason:
                reason = "the region was entered and never left"
            passes = [] if reason else self._region_passes(region)
            lost, n = region.window.lost, region.n(loop)
            inside = None not in region.counts
            results.append(self._judge(name, n, passes, reason, lost, rule, inside))
        return results

    def rule(self) -> verdict.Rule:
        """What the test allows; each region is one more chance of a false alarm."""
        if self._session is None:
            raise RuntimeError("nothing is judged under --energy-off")
        rule = self._session.rule(self._inference)
        return replace(rule, comparisons=rule.comparisons * (1 + len(self._regions)))

    def _each(self, samples: Iterable[S]) -> Generator[S, None, None]:
        __tracebackhide__ = True
        if self._loop is not None:
            raise pytest.UsageError(
                "energy.each or energy.run was used twice in one test: give the second loop a name"
                ' of its own, with energy.measure("decode", n=…) around a plain loop'
            )
        kept, n = repeatable(samples, self._inference.n)
        session, inference = self._session, self._inference
        if session is None:
            self._loop = Loop(kept, n, None, Plan())
            return self._loop.generator
        settings = session.settings
        wanted = settings.precision if inference.precision is None else inference.precision
        subject = self._subject("", n)
        paired = self._turns is not None or self._base is not None
        # A second pass would train the model further, and its quality would be another one's.
        learns = inference.training_run is not None and bool(inference.quality)
        plan = Plan(
            warmup=inference.warmup,
            again=None if paired or learns else partial(self._again, subject),
            # What is stored are whole loops: later ones may need any of their blocks.
            enough=self._ending(subject, wanted),
            gauge=session.gauge,
            preferred=session.preferred_reference(subject),
            counter=work.FlopCounter() if settings.flops and work.can_count() else None,
            unmetered=partial(session.cost.counting, session.meters),
            turns=self._turns,
            outside=self._outside,
            live=self._live,
            test=self._test,
            what=f"{subject.act}s",
        )
        self._loop = Loop(kept, n, self._loop_window, plan)
        self._last = self._loop_so_far
        return self._loop.generator

    def _loop_window(self, expected: float | None, block: float | None) -> Window:
        if self._session is None:
            raise RuntimeError("nothing is metered under --energy-off")
        window = self._session.window(expected, block)
        if any(region.open for region in self._regions.values()):
            window.read_at_once()  # waiting would stand in the region around it
        return window

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """While the other revision has its turn: nothing of it is this test's."""
        session = self._session
        if session is None:
            yield
            return
        windows = [region.window for region in self._regions.values() if region.open]
        for window in windows:
            window.pause()
        with session.cost.counting(session.meters):
            yield
        for window in windows:
            window.open()

    def _loop_so_far(self) -> Measurement | None:
        loop = self._loop
        if loop is None or not loop.passes:
            return None
        passes = loop.measurements(self._measured)
        return average(passes) if passes else self._measured(loop.passes[-1].window)

    def _again(self, subject: Subject, measurement: Measurement) -> bool:
        """Whether to look a second time: to store the figure, or because it is suspect."""
        session, loop = self._session, self._loop
        if session is None or loop is None or session.workers > 1:
            return False
        if session.settings.update:
            return True
        rule = self.rule()
        units = self._units(measurement.metered_count)
        self._could_judge = units is not None
        if units is not None and stopping.suspect(
            subject, replace(measurement, unit_count=units), session.baseline(subject), rule
        ):
            return True
        for name, region in self._regions.items():
            for part in self._region_passes(region)[:1]:
                inner = self._subject(name, region.n(loop))
                if stopping.suspect(inner, part, session.baseline(inner), rule):
                    return True
        return False

    def _ending(self, subject: Subject, wanted: float | None) -> stopping.Ending | None:
        """How the loop is asked whether its blocks so far will do; None to perform all."""
        session, turns = self._session, self._turns
        # What is stored are whole loops: later ones may need any of their blocks. And quality is
        # compared over the same samples.
        if session is None or wanted is None or session.settings.update or self._inference.quality:
            return None
        paired = turns is not None or self._base is not None
        if paired and (turns is None or self._base is None):
            return None  # without a base, or being it: the head decides
        return stopping.Ending(
            subject,
            None if paired else session.baseline(subject),
            self.rule,
            self._units,
            None if wanted == SETTLED else wanted,
            turns.base_blocks if turns is not None else None,
            (session.against.accepted(subject.key) if session.against else None) or 0.0,
        )

    def _region_passes(self, region: Region) -> list[Measurement]:
        """A region's figures; where the loop around it went twice through, each pass's."""
        whole = region.window.measurement(recorded=self._recorded, pending=region.pending)
        if whole is None:
            return []
        count = len(self._loop.windows) if self._loop else 0
        parts = [region.of_pass(whole, number) for number in range(max(1, count))]
        passes = [
            self._beside(part, number) for number, part in enumerate(parts) if part is not None
        ]
        same = {len(look.blocks) for look in passes}
        return passes if len(same) == 1 else passes[:1]

    def _beside(self, measurement: Measurement, which: int = 0) -> Measurement:
        """With the yardstick of the loop or the body that it stands in."""
        count = len(measurement.blocks)
        readings, blocks = self._beside_body, 1
        if self._loop is not None and self._loop.passes:
            one = self._loop.passes[min(which, len(self._loop.passes) - 1)]
            readings, blocks = one.readings, one.window.block_count
        found = readings.beside(blocks) if readings else None
        if found is not None and blocks != count:
            found = replace(found, joules=(median(found.joules),) * count)
        return replace(measurement, reference=found)

    def _units(self, done: int) -> float | None:
        unit = self._inference.unit
        if unit == "inference" or self._inference.training_run is not None:
            return float(done)
        recorded = self._recorded.get(f"{unit}s", self._recorded.get(unit))
        if recorded is None or recorded <= 0:
            return None
        if self._loop is not None and self._counts_warmup and self.count:
            # The test counted over all samples that it saw; the energy is of the metered ones.
            return recorded * done / self.count
        return recorded

    def _measured(self, window: Window) -> Measurement | None:
        units = self._units(window.metered_count)
        return window.measurement(units, self._recorded) if units else None

    def _subject(self, region: str, n: int) -> Subject:
        inference = self._inference
        return Subject(
            test=self._test,
            region=region,
            task=self._task,
            model=self._model,
            dataset=inference.dataset,
            role=inference.role,
            unit="inference" if region and inference.training_run is None else inference.unit,
            n=n,
        )

    def _judge(
        self,
        region: str,
        n: int,
        passes: list[Measurement],
        reason: str,
        lost: str,
        rule: verdict.Rule,
        inside: bool = True,
    ) -> Result:
        if self._session is None:
            raise RuntimeError("nothing is judged under --energy-off")
        if lost and not reason:
            passes, reason = [], f"the meter was lost: {lost}"
        if not passes and not reason:
            unit = self._inference.unit
            reason = (
                f"unit is {unit!r}, and energy.record({unit}s=…) recorded none or 0:"
                " call it in the test"
            )
        loop = self._loop
        confirmed = inside and loop is not None and loop.confirmed and self._could_judge
        subject = self._subject(region, n)
        whole = None if region else self._inference.training_run
        if self._base_run is None:
            result = self._session.judge(subject, passes, reason, rule, confirmed, whole)
        else:
            result = self._session.judge_pair(subject, passes, reason, rule, self._base_run, whole)
        if result.measurement is not None:
            self._last = lambda: result.measurement
        return result


def _of_the_whole(rule: verdict.Rule) -> bool:
    """Whether something is asked that no region can answer."""
    return rule.budget_joules is not None or rule.max_flops is not None or bool(rule.quality)


def _async_error() -> pytest.UsageError:
    return pytest.UsageError(
        "energy.run got a coroutine function, whose calls only create coroutines; in an async test"
        " write: for sample in energy.each(samples): await fn(sample)"
    )
