"""Where the comment belongs, by what GitHub's runner says."""

from __future__ import annotations

import json

import pytest

from pytest_energy.comment.place import Head, Place, PlaceError, read_place

API = "https://api.github.com"
REPOSITORY = {"GITHUB_REPOSITORY": "octo/models"}


@pytest.fixture
def place_of(tmp_path):
    def read(event=None, number=None, **environment):
        if event is not None:
            path = tmp_path / "event.json"
            path.write_bytes(event if isinstance(event, bytes) else json.dumps(event).encode())
            environment["GITHUB_EVENT_PATH"] = str(path)
        return read_place(REPOSITORY | environment, number)

    return read


def pull(number=7, head="octo/models"):
    repo = None if head is None else {"full_name": head}
    return {
        "pull_request": {
            "number": number,
            "head": {"repo": repo},
            "base": {"repo": {"full_name": "octo/models"}},
        }
    }


def test_the_number_is_the_events(place_of):
    assert place_of(pull()) == Place(API, "octo/models", 7)
    comment = {"issue": {"number": 8, "pull_request": {}}}
    assert place_of(comment).number == 8
    assert place_of(GITHUB_REF="refs/pull/9/merge").number == 9
    assert place_of({"ref": "x"}, GITHUB_REF="refs/pull/9/merge").number == 9


def test_a_number_that_is_named_wins(place_of):
    assert place_of(pull(), 11) == Place(API, "octo/models", 11)
    assert place_of(number=11).number == 11
    assert not place_of(pull(head="fork/models"), 11).is_fork
    assert place_of(pull(head="fork/models"), 7).is_fork


@pytest.mark.parametrize("head", ["fork/models", None])
def test_a_fork_is_told_even_once_it_is_deleted(place_of, head):
    assert place_of(pull(head=head)).is_fork


def test_another_workflows_run_is_told_by_its_head(place_of):
    run = {
        "head_repository": {"owner": {"login": "fork"}},
        "head_branch": "fix",
        "head_sha": "a" * 40,
    }
    place = place_of({"workflow_run": run}, GITHUB_REF="refs/heads/main")
    assert place == Place(API, "octo/models", None, Head("fork", "fix", "a" * 40))
    for broken in ({"head_sha": "main"}, {"head_branch": 1}, {"head_repository": None}):
        with pytest.raises(PlaceError, match="--pull-request NUMBER"):
            place_of({"workflow_run": run | broken})


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        pull(number="7"),
        pull(number=True),
        pull(number=-1),
        {"issue": {"number": 8}},
        {"pull_request": 7},
        {"workflow_run": []},
    ],
    ids=str,
)
def test_without_a_pull_request_the_remedy_is_named(place_of, event):
    with pytest.raises(PlaceError, match="in the event 'push'; run on pull_request, or name it"):
        place_of(event, GITHUB_EVENT_NAME="push", GITHUB_REF="refs/heads/main")


@pytest.mark.parametrize("event", [b"", b"{", b"\xff", b"[" * 1000, b"[]," * 500_000, b"NaN"])
def test_what_is_no_event_is_refused(place_of, event):
    with pytest.raises(PlaceError, match="is not the JSON of an event; unset it"):
        place_of(event)


def test_an_event_that_cannot_be_read_is_named(place_of, tmp_path):
    for path, why in ((tmp_path, "a folder"), (tmp_path / "none", "No such file")):
        with pytest.raises(PlaceError, match=why):
            place_of(GITHUB_EVENT_PATH=str(path))


@pytest.mark.parametrize(
    "repository", ["", "models", "a/b/c", "../models", "octo/..", "octo/a b", "octo/a?b", "/", "a/"]
)
def test_a_repository_that_is_none_is_refused(repository):
    with pytest.raises(PlaceError, match=r"GITHUB_REPOSITORY.*OWNER/NAME"):
        read_place({"GITHUB_REPOSITORY": repository}, 7)


def test_an_enterprise_servers_address_is_taken(place_of):
    place = place_of(number=7, GITHUB_API_URL="https://git.example:8443/api/v3/")
    assert place.api == "https://git.example:8443/api/v3"


@pytest.mark.parametrize(
    "url",
    [
        "api.github.com",
        "ftp://github.test",
        "https://",
        "https://me:hidden@github.test",
        "https://github.test/?hidden=1",
        "https://github.test/#hidden",
        "https://github.test/hid den",
        "https://github.test:hidden",
        "https://github.test/\nhidden",
    ],
)
def test_an_address_that_is_none_is_refused_without_quoting_it(place_of, url):
    with pytest.raises(PlaceError, match="GITHUB_API_URL: expected an address") as refused:
        place_of(number=7, GITHUB_API_URL=url)
    assert "hid" not in str(refused.value)
