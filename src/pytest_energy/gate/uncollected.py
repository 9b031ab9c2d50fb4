"""Stored tests of files that were skipped, or failed, before pytest knew a test in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_energy.gate.stores import Stores
from pytest_energy.types.session import Unrun


def stored_tests(
    stores: Stores, root: Path, uncollected: Mapping[str, str], deselected: Sequence[str] = ()
) -> dict[str, Unrun]:
    """Which tests the session lacks, as far as this machine class, or counts, have entries of them.

    What only another machine class or another kind of device has is not missed here: a file is
    skipped where its device is not.

    Args:
        stores: of the session.
        root: pytest's rootdir.
        uncollected: why, by node id, each file, folder or class was not collected.
        deselected: beginnings of names, as `--deselect` has them.
    """
    found: dict[str, Unrun] = {}
    for place, why in uncollected.items():
        path = root / place.partition("::")[0]
        store = stores.of_file(path / "any" if path.is_dir() else path)
        for entry in store.entries():
            test = store.names.test_of(entry.subject)
            ours = entry.machine in ("", store.machine.slug)
            if ours and _is_in(test, place) and not test.startswith(tuple(deselected)):
                found.setdefault(test, Unrun(why))
    return found


def _is_in(test: str, place: str) -> bool:
    return place == "." or test.startswith((f"{place}::", f"{place}/"))
