"""A page over HTTP: asked within bounds, with credentials from the environment."""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pytest_energy.meters.prometheus.server import Credentials, TroubleError
from pytest_energy.meters.readings import one_line
from pytest_energy.web.answers import origin, system_error
from pytest_energy.web.transport import Client, Reply, TooLongError

TIMEOUT_SECONDS = 5.0
"""For an answer as a whole; a page of metrics takes milliseconds."""

MOST_BYTES = 16_000_000
"""More than the pages of exporters that tell of thousands of containers."""


class PageClient:
    """One page, asked again and again; every trouble is a `TroubleError` without secrets.

    Args:
        url: of the page.
        option: that names it, as `--energy-metrics-url`.
        prefix: of the variables with credentials, as `PYTEST_ENERGY_METRICS`.

    Raises:
        TroubleError: requests is missing, or the credentials cannot be sent.
    """

    def __init__(self, url: str, option: str, prefix: str) -> None:
        self._url, self._option, self._prefix = url, option, prefix
        names = (f"{prefix}_TOKEN", f"{prefix}_USER", f"{prefix}_PASSWORD")
        self._credentials = Credentials(os.environ, names)
        parts = urlsplit(url)
        self.shown = one_line(f"{origin(url)}{parts.path}{'?…' if parts.query else ''}")
        try:
            self._client = Client(self._credentials, "a meter's page", unread=(401, 403))
        except ImportError as error:
            raise TroubleError(
                f"requests cannot be imported: {error}", "pip install 'pytest-energy[served]'"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def hide(self, text: str) -> str:
        """A text from the page in one line, without what it may have repeated of credentials."""
        return one_line(self._credentials.hide(text))

    def ask(self) -> Reply:
        """The page, where it is one.

        Raises:
            TroubleError: anything else; says what to do.
        """
        try:
            reply = self._client.get(self._url, {}, MOST_BYTES, TIMEOUT_SECONDS)
        except TooLongError:
            raise TroubleError(
                f"the answer is longer than {MOST_BYTES / 1e6:g} MB",
                "have the exporter tell less, or name another page",
            ) from None
        except TimeoutError:
            raise TroubleError(
                f"no answer within {TIMEOUT_SECONDS:g} s",
                "is the server overloaded, or something that never ends its answers?",
            ) from None
        except Exception as error:  # of three libraries; their texts may hold what was sent
            raise TroubleError(
                f"no answer: {one_line(system_error(error))}",
                f"start it, or name another with {self._option}",
            ) from None
        self._check(reply)
        return reply

    def _check(self, reply: Reply) -> None:
        status = reply.status
        if status in (401, 403):
            raise TroubleError(
                f"access denied (HTTP {status})",
                f"set {self._prefix}_TOKEN, or {self._prefix}_USER and {self._prefix}_PASSWORD,"
                " in the environment",
            )
        if 300 <= status < 400:
            raise TroubleError(
                f"redirected to {self.hide(origin(self._url, reply.location))} (HTTP {status}),"
                " which is not followed",
                f"name that page with {self._option}, if you trust it",
            )
        if status != 200:
            hints = {
                404: f"there is no such page: is the path in {self._option} right?",
                429: "it is asked too often: who else asks it?",
            }
            raise TroubleError(f"HTTP {status}", hints.get(status, "what does its log say?"))
        if reply.encoding:
            raise TroubleError(
                f"the answer is compressed ({self.hide(reply.encoding)}), though that was not"
                " asked for",
                f"name the server itself with {self._option}, not a proxy",
            )
        if reply.body.lstrip()[:1] == b"<":
            raise TroubleError("the answer is HTML", f"is {self._option} the page itself?")


def server_seconds(reply: Reply, otherwise: float) -> float:
    """When the server answered by its own clock, seconds since 1970.

    Args:
        reply: with or without a `Date`, which is good for a second.
        otherwise: where it has none.
    """
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return otherwise
