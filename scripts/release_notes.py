"""Print a version's section of CHANGELOG.md, for its release on GitHub.

    python scripts/release_notes.py v1.2.3

The exit status is 1 where the tag is not `v` and the version of pyproject.toml, where the changelog
has no notes of that version, or where notes of it are still fragments.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(tag: str, root: Path = ROOT) -> str:
    """The version's section, without its heading.

    Args:
        tag: `v` and the version.
        root: of the repository.

    Raises:
        ValueError: the release cannot be made; says why, and what to do.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise ValueError(
            f"the tag is {tag!r}, and pyproject.toml has version {version!r}: the tag is"
            f" 'v{version}'; set the version first, on main"
        )
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.DOTALL | re.MULTILINE)
    if found is None or not found[1].strip():
        raise ValueError(
            f"CHANGELOG.md has no notes of {version}: towncrier build --yes --version {version}"
        )
    left = sorted(
        path.name for path in (root / "changelog.d").glob("*.*.md") if path.name != "README.md"
    )
    if left:
        raise ValueError(
            f"notes are still fragments: {', '.join(left)} in changelog.d;"
            f" towncrier build --yes --version {version}"
        )
    return found[1].strip() + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} TAG")
    try:
        sys.stdout.write(notes(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
