"""Errors that the plugin raises, made fit to be shown: pytest prints their texts as they are."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from pytest_energy.report.printable import encoding_of, printable, printable_lines, readable

_PACKAGE = __package__.partition(".")[0]


@contextmanager
def shown_usage_errors(lines: bool = False) -> Generator[None, None, None]:
    """Make the texts of usage errors printable; pytest writes them to standard error.

    Args:
        lines: whether line feeds in them are meant: the output of a set-up, the commands of a hint.

    Raises:
        pytest.UsageError: what was raised inside.
    """
    try:
        yield
    except pytest.UsageError as error:
        fit = printable_lines if lines else printable
        encoding = encoding_of(sys.stderr)
        error.args = tuple(readable(fit(str(text)), encoding) for text in error.args)
        raise


def make_printable(call: pytest.CallInfo[None]) -> None:
    """Make the text of an error printable that was raised here: `energy.record` names what it got.

    Args:
        call: one phase of a test.
    """
    if call.excinfo is None:
        return
    error, where = call.excinfo.value, call.excinfo.tb
    while where.tb_next is not None:
        where = where.tb_next
    module = str(where.tb_frame.f_globals.get("__name__", ""))
    if module.partition(".")[0] == _PACKAGE:
        fit = printable_lines if call.when == "setup" else printable  # hints with commands
        error.args = tuple(fit(text) if isinstance(text, str) else text for text in error.args)
