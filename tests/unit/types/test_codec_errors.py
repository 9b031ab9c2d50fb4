"""What the codec says of values that do not fit, and of members that have had other names."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types.codec import (
    DecodeError,
    MissingMemberError,
    check_characters,
    check_finite,
    cut,
    decode,
    encode,
    shown,
    unique_members,
)
from pytest_energy.types.energy import Domain
from pytest_energy.types.renames import as_written, renamed

DOMAIN = {"name": "cpu", "kind": "cpu", "method": "counter", "source": "x"}


@pytest.mark.parametrize("method", ["guess", 1, None, [], {}])
def test_a_value_outside_of_an_enumeration_is_named(method):
    with pytest.raises(DecodeError, match="method: expected one of counter, sampled"):
        decode(Domain, {**DOMAIN, "method": method, "resolution_seconds": 1})


def test_a_missing_member_has_its_name_and_the_place_of_its_object():
    with pytest.raises(MissingMemberError) as error:
        decode(Domain, DOMAIN, ("domains", 3))
    assert (error.value.path, error.value.name) == (("domains", 3), "resolution_seconds")
    assert str(error.value) == "domains.3: 'resolution_seconds' is missing"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_found_wherever_it_stands(number):
    with pytest.raises(DecodeError, match=r"a\.1\.b: expected a finite number"):
        check_finite({"a": [0, {"b": number}]})


@pytest.mark.parametrize("record", [{"a": [0, {"b": "x\ud800"}]}, {"a": [0, {"\udfff": 1}]}])
def test_half_a_character_is_found_wherever_it_stands(record):
    with pytest.raises(DecodeError, match=r"a\.1.*: .* has half a character"):
        check_characters(record)
    check_characters({"é": ["\U0001f600", 1, None]})


def test_a_member_that_stands_twice_is_named():
    with pytest.raises(ValueError, match='"b" stands twice in one object'):
        json.loads('{"a": {"b": 1, "c": 2, "b": 1}}', object_pairs_hook=unique_members)
    assert json.loads('{"a": {"a": 1}}', object_pairs_hook=unique_members) == {"a": {"a": 1}}


def test_a_value_that_is_nested_too_deeply_is_shown_in_words():
    value = []
    for _ in range(100_000):
        value = [value]
    assert shown(value) == "a value that is nested too deeply"


def test_a_message_is_cut_in_the_middle_and_keeps_its_hint():
    assert cut("short") == "short"
    long = cut("it says " + "x" * 10_000 + "; delete it")
    assert len(long) < 600
    assert long.startswith("it says x")
    assert long.endswith("x; delete it")


@dataclass(frozen=True)
class Now:
    """An object whose members have had other names."""

    count: int
    shares: tuple[float, ...]


NAMES = {"count": "done", "shares": "parts"}


def test_an_error_in_a_renamed_record_is_named_as_the_record_was_written():
    old = {"list": [{"done": 1, "parts": [0.5, "half"]}]}
    with pytest.raises(DecodeError) as error:
        decode(Now, renamed(old["list"][0], NAMES), ("list", 0))
    found = as_written(error.value, old, NAMES)
    assert found.path == ("list", 0, "parts", 1)
    assert found.problem == 'expected a number, found "half"'


def test_a_member_that_is_missing_in_a_renamed_record_is_missing_under_its_old_name():
    with pytest.raises(DecodeError) as error:
        decode(Now, renamed({"parts": []}, NAMES))
    assert as_written(error.value, {"parts": []}, NAMES).problem == "'done' is missing"


def test_a_member_under_both_names_is_refused():
    with pytest.raises(DecodeError, match="'done' and 'count' are the same member: keep one"):
        renamed({"done": 1, "count": 2}, NAMES)


@given(st.integers(), st.lists(st.floats(allow_nan=False), max_size=3))
def test_what_was_renamed_back_and_forth_is_the_same(count, shares):
    now = Now(count, tuple(shares))
    old = {NAMES[name]: member for name, member in encode(now).items()}
    assert decode(Now, renamed(json.loads(json.dumps(old)), NAMES)) == now
