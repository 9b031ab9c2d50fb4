"""A process that is held on one CPU, and let go again."""

from __future__ import annotations

import os
import threading

import pytest

from pytest_energy.machine.cpus import CpuHold, free_cpus

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system holds no process on a CPU"
)


@pytest.fixture
def cpus():
    """The CPUs of this process, which has them again afterwards."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("only one CPU is here")
    yield before
    os.sched_setaffinity(0, before)


@pytest.fixture
def waiting():
    """Starts threads that wait; gives their ids."""
    end, threads = threading.Event(), []

    def start():
        thread = threading.Thread(target=end.wait)
        thread.start()
        threads.append(thread)
        return thread.native_id

    yield start
    end.set()
    for thread in threads:
        thread.join()


def test_all_threads_are_held_and_get_their_cpus_back(cpus, waiting):
    cpu, earlier = max(cpus), waiting()
    os.sched_setaffinity(earlier, {min(cpus)})
    hold = CpuHold()
    assert hold.hold(cpu)
    assert os.sched_getaffinity(0) == os.sched_getaffinity(earlier) == {cpu}
    hold.release()
    assert os.sched_getaffinity(0) == cpus
    assert os.sched_getaffinity(earlier) == {min(cpus)}


def test_a_thread_that_starts_meanwhile_is_held_too_and_let_go(cpus, waiting):
    hold = CpuHold()
    hold.hold(min(cpus))
    later = waiting()
    assert os.sched_getaffinity(later) == {min(cpus)}
    hold.release()
    assert os.sched_getaffinity(later) == cpus


def test_a_cpu_that_is_not_there_or_refused_holds_nothing(cpus, monkeypatch):
    assert not CpuHold().hold(100_000)
    assert os.sched_getaffinity(0) == cpus

    def refuse(thread, wanted):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_setaffinity", refuse)
        assert not CpuHold().hold(min(cpus))
        assert CpuHold().choose() is None


def test_a_second_hold_ends_the_first(cpus):
    hold = CpuHold()
    hold.hold(min(cpus))
    hold.hold(max(cpus))
    assert os.sched_getaffinity(0) == {max(cpus)}
    hold.release()
    assert os.sched_getaffinity(0) == cpus
    hold.release()
    assert os.sched_getaffinity(0) == cpus


def test_the_cpus_to_choose_from_are_all_that_the_process_may_use(cpus):
    assert free_cpus() == cpus
    assert os.sched_getaffinity(0) == cpus
    assert CpuHold().choose() in cpus


def test_cpus_that_the_user_has_chosen_stand(cpus):
    os.sched_setaffinity(0, {min(cpus)})
    assert free_cpus() == frozenset()
    assert CpuHold().choose() is None


def test_a_container_with_a_single_cpu_leaves_no_choice(cpus, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda thread: {min(cpus)})
        patch.setattr(os, "sched_setaffinity", lambda thread, wanted: None)
        assert free_cpus() == frozenset()


def test_without_the_call_nothing_is_held(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    assert free_cpus() == frozenset()
    assert not CpuHold().hold(CpuHold().choose())
