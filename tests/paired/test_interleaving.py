"""The order of the blocks of head and base in a paired run."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise


def test_the_two_never_run_at_once_and_chance_says_who_is_first(repository, monkeypatch):
    repository.write(
        test_it="""
        import os, time
        from model import infer

        def test_loop(energy):
            with open(os.environ["LOG"], "a") as log:
                for _ in energy.each(range(40)):
                    began = time.monotonic()
                    infer()
                    time.sleep(0.001)
                    log.write(f"{began} {time.monotonic()} {os.getpid()}\\n")
                    log.flush()
        """
    )
    repository.commit()
    log = repository.path / "log.txt"
    monkeypatch.setenv("LOG", str(log))
    repository.against("--energy-counts=off").assert_outcomes(passed=1)
    entries = sorted(
        (float(began), float(ended), pid)
        for began, ended, pid in (line.split() for line in log.read_text().splitlines())
    )
    assert all(before[1] <= after[0] for before, after in pairwise(entries))
    assert Counter(Counter(pid for _, _, pid in entries).values()) == {42: 2}
    # After two of warm-up each: twenty pairs of blocks, two inferences a turn.
    turns = [pid for _, _, pid in entries[4::2]]
    pairs = [tuple(turns[i : i + 2]) for i in range(0, 40, 2)]
    assert all(len(set(pair)) == 2 for pair in pairs)
    assert sorted(Counter(pairs).values()) == [10, 10]


def test_the_order_is_not_taken_from_the_tests_own_random_numbers(repository):
    repository.write(
        test_it="""
        import random
        from model import infer

        def test_loop(energy):
            random.seed(7)
            drawn = [random.random() for _ in energy.each(range(20))]
            random.seed(7)
            assert drawn == [random.random() for _ in drawn]
        """
    )
    repository.commit()
    repository.against("--energy-counts=off").assert_outcomes(passed=1)
