"""What a server answered, read with suspicion; none of these texts is printable yet."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any
from urllib.parse import urljoin, urlsplit

from pytest_energy.types.codec import count_values

MOST_DEPTH = 100
"""Of JSON in an answer; Prometheus' go five deep, GitHub's six."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[][{}]")


class TooManyValuesError(Exception):
    """The JSON has more values than the caller wants to hold."""


def parse_json(body: bytes, most_values: int) -> Any:
    """A JSON value whose size in memory is known before it is made.

    Args:
        body: of the answer.
        most_values: in it; 3 bytes of `[],` become 64.

    Raises:
        ValueError: it is no JSON, or nested deeper than anything that is asked for.
        TooManyValuesError: it has more values.
    """
    text = body.decode()
    structure = _STRING.sub("", text)
    if count_values(structure) > most_values:
        raise TooManyValuesError
    # Where a program has raised Python's limit of recursion, json goes on to the end of the stack.
    depths = accumulate(1 if c in "[{" else -1 for c in _BRACKET.findall(structure))
    if max(depths, default=0) > MOST_DEPTH:
        raise ValueError("nested too deep")
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def system_error(error: BaseException) -> str:
    """The operating system's message, from inside the client's exceptions.

    Args:
        error: of requests, urllib3 or http.client, whose own text may hold whatever was sent.
    """
    seen: list[object] = [error]
    for cause in seen:
        strerror = getattr(cause, "strerror", None)
        if isinstance(strerror, str):
            return strerror
        inner = (getattr(cause, name, None) for name in ("reason", "__cause__", "__context__"))
        arguments = getattr(cause, "args", ())
        new = (e for e in (*inner, *arguments) if isinstance(e, BaseException) and e not in seen)
        seen += new
    return type(error).__name__


def is_address(text: str) -> bool:
    """Whether a text is a URL that can be asked over HTTP.

    Args:
        text: as it was written.
    """
    try:
        parts = urlsplit(text)
        return bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def origin(url: str, location: str = "") -> str:
    """Scheme, host and port of where a server redirects to: a path may hold a secret.

    Args:
        url: that was asked.
        location: as the server wrote it; empty for the origin of `url` itself.
    """
    try:
        parts = urlsplit(urljoin(url, location))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "another place"
    return f"{parts.scheme}://{parts.hostname}{port}"
