"""The text of the comment: the Markdown report behind a marker that does not show."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from pytest_energy.report.exports import markdown
from pytest_energy.types.session import SessionReport

MOST_CHARACTERS = 65_536
"""Of a comment's body; of a longer one GitHub says "Body is too long (maximum is 65536 characters)"
(HTTP 422). Counted here in bytes of UTF-8, which are never fewer, whatever GitHub counts."""

MOST_NAME_CHARACTERS = 200
"""Of a comment's name."""


def marker(name: str) -> str:
    """The first characters of the comment, which tell it from all others and do not show.

    Args:
        name: that tells several comments on one pull request apart; empty for the only one.

    Raises:
        ValueError: the name is too long, or nothing but blanks.
    """
    if not name:
        return "<!-- pytest-energy comment -->"
    if len(name) > MOST_NAME_CHARACTERS:
        raise ValueError(f"the name has {len(name):,} characters, {MOST_NAME_CHARACTERS} at most")
    if not name.strip():
        raise ValueError("the name has nothing but blanks")
    # An HTML comment ends at `-->`, and two hyphens are no part of it everywhere.
    quoted = quote(name, safe=" ()[],:=/", errors="surrogatepass").replace("--", "%2D%2D")
    return f"<!-- pytest-energy comment: {quoted} -->"


def render(reports: Sequence[SessionReport], name: str = "") -> str:
    """The comment's body; rows that find no room are counted.

    Args:
        reports: of one session or of several; of each test the latest result of each machine class.
        name: of the comment, which it shows as its heading; empty for none.

    Raises:
        ValueError: a name that `marker` refuses.
    """
    head = f"{marker(name)}\n"
    if name:
        head += f"#### {markdown.code(name)}\n\n"
    return head + markdown.render(reports, MOST_CHARACTERS - len(head.encode()))
