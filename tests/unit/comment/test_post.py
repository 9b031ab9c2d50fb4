"""One comment: found among all, updated, created where there is none, and never another's."""

from __future__ import annotations

import pytest

from pytest_energy.comment.body import marker
from pytest_energy.comment.github import ForbiddenError, GitHubError
from pytest_energy.comment.place import Head
from pytest_energy.comment.post import post, pull_request_of
from support.github import BOT, REPOSITORY, Scripted

MARKER = marker("")
OLD, NEW = f"{MARKER}\nold", f"{MARKER}\nnew"


@pytest.fixture
def post_it(connect):
    def post_it(body=NEW, mark=MARKER, number=7):
        return post(connect(), REPOSITORY, number, body, mark)

    return post_it


def test_the_first_run_creates_and_the_next_updates(fake, post_it):
    posted = post_it(OLD)
    assert posted.url == f"https://github.test/{REPOSITORY}/pull/7#issuecomment-1"
    assert posted.is_new
    again = post_it()
    assert (again.url, again.is_new) == (posted.url, False)
    assert fake.bodies() == [NEW]


def test_the_comment_is_found_on_whichever_page_it_stands(fake, post_it):
    fake.page_size = 3
    for i in range(10):
        fake.add(f"comment {i}", "octocat")
    fake.add(OLD)
    for i in range(5):
        fake.add(f"comment {i}", "octocat")
    assert not post_it().is_new
    assert fake.bodies().count(NEW) == 1
    assert len(fake.comments) == 16


def test_comments_of_other_authors_and_other_kinds_are_left_alone(fake, post_it):
    fake.add(OLD, "octocat")
    fake.add(OLD, None)  # an account that is gone
    fake.add(f"> {OLD}", BOT)
    fake.add(None, BOT)
    del fake.comments[fake.add("", BOT)]["body"]  # GitHub does not promise that there is one
    fake.add(f"{marker('gpu')}\nold", BOT)
    fake.add(OLD, BOT, issue=8)
    before = [dict(each) for each in fake.comments.values()]
    assert post_it().is_new
    assert [dict(each) for each in fake.comments.values()][:-1] == before


def test_each_name_has_a_comment_of_its_own(fake, post_it):
    texts = {name: f"{marker(name)}\ntext" for name in ("", "gpu", "gpu 2")}
    for name, text in texts.items():
        assert post_it(text, marker(name)).is_new
    for name, text in texts.items():
        assert not post_it(f"{text} again", marker(name)).is_new
    assert fake.bodies() == [f"{text} again" for text in texts.values()]


def test_the_author_of_a_persons_token_is_asked_for(fake, post_it):
    fake.is_app, fake.author = False, "octocat"
    bots = fake.add(OLD, BOT)
    own = fake.add(OLD, "octocat")
    assert not post_it().is_new
    assert (fake.comments[bots]["body"], fake.comments[own]["body"]) == (OLD, NEW)


def test_another_apps_token_updates_its_own_comment_as_well(fake, post_it):
    fake.author = "energy-app[bot]"
    first = post_it(OLD)
    again = post_it()
    assert (again.url, again.is_new) == (first.url, False)
    assert fake.bodies() == [NEW]


def test_of_two_runs_at_once_one_comment_stays_with_the_later_ones_text(fake, post_it):
    other = f"{MARKER}\nof the other run"
    fake.on_create = lambda: fake.add(other)  # between this run's look and its comment
    posted = post_it()
    assert not posted.is_new
    assert posted.url.endswith("-1")
    assert fake.bodies() == [NEW]


def test_the_older_of_two_at_once_stays_as_it_is(fake, post_it, connect):
    def younger(handler):
        # By the time of the second look another run has made one after this run's.
        fake.add(f"{MARKER}\nof the other run")
        handler.usual(fake.asked[-1])

    fake.script[("GET", "/issues/7/comments")] = [None, younger]
    assert post_it().is_new
    assert fake.bodies() == [NEW, f"{MARKER}\nof the other run"]  # the other run deletes its own
    assert "DELETE" not in fake.methods()


def test_a_comment_that_was_deleted_meanwhile_is_made_anew(fake, post_it):
    number = fake.add(OLD)

    def deleted(handler):
        fake.comments.pop(number, None)
        handler.usual(fake.asked[-1])

    fake.script[("PATCH", f"/comments/{number}")] = [deleted]
    assert post_it().is_new
    assert fake.bodies() == [NEW]


def test_a_comment_is_posted_though_the_second_look_fails(fake, post_it):
    fake.script[("GET", "/issues/7/comments")] = [None, Scripted(401, {"message": "gone"})]
    posted = post_it()
    assert posted.is_new
    assert "another run may have posted one as well, which could not be settled" in posted.note
    assert fake.bodies() == [NEW]


def test_a_token_that_may_only_read_is_told(fake, post_it):
    refused = {"message": "Resource not accessible by integration"}
    fake.script[("POST", "/issues/7/comments")] = [Scripted(403, refused)]
    with pytest.raises(ForbiddenError, match=r"\(HTTP 403\): Resource not accessible by integr"):
        post_it()
    assert fake.bodies() == []


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "1"},
        {"id": True},
        {"id": -1},
        {"user": {}},
        {"user": "octocat"},
        {"user": {"login": 1}},
        {"body": 1},
        {"html_url": None},
    ],
    ids=str,
)
def test_what_is_no_comment_is_refused(fake, post_it, broken):
    fake.add(OLD)
    fake.comments[1] |= broken
    with pytest.raises(GitHubError, match="is not what GitHub says of a comment; is GITHUB_API"):
        post_it()
    assert "POST" not in fake.methods()


def pull(number, label="fork:fix", sha="a" * 40):
    return {"number": number, "head": {"label": label, "sha": sha}}


def test_another_workflows_pull_request_is_found_by_branch_and_commit(fake, connect):
    fake.page_size = 2
    fake.pulls = [pull(1, "octo:fix"), pull(2, sha="b" * 40), pull(3, "fork:fix2"), pull(4)]
    assert pull_request_of(connect(), REPOSITORY, Head("fork", "fix", "a" * 40)) == 4
    assert fake.asked[0].query["head"] == "fork:fix"
    assert fake.asked[0].query["state"] == "open"
    assert pull_request_of(connect(), REPOSITORY, Head("fork", "fix", "c" * 40)) is None


@pytest.mark.parametrize("broken", [{}, {"head": None}, {"number": "1"}, None], ids=str)
def test_what_is_no_list_of_pull_requests_is_refused(fake, connect, broken):
    fake.pulls = [(broken and pull(1) | broken) or broken]
    with pytest.raises(GitHubError, match="not what GitHub says of a list of pull requests"):
        pull_request_of(connect(), REPOSITORY, Head("fork", "fix", "a" * 40))
