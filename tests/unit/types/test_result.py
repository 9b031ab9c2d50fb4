"""Names of what is measured."""

from __future__ import annotations

from dataclasses import replace

from pytest_energy.types.result import Subject


def test_the_short_name_of_a_region_keeps_what_the_region_is_called():
    whole = Subject("a/test_x.py::TestA::test_b[c::d]", "load::gpu", "t", "m", "", "", "token", 1)
    assert whole.short_name == "test_b[c::d]#load::gpu"
    assert replace(whole, region="").short_name == "test_b[c::d]"
