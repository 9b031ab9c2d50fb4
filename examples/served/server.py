"""A model behind HTTP, with the joules that serving it takes under /metrics.

POST a text to /classify and get its class. The joules are an estimate, CPU seconds of this process
times 4 W: what stands here for DCGM, Kepler or another exporter of real counters, so that the
example runs on any machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# One thread: idle threads of a pool spin while they wait, and CPU seconds count that as work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily

WATTS = 4.0
"""Of a busy logical CPU; an assumption."""

WIDTH = 512
TOKENS = 64
LAYERS = 4
CLASSES = ("sports", "politics", "science", "weather")


class Classifier:
    """Hashed words through dense layers; its weights are random, its work is that of real ones."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._words = random.standard_normal((4096, WIDTH), dtype=np.float32)
        self._layers = [
            random.standard_normal((WIDTH, WIDTH), dtype=np.float32) / WIDTH**0.5
            for _ in range(LAYERS)
        ]
        self._head = random.standard_normal((WIDTH, len(CLASSES)), dtype=np.float32)

    def __call__(self, text: str) -> str:
        words = (text.split() or [""]) * TOKENS
        x = self._words[[zlib.crc32(word.encode()) % 4096 for word in words[:TOKENS]]]
        for layer in self._layers:
            x = np.maximum(x @ layer, 0)
        return CLASSES[int(np.argmax(x.mean(axis=0) @ self._head))]


class Joules:
    """The counter, made up when it is scraped."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        joules = time.process_time() * WATTS
        about = f"Estimated energy of this server: CPU seconds x {WATTS:g} W."
        yield CounterMetricFamily("classifier_joules", about, value=joules)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8008)
    port = parser.parse_args().port
    classify = Classifier()
    registry = CollectorRegistry()
    registry.register(Joules())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(json.dumps({"class": classify(text)}).encode(), "application/json")

        def do_GET(self) -> None:
            self._answer(generate_latest(registry), "text/plain; version=0.0.4")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
