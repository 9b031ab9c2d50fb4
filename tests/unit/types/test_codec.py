"""Results travel between processes as JSON."""

from __future__ import annotations

import json

from pytest_energy.types.codec import from_record, to_record
from pytest_energy.types.result import TrainingRun
from support.trainings import result, window


def test_a_training_survives_its_travel_between_processes():
    for training in (TrainingRun(total_steps=9), TrainingRun(hours=2.5, runs=7)):
        record = json.loads(json.dumps(to_record(result(window(), training))))
        assert from_record(record).training_run == training
    del record["training"]
    assert from_record(record).training_run is None


def test_records_from_before_quality_was_judged_are_read():
    record = json.loads(json.dumps(to_record(result(window()))))
    del record["verdict"]["quality"]
    assert from_record(record).verdict.quality is None
