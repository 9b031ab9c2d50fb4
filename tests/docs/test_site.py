"""The site: every page is in its navigation, every link leads somewhere, on GitHub and in the site.

The site is built where MkDocs is installed, here or in the environment of `make docs`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from support.examples import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SETTINGS = ROOT / "mkdocs.yml"
OWN_PYTHON = ROOT / "build" / "docs-venv" / "bin" / "python"

pytestmark = pytest.mark.skipif(not SETTINGS.is_file(), reason="not in a source distribution")


def named(nav):
    """Pages of a navigation, in order."""
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)


def prose(page):
    """A page's lines outside of blocks of code."""
    fence = False
    for line in page.read_text("utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fence = not fence
        elif not fence:
            yield line


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(page):
    return {slug(line.lstrip("#")) for line in prose(page) if re.match(r"#{1,6} ", line)}


def links(page):
    text = "\n".join(re.sub(r"`[^`]*`", "", line) for line in prose(page))
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not link.startswith(("https://", "http://"))]


def test_every_page_is_in_the_navigation_once():
    pages = list(named(yaml.safe_load(SETTINGS.read_text("utf-8"))["nav"]))
    assert sorted(pages) == [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_on_github_links_to_files_and_headings_that_there_are(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


class Resources(HTMLParser):
    """Addresses that a browser asks for by itself when it shows a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        loads = tag != "link" or given.get("rel") in ("stylesheet", "icon", "preload")
        if tag in ("script", "img", "link", "iframe") and loads:
            self.found.append(given.get("src") or given.get("href") or "")


def mkdocs():
    """The command that runs MkDocs with its plugins, or None."""
    if all(find_spec(name) for name in ("mkdocs", "material", "mkdocstrings_handlers")):
        return [sys.executable, "-m", "mkdocs"]
    return [str(OWN_PYTHON), "-m", "mkdocs"] if OWN_PYTHON.exists() else None


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds the site from a folder of pages; returns what ran and the folder of the site."""
    command = mkdocs()
    if command is None:
        pytest.skip("needs mkdocs: make docs")

    def build(settings=SETTINGS):
        site = tmp_path_factory.mktemp("site")
        arguments = [*command, "build", "--strict", f"--config-file={settings}"]
        environment = {**os.environ, "PYTHONPATH": "", "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(
            [*arguments, f"--site-dir={site}"],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )
        return done, site

    return build


@pytest.fixture(scope="module")
def site(build):
    done, site = build()
    assert done.returncode == 0, done.stdout + done.stderr
    return site


def test_the_site_is_built_without_a_warning(site):
    for page in PAGES:
        made = page.relative_to(DOCS).with_suffix("")
        folder = made.parent if made.name == "index" else made
        assert (site / folder / "index.html").is_file()


def test_the_schemas_are_files_of_the_site(site):
    schemas = list((ROOT / "src").rglob("*.schema.json"))
    assert schemas
    for schema in schemas:
        loaded = json.loads(schema.read_text("utf-8"))
        published = site / "schema" / loaded["$id"].rpartition("/")[2]
        assert json.loads(published.read_text("utf-8")) == loaded


def test_no_page_asks_another_host(site):
    for page in site.rglob("*.html"):
        resources = Resources()
        resources.feed(page.read_text("utf-8"))
        assert not [one for one in resources.found if re.match(r"(https?:)?//", one)], page


def test_a_link_that_leaves_the_docs_leads_to_the_repository(site):
    text = (site / "how-to" / "own-machine" / "index.html").read_text("utf-8")
    assert "https://github.com/pytest-energy/pytest-energy/blob/main/SECURITY.md" in text
    text = (site / "how-to" / "hosted-runners" / "index.html").read_text("utf-8")
    assert "https://github.com/pytest-energy/pytest-energy/tree/main/examples/ci" in text


def test_the_docstrings_of_the_fixture_are_rendered(site):
    text = (site / "reference" / "fixtures" / "index.html").read_text("utf-8")
    for name in ("each", "run", "arun", "aeach", "measure", "record", "add"):
        assert f'id="pytest_energy.metering.fixture.Energy.{name}"' in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[x](../LICENCE.txt)", "there is no LICENCE.txt"),
        ("[x](meters.md#no-such-heading)", "does not contain an anchor"),
        ("[x](no-such-page.md)", "not found"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(build, tmp_path, line, problem):
    for name in ("docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "src").symlink_to(ROOT / "src")
    shutil.copy(SETTINGS, tmp_path)
    for link in ("examples", "baselines", "tests", "benchmarks", "SECURITY.md", "README.md"):
        (tmp_path / link).symlink_to(ROOT / link)
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    page = tmp_path / "docs" / "index.md"
    page.write_text(page.read_text("utf-8") + f"\n{line}\n", "utf-8")
    done, _ = build(Path(tmp_path / "mkdocs.yml"))
    assert done.returncode != 0
    assert problem in done.stdout + done.stderr
