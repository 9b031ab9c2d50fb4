"""Dataclasses travel between processes and into files as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from pytest_energy.types.codec import DecodeError, decode, encode
from pytest_energy.types.energy import Method
from pytest_energy.types.result import Result, TrainingRun
from pytest_energy.types.verdict import Change, Rule, Status
from support.trainings import result, window


def travelled(value, kind):
    """What arrives at the other end."""
    return decode(kind, json.loads(json.dumps(encode(value), allow_nan=False)))


@dataclass(frozen=True)
class Part:
    name: str
    methods: tuple[Method, ...] = ()


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    pair: tuple[int, float] = (1, 2.0)
    by_name: dict[str, float] = field(default_factory=dict)
    maybe: Part | None = None
    sure: bool = False


@pytest.mark.parametrize(
    "training", [None, TrainingRun(total_steps=9), TrainingRun(hours=2.5, runs=7)]
)
def test_a_result_survives_its_travel_between_processes(training):
    change = Change(0.1, 0.05, 0.15, 0.05, 0.08, 2.0, 1.9, 2.1, 5, (0.1, 0.11), (3,), None, {})
    sent = result(window(), training, status=Status.REGRESSED, change=change)
    assert travelled(sent, Result) == sent


def test_a_member_that_is_missing_takes_its_default_or_is_named():
    assert decode(Whole, {"parts": []}) == Whole(())
    with pytest.raises(DecodeError, match="'parts' is missing"):
        decode(Whole, {})


def test_members_of_a_later_version_are_ignored():
    assert decode(Part, {"name": "a", "colour": "red"}) == Part("a")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "the value: expected an object, found []"),
        ({"parts": {}}, "parts: expected a list, found {}"),
        ({"parts": [{"name": 3}]}, "parts.0.name: expected a text, found 3"),
        (
            {"parts": [{"name": "a", "methods": ["guess"]}]},
            "parts.0.methods.0: expected one of counter, sampled, estimated, constant,"
            ' found "guess"',
        ),
        ({"parts": [], "pair": [1]}, "pair: expected 2 members, found [1]"),
        ({"parts": [], "pair": [1.5, 2]}, "pair.0: expected a whole number, found 1.5"),
        ({"parts": [], "pair": [True, 2]}, "pair.0: expected a whole number, found true"),
        ({"parts": [], "by_name": [1]}, "by_name: expected an object, found [1]"),
        ({"parts": [], "by_name": {"x": "1"}}, 'by_name.x: expected a number, found "1"'),
        ({"parts": [], "sure": 1}, "sure: expected true or false, found 1"),
        ({"parts": [], "by_name": {"x": 10**400}}, "by_name.x: expected a finite number, found 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(record, message):
    with pytest.raises(DecodeError) as caught:
        decode(Whole, record)
    assert str(caught.value).startswith(message)


def test_a_rule_travels_whole():
    rule = Rule(0.05, 2.0, "2 J", 10**9, 12, "accuracy", 0.01)
    assert all(getattr(rule, name) != getattr(Rule(0.0), name) for name in Rule.__slots__)
    sent = replace(result(window()), rule=rule)
    assert travelled(sent, Result).rule == rule
