"""What an inference does, counted exactly: the same on every machine, at every load.

Floating-point operations, bytes that operators read and write, operator calls and Python calls, by
module and operator and by calling function. Nothing here counts, decides, reads or writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Judge(StrEnum):
    """What decides about a test."""

    MEASURED = "measured"
    COUNTED = "counted"
    BOTH = "both"


MOST_COUNT = 10**30
"""More than any inference takes, and than any training has taken; such a figure is a slip."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done, in whole numbers.

    Args:
        flops: floating-point operations; a multiplication and an addition are two.
        bytes: that operators read and wrote, each operand of a call once, as far as its strides
            touch memory; views touch none.
        calls: of operators that did more than make a view.
        python_calls: entries of Python functions, generators' resumptions included, and calls of
            built-in functions. Those of torch's own machinery for modules and of this plugin are
            left out.
    """

    flops: int = 0
    bytes: int = 0
    calls: int = 0
    python_calls: int = 0

    def __add__(self, other: Work) -> Work:
        """The sum of both."""
        return Work(
            self.flops + other.flops,
            self.bytes + other.bytes,
            self.calls + other.calls,
            self.python_calls + other.python_calls,
        )


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """What the calls of one operator did in one module, over all counted samples.

    Args:
        module: the path from the model's class on, `BertModel.encoder.layer.[0-5].output.dense`:
            layers that do the same share a row, which has the sum of them; empty outside of
            modules.
        operator: `aten::addmm`; with `ONE_ROW` at the end where the matrix of a product had a
            single row, with `NEW_LAYOUT` where a copy laid its operand out in another way.
        dtype: of its result, `float32`; empty where that has none.
        flops, bytes, calls: as in `Work`.
    """

    module: str
    operator: str
    dtype: str
    flops: int
    bytes: int
    calls: int


@dataclass(frozen=True, slots=True)
class CallRow:
    """What one Python function called of another, over all counted samples.

    Args:
        caller: `tests/test_reviews.py:test_reviews`; empty where it is not known.
        callee: a function, or `BUILT_IN` for all that are written in another language.
        calls: how often.
        beneath: Python calls in all that, these included; those of a function that calls itself
            once.
    """

    caller: str
    callee: str
    calls: int
    beneath: int


ONE_ROW = "(one-row)"
"""Of a product's calls those with a single row stand apart: their weights are all that takes time,
and in a decoder the same module has calls of both kinds."""

NEW_LAYOUT = "(new-layout)"
"""Of copies those stand apart that put other numbers beside each other than in their operand: they
take three times as long as the others, and show where a model goes between two layouts."""

BUILT_IN = "(built-in)"
"""The callee that stands for functions that are not written in Python."""

OTHERS = "(others)"
"""The operator that stands, outside of modules, for all rows that were too small to be stored."""

SMALLEST_ROW = 0.01
"""Share of an inference's counted energy, operations, bytes and calls, each of them, under which no
row is stored."""

MOST_ROWS = 64
"""Rows that are stored of one test, so that a file of many is still read in a review."""

MOST_OPERATOR_ROWS = 40
"""Of these, rows of operators, that of the small ones included; the rest is for Python calls."""

MOST_CALL_ROWS = MOST_ROWS - MOST_OPERATOR_ROWS
"""Rows of Python calls that there is always room for: of more, the largest may be all there are."""


DIFFER = "they differ from process to process"
"""How the reason begins why counts are not compared that are not those of the code alone."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What some samples of a loop did.

    Args:
        device: kind of device that the operators ran on: `cpu`, `cuda`, …; with several, joined by
            `+`; `cpu` where no operator ran.
        versions: of what moves counts, by name: Python, torch, transformers, …
        samples: what each counted sample did, in the order in which they were counted, which
            depends on the number of samples alone.
        sizes: inferences that each of them performed.
        operators: over all of them, largest first.
        python: over all of them, largest first.
        without_formula: operators that compute and whose operations were not counted.
        notes: what else was not counted or counted in another way, each a clause.
        operators_unavailable: why operators were not counted, as a clause; empty where they were.
        python_unavailable: why Python calls were not counted, as a clause; empty where they were.
    """

    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    samples: tuple[Work, ...] = ()
    sizes: tuple[int, ...] = ()
    operators: tuple[OperatorRow, ...] = ()
    python: tuple[CallRow, ...] = ()
    without_formula: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    operators_unavailable: str = ""
    python_unavailable: str = ""

    @property
    def inferences(self) -> int:
        """Inferences that were counted."""
        return sum(self.sizes)

    @property
    def differing(self) -> tuple[str, ...]:
        """What another process of the same code has counted otherwise, by name."""
        kinds = ("operators", self.operators_unavailable), ("Python calls", self.python_unavailable)
        return tuple(name for name, why in kinds if why.startswith(DIFFER))

    @property
    def total(self) -> Work:
        """Of all counted samples."""
        return sum(self.samples, Work())


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What counts cost on one kind of device, as far as one formula can say.

    Classes of operators are named as by `verdict.counted_energy.kind_of`.

    Args:
        joules_per_flop: by class and dtype (`product float64`), by class or by dtype; `""` for all
            that are not named.
        joules_per_byte: of an operator's operands, where its class is not named.
        joules_per_call: of an operator, with what the program does to call it.
        joules_per_python_call: of the processor that runs Python.
        joules_per_byte_of: by class and dtype, or by class.
        joules_per_call_of: what a call takes beyond `joules_per_call`, by class and dtype, or by
            class.
    """

    joules_per_flop: Mapping[str, float]
    joules_per_byte: float
    joules_per_call: float
    joules_per_python_call: float
    joules_per_byte_of: Mapping[str, float] = field(default_factory=dict)
    joules_per_call_of: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountsBaseline:
    """Stored counts of one test: what the next ones are compared with.

    Args:
        counts: of the session that stored them; rows under 1 % are left out.
        coefficients: by which their counted energy was computed.
        joules: that energy per inference, of all rows.
        n: inferences that the test performed.
        unit: of its figures, `inference` for example.
        dataset: as its marker named it.
        date: ISO 8601, UTC.
        commit: the revision it was counted at, `+` after it where files had changed; or None.
        unverified: why it is not known to stand as it was counted, as a clause; empty where it
            carries the digest of what the plugin wrote.
        reason: why it stands in the place of other counts, as `--energy-reason` said.
    """

    counts: Counts
    coefficients: Coefficients
    joules: float
    n: int
    unit: str = "inference"
    dataset: str = ""
    date: str = ""
    commit: str | None = None
    unverified: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Culprit:
    """A module, or an operator in it, that accounts for a part of a change.

    Args:
        module: its path, with layers folded that changed alike; empty outside of modules.
        operator: where one operator alone accounts for it; empty for the whole module.
        share: of the change in counted energy: 0.6 for 60 %; below 0 where it goes the other way.
        before, after: what it did per inference, rounded to whole numbers; no Python calls.
        dtypes_before, dtypes_after: of its operators' results.
        operators_gone, operators_new: that it called only before, or only after, by name.
    """

    module: str
    operator: str
    share: float
    before: Work
    after: Work
    dtypes_before: tuple[str, ...] = ()
    dtypes_after: tuple[str, ...] = ()
    operators_gone: tuple[str, ...] = ()
    operators_new: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallChange:
    """A Python function that calls another more or less often than it did.

    Args:
        caller, callee: as in `CallRow`.
        before, after: calls per inference.
        beneath_before, beneath_after: Python calls per inference in all that.
    """

    caller: str
    callee: str
    before: float
    after: float
    beneath_before: float
    beneath_after: float


@dataclass(frozen=True, slots=True)
class CountsChange:
    """What has changed of exact counts. Fractions: 0.148 is +14.8 %.

    Args:
        energy: change of the counted energy per inference; None where nothing was compared.
        of_operators: the change that it would be had Python called what it called before; None
            where operators were not compared.
        joules, joules_before: counted energy per inference.
        flops, bytes, calls, python_calls: the change of each; None where it was not counted on both
            sides, or was 0 before.
        unchanged: whether every count that was compared is the same to the last digit, and that of
            every operator that was stored in its module.
        samples: counted samples that were compared, each with itself.
        culprits: modules and operators that account for the change, at most three.
        functions: Python functions that do, at most three.
        problem: why nothing was compared, as a clause; empty where something was.
        notes: what was not compared, each a clause.
        unverified: why what it was compared with is not known to stand as it was counted, as a
            clause; empty where it is.
    """

    energy: float | None = None
    of_operators: float | None = None
    joules: float = 0.0
    joules_before: float = 0.0
    flops: float | None = None
    bytes: float | None = None
    calls: float | None = None
    python_calls: float | None = None
    unchanged: bool = False
    samples: int = 0
    culprits: tuple[Culprit, ...] = ()
    functions: tuple[CallChange, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()
    unverified: str = ""
