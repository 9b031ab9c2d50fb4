"""Hostile names through every format, and back out of it by what reads that format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from pytest_energy.report.exports import BUILT_IN
from pytest_energy.report.printable import printable, printable_lines
from pytest_energy.types.codec import cut
from support.pages import page_data
from support.reports import HOSTILE, hostile_models

NAMES = {
    "every format's signs": HOSTILE,
    "controls": "a\x00b\x07c\x1b[31md\x7fe\x85f\u2028g\u2029h\x0bi\x1ej",
    "line ends": "a\nb\r\nc\rd\n---\n...\n# EOF\n- e: f",
    "half a character": "a\ud83db\udc00c",
    "no character": "a\ufffeb\uffffc\ufdd0d\U0001ffffe",
    "marks": "\ufeffa\u202eb\u2066c\u200dd\u200be\u00adf\U000e0041g",
    "emoji": "👩🏽‍🚀 ❤️ 𝔘𝔫𝔦 日本 عربى",
    "quotes": "'a\"b`c``d\\e\\\"f''g\\u0041\\x41\\",
    "a formula": "=1+1",
    "yaml": "- a: &b *c !!python/object:d {e: [f, %g]} # h | > ? @ ~",
    "a number": "1e5",
    "nothing": "null",
    "a date": "2026-01-01",
    "json": '{"a": [1, 2], "@id": "_:creation", "type": "CreationInfo"}',
    "an address": "urn:uuid:a https://spdx.org/rdf/3.0.1/terms/Core/NoneElement",
    "a command": "::error file=a::b ##[group]c",
    "a key": "-----BEGIN CERTIFICATE-----",
    "blanks": "  a\tb\u00a0c\u3000d  ",
    "long": "x" * 10_000,
    "long and wide": "𝔘" * 10_000,
}


def of_json(text: str) -> Any:
    return json.loads(text)


def of_csv(text: str) -> Any:
    rows = list(csv.reader(io.StringIO(text), strict=True))
    assert len({len(row) for row in rows}) == 1
    # What a spreadsheet would compute has an apostrophe in front, of which it shows nothing.
    return [[cell.removeprefix("'") for cell in row] for row in rows]


def of_prometheus(text: str) -> Any:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = list(parser.text_string_to_metric_families(text))
    return [dict(sample.labels) for family in families for sample in family.samples]


def of_a_card(text: str) -> Any:
    hub = pytest.importorskip("huggingface_hub")
    again = hub.ModelCard(str(hub.ModelCard(text)))  # read, written by the library, read
    assert again.text == ""
    return again.data.to_dict()


def of_lines(text: str) -> Any:
    return [json.loads(line) for line in text.split("\n") if line]


def of_spdx(text: str) -> Any:
    spdx = pytest.importorskip("spdx_python_model")
    model, objects = spdx.load_data(json.loads(text))
    written = io.BytesIO()
    model.JSONLDSerializer().write(objects, written)
    assert len(list(objects.foreach_type("ai_AIPackage"))) == 1
    return json.loads(written.getvalue())


def of_cyclonedx(text: str) -> Any:
    validation = pytest.importorskip("cyclonedx.validation.json")
    version = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    assert validation.JsonStrictValidator(version).validate_str(text) is None
    return json.loads(text)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert not attrs
        assert tag not in ("a", "img", "script")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def of_markdown(text: str) -> Any:
    return _Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(text)).texts


def of_html(text: str) -> Any:
    return page_data(text)


READERS: dict[str, Callable[[str], Any]] = {
    "ai-energy-score": of_csv,
    "bencher": of_json,
    "boamps": of_lines,
    "codecarbon": of_csv,
    "csv": of_csv,
    "cyclonedx": of_cyclonedx,
    "github-action-benchmark": of_json,
    "html": of_html,
    "markdown": of_markdown,
    "model-card": of_a_card,
    "openmetrics": of_prometheus,
    "spdx3": of_spdx,
}


def texts(value: Any) -> Iterator[str]:
    """All texts that were read, the names of members among them."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("reporter", BUILT_IN, ids=lambda each: each.name)
def test_a_name_comes_back_as_it_is_printed_and_does_nothing_else(reporter, name):
    text = reporter.render([hostile_models(name)])
    assert printable_lines(text) == text
    text.encode()
    # Of long names some formats show the ends.
    whole = printable(name)
    shown = {whole, cut(whole, 300)} if reporter.name == "markdown" else {whole}
    if reporter.name == "bencher":
        shown.add(whole[:900])
    found = list(texts(READERS[reporter.name](text)))
    assert any(any(one in text for one in shown) for text in found)
    for one in found:
        assert printable_lines(one) == one
