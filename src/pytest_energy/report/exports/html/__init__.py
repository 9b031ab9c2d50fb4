"""The report as one page: no network, no other file, every figure of it in any unit.

The template, its style and its scripts stand beside this module. The charts are drawn with D3,
whose bundle comes with the distribution mpld3: of the libraries with a logarithmic axis that a
wheel ships it is the lightest (D3 5.7 238 kB; Bokeh 3.9 1,390 kB with its API; Plotly 6 some
4,700 kB), and what it draws is SVG, which a keyboard reaches and a style sheet can turn dark.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_energy.report.exports.html.page_data import page_of
from pytest_energy.report.exports.html.published_data import published
from pytest_energy.types.session import SessionReport

SCRIPTS = ("units.js", "table.js", "charts.js", "details.js", "page.js")
"""In the order in which they are run: each uses what the ones before have defined."""

INSTALL = 'pip install "pytest-energy[html]"'
"""What brings the libraries that the page is made with."""


def why_unavailable() -> str:
    """What the page needs and is not installed, with the remedy; empty where it can be made."""
    missing = [name for name in ("jinja2", "mpld3") if find_spec(name) is None]
    return f"the page needs {' and '.join(missing)}: {INSTALL}" if missing else ""


def render(reports: Sequence[SessionReport]) -> str:
    """One page of all reports, with published figures that can be set beside them.

    Args:
        reports: of one session or of several; of each test the latest result of each machine class.
            Without any the page is of the published figures alone.

    Raises:
        ModuleNotFoundError: the extra `html` is not installed; says how to.
        ValueError: a figure is not finite.
    """
    title = "Energy report" if reports else "Energy of models, as published"
    return _rendered(page_of(reports, published()), title)


def _rendered(page: Mapping[str, Any], title: str) -> str:
    if why := why_unavailable():
        raise ModuleNotFoundError(why)
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # What the page says is compressed and in base64: no text in it can end the element.
    text = json.dumps(page, allow_nan=False, separators=(",", ":"))
    data = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    scripts = [_bundle(), *map(_beside, SCRIPTS)]
    style = _beside("style.css")
    environment = Environment(
        loader=PackageLoader(__name__, "."), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        headline=page["headline"],
        data=data,
        style=style,
        style_hash=_hash(style),
        scripts=scripts,
        script_hashes=[_hash(script) for script in scripts],
    )


def _beside(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _bundle() -> str:
    """D3, as mpld3 ships it; mpld3 itself, which imports matplotlib, is not imported."""
    spec = find_spec("mpld3")
    places = spec.submodule_search_locations if spec is not None else None
    return Path((places or [""])[0], "js", "d3.v5.min.js").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Of an element's text, as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
