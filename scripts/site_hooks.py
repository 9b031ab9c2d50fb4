"""What MkDocs does beside its plugins: links that leave docs/, and the JSON schemas as files.

The pages are read in two places. On GitHub a link such as `../SECURITY.md` leads to the file; the
site has no such file, so there the same link leads to the repository. A target that does not exist
is a warning, which ends a strict build.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from write_reference import published_name, schema_files  # MkDocs has this folder on the path

log = logging.getLogger("mkdocs.hooks")

BRANCH = "main"

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)\s]*)(\))")


def on_files(files: Any, config: Any) -> Any:
    """Publish the JSON schemas of the package under the last part of their `$id`."""
    for schema in schema_files(_root(config)):
        name = published_name(json.loads(schema.read_text("utf-8")))
        files.append(File.generated(config, f"schema/{name}", abs_src_path=str(schema)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links to files outside of docs/ to the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def mended(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path == "docs" or path.startswith("docs/"):
            return match[0]
        found = _root(config) / path
        if path.startswith("..") or not found.exists():
            log.warning("%s: there is no %s for the link %s", page.file.src_uri, path, match[2])
        kind = "tree" if found.is_dir() else "blob"
        address = f"{config.repo_url.rstrip('/')}/{kind}/{BRANCH}/{path}"
        return f"{match[1]}{address}{'#' + anchor if anchor else ''}{match[3]}"

    return "\n".join(
        line if inside else _LINK.sub(mended, line) for line, inside in _lines(markdown)
    )


def _root(config: Any) -> Path:
    return Path(config.config_file_path).parent


def _lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """The lines of a page, each with whether it stands in a block of code."""
    fence = ""
    for line in markdown.split("\n"):
        found = _FENCE.match(line)
        if not fence and found:
            fence = found[1]
            yield line, True
        elif fence and found and found[1].startswith(fence):
            fence = ""
            yield line, True
        else:
            yield line, bool(fence)
