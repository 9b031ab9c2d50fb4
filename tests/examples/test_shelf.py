"""Models are loaded when first needed, and released after the last test that needs them."""

from __future__ import annotations

import pytest


@pytest.fixture
def shelf(examples):
    """An empty shelf that knows two models, one made from the other, and notes what it says."""
    from shelf import Shelf, loads

    loads("body")(lambda: (object(), "body from afar"))
    loads("head", "body")(lambda body: ([body], ""))
    said: list[str] = []
    found = Shelf(said.append)
    found.said = said
    return found


def test_a_model_is_loaded_when_first_needed_and_once(shelf):
    shelf.expect(["head"])
    shelf.expect(["body"])
    assert shelf.held == ()
    assert shelf["head"] == [shelf["body"]]
    assert shelf["head"] is shelf["head"]
    assert shelf.loads == {"head": 1, "body": 1}
    assert shelf.said == ["body from afar"]


def test_a_model_is_released_after_the_last_test_that_needs_it(shelf):
    for names in (["head"], ["body"]):
        shelf.expect(names)
    assert shelf["head"]
    shelf.done(["head"])
    assert shelf.held == ("body",)  # the other test needs it yet
    shelf.done(["body"])
    assert shelf.held == ()


def test_a_test_that_did_not_say_which_model_it_needs_is_told_how(shelf):
    with pytest.raises(LookupError, match=r'say that the test needs it: .*models\("body"\)'):
        shelf["body"]


def test_a_model_that_nobody_loads_is_named_with_those_there_are(shelf):
    with pytest.raises(LookupError, match=r"no model is called 'tail'; there are: .*body.*head"):
        shelf.expect(["tail"])
