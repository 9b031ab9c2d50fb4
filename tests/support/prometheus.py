"""Servers that answer as Prometheus does, and a real one with exporters to scrape."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_energy.meters.prometheus.meter import Prometheus
from pytest_energy.meters.prometheus.queries import Endpoint, parse_queries


class QuietServer(ThreadingHTTPServer):
    """A server on a free port of this machine, whose clients may hang up in the midst of an answer.

    That is what a meter does that has waited long enough; it is no error of the server's.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        # Polls often, so that shutting down takes no half second.
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class FakePrometheus:
    """A server whose answers a test scripts: bytes, or what writes the whole answer itself."""

    def __init__(self) -> None:
        fake = self
        self.query = lambda promql: vector({"job": "a", "instance": "b"}, "5")
        self.targets = json.dumps(
            {
                "status": "success",
                "data": {
                    "activeTargets": [
                        {"labels": {"job": "a", "instance": "b"}, "scrapeInterval": "15s"},
                        {"labels": {"job": "a", "instance": "c"}, "scrapeInterval": "1m30s"},
                        {"labels": {"job": "z", "instance": "z"}, "scrapeInterval": "1h"},
                    ]
                },
            }
        )
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                fake.headers.append(dict(self.headers))
                if path.endswith("/targets"):
                    self.send(fake.targets)
                    return
                promql = urllib.parse.parse_qs(query)["query"][0]
                fake.asked.append(promql)
                answer = fake.query(promql)
                if callable(answer):
                    answer(self)
                else:
                    self.send(answer)

            def send(self, body: str | bytes, status: int = 200, **headers: str) -> None:
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = QuietServer(Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.close = self._server.close


def vector(*pairs: object) -> str:
    """An instant vector: labels and value."""
    result = [
        {"metric": labels, "value": [1000.0, value]}
        for labels, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def trickle(begin: bytes, piece: bytes, seconds: float = 0.05, lasting: float = 60.0) -> Callable:
    """An answer that begins so and goes on in small pieces, for a minute or until the client goes.

    Args:
        begin: status line, headers and what follows, as far as it comes at once.
        piece: what comes again and again.
        seconds: between two pieces.
        lasting: for how long, in seconds.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        until = time.monotonic() + lasting
        try:
            handler.wfile.write(begin)
            while time.monotonic() < until:
                handler.wfile.write(piece)
                time.sleep(seconds)
        except OSError:  # the client has gone
            pass

    return answer


class Exporter:
    """Counters of joules made with prometheus_client, scraped by a real Prometheus.

    `/spend?metric=…&joules=…` adds, `/reset?metric=…` begins anew, `/stop` answers 500 from then
    on: so that a test in another process can make it happen in the midst of its window.
    """

    def __init__(self) -> None:
        client = pytest.importorskip("prometheus_client")
        self.registry = client.CollectorRegistry()
        self.counters: dict[str, object] = {}
        self.stopped = False
        self.more = b""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                said = dict(urllib.parse.parse_qsl(query))
                if path == "/spend":
                    exporter.spend(said["metric"], float(said["joules"]))
                elif path == "/reset":
                    exporter.reset(said["metric"])
                elif path == "/stop":
                    exporter.stopped = True
                failed = path == "/metrics" and exporter.stopped
                body = client.generate_latest(exporter.registry) + exporter.more
                self.send_response(500 if failed else 200)
                self.send_header("Content-Type", client.CONTENT_TYPE_LATEST)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._counter = client.Counter
        self._server = QuietServer(Handler)
        self.port = self._server.server_port
        self.close = self._server.close

    def spend(self, metric: str, joules: float, **labels: str) -> None:
        if metric not in self.counters:
            names = tuple(labels)
            self.counters[metric] = self._counter(metric, "Joules.", names, registry=self.registry)
        counter = self.counters[metric]
        (counter.labels(**labels) if labels else counter).inc(joules)

    def reset(self, metric: str) -> None:
        self.registry.unregister(self.counters.pop(metric))
        self.spend(metric, 0)


def value_of(url: str, promql: str) -> float | None:
    asked = urllib.parse.urlencode({"query": promql})
    with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def wait_for(url: str, promql: str, value: float | None) -> None:
    """Until Prometheus has scraped so much; None for until it finds nothing."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = value_of(url, promql)
        except OSError:  # it is starting
            found = float("nan")
        if found == value:
            return
        time.sleep(0.05)
    pytest.fail(f"{promql} is {found}, not {value}, after a minute")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class RealPrometheus:
    """A Prometheus with two exporters: one that stays, and one that a test may stop."""

    def __init__(self, folder: Path) -> None:
        self.model, self.fragile = Exporter(), Exporter()
        for exporter in (self.model, self.fragile):
            exporter.spend("up_joules", 1)
        (folder / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "300ms", "scrape_timeout": "300ms"},
                    "scrape_configs": [
                        {
                            "job_name": name,
                            "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
                        }
                        for name, exporter in (("model", self.model), ("fragile", self.fragile))
                    ],
                }
            )
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def open(self, *queries: str) -> Prometheus:
        return Prometheus(Endpoint(self.url, parse_queries(queries)))

    def spend(self, metric: str, joules: float, total: float, **labels: str) -> None:
        """Spend, and wait until it is scraped."""
        self.model.spend(metric, joules, **labels)
        wait_for(self.url, f"sum({metric}_total)", total)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self.model.close()
        self.fragile.close()


NEEDS_PROMETHEUS = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs prometheus (Debian: prometheus)"
)


SECRET = "s3cr3t-t0k3n"
