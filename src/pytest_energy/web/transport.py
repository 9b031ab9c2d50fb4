"""One HTTP answer, within one deadline and one size, whatever the server sends.

The time limit of requests is for each wait on a socket alone (urllib3's documentation of `Timeout`
says so): a server that sends a byte now and then holds an answer for as long as it likes, in the
status line, a header, a redirect's body, or the trailers behind the last chunk. Looking up the name
has no limit at all, and each address of it a limit of its own. libcurl limits all of that together,
asyncio's clients nearly all; but requests is pure Python, leaves the event loop to the tests, and
finds proxies and certificate authorities where users have set them. So a thread fetches, the caller
waits for it until the deadline, and at the deadline the connection is cut, which ends the thread.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from threading import Lock, Thread
from typing import Any

ENDING_SECONDS = 0.2
"""How long a cut thread is waited for: it ends at once, except where it is still looking up the
server's name, which cannot be cut and ends by itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered.

    Args:
        status: of HTTP.
        location: where it redirects to; empty for nowhere.
        encoding: how the body is compressed; empty for not at all.
        body: empty where the status says all, and where it is compressed: nothing is unpacked.
        headers: by their names in lower case.
    """

    status: int
    location: str
    encoding: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What a server is asked, credentials aside.

    Args:
        method: of HTTP.
        url: without parameters where `params` has some.
        params: of the query.
        body: that is sent; None for none.
        headers: beside those of every request.
    """

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class TooLongError(Exception):
    """The body has more bytes than the caller wants to read."""


class Client:
    """Asks servers over HTTP; follows no redirect, keeps no cookie, unpacks nothing.

    Args:
        auth: adds the credentials to a request, as requests' `auth` does.
        whom: the server's name, for that of the thread.
        unread: statuses that say all: the bodies of such answers are not read.

    Raises:
        ImportError: requests is not installed.
    """

    def __init__(self, auth: Callable[[Any], Any], whom: str, unread: Collection[int] = ()) -> None:
        self._auth, self._whom, self._unread = auth, whom, unread
        self._line = _Line(auth, unread)

    def get(self, url: str, params: Mapping[str, str], most_bytes: int, seconds: float) -> Reply:
        """What `ask` returns for a GET."""
        return self.ask(Request("GET", url, params), most_bytes, seconds)

    def ask(self, request: Request, most_bytes: int, seconds: float) -> Reply:
        """The server's answer.

        Args:
            request: whole.
            most_bytes: of the body.
            seconds: for all of it, from looking up the name to the last byte.

        Raises:
            TimeoutError: there was no whole answer in that time.
            TooLongError: it is longer than `most_bytes`.
            Exception: of requests, urllib3 or http.client, as the server provokes it.
        """
        line = self._line
        outcome: list[Reply | BaseException] = []

        def fetch() -> None:
            try:
                outcome.append(line.ask(request, most_bytes, seconds))
            except BaseException as error:  # the caller raises it
                outcome.append(error)

        thread = Thread(target=fetch, name=f"pytest-energy asks {self._whom}", daemon=True)
        try:
            thread.start()
            thread.join(seconds)
        finally:  # also when the user interrupts
            if thread.is_alive():
                self._line = _Line(self._auth, self._unread)
                line.cut()
                thread.join(ENDING_SECONDS)
        if not outcome or line.is_cut:
            raise TimeoutError
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def close(self) -> None:
        """Close the connections."""
        self._line.close()


class _Line:
    """A session of requests whose connections another thread can cut."""

    def __init__(self, auth: Callable[[Any], Any], unread: Collection[int]) -> None:
        from requests import Session
        from requests.adapters import HTTPAdapter

        line = self

        class Adapter(HTTPAdapter):
            """Makes connections that can be cut, directly and through proxies."""

            def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
                super().init_poolmanager(*args, **kwargs)
                line._watch(self.poolmanager)

            def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
                manager = super().proxy_manager_for(*args, **kwargs)
                line._watch(manager)
                return manager

        class Direct(Session):
            """Takes a redirect for an answer like any other."""

            def get_redirect_target(self, resp: Any) -> None:
                # Else requests reads a redirect's whole body, unpacked, though it may not follow.
                return None

        self.is_cut = False
        self._unread = unread
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = Lock()
        self._session = Direct()
        self._session.auth = auth
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.headers.update({"User-Agent": "pytest-energy", "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Adapter())

    def _watch(self, manager: Any) -> None:
        """Have every connection of one of urllib3's pool managers be known here."""
        line = self

        def watched(connection_class: type) -> type:
            def connect(connection: Any) -> None:
                with line._lock:
                    line._connections.add(connection)
                connection_class.connect(connection)  # type: ignore[attr-defined]
                if line.is_cut:  # while the name was looked up, say
                    connection.close()
                    raise TimeoutError

            return type(connection_class.__name__, (connection_class,), {"connect": connect})

        # Each manager has its own kinds of pools: those of a SOCKS proxy connect otherwise.
        manager.pool_classes_by_scheme = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": watched(pool.ConnectionCls)})
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def ask(self, request: Request, most_bytes: int, seconds: float) -> Reply:
        """What `Client.ask` returns; `seconds` is for each wait alone."""
        import requests
        import urllib3

        try:
            with self._session.request(
                request.method,
                request.url,
                params=request.params,
                data=request.body,
                headers=request.headers,
                timeout=seconds,
                stream=True,
                allow_redirects=False,  # credentials are for this server alone
            ) as response:
                status, headers = response.status_code, response.headers
                names = map(str.strip, headers.get("Content-Encoding", "").lower().split(","))
                encoding = ", ".join(name for name in names if name not in ("", "identity"))
                # What would have to be unpacked, or is a page for people, is not even read.
                told = status in self._unread or 300 <= status < 400
                body = b"" if encoding or told else _read(response.raw, most_bytes)
                known = {name.lower(): value for name, value in headers.items()}
                return Reply(status, known.get("location", ""), encoding, body, known)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as late:
            raise TimeoutError from late

    def cut(self) -> None:
        """End what is being received, at once and for good."""
        self.is_cut = True
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            inner = getattr(connection, "sock", None)
            # TLS inside of TLS, through a proxy, wraps the socket in something that is none.
            inner = getattr(inner, "socket", inner)
            if isinstance(inner, socket.socket):
                with suppress(OSError):
                    # Of the socket itself: an SSLSocket's own is not made for two threads.
                    socket.socket.shutdown(inner, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(raw: Any, most_bytes: int) -> bytes:
    """The body of an answer as it was sent, within the limit."""
    # read1 returns what has come; urllib3 before 2.2 has only read, which waits for all it asks.
    read = getattr(raw, "read1", raw.read)
    body = bytearray()
    while piece := read(65536):
        body += piece
        if len(body) > most_bytes:
            raise TooLongError
    return bytes(body)
