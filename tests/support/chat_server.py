"""An OpenAI-compatible server that answers by a script: in parts, wrongly, half, or without end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS, PROMPT_TOKENS = 7, 11
"""Of every answer, and of every question."""

FAULTS = ("", "429", "500", "no usage", "half", "endless")
"""What an answer may be; the first is none."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a stream ends with its connection
    server: _Server

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        self._head(200, "application/json")
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.next_fault()
        if fault.isdigit():
            self._head(int(fault), "application/json")
            self.wfile.write(b'{"error": {"message": "too busy, says the script"}}')
            return
        self._head(200, "text/event-stream")
        for number in range(TOKENS):
            self._part({"choices": [self._choice(f"word{number} ")]})
            if fault == "half" and number == 2:
                self.wfile.write(b'data: {"choices": [{"index"')
                return
        while fault == "endless" and not self.server.stopped.is_set():
            self._part({"choices": [self._choice("more ")]})
            time.sleep(0.02)
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": TOKENS}
        usage["total_tokens"] = TOKENS + PROMPT_TOKENS
        if fault != "no usage":
            self._part({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    @staticmethod
    def _choice(text: str) -> dict[str, object]:
        return {"index": 0, "delta": {"content": text}, "finish_reason": None}

    def _part(self, members: dict[str, object]) -> None:
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
        self.wfile.write(f"data: {json.dumps(head | members)}\n\n".encode())
        self.wfile.flush()

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fault: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stopped = threading.Event()
        self._fault, self._asked = fault, 0

    def next_fault(self) -> str:
        """Every tenth answer is the fault: some are under way, and some have ended."""
        self._asked += 1
        return "" if self._asked % 10 else self._fault

    def handle_error(self, *arguments: object) -> None:
        """A client that has gone is none of the server's."""


@contextmanager
def chat_server(fault: str = "") -> Iterator[str]:
    """The base URL of a server.

    Args:
        fault: one of `FAULTS`.
    """
    server = _Server(fault)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
