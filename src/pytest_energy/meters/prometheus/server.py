"""A Prometheus server over HTTP: asked with a time limit, read with suspicion."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import isfinite
from typing import Any

from pytest_energy.meters.asking import Asker, Credentials, Remedies, TroubleError
from pytest_energy.meters.prometheus.queries import PASSWORD, TOKEN, USER
from pytest_energy.meters.readings import one_line
from pytest_energy.web.answers import TooManyValuesError, parse_json
from pytest_energy.web.transport import Reply

TIMEOUT_SECONDS = 5.0
"""For an answer as a whole, from looking up the server's name to the last byte; an instant query of
a few series takes milliseconds."""

MOST_BYTES = 1_000_000
"""More than an answer of thousands of series; what comes beyond is not read, and nothing is
unpacked."""

MOST_TARGET_BYTES = 16_000_000
"""For the list of targets, which holds every target of the server with all its labels."""

MARK = "pytest_energy_is"
"""Label that marks a sample's time and its resets beside its value, in one answer."""

MOST_VALUES = 1_000_000
"""Of JSON in an answer; sixteen megabytes of targets have fewer, and a value takes 64 bytes."""

MOST_DIGITS = 400
"""Prometheus writes a 64-bit float in up to 343 characters (Go, strconv.FormatFloat with 'f')."""

MOST_SECONDS = 1e10
"""Prometheus' durations end at 292 years (int64 nanoseconds)."""

EXACT = Context(prec=2 * MOST_DIGITS, rounding=ROUND_HALF_EVEN, traps=[])
"""For arithmetic on samples: a test may have set a precision of its own, and nothing here raises
where a number has a huge exponent."""

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Inf", re.ASCII
)
_DURATION = re.compile(r"([0-9]{1,18})(ms|[smhdwy])")
_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An instant query's answer.

    Args:
        values: as the server wrote them, by series.
        ages: seconds since the sample, of series of which that is known.
        resets: how often the series fell back, where that was asked.
    """

    values: dict[Labels, Decimal] = field(default_factory=dict)
    ages: dict[Labels, float] = field(default_factory=dict)
    resets: dict[Labels, Decimal] = field(default_factory=dict)


_REMEDIES = Remedies(
    option="--energy-prometheus-url",
    name="server",
    start="start the server",
    shorten="write a query of fewer series",
    install="pip install 'pytest-energy[prometheus]'",
)


class Server:
    """A Prometheus server, asked over HTTP; every trouble is a `TroubleError` without secrets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._credentials = Credentials(os.environ, (TOKEN, USER, PASSWORD))
        self._asker = Asker(self._credentials, "Prometheus", _REMEDIES)

    def close(self) -> None:
        self._asker.close()

    def ask(self, promql: str, named: bool) -> Answer:
        """Evaluate PromQL now; `named` is whether series may differ by their name alone."""
        data = self._get("query", {"query": promql}, MOST_BYTES)
        kind = data.get("resultType") if isinstance(data, dict) else None
        if kind in ("matrix", "scalar", "string"):
            raise TroubleError(
                f"gives a {kind}, not an instant vector",
                "write a selector or an expression of selectors, without [range]",
            )
        try:
            return _parse_vector(data["result"] if kind == "vector" else None, named)
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
            raise TroubleError(
                "the answer is no result of Prometheus",
                "is --energy-prometheus-url the base URL of a Prometheus server?",
            ) from None

    def scrape_intervals(self) -> list[tuple[Mapping[str, str], float]]:
        """Labels and scrape interval in seconds of the active targets.

        The field `scrapeInterval` came with Prometheus 2.30 (pull request 8911).
        """
        data = self._get("targets", {"state": "active"}, MOST_TARGET_BYTES)
        try:
            return [
                (_strings(target["labels"]), _parse_duration(target["scrapeInterval"]))
                for target in _list(data["activeTargets"])
            ]
        except (KeyError, TypeError, ValueError):
            raise TroubleError("the server does not tell its scrape intervals") from None

    def _get(self, path: str, params: Mapping[str, str], most_bytes: int) -> Any:
        url = f"{self.url}/api/v1/{path}"
        return self._data(self._asker.get(url, params, most_bytes, TIMEOUT_SECONDS))

    def _data(self, reply: Reply) -> Any:
        status = reply.status
        if reply.encoding:
            raise TroubleError(
                f"the answer is compressed ({one_line(reply.encoding, 40)}, HTTP {status}), though"
                " that was not asked for",
                "name the Prometheus server itself with --energy-prometheus-url, not a proxy",
            )
        try:
            answer = _parse_json(reply.body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get("status") == "error":
            raise TroubleError(f"Prometheus says: {self._shown(str(answer.get('error')))}")
        if status == 200 and isinstance(answer, dict) and answer.get("status") == "success":
            return answer.get("data")
        kind = "HTML" if reply.body.lstrip()[:1] == b"<" else "something else"
        raise TroubleError(
            f"the answer is not Prometheus' JSON but {kind} (HTTP {status})",
            "is --energy-prometheus-url the base URL of a Prometheus server?",
        )

    def _shown(self, text: str) -> str:
        return one_line(self._credentials.hide(text))


def _parse_json(body: bytes) -> Any:
    try:
        return parse_json(body, MOST_VALUES)
    except TooManyValuesError:
        raise TroubleError(
            f"the answer has more than {MOST_VALUES:,} values", "write a query of fewer series"
        ) from None


def _parse_vector(result: Any, named: bool) -> Answer:
    answer = Answer()
    for entry in _list(result):
        labels = _strings(entry["metric"])
        evaluated, text = _list(entry["value"])
        if isinstance(evaluated, bool) or not isfinite(evaluated):
            raise TypeError(evaluated)
        mark = labels.pop(MARK, "")
        if not named:
            labels.pop("__name__", None)
        series = frozenset(labels.items())
        number = _parse_number(text)
        if mark and not number.is_finite():
            raise ValueError(text)
        if mark == "time":
            age = float(evaluated) - float(number)
            # A sample is never younger than its answer, but for what rounding adds.
            if not isfinite(age) or age < -1.0:
                raise ValueError(text)
            answer.ages[series] = age
        elif mark == "resets":
            answer.resets[series] = number
        elif series in answer.values:
            raise ValueError(series)
        else:
            answer.values[series] = number
    return answer


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):  # a text would be taken apart letter by letter
        raise TypeError(value)
    return value


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise TypeError(value)
    return dict(value)


def _parse_number(text: Any) -> Decimal:
    """A sample as Prometheus writes it; exact.

    Raises:
        TypeError: it is no text.
        ValueError: it is no number, or longer than any that Prometheus writes.
    """
    if not isinstance(text, str):
        raise TypeError(text)
    if len(text) > MOST_DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text, EXACT)


def _parse_duration(text: str) -> float:
    """Seconds of a duration as Prometheus writes it: `15s`, `1m30s`, `100ms`."""
    pieces = _DURATION.findall(text)
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in pieces)
    if "".join(count + unit for count, unit in pieces) != text or not 0 < seconds < MOST_SECONDS:
        raise ValueError(text)
    return seconds
