"""A page over HTTP: asked within bounds, with credentials from the environment."""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pytest_energy.meters.asking import Asker, Credentials, Remedies, TroubleError
from pytest_energy.meters.readings import one_line
from pytest_energy.web.answers import origin
from pytest_energy.web.transport import Reply

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
        self._url, self._option = url, option
        names = (f"{prefix}_TOKEN", f"{prefix}_USER", f"{prefix}_PASSWORD")
        self._credentials = Credentials(os.environ, names)
        parts = urlsplit(url)
        self.shown = one_line(f"{origin(url)}{parts.path}{'?…' if parts.query else ''}")
        remedies = Remedies(
            option=option,
            name="page",
            start="start it",
            shorten="have the exporter tell less, or name another page",
            install="pip install 'pytest-energy[served]'",
        )
        self._asker = Asker(self._credentials, "a meter's page", remedies)

    def close(self) -> None:
        """Close the connections."""
        self._asker.close()

    def hide(self, text: str) -> str:
        """A text from the page in one line, without what it may have repeated of credentials."""
        return one_line(self._credentials.hide(text))

    def ask(self) -> Reply:
        """The page, where it is one.

        Raises:
            TroubleError: anything else; says what to do.
        """
        reply = self._asker.get(self._url, {}, MOST_BYTES, TIMEOUT_SECONDS)
        status = reply.status
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
        return reply


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
