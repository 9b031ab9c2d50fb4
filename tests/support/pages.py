"""The page that `--energy-html` writes, read without a browser."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """Elements and texts of a page.

    Args:
        text: of the file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)


def page_data(text: str) -> Any:
    """What the page holds, as its own script reads it.

    Args:
        text: of the file.
    """
    page = Page(text)
    of_script = iter(page.texts["script"])
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    (packed,) = (
        content
        for attrs, content in zip(scripts, of_script, strict=False)
        if attrs.get("id") == "data"
    )
    return json.loads(gzip.decompress(base64.b64decode(packed)))
