"""GitHub's REST API, as far as a comment needs it: within bounds, and the token in no message.

What the endpoints take and answer is in GitHub's documentation, "REST API endpoints for issue
comments"; how often one may ask in "Best practices for using the REST API".
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from pytest_energy import world
from pytest_energy.web.answers import TooManyValuesError, origin, parse_json, system_error
from pytest_energy.web.transport import Client, Reply, Request, TooLongError

TIMEOUT_SECONDS = 30.0
"""For an answer as a whole; GitHub itself ends a request after ten seconds."""

MOST_BYTES = 50_000_000
"""Of an answer: a hundred comments of 65,536 characters that JSON escapes with six bytes each take
39 MB."""

MOST_VALUES = 100_000
"""Of JSON in an answer: a thousand for each of a hundred comments."""

MOST_PAGES = 100
"""Of a list, with a hundred entries each: no pull request that is read by people has so many."""

MOST_REDIRECTS = 3
"""Within one server; a repository that was renamed has one."""

MOST_TRIES = 3
"""Of a request that the server has no time for now."""

MOST_WAIT_SECONDS = 60
"""Until the next try; where GitHub asks for more, the job had better end."""

_REDIRECTS = (301, 302, 307, 308)
_PASSING = (500, 502, 503, 504)
_NO_RIGHT_WOULD_HELP = ("locked", "archived")
"""Words of GitHub's where nobody may comment, whatever the token."""


class GitHubError(Exception):
    """What went wrong, and what to do.

    Args:
        reason: a clause.
        hint: a clause.
        status: of the answer; 0 where there was none.
    """

    def __init__(self, reason: str, hint: str, status: int = 0) -> None:
        super().__init__(f"{reason}; {hint}")
        self.reason, self.hint, self.status = reason, hint, status


class ForbiddenError(GitHubError):
    """The token may not do this."""


class NotFoundError(GitHubError):
    """There is no such thing, or the token may not see it."""


class Token:
    """The token of the environment, for the requests' headers and nowhere else.

    As `auth` of a session it also keeps the client from looking into `~/.netrc`.

    Args:
        text: of the token.

    Raises:
        ValueError: it is none; the message does not hold it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError(
                "GITHUB_TOKEN is not set; in a workflow: env: GITHUB_TOKEN: ${{ github.token }}"
            )
        if not re.fullmatch("[!-~]+", text):
            raise ValueError(
                "GITHUB_TOKEN has a blank or another character that no token has; a line break at"
                " its end, say"
            )
        self._text = text

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._text}"
        return request

    def __repr__(self) -> str:
        return "<token from the environment>"

    def hide(self, text: str) -> str:
        """A text from elsewhere without what a server may have repeated of the token."""
        return text.replace(self._text, "***")


class GitHub:
    """The API of one server.

    Args:
        api: base URL, without a slash at its end.
        token: that every request has.
        pause: waits for so many seconds.
        seconds: for an answer as a whole.

    Raises:
        GitHubError: requests is not installed.
    """

    def __init__(
        self,
        api: str,
        token: Token,
        pause: Callable[[float], object] = world.sleep,
        seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._api, self._token, self._pause, self._seconds = api, token, pause, seconds
        try:
            self._client = Client(token, "GitHub")
        except ImportError as error:
            raise GitHubError(
                f"requests cannot be imported: {error}", "pip install 'pytest-energy[github]'"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """What JSON says of something.

        Args:
            path: from the base URL on.
            params: of the query.

        Raises:
            GitHubError: there is no such answer.
        """
        return self._parsed(self._ask(self._request("GET", path, params=params or {})))

    def entries(self, path: str, params: Mapping[str, str]) -> Iterator[Any]:
        """The entries of a list, page by page.

        Args:
            path: from the base URL on.
            params: of the query.

        Raises:
            GitHubError: there is no such list.
        """
        request = self._request("GET", path, params={**params, "per_page": "100"})
        for _ in range(MOST_PAGES):
            reply = self._ask(request)
            page = self._parsed(reply)
            if not isinstance(page, list):
                raise self._unexpected(reply)
            yield from page
            url = _next_page(reply)
            if not url:
                return
            self._check_origin(url, "the next page of the list is at")
            request = Request("GET", url, headers=request.headers)
        raise GitHubError(
            f"the list has more than {MOST_PAGES} pages", "is GITHUB_API_URL that of GitHub's API?"
        )

    def send(self, method: str, path: str, content: Mapping[str, str] | None = None) -> Any:
        """What JSON says of something that was made or changed; None where nothing is said.

        Args:
            method: of HTTP.
            path: from the base URL on.
            content: that is sent.

        Raises:
            GitHubError: it was not.
        """
        body = None if content is None else json.dumps(content).encode()
        reply = self._ask(self._request(method, path, body=body))
        return None if reply.status == 204 else self._parsed(reply)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Request:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Request(method, f"{self._api}{path}", params or {}, body, headers)

    def _ask(self, request: Request) -> Reply:
        """The answer, a good one; after a wait where the server asks for one."""
        for tries_left in reversed(range(MOST_TRIES)):
            reply = self._followed(request)
            if 200 <= reply.status < 300 and not reply.encoding:
                return reply
            # What was made by a request that failed half-way must not be made twice.
            is_passing = reply.status in _PASSING and request.method != "POST"
            wait = 1.0 if is_passing else _wait_of(reply) if self._is_limited(reply) else None
            if wait is None or wait > MOST_WAIT_SECONDS or not tries_left:
                raise self._error(request, reply)
            self._pause(wait)
        raise AssertionError("the last try returns or raises")

    def _followed(self, request: Request) -> Reply:
        """The answer behind redirects, none of which leads to another server."""
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._once(request)
            if reply.status not in _REDIRECTS or not reply.location:
                return reply
            self._check_origin(reply.location, "GitHub redirects to")
            url = urljoin(request.url, reply.location)
            request = Request(request.method, url, {}, request.body, request.headers)
        raise GitHubError("GitHub redirects again and again", "is GITHUB_API_URL right?")

    def _check_origin(self, url: str, what: str) -> None:
        """Refuse to send the token to another server."""
        there, here = origin(self._api, url), origin(self._api)
        if there != here:
            raise GitHubError(
                f"{what} {there}, and not {here}: the token is for that one alone",
                "set GITHUB_API_URL to the server that you trust with it",
            )

    def _once(self, request: Request) -> Reply:
        try:
            return self._client.ask(request, MOST_BYTES, self._seconds)
        except TooLongError:
            raise GitHubError(
                f"the answer is longer than {MOST_BYTES / 1e6:g} MB",
                "is GITHUB_API_URL the base URL of GitHub's API?",
            ) from None
        except TimeoutError:
            raise GitHubError(
                f"no answer within {self._seconds:g} s", _AGAIN[request.method == "POST"]
            ) from None
        except Exception as error:  # of three libraries, each with its own
            # The text of such errors may hold whatever was sent.
            raise GitHubError(
                f"no answer from {origin(self._api)}: {self._token.hide(system_error(error))}",
                "can it be reached from here? HTTPS_PROXY, NO_PROXY and REQUESTS_CA_BUNDLE are"
                " heeded",
            ) from None

    def _is_limited(self, reply: Reply) -> bool:
        """Whether the server wants to be asked later, by its documentation of rate limits."""
        if reply.status == 429:
            return True
        if reply.status != 403:
            return False
        headers = reply.headers
        spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
        return spent or "rate limit" in self._message(reply)

    def _error(self, request: Request, reply: Reply) -> GitHubError:
        status, said = reply.status, self._message(reply)
        quoted = f": {said}" if said else ""
        if self._is_limited(reply):
            wait = _wait_of(reply)
            later = "in a few minutes" if wait is None else f"in {wait:,.0f} s"
            return GitHubError(
                f"GitHub's limit of requests is reached (HTTP {status}){quoted}",
                f"run it again {later}; fewer jobs at once need fewer requests",
                status,
            )
        if status == 401:
            return GitHubError(
                f"GitHub does not accept the token (HTTP 401){quoted}",
                "it has expired or was revoked; in a workflow: env: GITHUB_TOKEN:"
                " ${{ github.token }}",
                status,
            )
        if status == 403 and not any(word in said for word in _NO_RIGHT_WOULD_HELP):
            return ForbiddenError(
                f"the token may not do this (HTTP 403){quoted}",
                "give the job `permissions: pull-requests: write`",
                status,
            )
        if status in (404, 410):
            return NotFoundError(
                f"there is no such thing, or the token may not see it (HTTP {status})",
                "check GITHUB_REPOSITORY, the number and the token's access to the repository",
                status,
            )
        if status in _PASSING or status > 500:
            return GitHubError(
                f"GitHub has a fault (HTTP {status})", _AGAIN[request.method == "POST"], status
            )
        if not said:
            return self._unexpected(reply)
        hint = "change what it names, and run it again"
        return GitHubError(f"GitHub refuses (HTTP {status}){quoted}", hint, status)

    def _message(self, reply: Reply) -> str:
        """What the server says of an error, without the token; empty where it says nothing."""
        try:
            answer = parse_json(reply.body, MOST_VALUES)
        except (ValueError, TooManyValuesError):
            return ""
        said = answer.get("message") if isinstance(answer, dict) else None
        if not isinstance(said, str):
            return ""
        errors = answer.get("errors")
        more = [
            each.get("message") if isinstance(each, dict) else each
            for each in (errors if isinstance(errors, list) else ())
        ]
        texts = [said, *(text for text in more[:3] if isinstance(text, str))]
        # Hidden before it is cut: half of a token would not be found any more.
        return ", ".join(self._token.hide(text)[:250] for text in texts)

    def _parsed(self, reply: Reply) -> Any:
        try:
            return parse_json(reply.body, MOST_VALUES)
        except (ValueError, TooManyValuesError):
            raise self._unexpected(reply) from None

    def _unexpected(self, reply: Reply) -> GitHubError:
        kind = "something else"
        if reply.encoding:
            kind = "compressed, though that was not asked for"
        elif reply.body.lstrip()[:1] == b"<":
            kind = "HTML"
        return GitHubError(
            f"the answer of {origin(self._api)} is not GitHub's JSON but {kind} (HTTP"
            f" {reply.status})",
            "is GITHUB_API_URL the base URL of GitHub's API, or does a proxy answer in its place?"
            " That of an Enterprise Server ends in /api/v3",
            reply.status,
        )


_AGAIN = {
    False: "run it again",
    True: "run it again: where it was posted all the same, that comment is found and updated",
}


def _wait_of(reply: Reply) -> float | None:
    """Seconds after which the server may be asked again; None where it does not say."""
    after, reset = (reply.headers.get(name, "") for name in ("retry-after", "x-ratelimit-reset"))
    if re.fullmatch("[0-9]{1,6}", after):
        return float(after)
    if reply.headers.get("x-ratelimit-remaining") == "0" and re.fullmatch("[0-9]{1,12}", reset):
        return max(0.0, math.ceil(float(reset) - time.time()))
    return None


def _next_page(reply: Reply) -> str:
    """The address of the list's next page; empty where there is none."""
    from requests.utils import parse_header_links

    links = parse_header_links(reply.headers.get("link", ""))
    return next((link["url"] for link in links if link.get("rel") == "next"), "")
