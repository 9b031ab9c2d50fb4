"""Files and classes of which pytest collected no test: skipped as they were imported, or broken.

Every session loads this module, metered or not.
"""

from __future__ import annotations

import pytest

from pytest_energy.settings import option_value

SKIPPED, ERROR = "skipped", "error"
"""As `types.session.Unrun` has them, which is not imported for a session without metered tests."""

_OUTPUT = "energy_uncollected"


class Uncollected:
    """What was skipped or failed at collection: here, and in pytest-xdist's workers.

    pytest-xdist tells the controller what failed, and nothing of what was skipped.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        """Why, by pytest's node id of the file, the folder or the class."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.nodeid and not report.passed:
            self._add(report.nodeid, ERROR if report.failed else SKIPPED)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None and self.found:
            output[_OUTPUT] = self.found

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        for name, why in getattr(node, "workeroutput", {}).get(_OUTPUT, {}).items():
            self._add(name, why)

    def _add(self, name: str, why: str) -> None:
        if self.found.get(name) != ERROR:  # a file may have two collectors
            self.found[name] = why


KEY = pytest.StashKey[Uncollected]()


def uncollected(config: pytest.Config, metered: bool) -> dict[str, str]:
    """Why each file, folder or class was not collected whose tests this session was to run.

    Where tests are chosen by their names or marks, nobody knows whether those in a file that was
    not imported would have been among them.

    Args:
        config: pytest's.
        metered: whether the session has metered tests: then those of other files were meant too,
            whatever marks they were chosen by.
    """
    chosen = config.getoption("keyword", default="") or any("::" in one for one in config.args)
    if chosen or not (metered or not config.getoption("markexpr", default="")):
        return {}
    found = config.stash[KEY].found
    return {place: why for place, why in found.items() if _may_be_stored(config, place)}


def _may_be_stored(config: pytest.Config, place: str) -> bool:
    """Whether there is a folder of baselines for it: without one there is nothing more to pay."""
    if option_value(config, "baselines") not in ("", "baselines"):
        return True
    path = config.rootpath / place.partition("::")[0]
    return any((folder / "baselines").is_dir() for folder in (path, *path.parents))
