"""`pytest-energy compare`: one run judged against another, from their reports."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TextIO

from pytest_energy.cli.output import ERROR, complain, path_argument, set_run, write_out
from pytest_energy.types.counts import Judge
from pytest_energy.types.units import parse_percent

if TYPE_CHECKING:
    from pytest_energy.compare.judge import Comparison
    from pytest_energy.compare.runs import Runs

REGRESSED = 1
"""Exit code where a test takes more than is allowed, or is missing under `--fail-missing`."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the console script.

    Args:
        commands: where argparse keeps them.
    """
    parser = commands.add_parser(
        "compare",
        help="judge one run against another, from their reports",
        description="Judge run B against run A, test by test, as the gate judges a session against"
        " stored ones: A is the only stored session. Exact counts are compared as well where both"
        " runs have them. What is not comparable (another machine class, meter, n, unit or"
        " dataset) is refused with the reason.",
        epilog=f"Exit code: 0 where nothing regressed, {REGRESSED} for a regression (or, with"
        f" --fail-missing, a missing test), {ERROR} for an error, also where nothing could be"
        " compared.",
        allow_abbrev=False,
    )
    for name, what in (("a", "what is compared with"), ("b", "what is judged")):
        parser.add_argument(
            name,
            type=path_argument,
            metavar=f"{name.upper()}.json",
            help=f"{what}: a report that pytest --energy-json={name.upper()}.json wrote",
        )
    parser.add_argument(
        "--tolerance",
        type=_percent,
        metavar="PERCENT",
        help='allowed change of every test, as "5%%" (default: what each test of B allows)',
    )
    parser.add_argument(
        "--judge",
        choices=[one.value for one in Judge],
        help="which figures decide, as for --energy-judge (default: both; counted where one of the"
        " runs was judged so)",
    )
    parser.add_argument(
        "--fail-missing",
        action="store_true",
        help="fail where B lacks a test of A, or has no figure of it (else it is only said)",
    )
    parser.add_argument(
        "--across",
        action="store_true",
        help="across machines: ratios, and the tests' ranks by energy in both runs; no verdict",
    )
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")

    def run(known: argparse.Namespace) -> int:
        judging = {
            "--tolerance": known.tolerance is not None,
            "--judge": known.judge is not None,
            "--fail-missing": known.fail_missing,
        }
        given = [name for name, is_given in judging.items() if is_given]
        if known.across and given:
            parser.error(f"--across gives no verdict: leave {' and '.join(given)} out")
        return _compare(known)

    set_run(parser, run)


def _percent(text: str) -> float:
    try:
        return parse_percent(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _compare(known: argparse.Namespace) -> int:
    from pytest_energy.compare.judge import compare_runs
    from pytest_energy.compare.runs import read_runs
    from pytest_energy.report.read import RunError

    try:
        runs = read_runs(known.a, known.b)
    except RunError as error:
        complain(str(error))
        return ERROR
    if known.across:
        return _across(runs, as_json=known.json)
    judge = None if known.judge is None else Judge(known.judge)
    comparison = compare_runs(runs, known.tolerance, judge)
    return _judged(comparison, as_json=known.json, fail_missing=known.fail_missing)


def _judged(comparison: Comparison, as_json: bool, fail_missing: bool) -> int:
    from pytest_energy.compare import as_json as json_form
    from pytest_energy.compare import page

    code = REGRESSED if comparison.regressed else 0
    if fail_missing and comparison.missing:
        code = REGRESSED
    if not comparison.compared:
        code = ERROR
    summary = page.summary_of(comparison)
    as_text = partial(json_form.as_json, comparison, summary, code)
    written = _written(as_text if as_json else None, partial(page.write, comparison, summary))
    if not comparison.compared:
        counted = comparison.with_counts
        hint = f"; --judge counted compares the counts of {counted:,}" if counted else ""
        complain(f"nothing was compared, so that nothing can be said to be fine{hint}")
    return written or code


def _across(runs: Runs, as_json: bool) -> int:
    from pytest_energy.compare import as_json as json_form
    from pytest_energy.compare import page
    from pytest_energy.compare.across import across

    found = across(runs)
    code = 0 if found.said else ERROR
    summary = page.summary_across(found)
    as_text = partial(json_form.across_as_json, found, summary, code)
    written = _written(as_text if as_json else None, partial(page.write_across, found, summary))
    if not found.said:
        complain("no test has a ratio or a rank")
    return written or code


def _written(as_json: Callable[[], str] | None, write_page: Callable[[TextIO], None]) -> int:
    """Write the JSON that was asked for, else the page; an exit code, 0 where all is written."""

    def write(stream: TextIO) -> None:
        if as_json is not None:
            stream.write(as_json())
        else:
            write_page(stream)

    return write_out(write, "the comparison")
