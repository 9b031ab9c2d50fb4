"""The text of a baseline file: write it so that a diff reads well, read it with suspicion.

A file that cannot be understood is named with its line and never written to.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

from pytest_energy.files import line_of, shown_path, stable
from pytest_energy.types.baseline import MOST_N, Baseline, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.result import Subject
from pytest_energy.types.units import kwh

SCHEMA = 1
"""Version of the file format."""


MOST_JOULES = 1e12
"""More per unit than any computation takes (278 MWh): such a figure is a slip of the pen."""


class BaselineError(Exception):
    """A baseline file that cannot be read or written; the message names file, line and remedy.

    Args:
        path: the file; shown relative to the current folder where it lies inside.
        problem: what is wrong, and what to do.
        line: where, counted from 1.
    """

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        place = shown_path(path) if line is None else f"{shown_path(path)}, line {line}"
        super().__init__(f"{place}: {problem}")


@dataclass(slots=True)
class BaselineFile:
    """One file: its entries, and the record that they were read from.

    Entries that nobody touches keep their text, down to the grams at the intensity of their day.

    Args:
        record: as JSON holds it; empty when there is no file yet.
        entries: by key.
    """

    record: dict[str, Any]
    entries: dict[str, Baseline]

    def put(self, entry: Baseline, machine: Mapping[str, Any], carbon: Carbon) -> None:
        """Add or replace an entry.

        Args:
            entry: of the file's task and model.
            machine: the machine class as `Machine.describe` gives it.
            carbon: for the grams that stand beside the joules.
        """
        subject = entry.subject
        self.entries[subject.key] = entry
        self.record |= {
            "schema": SCHEMA,
            "machine": dict(machine),
            "task": subject.task,
            "model": subject.model,
        }
        self.record.setdefault("entries", {})[subject.key] = _entry_record(entry, carbon)

    def drop(self, key: str) -> None:
        """Delete an entry."""
        del self.entries[key]
        del self.record["entries"][key]

    def text(self) -> str:
        """JSON with sorted keys and each list of numbers on one line: a diff reads well."""
        text = json.dumps(
            self.record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
        )

        def one_line(match: re.Match[str]) -> str:
            return f"[{' '.join(match[1].split())}]"

        return re.sub(r"\[\n([-+\d.eE,\s]+)\]", one_line, text) + "\n"


def _entry_record(entry: Baseline, carbon: Carbon) -> dict[str, Any]:
    joules = stable(median(session.joules_per_unit for session in entry.sessions))
    subject = entry.subject
    return {
        "test": subject.test,
        "region": subject.region,
        "dataset": subject.dataset,
        "role": subject.role,
        "unit": subject.unit,
        "n": subject.n,
        "meters": list(entry.meters),
        "domains": {
            domain.name: {
                "kind": domain.kind,
                "method": domain.method.value,
                "source": domain.source,
                "basis": domain.basis,
            }
            for domain in entry.domains
        },
        "reference_workload": entry.reference_workload,
        "flops_per_inference": entry.flops,
        "joules_per_unit": joules,
        "kwh_per_1000": stable(kwh(joules) * 1000),
        "gco2e_per_1000": stable(carbon.grams(joules) * 1000),
        "carbon_intensity": {
            "grams_per_kwh": carbon.grams_per_kwh,
            "place": carbon.place,
            "year": carbon.year,
            "source": carbon.source,
            "pue": carbon.pue,
        },
        "sessions": [
            {
                "date": session.date,
                "metered_count": session.metered_count,
                "commit": session.commit,
                "joules_per_unit": session.joules_per_unit,
                "domains": dict(session.domains),
                "blocks": list(session.blocks),
                "seconds_per_unit": session.seconds_per_unit,
                "other_cpu_share": session.other_cpu_share,
                "reference_joules": list(session.reference_joules),
                "flops": session.flops,
                "repeat_difference": session.repeat_difference,
                **({"recorded": dict(session.recorded)} if session.recorded else {}),
            }
            for session in entry.sessions
        ],
    }


def read_file(path: Path) -> BaselineFile:
    """One file; empty when there is none.

    Raises:
        BaselineError: not readable, not JSON, another schema, or a figure that cannot be true;
            with the line, and the file left as it is.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return BaselineFile({}, {})
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BaselineError(path, f"not UTF-8 text; {_LEFT}", line) from error
    except OSError as error:
        raise BaselineError(path, error.strerror or str(error)) from error
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise BaselineError(path, f"{error.msg}; {_LEFT}", error.lineno) from error
    except RecursionError as error:
        raise BaselineError(path, f"nested too deeply; {_LEFT}", 1) from error
    except ValueError as error:  # a number of thousands of digits
        raise BaselineError(path, f"{error}; {_LEFT}") from error
    return BaselineFile(record, _Reader(path, text).file(record))


_LEFT = "the file was left as it is. Mend it, or delete it and run with --energy-update"


class _Reader:
    """Turns parsed JSON into baselines, and knows the line of whatever is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def fail(self, where: tuple[str | int, ...], problem: str) -> NoReturn:
        raise BaselineError(self._path, f"{problem}; {_LEFT}", line_of(self._text, where))

    def member(self, record: object, where: tuple[str | int, ...], name: str) -> Any:
        if not isinstance(record, dict):
            self.fail(where, f"expected an object, found {_shown(record)}")
        if name not in record:
            self.fail(where, f"{name!r} is missing")
        return record[name]

    def whole(self, record: object, where: tuple[str | int, ...], name: str) -> int:
        value = self.member(record, where, name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_N:
            problem = f"expected a whole number of 1 or more, found {_shown(value)}"
            self.fail((*where, name), problem)
        return value

    def number(self, record: object, where: tuple[str | int, ...], name: str) -> float:
        return self.figure(self.member(record, where, name), (*where, name))

    def figure(self, value: object, where: tuple[str | int, ...], zero: bool = False) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(where, f"expected a number, found {_shown(value)}")
        if value < 0 or (value == 0 and not zero):
            self.fail(where, f"expected a number above 0, found {_shown(value)}")
        if value > MOST_JOULES:
            self.fail(where, f"{_shown(value)} is more than any inference takes")
        return float(value)

    def text(self, record: object, where: tuple[str | int, ...], name: str) -> str:
        value = self.member(record, where, name)
        if not isinstance(value, str):
            self.fail((*where, name), f"expected a text, found {_shown(value)}")
        return value

    def mapping(self, record: object, where: tuple[str | int, ...], name: str) -> dict[str, Any]:
        value = self.member(record, where, name)
        if not isinstance(value, dict):
            self.fail((*where, name), f"expected an object, found {_shown(value)}")
        return value

    def items(self, record: object, where: tuple[str | int, ...], name: str) -> list[Any]:
        value = self.member(record, where, name)
        if not isinstance(value, list) or not value:
            self.fail(
                (*where, name), f"expected a list with something in it, found {_shown(value)}"
            )
        return value

    def file(self, record: object) -> dict[str, Baseline]:
        self.finite(record, ())
        schema = self.member(record, (), "schema")
        if schema != SCHEMA or isinstance(schema, bool):
            newer = isinstance(schema, int | float) and schema > SCHEMA
            hint = "written by a newer pytest-energy: upgrade it" if newer else "not a known schema"
            self.fail(("schema",), f"schema {_shown(schema)}, this version reads {SCHEMA}: {hint}")
        task, model = self.text(record, (), "task"), self.text(record, (), "model")
        return {
            key: self.entry(entry, ("entries", key), task, model)
            for key, entry in self.mapping(record, (), "entries").items()
        }

    def entry(self, entry: object, where: tuple[str | int, ...], task: str, model: str) -> Baseline:
        subject = Subject(
            test=self.text(entry, where, "test"),
            region=self.text(entry, where, "region"),
            task=task,
            model=model,
            dataset=self.text(entry, where, "dataset"),
            role=self.text(entry, where, "role"),
            unit=self.text(entry, where, "unit"),
            n=self.whole(entry, where, "n"),
        )
        if subject.key != where[-1]:
            self.fail(where, f"entry {where[-1]!r} is of test {subject.key!r}")
        sessions = tuple(
            self.session(session, (*where, "sessions", i))
            for i, session in enumerate(self.items(entry, where, "sessions"))
        )
        joules = self.number(entry, where, "joules_per_unit")
        middle = median(session.joules_per_unit for session in sessions)
        if not math.isclose(joules, middle, rel_tol=1e-4):
            self.fail(
                (*where, "joules_per_unit"),
                f"{joules:g} is not the median of the sessions below ({middle:g})",
            )
        return Baseline(
            subject,
            meters=tuple(map(str, self.items(entry, where, "meters"))),
            domains=tuple(
                self.domain(domain, (*where, "domains", name), name)
                for name, domain in self.mapping(entry, where, "domains").items()
            ),
            sessions=sessions,
            # Files written before there was a yardstick have none.
            reference_workload=self.text(entry, where, "reference_workload")
            if self.has(entry, "reference_workload")
            else "",
        )

    def finite(self, value: object, where: tuple[str | int, ...]) -> None:
        """Refuse NaN and infinity wherever they stand: such a file could not be written again."""
        if isinstance(value, float) and not math.isfinite(value):
            # What a test records of itself may be negative; everything else is an energy or a time.
            wanted = "a finite number" if where[-2:-1] == ("recorded",) else "a number above 0"
            self.fail(where, f"expected {wanted}, found {_shown(value)}")
        if isinstance(value, dict):
            for name, member in value.items():
                self.finite(member, (*where, name))
        if isinstance(value, list):
            for index, member in enumerate(value):
                self.finite(member, (*where, index))

    def domain(self, domain: object, where: tuple[str | int, ...], name: str) -> Domain:
        method = self.text(domain, where, "method")
        if method not in set(Method):
            self.fail((*where, "method"), f"expected one of {', '.join(Method)}, found {method!r}")
        return Domain(
            name=name,
            kind=self.text(domain, where, "kind"),
            method=Method(method),
            source=self.text(domain, where, "source"),
            resolution_seconds=0.0,
            basis=self.text(domain, where, "basis"),
        )

    def session(self, session: object, where: tuple[str | int, ...]) -> Session:
        date = self.text(session, where, "date")
        try:
            datetime.fromisoformat(date)
        except ValueError:
            self.fail((*where, "date"), f"expected an ISO 8601 date, found {date!r}")
        commit = self.member(session, where, "commit")
        if commit is not None and not isinstance(commit, str):
            self.fail((*where, "commit"), f"expected a text or null, found {_shown(commit)}")
        share = self.member(session, where, "other_cpu_share")
        blocks = tuple(
            self.figure(value, (*where, "blocks", i), zero=True)
            for i, value in enumerate(self.items(session, where, "blocks"))
        )
        return Session(
            date=date,
            metered_count=self.whole(session, where, "metered_count"),
            commit=commit,
            joules_per_unit=self.number(session, where, "joules_per_unit"),
            domains={
                name: self.figure(value, (*where, "domains", name), zero=True)
                for name, value in self.mapping(session, where, "domains").items()
            },
            blocks=blocks,
            seconds_per_unit=self.number(session, where, "seconds_per_unit"),
            other_cpu_share=None
            if share is None
            else self.figure(share, (*where, "other_cpu_share"), zero=True),
            reference_joules=self.reference_joules(session, where, len(blocks)),
            flops=self.whole(session, where, "flops") if self.has(session, "flops") else None,
            repeat_difference=self.repeat_difference(session, where),
            recorded=self.recorded(session, where),
        )

    @staticmethod
    def has(record: object, name: str) -> bool:
        """Whether an optional member is there and not null."""
        return isinstance(record, dict) and record.get(name) is not None

    def reference_joules(
        self, session: object, where: tuple[str | int, ...], blocks: int
    ) -> tuple[float, ...]:
        if not self.has(session, "reference_joules"):
            return ()
        found = self.member(session, where, "reference_joules")
        if not isinstance(found, list) or len(found) not in (0, blocks):
            self.fail(
                (*where, "reference_joules"),
                f"expected one figure for each of {blocks} blocks, or none, found {_shown(found)}",
            )
        return tuple(
            self.figure(value, (*where, "reference_joules", i)) for i, value in enumerate(found)
        )

    def recorded(self, session: object, where: tuple[str | int, ...]) -> dict[str, float]:
        if not self.has(session, "recorded"):
            return {}
        return {
            name: self.any_number(value, (*where, "recorded", name))
            for name, value in self.mapping(session, where, "recorded").items()
        }

    def any_number(self, value: object, where: tuple[str | int, ...]) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(where, f"expected a number, found {_shown(value)}")
        if abs(value) > sys.float_info.max:  # an integer of hundreds of digits
            self.fail(where, f"expected a finite number, found {_shown(value)}")
        return float(value)

    def repeat_difference(self, session: object, where: tuple[str | int, ...]) -> float | None:
        if not self.has(session, "repeat_difference"):
            return None
        return self.any_number(
            self.member(session, where, "repeat_difference"), (*where, "repeat_difference")
        )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
