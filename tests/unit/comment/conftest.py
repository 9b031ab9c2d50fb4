from __future__ import annotations

import pytest

from pytest_energy.comment.github import GitHub, Token
from support.github import TOKEN, FakeGitHub


@pytest.fixture
def fake():
    found = FakeGitHub()
    yield found
    found.close()


@pytest.fixture
def connect(fake, monkeypatch):
    """Makes clients of the server; `connect.pauses` has the seconds that they have waited."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    made = []

    def connect(url=None, token=TOKEN, seconds=60.0):
        github = GitHub(url or fake.url, Token(token), connect.pauses.append, seconds)
        made.append(github)
        return github

    connect.pauses = []
    yield connect
    for github in made:
        github.close()
