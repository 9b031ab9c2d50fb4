"""GitHub's API: bounds, waits, redirects, and that the token is shown to nobody else."""

from __future__ import annotations

import json
import threading

import pytest

from pytest_energy.comment.github import (
    MOST_TRIES,
    ForbiddenError,
    GitHubError,
    NotFoundError,
    Token,
)
from support.github import REPOSITORY, TOKEN, FakeGitHub, Scripted
from support.prometheus import trickle

PULLS = f"/repos/{REPOSITORY}/pulls"
ISSUE = f"/repos/{REPOSITORY}/issues/7/comments"
HELD_SECONDS = 20.0


def error_of(call, *arguments):
    with pytest.raises(GitHubError) as raised:
        call(*arguments)
    assert TOKEN not in str(raised.value)
    assert TOKEN not in repr(raised.value)
    return raised.value


def test_requests_are_as_github_wants_them(fake, connect):
    connect().send("POST", ISSUE, {"body": "é"})
    (asked,) = fake.asked
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["Accept"] == "application/vnd.github+json"
    assert asked.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert asked.headers["User-Agent"] == "pytest-energy"
    assert asked.body == {"body": "é"}


def test_an_enterprise_servers_base_url_has_a_path(fake, connect):
    fake.script[("GET", "/api/v3/user")] = [Scripted(200, {"login": "octocat"})]
    assert connect(f"{fake.url}/api/v3").get("/user") == {"login": "octocat"}


@pytest.mark.parametrize(
    ("status", "said", "kind", "words"),
    [
        (401, "Bad credentials", GitHubError, "does not accept the token (HTTP 401): Bad cred"),
        (403, "Resource not accessible by integration", ForbiddenError, "pull-requests: write"),
        (403, "Unable to create comment because issue is locked.", GitHubError, "issue is locked"),
        (403, "Repository was archived so is read-only.", GitHubError, "refuses (HTTP 403): Repos"),
        (404, "Not Found", NotFoundError, "check GITHUB_REPOSITORY, the number and the token's"),
        (410, "This issue was deleted", NotFoundError, "(HTTP 410)"),
        (422, "Validation Failed", GitHubError, "refuses (HTTP 422): Validation Failed, too long"),
        (418, "short and stout", GitHubError, "refuses (HTTP 418): short and stout"),
        (501, "", GitHubError, "GitHub has a fault (HTTP 501); run it again"),
    ],
)
def test_each_refusal_names_its_remedy(fake, connect, status, said, kind, words):
    content = {"message": said, "errors": [{"message": "too long"}] if status == 422 else None}
    fake.script[("GET", "/user")] = [Scripted(status, content)]
    error = error_of(connect().get, "/user")
    assert type(error) is kind
    assert words in str(error)
    assert error.status == status
    assert len(fake.asked) == 1


def test_what_a_server_says_of_the_token_is_not_repeated(fake, connect):
    said = {"message": f"no {TOKEN}", "errors": [f"{TOKEN} has expired"]}
    fake.script[("GET", "/user")] = [Scripted(422, said)]
    assert "no ***, *** has expired" in str(error_of(connect().get, "/user"))
    fake.script[("GET", "/user")] = [Scripted(422, {"message": f"{'x' * 240}{TOKEN}"})]
    assert TOKEN[:8] not in str(error_of(connect().get, "/user"))


@pytest.mark.parametrize("text", ["", f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}é"])
def test_what_is_no_token_is_refused_without_showing_it(text):
    with pytest.raises(ValueError, match="GITHUB_TOKEN") as refused:
        Token(text)
    assert TOKEN not in str(refused.value)
    assert TOKEN not in repr(Token(TOKEN))


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (429, {"Retry-After": "7"}, {"message": "slow down"}),
        (403, {"Retry-After": "7"}, {"message": "You have exceeded a secondary rate limit"}),
    ],
)
def test_a_limit_that_ends_soon_is_waited_for(fake, connect, status, headers, content):
    fake.script[("POST", ISSUE)] = [Scripted(status, content, headers)]
    assert connect().send("POST", ISSUE, {"body": "x"})["id"] == 1
    assert connect.pauses == [7.0]
    assert fake.bodies() == ["x"]


@pytest.mark.parametrize(
    ("headers", "content", "words"),
    [
        ({"Retry-After": "3600"}, {"message": "x"}, "run it again in 3,600 s"),
        ({}, {"message": "API rate limit exceeded"}, "again in a few minutes"),
        ({"Retry-After": "soon"}, {"message": "x"}, "again in a few minutes"),
        ({"Retry-After": "9" * 400}, {"message": "x"}, "again in a few minutes"),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, b"", "run it again in 0 s"),
        (
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "-"},
            b"",
            "again in a few minutes",
        ),
    ],
)
def test_a_limit_that_lasts_is_an_error_that_says_how_long(fake, connect, headers, content, words):
    fake.script[("GET", "/user")] = [Scripted(403, content, headers)] * MOST_TRIES
    error = error_of(connect().get, "/user")
    assert "GitHub's limit of requests is reached (HTTP 403)" in str(error)
    assert words in str(error)
    assert not isinstance(error, ForbiddenError)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_passing_fault_is_tried_again_and_a_comment_never_made_twice(fake, connect, status):
    html = Scripted(status, b"<html>Unicorn!</html>")
    fake.script[("GET", "/user")] = [html, Scripted(200, {"login": "x"})]
    assert connect().get("/user") == {"login": "x"}
    fake.script[("GET", "/user")] = [html] * MOST_TRIES
    assert f"GitHub has a fault (HTTP {status})" in str(error_of(connect().get, "/user"))
    assert len(fake.asked) == 2 + MOST_TRIES
    fake.script[("POST", ISSUE)] = [html]
    error = error_of(connect().send, "POST", ISSUE, {"body": "x"})
    assert "where it was posted all the same, that comment is found and updated" in str(error)
    assert fake.methods().count("POST") == 1


def test_a_renamed_repository_is_followed_within_the_server(fake, connect):
    there = f"{fake.url}/repositories/1/comments"
    fake.script[("POST", ISSUE)] = [Scripted(307, None, {"Location": there})]
    fake.script[("POST", "/repositories/1")] = [Scripted(201, {"id": 5})]
    assert connect().send("POST", ISSUE, {"body": "x"}) == {"id": 5}
    assert [each.body for each in fake.asked] == [{"body": "x"}] * 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_goes_to_no_other_server(fake, connect, status):
    other = FakeGitHub()
    try:
        fake.script[("GET", "/user")] = [Scripted(status, None, {"Location": f"{other.url}/a?b=c"})]
        error = error_of(connect().get, "/user")
        assert f"GitHub redirects to {other.url}, and not {fake.url}" in str(error)
        link = {"Link": f'<{other.url}/b>; rel="next"'}
        fake.script[("GET", PULLS)] = [Scripted(200, [], link)]
        error = error_of(lambda: list(connect().entries(PULLS, {})))
        assert f"the next page of the list is at {other.url}" in str(error)
        assert other.asked == []
    finally:
        other.close()


@pytest.mark.parametrize("location", ["http://[", "//", "file:///etc/passwd", "http://a:b", "\x01"])
def test_a_redirect_that_leads_nowhere_is_an_error(fake, connect, location):
    answers = [Scripted(302, None, {"Location": location})] * 9
    fake.script[("GET", "")] = answers
    assert "GitHub redirects" in str(error_of(connect().get, "/user"))


def test_a_redirect_in_a_circle_ends(fake, connect):
    fake.script[("GET", "/user")] = [Scripted(302, None, {"Location": "/user"})] * 9
    assert "again and again" in str(error_of(connect().get, "/user"))


def test_a_list_without_end_ends(fake, connect):
    link = {"Link": f'<{fake.url}{PULLS}?page=2>; rel="next"'}
    fake.script[("GET", PULLS)] = [Scripted(200, [], link)] * 200
    assert "more than 100 pages" in str(error_of(lambda: list(connect().entries(PULLS, {}))))


@pytest.mark.parametrize("link", ["", "x", "<>", '<>; rel="next"', "a=b=c;;;", '<x>; rel="prev"'])
def test_a_link_that_names_no_next_page_ends_the_list(fake, connect, link):
    fake.script[("GET", PULLS)] = [Scripted(200, [1], {"Link": link})]
    assert list(connect().entries(PULLS, {})) == [1]


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"<html>Log in</html>", {}, "not GitHub's JSON but HTML (HTTP 200)"),
        (b"", {}, "not GitHub's JSON but something else (HTTP 200)"),
        (b"\xff", {}, "something else"),
        (b"[" * 5000, {}, "something else"),
        (b"[" + b"[]," * 200_000 + b"1]", {}, "something else"),
        (b"{}", {"Content-Encoding": "gzip"}, "compressed, though that was not asked for"),
    ],
    ids=["html", "empty", "no text", "deep", "many", "gzip"],
)
def test_what_is_not_githubs_json_is_told(fake, connect, body, headers, words):
    fake.script[("GET", "/user")] = [Scripted(200, body, headers)]
    error = error_of(connect().get, "/user")
    assert words in str(error)
    assert "is GITHUB_API_URL the base URL of GitHub's API" in str(error)


def test_a_list_that_is_none_is_told(fake, connect):
    fake.script[("GET", PULLS)] = [Scripted(200, {"a": 1})]
    assert "not GitHub's JSON" in str(error_of(lambda: list(connect().entries(PULLS, {}))))


def test_of_an_answer_of_100_megabytes_no_more_is_read_than_could_be_githubs(fake, connect):
    sent, ended = [], threading.Event()

    def answer(handler):
        handler.close_connection = True
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(100):
                handler.wfile.write(b" " * 1_000_000)
                sent.append(1)
        except OSError:  # the client has gone
            ended.set()

    fake.script[("GET", "/user")] = [answer]
    assert "the answer is longer than 50 MB" in str(error_of(connect().get, "/user"))
    assert ended.wait(HELD_SECONDS)
    assert len(sent) < 100


def test_an_answer_that_trickles_is_given_up(fake, connect):
    fake.script[("GET", "/user")] = [trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")]
    assert "no answer within 0.3 s; run it again" in str(
        error_of(connect(seconds=0.3).get, "/user")
    )


def test_a_server_that_is_not_there_is_named(connect):
    error = error_of(connect("http://127.0.0.1:1", seconds=HELD_SECONDS).get, "/user")
    assert "no answer from http://127.0.0.1:1: " in str(error)
    assert "refused" in str(error)


def test_a_proxy_of_the_environment_is_used(fake, connect, monkeypatch):
    proxy = FakeGitHub()
    try:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        proxy.script[("GET", "/user")] = [Scripted(200, {"login": "x"})]
        assert connect("http://github.test").get("/user") == {"login": "x"}
        assert fake.asked == []
        proxy.script[("GET", "/user")] = [Scripted(407, b"<html>Who are you?</html>")]
        error = error_of(connect("http://github.test").get, "/user")
        assert "a proxy answer in its place" in str(error)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        error = error_of(connect("http://github.test", seconds=HELD_SECONDS).get, "/user")
        assert "HTTPS_PROXY, NO_PROXY" in str(error)
    finally:
        proxy.close()


def test_netrc_is_not_looked_into(fake, connect, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connect().get(PULLS)
    assert fake.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_hostile_message_is_short(fake, connect):
    content = json.dumps({"message": "x" * 10**6, "errors": ["y" * 10**4] * 1000}).encode()
    fake.script[("GET", "/user")] = [Scripted(422, content)]
    text = str(error_of(connect().get, "/user"))
    assert "(HTTP 422): xxx" in text
    assert len(text) < 1100
