"""What tests of a session share."""

from __future__ import annotations

import pytest

from support.trainings import TRAINING


@pytest.fixture
def trained(project):
    """A project whose training steps and inferences take 2 J each."""
    project.write(test_it=TRAINING)
    return project
