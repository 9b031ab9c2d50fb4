"""The meter `http`: a counter at a path of a JSON answer, of a plug or of a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_energy.meters.asking import TroubleError
from pytest_energy.meters.base import MeterUnavailableError
from pytest_energy.meters.readings import MOST_MICROJOULES, one_line, shown
from pytest_energy.meters.served.counters import Counter, Page, known_unit
from pytest_energy.meters.served.progress import Counts, PageMeter, in_microjoules
from pytest_energy.web.answers import TooManyValuesError, parse_json

if TYPE_CHECKING:
    from pytest_energy.web.transport import Reply

URL_OPTION = "--energy-http-url"
PREFIX = "PYTEST_ENERGY_HTTP"

MOST_VALUES = 100_000
"""Of JSON in an answer; plugs tell of some dozens."""

_MISSING = object()


class Http(PageMeter):
    """Energy counters at paths of a JSON answer.

    Args:
        page: what is read where; None where no option says anything about it.

    Raises:
        MeterUnavailableError: nothing is named, requests is missing, there is no such answer, or
            it has no such counters; says what to do.
    """

    name = "http"

    def __init__(self, page: Page | None) -> None:
        if page is None or not page.url or not page.counters:
            raise MeterUnavailableError(
                "no address or no counter is given",
                f"{URL_OPTION} with what answers JSON, and --energy-http-counter with"
                " 'aenergy.total Wh', say",
            )
        super().__init__(page, URL_OPTION, PREFIX, "--energy-http-interval")

    def counts(self, reply: Reply, counters: Iterable[Counter]) -> dict[str, Counts]:
        """The microjoules at each counter's path, by the counter's name."""
        try:
            answer = parse_json(reply.body, MOST_VALUES)
        except TooManyValuesError:
            raise TroubleError(f"the answer has more than {MOST_VALUES:,} values") from None
        except (ValueError, RecursionError):
            raise TroubleError("the answer is no JSON", f"is {URL_OPTION} the right one?") from None
        return {one.name: Counts({_path(one): _microjoules(answer, one)}) for one in counters}


def _path(counter: Counter) -> str:
    return one_line(".".join(counter.path), 120)


def _microjoules(answer: Any, counter: Counter) -> int:
    """The count at a counter's path.

    Raises:
        TroubleError: there is none; says what is there.
    """
    value, around = answer, None
    for position, key in enumerate(counter.path):
        around = value
        value = _inner(value, key)
        if value is _MISSING:
            place = ".".join(counter.path[:position]) or "the answer"
            there = ", ".join(map(str, around)) if isinstance(around, dict) else shown(around)
            raise TroubleError(
                f"nothing at {_path(counter)}: in {one_line(place, 80)} there is no"
                f" {one_line(key, 40)!r}, but {one_line(there, 80) or 'nothing'}"
            )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TroubleError(f"{_path(counter)} is {shown(value)}, no number")
    told = _told_unit(around)
    if told and told != counter.unit:
        raise TroubleError(
            f"{_path(counter)} is in {told} as the answer says, and {counter.unit} is asked for",
            f"write {told} behind the path",
        )
    # Bounded before it is multiplied: JSON's integers have any number of digits.
    if not 0 <= value <= MOST_MICROJOULES:
        raise TroubleError(f"{_path(counter)} is {shown(value)}, no count of energy")
    return in_microjoules(value, counter.unit)


def _inner(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, _MISSING)
    if isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 7:
        return value[int(key)] if int(key) < len(value) else _MISSING
    return _MISSING


def _told_unit(around: Any) -> str:
    """The unit of energy that stands beside a figure; empty for none."""
    if not isinstance(around, dict):
        return ""
    told = around.get("unit", around.get("units"))
    return known_unit(told) if isinstance(told, str) else ""
