"""Parsing and formatting quantities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.types import units


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("5%", 0.05), ("5 %", 0.05), ("0%", 0.0), ("12.5%", 0.125), ("1e1%", 0.1)],
)
def test_percentages_become_fractions(text, fraction):
    assert units.parse_percent(text) == pytest.approx(fraction)


@pytest.mark.parametrize(
    "text", ["abc", "5", "", "%", "-5%", "nan%", "inf%", "1e999%", 5, 0.05, None, True]
)
def test_what_is_no_percentage_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match='such as "5%"'):
        units.parse_percent(text)


@pytest.mark.parametrize(
    ("text", "joules", "grams"),
    [
        ("2 J", 2.0, None),
        ("2J", 2.0, None),
        ("500 mJ", 0.5, None),
        ("0.5 Wh/1000", 1.8, None),
        ("0.5 Wh/1,000", 1.8, None),
        ("1 kWh/1_000", 3600.0, None),
        ("0.6 gCO2e/1000", None, 0.0006),
        ("0.001 kgCO2e", None, 1.0),
    ],
)
def test_budgets_are_per_unit(text, joules, grams):
    budget = units.parse_budget(text)
    assert budget.text == text
    assert budget.joules == (None if joules is None else pytest.approx(joules))
    assert budget.grams == (None if grams is None else pytest.approx(grams))


@pytest.mark.parametrize(
    "text", ["2 kg", "J", "2", "-1 J", "0 J", "2 J/0", "2 J/x", "nan J", 2, None]
)
def test_what_is_no_budget_is_refused_with_the_units(text):
    with pytest.raises(ValueError, match=r"units: mJ, J, .*kgCO2e"):
        units.parse_budget(text)


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (2.41, "2.41 J"),
        (0, "0 J"),
        (0.0041, "4.10 mJ"),
        (12_300, "12.3 kJ"),
        (3.2e-6, "3.20 µJ"),
        (0.9996, "1.00 J"),
        (999.9, "1.00 kJ"),
        (2.5e9, "2,500 MJ"),
    ],
)
def test_joules_have_three_digits_and_a_prefix(joules, text):
    assert units.format_joules(joules) == text


@pytest.mark.parametrize(
    ("grams", "text"),
    [(0.69, "0.690 g"), (0.04, "40.0 mg"), (1200, "1.20 kg"), (2.5, "2.50 g"), (0, "0 g")],
)
def test_grams_keep_to_grams_down_to_a_tenth(grams, text):
    assert units.format_grams(grams) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0116, "11.6 ms"),
        (2.5, "2.50 s"),
        (59.96, "1:00"),
        (75, "1:15"),
        (3725, "1:02:05"),
        (0, "0 s"),
    ],
)
def test_seconds_read_like_a_clock(seconds, text):
    assert units.format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.148, "+14.8 %"),
        (-0.05, "-5.0 %"),
        (0.0, "+0.0 %"),
        (12.5, "+1,250 %"),
        (-0.00001, "+0.0 %"),
    ],
)
def test_changes_carry_their_sign(fraction, text):
    assert units.format_change(fraction) == text


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_formatted_number_is_within_half_a_percent(value):
    shown = float(units.significant(value).replace(",", ""))
    assert shown == pytest.approx(value, rel=5.1e-3)


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_a_formatted_energy_can_be_read_back(value):
    number, unit = units.format_joules(value).split()
    factor = {"µJ": 1e-6, "mJ": 1e-3, "J": 1, "kJ": 1e3, "MJ": 1e6}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(value, rel=5.1e-3)


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_a_formatted_mass_can_be_read_back(value):
    number, unit = units.format_grams(value).split()
    factor = {"µg": 1e-6, "mg": 1e-3, "g": 1, "kg": 1e3}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(value, rel=5.1e-3)


@given(st.floats(min_value=1e-6, max_value=59))
def test_a_formatted_duration_can_be_read_back(value):
    number, unit = units.format_seconds(value).split()
    factor = {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
    assert float(number) * factor == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.05, "5 %"), (0.2838, "28.4 %"), (0.0025, "0.25 %"), (0, "0 %"), (12.5, "1,250 %")],
)
def test_shares_have_three_digits_and_no_sign(fraction, text):
    assert units.format_percent(fraction) == text


def test_a_kilowatt_hour_is_3_6_megajoules():
    assert units.kwh(3.6e6) == 1.0


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (12, "12 B"), (753_000, "753 kB"), (12_400_000, "12.4 MB")]
)
def test_bytes_have_a_decimal_prefix(count, text):
    assert units.format_bytes(count) == text
