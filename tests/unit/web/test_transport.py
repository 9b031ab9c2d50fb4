"""One answer within one deadline and one size."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib

import pytest

from pytest_energy.web.transport import Client, TooLongError
from support.prometheus import FakePrometheus, trickle

HELD_SECONDS = 20.0
"""Well under the minute for which the servers here would hold an answer."""


@pytest.fixture
def fake():
    found = FakePrometheus()
    yield found
    found.close()


@pytest.fixture
def client():
    made = Client(lambda request: request, "a server", unread=(401, 403))
    yield made
    made.close()


def get(client, server, seconds=0.3, most_bytes=100_000):
    return client.get(f"{server.url}/api/v1/query", {"query": "x"}, most_bytes, seconds)


def askers():
    return [thread for thread in threading.enumerate() if "asks a server" in thread.name]


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TRICKLES = {
    "status line": trickle(b"HTTP/1.1 200 O", b"K"),
    "headers": trickle(OK, b"X: y\r\n"),
    "one header": trickle(OK + b"X: ", b"y"),
    "interim answers": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": trickle(OK + b"Content-Length: 1000\r\n\r\n", b" "),
    "chunks": trickle(CHUNKED, b"1\r\n \r\n"),
    "size of a chunk": trickle(CHUNKED, b"0"),
    "trailers": trickle(CHUNKED + b"0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("where", TRICKLES)
def test_an_answer_that_trickles_is_given_up_at_the_deadline(fake, client, where):
    fake.query = lambda promql: TRICKLES[where]
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        get(client, fake)
    assert time.monotonic() - began < HELD_SECONDS
    # The connection was cut, and the thread that read from it has ended.
    for thread in askers():
        thread.join(HELD_SECONDS)
    assert not askers()


def test_after_an_answer_that_was_given_up_the_next_one_is_read(fake, client):
    fake.query = lambda promql: TRICKLES["headers"]
    with pytest.raises(TimeoutError):
        get(client, fake)
    fake.query = lambda promql: "here"
    assert get(client, fake, seconds=HELD_SECONDS).body == b"here"


def test_a_name_that_is_looked_up_for_ever_is_given_up_and_not_asked_later(
    fake, client, monkeypatch
):
    found = threading.Event()
    look_up = socket.getaddrinfo

    def slow(*args, **kwargs):
        found.wait(HELD_SECONDS)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(TimeoutError):
        get(client, fake)
    found.set()
    for thread in askers():
        thread.join(HELD_SECONDS)
    assert not askers()
    assert fake.asked == []


def test_a_proxy_that_trickles_its_consent_is_given_up(fake, client, monkeypatch):
    class Proxy(threading.Thread):
        """Answers CONNECT, a header at a time."""

        def __init__(self):
            super().__init__(daemon=True)
            self.listening = socket.create_server(("127.0.0.1", 0))
            self.start()

        def run(self):
            connection, _ = self.listening.accept()
            with connection, self.listening:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n")
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    try:
                        connection.sendall(b"X: y\r\n")
                    except OSError:
                        return
                    time.sleep(0.05)

    port = Proxy().listening.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        client.get("https://prometheus.test", {}, 1000, 0.3)
    assert time.monotonic() - began < HELD_SECONDS


def test_what_the_client_raises_is_raised_here(client):
    with pytest.raises(OSError, match="refused"):
        client.get("http://127.0.0.1:1", {}, 1000, HELD_SECONDS)


@pytest.mark.parametrize("status", [200, 302, 401, 503])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(bytes(100_000_000), 1)),
        ("gzip", gzip.compress(bytes(10_000_000), 1) * 10),
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(100_000_000), 1))),
        ("deflate", zlib.compress(bytes(100_000_000), 1)),
    ],
    ids=["gzip", "gzip in members", "gzip twice", "deflate"],
)
def test_nothing_is_unpacked(fake, client, encoding, body, status):
    headers = {"Content-Encoding": encoding, "Location": "http://localhost:1/"}
    fake.query = lambda promql: lambda handler: handler.send(body, status, **headers)
    tracemalloc.start()
    try:
        reply = get(client, fake, seconds=HELD_SECONDS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (reply.status, reply.encoding, reply.body) == (status, encoding, b"")
    assert peak < 10e6


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_up_to_its_limit(fake, client, chunked):
    def answer(handler):
        handler.close_connection = True
        piece = b" " * 10_000
        try:
            handler.wfile.write(CHUNKED if chunked else OK + b"\r\n")
            for _ in range(10_000):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        except OSError:
            pass

    fake.query = lambda promql: answer
    with pytest.raises(TooLongError):
        get(client, fake, seconds=HELD_SECONDS)


def test_identity_is_no_compression(fake, client):
    headers = {"Content-Encoding": "identity"}
    fake.query = lambda promql: lambda handler: handler.send("here", **headers)
    assert get(client, fake, seconds=HELD_SECONDS).body == b"here"


def test_a_redirect_is_an_answer_like_any_other(fake, client):
    fake.query = lambda promql: trickle(
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 1000\r\n\r\n", b"x"
    )
    reply = get(client, fake, seconds=HELD_SECONDS)
    assert (reply.status, reply.location) == (302, "/elsewhere")
    assert len(fake.asked) == 1


def test_cookies_are_not_kept(fake, client):
    fake.query = lambda promql: lambda handler: handler.send("", **{"Set-Cookie": "a=b"})
    get(client, fake, seconds=HELD_SECONDS)
    get(client, fake, seconds=HELD_SECONDS)
    assert [headers.get("Cookie") for headers in fake.headers] == [None, None]
