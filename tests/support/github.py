"""A server that answers as GitHub's REST API does for the comments on pull requests.

Paths, parameters, status codes and the members that are read here were compared with GitHub's
OpenAPI description (octokit/openapi 23.0.2). What GitHub does beyond that is not known here.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.prometheus import QuietServer

TOKEN = "ghs_0123456789abcdefSECRET"
BOT = "github-actions[bot]"
REPOSITORY = "octo/models"

COMMENTS = re.compile(rf"/repos/{REPOSITORY}/issues/(\d+)/comments")
COMMENT = re.compile(rf"/repos/{REPOSITORY}/issues/comments/(\d+)")


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object


@dataclass
class FakeGitHub:
    """Comments by number, the pull requests that there are, and what was asked.

    `script` says what answers instead: by method and a piece of the path, the answers in turn; each
    is a status with JSON, bytes or headers (`Scripted`), or a function of the handler.
    """

    author: str = BOT
    is_app: bool = True
    page_size: int = 100
    comments: dict[int, dict] = field(default_factory=dict)
    pulls: list[dict] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    script: dict[tuple[str, str], list] = field(default_factory=dict)
    on_create: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        fake = self

        class Handler(_Handler):
            github = fake

        self._server = QuietServer(Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.close = self._server.close

    def add(self, body: str | None, author: str | None = BOT, issue: int = 7) -> int:
        """A comment on a pull request; returns its number."""
        with self._lock:
            number = max(self.comments, default=0) + 1
            self.comments[number] = {
                "id": number,
                "issue": issue,
                "body": body,
                "user": None if author is None else {"login": author},
                "html_url": f"https://github.test/{REPOSITORY}/pull/{issue}#issuecomment-{number}",
            }
            return number

    def bodies(self, issue: int = 7) -> list[str]:
        return [each["body"] for each in self.comments.values() if each["issue"] == issue]

    def methods(self) -> list[str]:
        """The methods of what was asked, in order."""
        return [each.method for each in self.asked]

    def answer_for(self, method: str, path: str) -> object:
        """What the test has scripted for this request; None for the usual."""
        for (of, piece), answers in self.script.items():
            if of == method and piece in path and answers:
                return answers.pop(0)
        return None


@dataclass
class Scripted:
    """An answer that a test says."""

    status: int
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    github: FakeGitHub

    def handle_any(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        size = int(self.headers.get("Content-Length", "0"))
        body = json.loads(self.rfile.read(size)) if size else None
        asked = Asked(self.command, url.path, query, dict(self.headers), body)
        self.github.asked.append(asked)
        answer = self.github.answer_for(self.command, url.path)
        if callable(answer):
            answer(self)
        elif answer is not None:
            self.send(answer.status, answer.content, **answer.headers)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send(401, {"message": "Bad credentials"})
        else:
            self.usual(asked)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  # http.server's names

    def usual(self, asked: Asked) -> None:
        github = self.github
        of_issue, one = COMMENTS.fullmatch(asked.path), COMMENT.fullmatch(asked.path)
        if asked.path == "/user":
            refused = {"message": "Resource not accessible by integration"}
            self.send(*((403, refused) if github.is_app else (200, {"login": github.author})))
        elif asked.method == "GET" and of_issue:
            self.send_page(
                asked, [c for c in github.comments.values() if c["issue"] == int(of_issue[1])]
            )
        elif asked.method == "GET" and asked.path == f"/repos/{REPOSITORY}/pulls":
            self.send_page(asked, github.pulls)
        elif asked.method == "POST" and of_issue:
            if len(asked.body["body"]) > 65_536:
                self.send(422, {"message": "Validation Failed", "errors": ["body is too long"]})
                return
            github.on_create()
            number = github.add(asked.body["body"], github.author, int(of_issue[1]))
            self.send(201, github.comments[number])
        elif one and int(one[1]) in github.comments:
            self.change(asked, int(one[1]))
        else:
            self.send(404, {"message": "Not Found"})

    def change(self, asked: Asked, number: int) -> None:
        if asked.method == "DELETE":
            del self.github.comments[number]
            self.send(204)
            return
        self.github.comments[number]["body"] = asked.body["body"]
        self.send(200, self.github.comments[number])

    def send_page(self, asked: Asked, entries: list) -> None:
        size = min(self.github.page_size, int(asked.query.get("per_page", "30")))
        page = int(asked.query.get("page", "1"))
        headers = {}
        if page * size < len(entries):
            links = [
                f'<{self.github.url}{asked.path}?per_page={size}&page={number}>; rel="{rel}"'
                for rel, number in (("prev", page - 1), ("next", page + 1), ("last", 99))
            ]
            headers["Link"] = ", ".join(links)
        self.send(200, entries[(page - 1) * size : page * size], **headers)

    def send(self, status: int, content: object = None, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
