"""Published figures that ship with the package, for a project's own to stand beside.

`figures` has energies of inferences, `trainings` those of trainings, `sources` where they were
published; units are joules, seconds and plain numbers. What the papers' comparisons make of them is
in `papers`.
"""

from pytest_energy.published.figure import Published, PublishedTraining, Scope, Source
from pytest_energy.published.figures import figures, trainings
from pytest_energy.published.sources import sources

__all__ = [
    "Published",
    "PublishedTraining",
    "Scope",
    "Source",
    "figures",
    "sources",
    "trainings",
]
