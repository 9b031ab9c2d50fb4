"""Where the comment belongs: what GitHub's runner says of repository and pull request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_energy.files import read_bytes
from pytest_energy.web.answers import TooManyValuesError, parse_json

DEFAULT_API = "https://api.github.com"

MOST_EVENT_BYTES = 26 * 2**20
"""GitHub caps the payload of an event at 25 MB (its documentation of webhooks)."""

_MOST_VALUES = 1_000_000
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_PULL_REF = re.compile(r"refs/pull/([1-9][0-9]{0,14})/(?:merge|head)")
_SHA = re.compile(r"[0-9a-f]{40,64}")


class PlaceError(Exception):
    """It cannot be said where the comment belongs; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Head:
    """The branch that another workflow ran on, by which its pull request is found.

    Args:
        owner: of the repository that has the branch; another's for a fork.
        branch: its name.
        sha: the commit that was run.
    """

    owner: str
    branch: str
    sha: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the comment belongs.

    Args:
        api: base URL of GitHub's API.
        repository: `owner/name`.
        number: of the pull request; None where it is to be found by its head.
        head: where the event is another workflow's run.
        is_fork: whether the pull request is known to come from a fork.
    """

    api: str
    repository: str
    number: int | None = None
    head: Head | None = None
    is_fork: bool = False


def read_place(environment: Mapping[str, str], number: int | None = None) -> Place:
    """Read what the runner says.

    Args:
        environment: with `GITHUB_REPOSITORY`, `GITHUB_API_URL`, `GITHUB_EVENT_PATH`, `GITHUB_REF`.
        number: of the pull request, where the caller names it.

    Raises:
        PlaceError: something is missing, or is not as GitHub has it.
    """
    api = _checked_api(environment.get("GITHUB_API_URL") or DEFAULT_API)
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise PlaceError(
            "GITHUB_REPOSITORY is not set; set it to OWNER/NAME of the pull request's repository"
        )
    parts = repository.split("/")
    if not _REPOSITORY.fullmatch(repository) or {".", ".."} & {*parts}:
        raise PlaceError(f"GITHUB_REPOSITORY: expected OWNER/NAME, found {repository[:200]!r}")
    event = _read_event(environment.get("GITHUB_EVENT_PATH", ""))
    is_fork = _is_fork(event)
    if number is not None:
        return Place(api, repository, number, is_fork=is_fork and number == _number_in(event))
    number = _number_in(event)
    head = None if number else _head(event)
    if number is None and head is None:
        found = _PULL_REF.fullmatch(environment.get("GITHUB_REF", ""))
        number = int(found[1]) if found else None
    if number is None and head is None:
        name = environment.get("GITHUB_EVENT_NAME", "")
        which = f" in the event {name[:50]!r}" if name else ""
        raise PlaceError(
            f"there is no pull request{which}; run on pull_request, or name it with"
            " --pull-request NUMBER"
        )
    return Place(api, repository, number, head, is_fork)


def _checked_api(url: str) -> str:
    """The base URL without a slash at its end."""
    try:
        parts = urlsplit(url)
        is_plain = parts.port != 0 and not (parts.username or parts.password)
    except ValueError:
        is_plain = False
    if (
        not is_plain
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or not re.fullmatch("[!-~]+", url)
    ):
        # It is not quoted: a user's name and a password may stand in it.
        raise PlaceError(
            f"GITHUB_API_URL: expected an address such as {DEFAULT_API}, or"
            " https://HOST/api/v3 of an Enterprise Server, and no user, query or fragment in it"
        )
    return url.rstrip("/")


def _read_event(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        event = parse_json(read_bytes(Path(path), most_bytes=MOST_EVENT_BYTES), _MOST_VALUES)
    except OSError as error:
        why = error.strerror or str(error)
        raise PlaceError(
            f"GITHUB_EVENT_PATH: {path[:300]}: {why}; unset it, and name the pull request with"
            " --pull-request NUMBER"
        ) from error
    except (ValueError, TooManyValuesError) as error:
        raise PlaceError(
            f"GITHUB_EVENT_PATH: {path[:300]} is not the JSON of an event; unset it, and name the"
            " pull request with --pull-request NUMBER"
        ) from error
    return event if isinstance(event, dict) else {}


def _member(value: Any, *names: str) -> Any:
    """A member of members, None where one of them is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number_in(event: dict[str, Any]) -> int | None:
    """The pull request that the event is about; of an issue's comment where that is one."""
    number = _member(event, "pull_request", "number")
    if number is None and _member(event, "issue", "pull_request") is not None:
        number = _member(event, "issue", "number")
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**15
    return number if is_number else None


def _is_fork(event: dict[str, Any]) -> bool:
    pull = _member(event, "pull_request")
    if not isinstance(pull, dict) or "head" not in pull:
        return False
    # The repository of a head is null once the fork is deleted.
    return bool(
        _member(pull, "head", "repo", "full_name") != _member(pull, "base", "repo", "full_name")
    )


def _head(event: dict[str, Any]) -> Head | None:
    """What another workflow has run on; its event names no pull request of a fork's."""
    run = _member(event, "workflow_run")
    owner = _member(run, "head_repository", "owner", "login")
    branch, sha = _member(run, "head_branch"), _member(run, "head_sha")
    if not (isinstance(owner, str) and isinstance(branch, str) and isinstance(sha, str)):
        return None
    return Head(owner, branch, sha) if _SHA.fullmatch(sha) else None
