"""A Prometheus server over HTTP: asked with a time limit, read with suspicion.

Credentials come from the environment, go into a header for this one server, and appear nowhere
else: in no message, no repr and no error's text.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin, urlsplit

from pytest_energy.meters.prometheus.queries import PASSWORD, TOKEN, USER
from pytest_energy.world import clock

TIMEOUT_SECONDS = 5.0
"""For connecting, for each wait, and for an answer as a whole; an instant query of a few series
takes milliseconds."""

MOST_BYTES = 1_000_000
"""More than an answer of thousands of series; what comes beyond is not read."""

MOST_TARGET_BYTES = 16_000_000
"""For the list of targets, which holds every target of the server with all its labels."""

MARK = "pytest_energy_is"
"""Label that marks a sample's time and its resets beside its value, in one answer."""

_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}

Labels = frozenset[tuple[str, str]]


class TroubleError(Exception):
    """What went wrong and what to do, before it is known whether a meter is opened or read."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class _Credentials:
    """From the environment, into the requests' headers, and nowhere else.

    As `auth` of a session it also keeps the client from looking into `~/.netrc`.
    """

    __slots__ = ("_header", "_secrets")

    def __init__(self, environment: Mapping[str, str]) -> None:
        token, user, password = (environment.get(name, "") for name in (TOKEN, USER, PASSWORD))
        if token and (user or password):
            raise TroubleError(f"both {TOKEN} and {USER} or {PASSWORD} are set", "unset one")
        if bool(user) != bool(password):
            raise TroubleError(f"of {USER} and {PASSWORD} only one is set", "set both, or none")
        if ":" in user:
            raise TroubleError(f"{USER} has a colon, which ends a user's name in HTTP")
        if not re.fullmatch(r"[!-~]*", token):
            raise TroubleError(
                f"{TOKEN} has a blank or another character that HTTP does not allow",
                "a line break at its end, say",
            )
        pair = b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._header = f"Bearer {token}" if token else f"Basic {pair}" if pair else ""
        self._secrets = tuple(filter(None, (token, pair, password, user)))

    def __call__(self, request: Any) -> Any:
        if self._header:
            request.headers["Authorization"] = self._header
        return request

    def __bool__(self) -> bool:
        return True  # also without any: the client must not search for others

    def __repr__(self) -> str:
        return "<credentials from the environment>"

    def hide(self, text: str) -> str:
        """A text from elsewhere, without what a server may have repeated of them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


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
    resets: dict[Labels, int] = field(default_factory=dict)


class Server:
    """A Prometheus server, asked over HTTP; every trouble is a `TroubleError` without secrets."""

    def __init__(self, url: str) -> None:
        try:
            import requests
        except ImportError as error:
            raise TroubleError(
                f"requests cannot be imported: {error}", "pip install 'pytest-energy[prometheus]'"
            ) from error

        self.url = url
        self._credentials = _Credentials(os.environ)
        self._session = requests.Session()
        self._session.auth = self._credentials
        # Without compression the limit of what is read is the limit of what it becomes.
        self._session.headers.update({"User-Agent": "pytest-energy", "Accept-Encoding": "identity"})

    def close(self) -> None:
        self._session.close()

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
            raise TroubleError("the answer is no result of Prometheus") from None

    def scrape_intervals(self) -> list[tuple[Mapping[str, str], float]]:
        """Labels and scrape interval in seconds of the active targets.

        The field `scrapeInterval` came with Prometheus 2.30 (pull request 8911).
        """
        data = self._get("targets", {"state": "active"}, MOST_TARGET_BYTES)
        try:
            return [
                (dict(target["labels"]), _parse_duration(target["scrapeInterval"]))
                for target in data["activeTargets"]
            ]
        except (KeyError, TypeError, ValueError):
            raise TroubleError("the server does not tell its scrape intervals") from None

    def _get(self, path: str, params: Mapping[str, str], most_bytes: int) -> Any:
        import requests
        import urllib3

        late = f"no answer within {TIMEOUT_SECONDS:g} s"
        try:
            with self._session.get(
                f"{self.url}/api/v1/{path}",
                params=params,
                timeout=TIMEOUT_SECONDS,
                stream=True,
                allow_redirects=False,  # credentials are for this server alone
            ) as response:
                status, where = response.status_code, response.headers.get("Location", "")
                body = _read(response.raw, most_bytes, late)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise TroubleError(late) from None
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            # The text of such errors may hold whatever was sent.
            raise TroubleError(
                f"no answer: {_system_error(error)}",
                "start the server, or name another with --energy-prometheus-url",
            ) from None
        return self._data(status, where, body)

    def _data(self, status: int, where: str, body: bytes) -> Any:
        if status in (401, 403):
            raise TroubleError(
                f"access denied (HTTP {status})",
                f"set {TOKEN}, or {USER} and {PASSWORD}, in the environment",
            )
        if 300 <= status < 400:
            raise TroubleError(
                f"redirected to {_origin(urljoin(self.url, where))} (HTTP {status}), which is not"
                " followed",
                "name that server with --energy-prometheus-url, if you trust it",
            )
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict) and answer.get("status") == "error":
            raise TroubleError(f"Prometheus says: {self._shown(str(answer.get('error')))}")
        if status == 200 and isinstance(answer, dict) and answer.get("status") == "success":
            return answer.get("data")
        kind = "HTML" if body.lstrip()[:1] == b"<" else "something else"
        raise TroubleError(
            f"the answer is not Prometheus' JSON but {kind} (HTTP {status})",
            "is --energy-prometheus-url the base URL of a Prometheus server?",
        )

    def _shown(self, text: str) -> str:
        return one_line(self._credentials.hide(text))


def _read(raw: Any, most_bytes: int, late: str) -> bytes:
    """The body of an answer, as long as it comes in time and within the limit."""
    # read1 returns what has come; urllib3 before 2.2 has only read, which waits for all it asks.
    read = getattr(raw, "read1", raw.read)
    until = clock() + TIMEOUT_SECONDS
    body = bytearray()
    while piece := read(65536):
        body += piece
        if len(body) > most_bytes:
            raise TroubleError(
                f"the answer is longer than {most_bytes / 1e6:g} MB",
                "write a query of fewer series",
            )
        if clock() > until:
            raise TroubleError(late)
    return bytes(body)


def _system_error(error: BaseException) -> str:
    """The operating system's message, from inside the client's exceptions."""
    seen: list[object] = [error]
    for cause in seen:
        strerror = getattr(cause, "strerror", None)
        if isinstance(strerror, str):
            return one_line(strerror)
        inner = (getattr(cause, name, None) for name in ("reason", "__cause__", "__context__"))
        arguments = getattr(cause, "args", ())
        new = (e for e in (*inner, *arguments) if isinstance(e, BaseException) and e not in seen)
        seen += new
    return type(error).__name__


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "another place"
    return one_line(f"{parts.scheme}://{parts.hostname}{port}")


def one_line(text: str, most: int = 200) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(plain.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _parse_vector(result: Any, named: bool) -> Answer:
    answer = Answer()
    for entry in result:
        labels = dict(entry["metric"])
        evaluated, text = entry["value"]
        mark = labels.pop(MARK, "")
        if not named:
            labels.pop("__name__", None)
        series = frozenset((str(name), str(value)) for name, value in labels.items())
        if not isinstance(text, str):
            raise TypeError(text)
        if mark == "time":
            answer.ages[series] = float(evaluated) - float(text)
        elif mark == "resets":
            answer.resets[series] = int(text)
        elif series in answer.values:
            raise ValueError(series)
        else:
            answer.values[series] = Decimal(text)
    return answer


def _parse_duration(text: str) -> float:
    """Seconds of a duration as Prometheus writes it: `15s`, `1m30s`, `100ms`."""
    pieces = _DURATION.findall(text)
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in pieces)
    if "".join(count + unit for count, unit in pieces) != text or seconds <= 0:
        raise ValueError(text)
    return seconds
