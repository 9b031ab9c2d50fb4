"""`pytest-energy comment`: the comment on a pull request, printed or posted."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from pytest_energy.cli.output import ERROR, complain, set_run, write_out
from pytest_energy.cli.report import add_runs, read_reports

if TYPE_CHECKING:
    from pytest_energy.comment.github import ForbiddenError, GitHub
    from pytest_energy.comment.place import Place

FORBIDDEN = 3
"""Exit code where the token may not write the comment, as on a fork's pull request."""

_NOT_POSTED = "the comment was not posted"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "comment",
        help="print the comment on a pull request, or post it",
        description="Print the body of a comment on a pull request: the Markdown report of one run"
        " or of many. With --post it is posted on GitHub: the one comment with this name is"
        " updated, or created where there is none. The token is GITHUB_TOKEN's; the repository, the"
        " pull request and the server are those of GITHUB_REPOSITORY, GITHUB_EVENT_PATH, GITHUB_REF"
        " and GITHUB_API_URL, as GitHub's runner sets them.",
        epilog=f"Exit code: 0, {ERROR} for an error, or {FORBIDDEN} where the token may not write"
        " comments there, as for a pull request from a fork.",
        allow_abbrev=False,
    )
    add_runs(parser)
    parser.add_argument(
        "--post", action="store_true", help="post it, and print its address (else nothing is sent)"
    )
    parser.add_argument(
        "--name",
        type=_name,
        default="",
        help="of the comment, where several jobs or workflows have one each; its heading",
    )
    parser.add_argument(
        "--pull-request",
        type=_pull_request,
        metavar="NUMBER",
        help="where to post it (default: the pull request that the workflow runs for)",
    )

    set_run(parser, _comment)


def _name(text: str) -> str:
    from pytest_energy.comment.body import marker

    try:
        marker(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _pull_request(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < len(text.lstrip("0")) < 16:
        raise argparse.ArgumentTypeError(f"expected the number of a pull request, found {text!r}")
    return int(text)


def _comment(known: argparse.Namespace) -> int:
    from pytest_energy.comment import body
    from pytest_energy.report.read import RunError

    try:
        text = body.render(read_reports(known.runs), known.name)
    except RunError as error:
        complain(str(error))
        return ERROR
    if known.post:
        return _post(text, body.marker(known.name), known.pull_request)
    return write_out(lambda stream: stream.write(text), "the comment")


def _post(text: str, marker: str, number: int | None) -> int:
    from pytest_energy.comment.github import ForbiddenError, GitHub, GitHubError, Token
    from pytest_energy.comment.place import PlaceError, read_place

    try:
        place = read_place(os.environ, number)
        token = Token(os.environ.get("GITHUB_TOKEN", ""))
        github = GitHub(place.api, token)
        try:
            return _post_at(github, place, text, marker)
        except ForbiddenError as error:
            complain(f"{_NOT_POSTED}: {error.reason}; {_remedy(place, error)}")
            return FORBIDDEN
        finally:
            github.close()
    except (PlaceError, ValueError, GitHubError) as error:
        complain(f"{_NOT_POSTED}: {error}")
        return ERROR
    except KeyboardInterrupt:
        complain("interrupted; where the comment was posted already, the next run updates it")
        return ERROR


def _post_at(github: GitHub, place: Place, text: str, marker: str) -> int:
    from pytest_energy.comment.post import post, pull_request_of

    number = place.number
    if number is None and place.head is not None:
        number = pull_request_of(github, place.repository, place.head)
    if number is None:
        sha = place.head.sha[:7] if place.head is not None else ""
        complain(f"{_NOT_POSTED}: {sha} is the head of no open pull request, or is so no longer")
        return 0
    posted = post(github, place.repository, number, text, marker)
    if posted.note:
        complain(posted.note)
    # What is printed is an output of a step, which ends with its line.
    url = posted.url if re.fullmatch("https?://[!-~]{1,500}", posted.url) else ""
    return write_out(lambda stream: stream.write(f"{url}\n"), "the comment's address")


def _remedy(place: Place, error: ForbiddenError) -> str:
    if place.is_fork:
        return (
            "the pull request comes from a fork, and GitHub's token for it can only read: post from"
            " a workflow that runs on workflow_run (docs/ci.md), or read the report in the step's"
            " summary"
        )
    return (
        f"{error.hint}; on a pull request of Dependabot's the token can only read, as on a fork's:"
        " post from a workflow that runs on workflow_run (docs/ci.md)"
    )
