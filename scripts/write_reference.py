"""Write the pages of the reference that are made from the code, into docs/reference.

    python scripts/write_reference.py            # writes them
    python scripts/write_reference.py --check    # exit code 1 where one is not current

Options come from `pytest_energy.settings`, markers from what `pytest --markers` prints, commands
from the parsers of the console script, members of JSON from the schemas that the package ships.
What is worth knowing beyond that stands in NOTES, beside the tables.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_energy import settings
from pytest_energy.cli.main import command_line
from pytest_energy.types.inference import Inference

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
COMMAND = "python scripts/write_reference.py"
SITE = "https://pytest-energy.github.io/pytest-energy"

GROUPS: dict[str, tuple[str, ...]] = {
    "What a run does": (
        "report",
        "update",
        "reason",
        "strict",
        "allow",
        "off",
        "prune",
        "baselines",
    ),
    "What decides": ("judge", "tolerance", "precision", "counts", "yardstick"),
    "Meters": ("meter", "idle", "processes-of"),
    "Another revision, other processes": (
        "against",
        "against-setup",
        "against-timeout",
        "processes",
    ),
    "The machine": ("pin", "allocator", "wait", "lock", "lock-timeout"),
    "Carbon": ("country", "region", "carbon-intensity", "pue", "factors"),
    "Models that are served elsewhere": (
        "prometheus-url",
        "prometheus-query",
        "prometheus-interval",
        "metrics-url",
        "metrics-counter",
        "metrics-interval",
        "metrics-requests",
        "http-url",
        "http-counter",
        "http-interval",
    ),
    "Reports": ("json", "json-blocks", "html", "markdown", "export"),
}

NOTES = {
    "What a run does": """\
Under `--energy-strict` a test that is skipped beside others that were compared passes, and is
named; so are those with stored entries in a file that is skipped as it is imported ([Nothing
compared is not green](../how-it-works.md#nothing-compared-is-not-green)). The reasons of
`--energy-allow` are explained there as well. [How it works](../how-it-works.md#baseline-files)
has the form of the baselines.""",
    "What decides": """\
The *yardstick* is the fixed [reference workload](../statistics.md#the-reference-workload) that
runs between the blocks of an estimate. What is counted, and when counts decide: [exact
counts](../counts.md). When a loop may end early: [early stop](../statistics.md#early-stop).""",
    "Meters": "[Meters](../meters.md) describes each of them, and how to add one.",
    "Another revision, other processes": """\
[Head against base](../pull-requests.md) is the manual. Write `--energy-against=FOLDER` where a
folder is the other revision.""",
    "The machine": """\
CPUs that were chosen for the process already (`taskset`) are kept. [One CPU, a steady
allocator](../how-it-works.md#one-cpu-a-steady-allocator) says why the first two are there, [under
pytest-xdist](../how-it-works.md#under-pytest-xdist) how tests take turns.""",
    "Carbon": "[Carbon](../carbon.md) has the formula, the tables and their sources.",
    "Models that are served elsewhere": """\
[Models that are served elsewhere](../served-models.md) is the manual; credentials come from [the
environment](../served-models.md#credentials) alone.""",
    "Reports": """\
[Reports](../reports.md) describes each format, [the page](../html.md) the HTML. The JSON has a
[schema](schemas.md); into a device, a FIFO or a link it is written, never in its place. Without
`--energy-json-blocks` a result takes some 1.5 kB. `pytest --junitxml` carries the figures as
properties of each test, and a page of pytest-html has columns of them, without an option.""",
}

MANUALS = {
    "init": "../init.md",
    "check": "../init.md#baselines-before-they-are-committed-pytest-energy-check",
    "doctor": "../meters.md#what-can-be-metered-here-pytest-energy-doctor",
    "explain": "../counts.md",
    "compare": "../compare.md",
    "report": "../reports.md#later-of-one-run-or-of-many",
    "comment": "../ci.md#the-comment",
    "papers": "../papers.md",
    "migrate": "../how-it-works.md#baseline-files",
    "bisect": "../bisect.md",
}

SCHEMAS = {
    "energy-report.schema.json": "`pytest --energy-json=PATH`",
    "baseline.schema.json": "`pytest --energy-update`, into `baselines/MACHINE/TASK/MODEL.json`",
    "counts.schema.json": "`pytest --energy-update`, into `baselines/counts/TASK/MODEL.json`",
    "compare.schema.json": "`pytest-energy compare --json`",
    "doctor.schema.json": "`pytest-energy doctor --json`",
    "papers.schema.json": "`pytest-energy papers --json`",
}


def pages() -> dict[str, str]:
    """The pages by their names in docs/reference.

    Raises:
        LookupError: something of the code has no place in the tables above; names it.
    """
    made = {
        "options.md": _options,
        "markers.md": _markers,
        "cli.md": _commands,
        "schemas.md": _schemas,
    }
    return {name: _page(make()) for name, make in made.items()}


def outdated() -> list[str]:
    """The pages that are not what the code gives, by their names."""
    return [
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text("utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or say which ones are not current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args(arguments).check:
        old = outdated()
        for name in old:
            print(f"docs/reference/{name} is not what the code gives: {COMMAND}", file=sys.stderr)
        return 1 if old else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def schema_files(root: Path) -> list[Path]:
    """The JSON schemas that the package ships."""
    return sorted((root / "src" / "pytest_energy").rglob("*.schema.json"))


def published_name(schema: dict[str, Any]) -> str:
    """What a schema's file is called on the site: the last part of its `$id`."""
    return str(schema["$id"]).rpartition("/")[2]


def _check_same(what: str, given: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse a table of this module that does not have each name of the code's once."""
    if sorted(given) != sorted(expected):
        odd = sorted(set(given) ^ set(expected))
        raise LookupError(f"scripts/write_reference.py, {what}: {odd}")


def _page(lines: Iterator[str]) -> str:
    title = next(lines)
    made = f"<!-- Made from the code by {COMMAND}: change it there. -->"
    text = "\n".join([title, "", made, *lines])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


# ── options ───────────────────────────────────────────────────────────────────────────────────────


def _options() -> Iterator[str]:
    by_name = {option[0]: option for option in settings.OPTIONS}
    grouped = [name for names in GROUPS.values() for name in names]
    _check_same("GROUPS: not options once each", grouped, by_name)
    yield "# Options"
    yield (
        "\nEach option of the command line has an ini twin, which it overrides:"
        " `--energy-tolerance=10%` is `energy_tolerance = 10%` in `pytest.ini` or under"
        " `[tool.pytest.ini_options]`. Write paths with `=` (`--energy-json=report.json`): after a"
        " blank pytest takes an existing path for a test folder when it determines its rootdir."
        " Relative paths start from where you stand, those of an ini file from pytest's rootdir."
        "\n\nWithout an option metered tests are metered, compared, and fail on a regression; other"
        " tests cost next to nothing.\n"
    )
    for group, names in GROUPS.items():
        yield f"\n## {group}\n"
        yield "| option | ini twin, default | what it does |\n| --- | --- | --- |"
        for name in names:
            _, kind, metavar, default, text = by_name[name]
            ini = f"`energy_{name.replace('-', '_')}`"
            stated = "false" if kind == "flag" else default
            written = f"--energy-{name}"
            if metavar:
                written += f" [{metavar}]" if kind == "choice" else f" {metavar}"
            yield _row(
                f"`{written}`",
                f"{ini}, `{stated}`" if stated else f"{ini}, not set",
                _choices(_prose(_without_default(text)), metavar),
            )
        yield f"\n{NOTES[group]}\n"


def _without_default(text: str) -> str:
    """A help text without the default, where that is a value, which has a column of its own."""
    return re.sub(r' \(default: (?:[\w.%"]+|http:[^)]+)\)(?=$|;)', "", text.replace("%%", "%"))


def _choices(text: str, metavar: str | None) -> str:
    """A help text with the values that it explains as code: `auto: …; off: …`."""
    if metavar not in ("WHEN", "WHAT", "HOW"):
        return _sentence(text)

    def coded(match: re.Match[str]) -> str:
        names = re.sub(r"(?!or\b)\b[a-z-]+\b", lambda name: f"`{name[0]}`", match[2])
        return f"{match[1]}{names}{match[3]}"

    values = re.compile(r"(^|; )([a-z-]+(?:, [a-z-]+)*(?: or [a-z-]+)?)((?: \([^)]*\))?: )")
    return values.sub(coded, text) + "."


# ── markers ───────────────────────────────────────────────────────────────────────────────────────


def _markers() -> Iterator[str]:
    yield "# Markers"
    yield (
        "\n`pytest --markers` prints what stands here. All arguments are keywords. On a class or a"
        " module a marker holds for every test in it, and the closest one wins, argument by"
        " argument. Plain, async (pytest-asyncio, anyio), class, `unittest.TestCase` and"
        " parametrised tests can all be marked. A test carries one of the two markers.\n"
    )
    for name, text in settings.MARKERS.items():
        yield f"\n## `@pytest.mark.{name}`\n"
        signature, _, rest = text.partition("): ")
        arguments = signature.partition("(")[2].split(", ")
        about, rows, behind = _marker_parts(rest, arguments)
        yield _sentence(_prose(about)) + "\n"
        yield "| argument | meaning |\n| --- | --- |"
        for names, meaning in rows:
            yield _row(", ".join(f"`{each}`" for each in names), _sentence(_prose(meaning)))
        missing = set(arguments) - {each for names, _ in rows for each in names}
        if name == "inference" and missing:
            raise LookupError(f"settings.MARKER says nothing of {sorted(missing)}")
        yield f"\n{_prose(behind)}\n" if name == "training" else ""
        yield _MARKER_NOTES[name]
    known = {field.name for field in fields(Inference)} - {"training_run"}
    given = set(settings.MARKER.partition("(")[2].partition(")")[0].split(", "))
    if known != given:
        raise LookupError(f"settings.MARKER: its arguments are not those read: {known ^ given}")


def _marker_parts(
    text: str, arguments: Sequence[str]
) -> tuple[str, list[tuple[list[str], str]], str]:
    """A marker's text in parts: what it does, its arguments, the last sentence."""
    one = "|".join(sorted(arguments, key=len, reverse=True))
    begin = re.compile(rf"(?:^|(?<=[.)\"] ))((?:{one})(?:(?:, | or )(?:{one}))*): ")
    found = list(begin.finditer(text))
    about = text[: found[0].start()].strip()
    rows = []
    behind = ""
    for each, following in zip(found, [*found[1:], None], strict=True):
        meaning = text[each.end() : None if following is None else following.start()].strip()
        if following is None:
            meaning, mark, behind = meaning.partition(". ")
            meaning += mark.strip()
        rows.append((re.split(", | or ", each[1]), meaning))
    return about, rows, behind


_MARKER_NOTES = {
    "inference": """\
* The marker alone makes the whole body of the test one window; fixtures are not in it. Of a
  `unittest.TestCase` `setUp` and `tearDown` are inside the window: load models in `setUpClass` or
  in a fixture. With the fixture [`energy`](fixtures.md) the loop is metered in blocks, which have
  an interval.
* A test within its `budget` passes `--energy-strict` without a baseline, but not where counts
  alone decide: they do not check it. `max_flops` is exact on any machine, a budget roughly.
* `quality` makes a test fail that takes less energy because its answers became worse
  ([quality](../how-it-works.md#quality)). Grade the outputs of `energy.run`: they are those of
  the first pass, however many passes follow.
* Without a marker the fixture works too: `n` is then the number of samples, the task the module's
  name, the model the test's.
""",
    "training": """\
[Meter a training](../training.md) is the manual: what the extrapolated figure holds, its
interval, the break-even.
""",
}


# ── commands ──────────────────────────────────────────────────────────────────────────────────────


def _commands() -> Iterator[str]:
    parser = command_line()
    (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    abouts = {one.dest: one.help or "" for one in commands._choices_actions}
    yield "# Command line"
    yield (
        "\nOutside of a test session there is `pytest-energy`; `python -m pytest_energy` is the"
        " same. Each command has a `--help`.\n"
    )
    yield "| command | what it does |\n| --- | --- |"
    for name in commands.choices:
        yield _row(f"[`pytest-energy {name}`](#pytest-energy-{name})", _sentence(abouts[name]))
    for name, command in commands.choices.items():
        yield f"\n## `pytest-energy {name}`\n"
        yield _prose((command.description or "").replace("%%", "%")) + "\n"
        yield f"```text\n{_usage(command)}\n```\n"
        actions = [one for one in command._actions if not isinstance(one, argparse._HelpAction)]
        yield "| argument | meaning |\n| --- | --- |"
        for action in actions:
            yield _row(f"`{_written(action)}`", _sentence(_prose(_help(action))))
        yield f"\n{_prose((command.epilog or '').replace('%%', '%'))}\n"
        yield f"Manual: [{_title(MANUALS[name])}]({MANUALS[name]}).\n"


def _usage(command: argparse.ArgumentParser) -> str:
    if command.usage:
        return command.usage.replace("%(prog)s", command.prog)
    words = [command.prog]
    positionals = [one for one in command._actions if not one.option_strings]
    for action in command._actions:
        if action.option_strings and not isinstance(action, argparse._HelpAction):
            words.append(_written(action) if action.required else f"[{_written(action)}]")
    for action in positionals:
        name = str(action.metavar or action.dest)
        written = {"?": f"[{name}]", "*": f"[{name}…]", "+": f"{name}…"}
        words.append(written.get(str(action.nargs), name))
    return " ".join(words)


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    text = ", ".join(action.option_strings)
    if action.nargs == 0:
        return text
    choices = None if action.choices is None else f"{{{','.join(map(str, action.choices))}}}"
    return f"{text} {action.metavar or choices or action.dest.upper()}"


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _title(link: str) -> str:
    page = (FOLDER / link.partition("#")[0]).resolve()
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ").replace("`", "")


# ── schemas ───────────────────────────────────────────────────────────────────────────────────────


def _schemas() -> Iterator[str]:
    files = {path.name: path for path in schema_files(ROOT)}
    _check_same("SCHEMAS: not what the package ships", SCHEMAS, files)
    yield "# JSON schemas"
    yield (
        "\nEvery JSON that pytest-energy writes for programs has a JSON Schema (draft 2020-12). The"
        " version is in the file's name and in its member `schema`; a change that a reader would"
        " not survive makes a new one, and members may be added in the same version where the"
        " schema says so. A dot stands between a member and what is in it, `[]` for each item of a"
        " list, `{}` for each value of an object whose keys are names.\n"
    )
    yield "| schema | what writes it |\n| --- | --- |"
    loaded = {name: json.loads(files[name].read_text("utf-8")) for name in SCHEMAS}
    for name, writer in SCHEMAS.items():
        published = published_name(loaded[name])
        yield _row(f"[`{published}`]({SITE}/schema/{published})", writer)
    for name, schema in loaded.items():
        path = files[name].relative_to(ROOT).as_posix()
        yield f"\n## {schema['title'].removeprefix('pytest-energy ').capitalize()}\n"
        yield f"{_prose(schema['description'])} Source: [{path}](../../{path}).\n"
        rows = list(_members(schema, ""))
        if rows:
            yield from _member_table(rows)
        for definition, node in schema.get("$defs", {}).items():
            if "properties" not in node and "oneOf" not in node and "anyOf" not in node:
                continue
            yield f"\n### `{definition}`\n"
            yield _cell(node.get("description", "")) + "\n"
            yield from _member_table(list(_members(node, "")))


def _member_table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield "| member | type | meaning |\n| --- | --- | --- |"
    for path, kind, meaning in rows:
        yield _row(f"`{path}`", kind, meaning)
    yield ""


def _members(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    required = node.get("required", [])
    for name, member in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        kind = _type(member)
        if name not in required:
            kind += ", optional"
        yield path, kind, _meaning(member)
        yield from _inside(member, path)


def _inside(node: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for choice in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        if "properties" in choice:
            yield from _members(choice, f"{path}.")
        items = choice.get("items")
        if isinstance(items, dict):
            yield from _inside(items, f"{path}[]")
        values = choice.get("additionalProperties")
        if isinstance(values, dict):
            yield from _inside(values, f"{path}.{{}}")


def _type(node: dict[str, Any]) -> str:
    if "$ref" in node:
        return f"`{node['$ref'].rpartition('/')[2]}`"
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    if "enum" in node:
        return " or ".join(f"`{json.dumps(one)}`" for one in node["enum"])
    for several in ("anyOf", "oneOf"):
        if several in node:
            return " or ".join(dict.fromkeys(_type(one) for one in node[several]))
    types = node.get("type", "any")
    types = [types] if isinstance(types, str) else types
    return " or ".join(_of_items(one, node) for one in types)


def _of_items(kind: str, node: dict[str, Any]) -> str:
    if kind == "array" and isinstance(node.get("items"), dict):
        return f"list of {_type(node['items'])}"
    values = node.get("additionalProperties")
    if kind == "object" and isinstance(values, dict):
        return f"object of {_type(values)}"
    return {"array": "list"}.get(kind, kind)


def _meaning(node: dict[str, Any]) -> str:
    text = str(node.get("description", ""))
    return _sentence(text) if text else ""


# ── Markdown ──────────────────────────────────────────────────────────────────────────────────────

_CODE = re.compile(
    r"(?:pytest )?--energy-[a-z-]*[a-z*](?:=[\w.]+)?"
    r"|pytest-energy (?:doctor|papers|compare|report|explain|bisect)\b"
    r"|\benergy\.[a-z]+(?:\([^)]*\)|=…)?"
    r"|https?://[^\s,;)]*[^\s,;).]"
    r"|METRIC\{[^}]*\} UNIT|[A-Z]+=[A-Z]+(?:\.json)?\b"
    r"|--[a-z][a-z-]+(?:=[^\s,;)]*[^\s,;).])?"
    r"|\$?\b[A-Z]+_[A-Z_]+\b"
    r"|\b[A-Z]\.json\b"
)


def _prose(text: str) -> str:
    """A text for the terminal as Markdown: what one would type stands as code."""
    return _CODE.sub(lambda found: f"`{found[0]}`", text.strip())


def _sentence(text: str) -> str:
    text = text.strip()
    if text[:1].islower():
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ":")) or not text else f"{text}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
