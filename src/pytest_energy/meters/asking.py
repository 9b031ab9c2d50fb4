"""A server that a meter asks over HTTP: what goes wrong in words, credentials from the environment.

They go into a header for this one server, and appear nowhere else: in no message, no repr and no
error's text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_energy.meters.readings import one_line
from pytest_energy.web.answers import origin, system_error
from pytest_energy.web.transport import Client, Reply, TooLongError


class TroubleError(Exception):
    """What went wrong and what to do, before it is known whether a meter is opened or read."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Credentials:
    """From the environment, into the requests' headers, and nowhere else.

    As `auth` of a session it also keeps the client from looking into `~/.netrc`.

    Args:
        environment: of the process.
        names: of the variables that hold a token, a user and a password.

    Raises:
        TroubleError: they contradict each other, or cannot be sent; none of them is shown.
    """

    __slots__ = ("_header", "_secrets", "names")

    def __init__(self, environment: Mapping[str, str], names: tuple[str, str, str]) -> None:
        self.names = token_name, user_name, password_name = names
        token, user, password = (environment.get(name, "") for name in names)
        if token and (user or password):
            raise TroubleError(
                f"both {token_name} and {user_name} or {password_name} are set", "unset one"
            )
        if bool(user) != bool(password):
            raise TroubleError(
                f"of {user_name} and {password_name} only one is set", "set both, or none"
            )
        if ":" in user:
            raise TroubleError(f"{user_name} has a colon, which ends a user's name in HTTP")
        if not re.fullmatch(r"[!-~]*", token):
            raise TroubleError(
                f"{token_name} has a blank or another character that HTTP does not allow",
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
class Remedies:
    """What to do about a server, as far as servers differ.

    Args:
        option: that names it: `--energy-prometheus-url`.
        name: of what the option names: `server`.
        start: it, where it does not answer: `start the server`.
        shorten: its answers, where they are too long, as a clause.
        install: what brings the HTTP client.
    """

    option: str
    name: str
    start: str
    shorten: str
    install: str


class Asker:
    """One server, asked again and again; every trouble is a `TroubleError` without secrets.

    Args:
        credentials: for the requests.
        whom: the server's name, for that of the thread.
        remedies: for the messages.

    Raises:
        TroubleError: requests is missing.
    """

    def __init__(self, credentials: Credentials, whom: str, remedies: Remedies) -> None:
        self._credentials, self._remedies = credentials, remedies
        try:
            self._client = Client(credentials, whom, unread=(401, 403))
        except ImportError as error:
            raise TroubleError(f"requests cannot be imported: {error}", remedies.install) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, params: Mapping[str, str], most_bytes: int, seconds: float) -> Reply:
        """An answer of the server's own: neither a refusal of access nor a redirect.

        Args:
            url: to ask.
            params: of the query.
            most_bytes: of the body.
            seconds: for the answer as a whole.

        Raises:
            TroubleError: there was no such answer; says what to do.
        """
        remedies = self._remedies
        try:
            reply = self._client.get(url, params, most_bytes, seconds)
        except TooLongError:
            raise TroubleError(
                f"the answer is longer than {most_bytes / 1e6:g} MB", remedies.shorten
            ) from None
        except TimeoutError:
            raise TroubleError(
                f"no answer within {seconds:g} s",
                "is the server overloaded, or something that never ends its answers?",
            ) from None
        except Exception as error:  # of three libraries, each with its own
            # The text of such errors may hold whatever was sent.
            raise TroubleError(
                f"no answer: {one_line(system_error(error))}",
                f"{remedies.start}, or name another with {remedies.option}",
            ) from None
        if reply.status in (401, 403):
            token, user, password = self._credentials.names
            raise TroubleError(
                f"access denied (HTTP {reply.status})",
                f"set {token}, or {user} and {password}, in the environment",
            )
        if 300 <= reply.status < 400:
            place = one_line(self._credentials.hide(origin(url, reply.location)))
            raise TroubleError(
                f"redirected to {place} (HTTP {reply.status}), which is not followed",
                f"name that {remedies.name} with {remedies.option}, if you trust it",
            )
        return reply
