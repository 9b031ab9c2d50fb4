"""What tests of paired runs share."""

from __future__ import annotations

import tempfile

import pytest


@pytest.fixture
def clean(repository, tmp_path, monkeypatch):
    """Temporary folders of this test alone, so that what is left behind is seen."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield repository
    monkeypatch.setattr(tempfile, "tempdir", None)
