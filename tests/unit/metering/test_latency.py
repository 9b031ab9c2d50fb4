"""Latency: medians and 95 % of durations, by clocks that a test sets."""

from __future__ import annotations

from pytest_energy.metering.latency import LatencyRecorder
from pytest_energy.types.latency import Latency, Spread


def test_nothing_was_performed():
    assert LatencyRecorder().latency is None


def test_durations_of_inferences_first_tokens_and_further_tokens():
    recorder = LatencyRecorder()
    for i in range(1, 22):
        recorder.add(10.0, 10.5, 10.0 + i, {"tokens": 11.0, "prompt_tokens": 500.0})
    assert recorder.latency == Latency(
        Spread(21, 11.0, 20.0), Spread(21, 0.5, 0.5), Spread(21, 10.5 / 10, 19.5 / 10)
    )


def test_an_inference_that_tells_no_first_token_has_none():
    recorder = LatencyRecorder()
    recorder.add(10.0, 0.0, 12.0, {"tokens": 5.0})
    assert recorder.latency == Latency(Spread(1, 2.0, 2.0))


def test_a_single_token_has_no_further_ones():
    recorder = LatencyRecorder()
    recorder.add(10.0, 11.0, 12.0, {"tokens": 1.0})
    assert recorder.latency.per_token is None
