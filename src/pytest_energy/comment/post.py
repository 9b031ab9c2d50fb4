"""One comment on a pull request: found by its marker and its author, and updated.

Two runs at once may both find none and make one each. So whoever has made one looks again: where
there is an older one by then, that is updated and the younger one deleted by the run that made it.
No run deletes a comment of another's, so that one stays whatever their order. The same look mends
it where the author is not known beforehand, as of the token of another GitHub App.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_energy.comment.github import ForbiddenError, GitHub, GitHubError, NotFoundError
from pytest_energy.comment.place import Head

ACTIONS_BOT = "github-actions[bot]"
"""The author of what a workflow writes with its own token, which may not ask who it is."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A comment as it is on the pull request now.

    Args:
        url: of its page, as GitHub says it.
        is_new: whether it was created, and not updated.
        note: what else there is to know; empty for nothing.
    """

    url: str
    is_new: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Comment:
    number: int
    author: str
    body: str
    url: str


def post(github: GitHub, repository: str, number: int, body: str, marker: str) -> Posted:
    """Update the comment that begins with the marker, or create it.

    Args:
        github: with a token that may write comments.
        repository: `owner/name`.
        number: of the pull request.
        body: which begins with the marker.
        marker: of this comment.

    Raises:
        GitHubError: nothing was posted.
    """
    issue = f"/repos/{repository}/issues/{number}/comments"
    first = _first_of(github, issue, _author(github), marker)
    if first is not None:
        with suppress(NotFoundError):  # somebody has deleted it since
            return _updated(github, repository, first, body)
    own = _read_comment(github.send("POST", issue, {"body": body}))
    try:
        return _without_double(github, repository, issue, own, marker)
    except GitHubError as error:
        note = f"another run may have posted one as well, which could not be settled: {error}"
        return Posted(own.url, is_new=True, note=note)


def _without_double(
    github: GitHub, repository: str, issue: str, own: _Comment, marker: str
) -> Posted:
    """Where there is an older comment by now, update that and delete the one that was made."""
    first = _first_of(github, issue, own.author, marker)
    if first is None or first.number >= own.number:
        return Posted(own.url, is_new=True)
    try:
        posted = _updated(github, repository, first, own.body)
    except NotFoundError:
        return Posted(own.url, is_new=True)  # somebody has deleted that one
    with suppress(NotFoundError):
        github.send("DELETE", f"/repos/{repository}/issues/comments/{own.number}")
    return posted


def pull_request_of(github: GitHub, repository: str, head: Head) -> int | None:
    """The open pull request whose head another workflow has run on.

    It is asked of GitHub, since the event names none of a fork's, and what the other workflow says
    may be written by the fork.

    Args:
        github: with a token that may read pull requests.
        repository: that the pull request is made to.
        head: from the event.

    Returns:
        None where there is none: it is closed, it has newer commits, or the run was of a branch.

    Raises:
        GitHubError: it could not be asked.
    """
    label = f"{head.owner}:{head.branch}"
    for pull in github.entries(f"/repos/{repository}/pulls", {"state": "open", "head": label}):
        try:
            # GitHub leaves out a condition that it does not understand.
            if (pull["head"]["label"], pull["head"]["sha"]) == (label, head.sha):
                return _number(pull["number"])
        except (KeyError, TypeError):
            raise _unexpected("a list of pull requests") from None
    return None


def _author(github: GitHub) -> str:
    """The login of the token's own author."""
    try:
        user = github.get("/user")
    except (ForbiddenError, NotFoundError):
        return ACTIONS_BOT
    login = user.get("login") if isinstance(user, dict) else None
    if not isinstance(login, str) or not login:
        raise _unexpected("a user")
    return login


def _first_of(github: GitHub, issue: str, author: str, marker: str) -> _Comment | None:
    """The oldest comment of this author that begins with the marker; others may quote it."""
    own = [
        comment
        for comment in map(_read_comment, github.entries(issue, {}))
        if comment.author == author and comment.body.startswith(marker)
    ]
    return min(own, key=lambda comment: comment.number, default=None)


def _updated(github: GitHub, repository: str, comment: _Comment, body: str) -> Posted:
    path = f"/repos/{repository}/issues/comments/{comment.number}"
    return Posted(_read_comment(github.send("PATCH", path, {"body": body})).url, is_new=False)


def _read_comment(entry: Any) -> _Comment:
    try:
        # By GitHub's OpenAPI description the user may be null, and there need be no body.
        user, body = entry["user"], entry.get("body")
        author = "" if user is None else user["login"]
        texts = (author, "" if body is None else body, entry["html_url"])
        number = _number(entry["id"])
    except (AttributeError, KeyError, TypeError):
        raise _unexpected("a comment") from None
    if not all(isinstance(text, str) for text in texts):
        raise _unexpected("a comment")
    return _Comment(number, *texts)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise TypeError(value)
    return value


def _unexpected(what: str) -> GitHubError:
    return GitHubError(
        f"the answer is not what GitHub says of {what}",
        "is GITHUB_API_URL the base URL of GitHub's API?",
    )
