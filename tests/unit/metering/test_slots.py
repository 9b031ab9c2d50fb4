"""Slots: which inferences begin, which the window counts, whose output is kept."""

from __future__ import annotations

import itertools
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energy.metering.concurrent import rounds_of_blocks
from pytest_energy.metering.slots import Segment, Stream, checked_concurrency
from pytest_energy.metering.window import Window
from pytest_energy.meters.meter_set import MeterSet
from support.meters import Scripted


def a_segment(concurrency, rounds, samples=30, **about):
    """A segment over a scripted meter, and what it counted."""
    meter = Scripted()
    window = Window(MeterSet([meter]))
    window.begin_concurrent()
    counted = []
    n = concurrency * sum(rounds)
    segment = Segment(
        Stream(itertools.cycle(range(samples))),
        itertools.cycle(range(samples)),
        2 * concurrency,
        sizes=[concurrency * each for each in rounds],
        window=window,
        count=counted.append,
        keep=n,
        **about,
    )
    return segment, window, meter, counted


def perform(segment, concurrency, choose, spend=lambda: None):
    """Complete one inference after the other, as chosen; the most that were at a time."""
    running, most = segment.begin(concurrency), 0
    while running:
        most = max(most, len(running))
        slot = running.pop(choose(len(running)))
        spend()
        following = segment.advance(slot, -slot.sample)
        if following is not None:
            running.append(following)
    segment.end()
    return most


@pytest.mark.parametrize("concurrency", [2, 3, 8, 32])
def test_a_window_counts_whole_rounds_with_every_slot_taken(concurrency):
    segment, window, meter, counted = a_segment(concurrency, (3, 2))

    def spend():
        meter.joules += 2.0

    assert perform(segment, concurrency, lambda _: 0, spend) == concurrency
    measured = window.measurement()
    assert [block.n for block in measured.blocks] == [3 * concurrency, 2 * concurrency]
    assert measured.joules_per_unit == 2.0
    assert len(counted) == measured.metered_count == 5 * concurrency


@given(seed=st.integers(0, 10_000), concurrency=st.integers(2, 9))
def test_outputs_are_those_of_the_first_samples_whoever_ends_first(seed, concurrency):
    chance = random.Random(seed)
    segment, window, _, counted = a_segment(concurrency, (2, 2))
    perform(segment, concurrency, chance.randrange)
    n = 4 * concurrency
    assert segment.outputs == {number: -(number % 30) for number in range(n)}
    assert window.measurement().metered_count == len(counted) == n


def test_a_straggler_is_counted_where_it_ends_or_not_at_all_and_its_output_is_kept():
    segment, window, _, counted = a_segment(2, (4,))
    slots = segment.begin(2)
    other = slots[1]
    straggler = None
    while True:
        following = segment.advance(other, other.sample)
        if following is None:
            break
        other = following
        if not other.fills and straggler is None:  # the first metered one never ends in time
            straggler, other = other, slots[0]
    assert window.measurement().metered_count == 8
    assert straggler not in counted
    assert segment.advance(straggler, "late") is None
    assert segment.outputs[0] == "late"
    assert window.measurement().metered_count == 8


def test_samples_that_only_kept_the_slots_full_come_again():
    stream = Stream(iter(range(100)))
    segment = Segment(
        stream,
        itertools.repeat(-1),
        4,
        sizes=(4,),
        window=Window(MeterSet([Scripted()])),
        keep=4,
    )
    perform(segment, 2, lambda _: 0)
    assert stream.position == 4
    assert [stream.next() for _ in range(3)] == [4, 5, 6]


def test_what_is_added_counts_if_its_inference_ends_inside_of_the_window():
    produced = []
    segment, *_ = a_segment(2, (2,))
    segment._count = lambda slot: produced.append(slot.added["tokens"])
    running = segment.begin(2)
    numbers = itertools.count(1)
    while running:
        slot = running.pop(0)
        assert segment.add(slot, "tokens", next(numbers))
        running += filter(None, [segment.advance(slot, None)])
    assert produced == [5, 6, 7, 8]  # four filled the slots, and two were under way at the end
    assert not segment.add(slot, "tokens", 1)


def test_what_threads_add_to_one_inference_is_added_exactly():
    segment, *_ = a_segment(2, (2,))
    slot = segment.begin(2)[0]

    def add():
        for _ in range(2000):
            segment.add(slot, "tokens", 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slot.added == {"tokens": 8000}


def test_after_an_error_nothing_begins_and_the_first_one_is_raised_with_its_sample():
    segment, window, *_ = a_segment(3, (2,), samples=4)
    first, second, third = segment.begin(3)
    segment.fail(second, ValueError("boom"))
    segment.fail(third, TimeoutError("late"))
    assert segment.advance(first, None) is None
    with pytest.raises(ValueError, match="boom") as caught:
        segment.raise_error("run", 4)
    (note,) = caught.value.__notes__
    assert "energy.run: raised by sample 1 (the first one is 0)" in note
    assert "1 more that were under way raised as well: TimeoutError: late" in note
    assert window.measurement() is None


def test_samples_that_run_out_end_the_segment():
    segment = Segment(Stream(iter([1, 2, 3])), iter(()), 0, limit=10)
    running, done = segment.begin(2), 0
    while running:
        done += 1
        running += filter(None, [segment.advance(running.pop(0), None)])
    assert (done, segment.ran_out) == (3, True)


@given(st.integers(1, 100_000))
def test_rounds_are_cut_into_blocks_of_four_and_more_where_there_are_enough(rounds):
    sizes = rounds_of_blocks(rounds)
    assert sum(sizes) == rounds
    assert len(sizes) == min(rounds, 20, max(5, rounds // 4))


@pytest.mark.parametrize("found", [0, -1, True, "8", 8.0, None])
def test_no_number_of_slots(found):
    with pytest.raises(pytest.UsageError, match=r"energy.run: concurrency: expected a whole numb"):
        checked_concurrency("run", found)
