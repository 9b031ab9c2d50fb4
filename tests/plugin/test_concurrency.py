"""Loops with several inferences at a time, in threads and in tasks."""

from __future__ import annotations

import json

import pytest

from support.projects import flowing, store_five

HEAD = """
import asyncio, threading, time
import pytest
from scripted import spend

LOCK = threading.Lock()

def infer(sample, joules=2.0):
    time.sleep(0.001)
    with LOCK:
        spend(joules)
    return -sample

async def ainfer(sample, joules=2.0):
    await asyncio.sleep(0)
    spend(joules)
    return -sample
"""

DEARER = HEAD.replace("joules=2.0", "joules=2.4")

ASYNC = "pytest_asyncio.plugin"


@pytest.fixture
def concurrent(project):
    """A project whose tests may be async."""
    project.plugins = (ASYNC, "anyio.pytest_plugin")
    project.ini("energy_meter = scripted", "asyncio_mode = auto")
    return project


def results(project, test, *arguments):
    project.write(test_it=HEAD + test)
    return project.report(*arguments)["results"]


def test_threads_perform_the_samples_and_their_outputs_are_in_order(project):
    (result,) = results(
        project,
        """
@pytest.mark.inference(n=100)
def test_x(energy):
    names = set()

    def fn(sample):
        names.add(threading.current_thread().name)
        return infer(sample)

    outputs = energy.run(fn, range(30), concurrency=8)
    assert outputs == [-(i % 30) for i in range(100)]
    names.discard(threading.current_thread().name)  # of samples that were counted, one by one
    assert len(names) == 8
    assert energy.count >= 8 + 2 * 8 + 104
""",
    )
    measurement = result["measurement"]
    assert (result["subject"]["n"], result["subject"]["concurrency"]) == (100, 8)
    assert measurement["metered_count"] == 104  # whole rounds
    assert [block["n"] for block in measurement["blocks"]] == [24, 24, 24, 16, 16]
    # At each end up to seven others have spent their joules and are not counted yet.
    assert measurement["joules_per_unit"] == pytest.approx(2.0, rel=8 / 104)
    assert measurement["latency"]["inference"]["count"] == 104


def test_tasks_are_metered_exactly(concurrent):
    (result,) = results(
        concurrent,
        """
@pytest.mark.inference(n=64, unit="token")
async def test_x(energy):
    async def fn(sample):
        output = await ainfer(sample, 3.0)
        energy.first_token()
        energy.first_token()
        energy.add(tokens=2)
        energy.add(tokens=4, prompt_tokens=100)
        return output

    assert await energy.arun(fn, range(30), concurrency=8) == [-(i % 30) for i in range(64)]
""",
    )
    measurement = result["measurement"]
    assert measurement["joules_per_unit"] == 0.5
    assert measurement["recorded"] == {"tokens": 384.0, "prompt_tokens": 6400.0}
    counts = {name: one["count"] for name, one in measurement["latency"].items()}
    assert counts == {"inference": 64, "first_token": 64, "per_token": 64}


def test_one_at_a_time_is_the_plain_loop(concurrent):
    one, two, three = results(
        concurrent,
        """
@pytest.mark.inference(n=20)
async def test_arun(energy):
    assert await energy.arun(ainfer, range(5)) == [-(i % 5) for i in range(20)]

@pytest.mark.inference(n=20)
async def test_aeach(energy):
    async for sample in energy.aeach(range(5)):
        energy.first_token()
        await ainfer(sample)

@pytest.mark.inference(n=20)
def test_run(energy):
    assert energy.run(infer, range(5), concurrency=1) == [-(i % 5) for i in range(20)]
""",
    )
    for result in (one, two, three):
        assert result["measurement"]["joules_per_unit"] == 2.0
        assert result["subject"]["concurrency"] == 1
    assert one["measurement"].get("latency") is None
    assert two["measurement"]["latency"]["first_token"]["count"] == 20
    assert three["measurement"]["latency"]["inference"]["count"] == 20


def test_inferences_of_less_than_a_millisecond_have_a_latency_where_they_tell_a_first_token(
    project,
):
    latencies = [
        result["measurement"].get("latency")
        for result in results(
            project,
            """
LONG = 0.001  # or a little more

@pytest.mark.inference(n=200)
@pytest.mark.parametrize("rule", ["never", "always", "at first", "in the warm-up"])
def test_seconds(energy, rule):
    for i, _ in enumerate(energy.each(range(5))):
        if {"always": True, "at first": i < 2, "in the warm-up": i < 4}.get(rule):
            time.sleep(LONG)
        spend(2.0)

@pytest.mark.inference(n=200, warmup=0)
def test_without_a_warmup(energy):
    for _ in energy.each(range(5)):
        spend(2.0)

@pytest.mark.inference(n=200)
def test_first_token(energy):
    for _ in energy.each(range(5)):
        energy.first_token()
        spend(2.0)

@pytest.mark.inference(n=200)
def test_batches(energy):
    for _ in energy.each([[1, 2]] * 5, batch_size=2):
        time.sleep(LONG)
        spend(2.0)
""",
        )
    ]
    counts = [None if one is None else one["inference"]["count"] for one in latencies]
    assert counts == [None, 200, None, 200, 200, 200, None]


STORED = """
@pytest.mark.inference(n=80, task="t", model="m")
async def test_x(energy):
    await energy.arun(ainfer, range(30), concurrency={concurrency})
"""


def test_concurrency_is_part_of_what_must_agree_with_a_baseline(concurrent):
    concurrent.write(test_it=HEAD + STORED.format(concurrency=4))
    store_five(concurrent)
    (entry,) = concurrent.baseline()["entries"].values()
    assert entry["concurrency"] == 4
    concurrent.run("--energy-report").stdout.fnmatch_lines(["*4 at a time*", "*1 compared (1 ok)*"])
    concurrent.write(test_it=HEAD + STORED.format(concurrency=8))
    (verdict,) = concurrent.verdicts().values()
    assert verdict["status"] == "incomparable"
    assert verdict["reason"] == "the baseline's concurrency was 4, now 8"


def test_a_baseline_of_one_at_a_time_does_not_name_it(concurrent):
    concurrent.write(test_it=HEAD + STORED.format(concurrency=1))
    concurrent.run("--energy-update")
    (entry,) = concurrent.baseline()["entries"].values()
    assert "concurrency" not in entry


def test_a_rise_is_found(concurrent):
    concurrent.write(test_it=HEAD + STORED.format(concurrency=4))
    store_five(concurrent)
    concurrent.write(test_it=DEARER + STORED.format(concurrency=4))
    concurrent.run().stdout.fnmatch_lines(["energy regressed: 2.40 J per inference*"])


def test_budgets_per_token_are_gated(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=16, unit="token", budget="0.4 J")
async def test_x(energy):
    async def fn(sample):
        await ainfer(sample)
        energy.add(tokens=4)
    await energy.arun(fn, range(30), concurrency=2)
"""
    )
    concurrent.run().stdout.fnmatch_lines(["energy over budget: 500 mJ per token, allowed 400 mJ*"])


def test_an_early_stop_ends_after_a_block_for_which_the_slots_were_filled_anew(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=400, warmup=0, precision="2%")
async def test_x(energy):
    outputs = await energy.arun(ainfer, range(400), concurrency=4)
    assert outputs == [-i for i in range(len(outputs))]
    assert len(outputs) == 100
"""
    )
    result = concurrent.run("--energy-report")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*from 100*"])


def test_an_estimate_has_its_reference_work_between_blocks_with_no_inference_under_way(concurrent):
    concurrent.ini("energy_meter = cpu_time", "asyncio_mode = auto")
    (result,) = results(
        concurrent,
        """
@pytest.mark.inference(n=40)
async def test_x(energy):
    async def fn(sample):
        sum(range(10_000))
        await asyncio.sleep(0)
    await energy.arun(fn, range(30), concurrency=2)
""",
    )
    measurement = result["measurement"]
    assert measurement["segments"] == len(measurement["blocks"]) == 5
    assert len(measurement["reference"]["joules"]) == 5


FAILS_AT_17 = """
ENDED = []

async def awork(sample):
    try:
        if sample == 17:
            raise ValueError("boom")
        await asyncio.sleep(0.001 if sample < 17 else 60)
    finally:
        await asyncio.sleep(0.001)
        ENDED.append(sample)

def others():
    return asyncio.all_tasks() - {asyncio.current_task()}
"""


@pytest.mark.parametrize("how", ["run", "arun"])
def test_an_error_ends_all_others_and_is_on_top_with_its_sample(concurrent, how):
    call = "energy.run(work" if how == "run" else "await energy.arun(awork"
    concurrent.write(
        test_it=HEAD
        + FAILS_AT_17
        + f"""
def work(sample):
    if sample == 17:
        raise ValueError("boom")
    infer(sample)

async def test_x(energy):
    try:
        {call}, range(30), concurrency=4)
    finally:
        assert not others()
"""
    )
    result = concurrent.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E   *ValueError: boom",
            f"E   *energy.{how}: raised by sample 17 (the first one is 0)*",
            "*1 unmeasured*",
        ]
    )


@pytest.mark.parametrize(
    ("seen_before", "where"), [(0, "in the warm-up"), (1, "performed alone to be counted")]
)
@pytest.mark.parametrize("how", ["run", "arun"])
def test_an_error_of_a_sample_that_is_performed_alone_names_it_too(
    concurrent, how, seen_before, where
):
    call = "energy.run(work" if how == "run" else "await energy.arun(awork"
    concurrent.write(
        test_it=HEAD
        + f"""
SEEN = []

def work(sample):
    if SEEN.count(0) == {seen_before} and sample == 0:
        raise ValueError("boom")
    SEEN.append(sample)

async def awork(sample):
    work(sample)

async def test_x(energy):
    {call}, range(30), concurrency=4)
"""
    )
    result = concurrent.run("--energy-judge=counted")
    result.assert_outcomes(failed=1)
    said = f"E   *energy.{how}: raised by sample 0 (the first one is 0), {where}"
    result.stdout.fnmatch_lines(["E   *ValueError: boom", said])


def test_skips_inside_an_inference_skip_the_test(project):
    project.write(
        test_it=HEAD
        + """
def test_x(energy):
    energy.run(lambda sample: pytest.skip("no server"), range(30), concurrency=4)
"""
    )
    project.run().assert_outcomes(skipped=1)


def test_time_outs_of_asyncio_and_anyio_cancel_the_inferences(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
import anyio

async def never(sample):
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)

async def test_asyncio(energy):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await energy.arun(never, range(30), concurrency=4)
    assert len(asyncio.all_tasks()) == 1

@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_anyio(energy, anyio_backend):
    with anyio.move_on_after(0.05) as scope:
        await energy.arun(never, range(30), concurrency=4)
    assert scope.cancelled_caught

async def test_cancelled(energy):
    task = asyncio.create_task(energy.arun(never, range(30), concurrency=4))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
"""
    )
    concurrent.run().assert_outcomes(passed=3)


def test_a_time_out_in_the_test_s_thread_leaves_a_thread_behind_that_never_ends(project):
    pytest.importorskip("pytest_timeout")
    project.plugins = ("pytest_timeout",)
    project.write(
        test_it=HEAD
        + """
import pytest_energy.metering.threads as threads

@pytest.mark.timeout(0.3, method="signal")
def test_x(energy, monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 0.1)
    energy.run(lambda sample: threading.Event().wait(), range(30), concurrency=4)

def test_y(energy):
    energy.run(infer, range(30), concurrency=4)
"""
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Timeout*0.3*"])


def test_a_system_that_begins_no_more_threads_is_told_in_words(project):
    project.write(
        test_it=HEAD
        + """
def test_x(energy):
    before = threading.stack_size(1 << 46)
    try:
        energy.run(infer, range(30), concurrency=4)
    finally:
        threading.stack_size(before)
"""
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    words = "energy.run: concurrency=4 needs as many threads, and the system began 0 (can't start"
    assert words in flowing(result)


def test_trio_is_refused_in_words(project):
    pytest.importorskip("trio")
    project.write(
        test_it=HEAD
        + """
import trio

def test_x(energy):
    trio.run(energy.arun, ainfer, range(30))

def test_y(energy):
    async def loop():
        energy.aeach(range(30), concurrency=4)
    trio.run(loop)

def test_one_at_a_time(energy):
    async def loop():
        async for sample in energy.aeach(range(30)):
            await trio.sleep(0)
    trio.run(loop)
"""
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=2)
    for method in ("arun", "aeach"):
        words = f"energy.{method} needs an event loop of asyncio, and this one is another"
        assert words in flowing(result)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_body_of_an_async_for_hands_inferences_over(concurrent, concurrency):
    (result,) = results(
        concurrent,
        f"""
@pytest.mark.inference(n=64, unit="token")
async def test_x(energy):
    running, most, tasks = set(), 0, []

    async def fn(sample):
        nonlocal most
        running.add(asyncio.current_task())
        most = max(most, len(running))
        output = await ainfer(sample, 3.0)
        energy.first_token()
        energy.add(tokens=6)
        running.remove(asyncio.current_task())
        return output

    async for sample in energy.aeach(range(30), concurrency={concurrency}):
        tasks.append((sample, energy.create_task(fn(sample))))
    assert most == {concurrency}
    assert all(task.result() == -sample for sample, task in tasks)
    assert len(tasks) == energy.count
""",
    )
    measurement = result["measurement"]
    assert result["subject"]["concurrency"] == concurrency
    assert measurement["joules_per_unit"] == 0.5
    assert measurement["recorded"] == {"tokens": 384.0}
    counts = {name: one["count"] for name, one in measurement["latency"].items() if one}
    assert counts == {"inference": 64, "first_token": 64, "per_token": 64}


def test_an_async_for_has_the_samples_that_arun_has(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
SEEN = {"arun": [], "aeach": []}

@pytest.mark.inference(n=60)
async def test_arun(energy):
    async def fn(sample):
        SEEN["arun"].append(sample)
        await asyncio.sleep(0)
    await energy.arun(fn, range(30), concurrency=4)

@pytest.mark.inference(n=60)
async def test_aeach(energy):
    async for sample in energy.aeach(range(30), concurrency=4):
        SEEN["aeach"].append(sample)
        energy.create_task(asyncio.sleep(0))
    assert SEEN["aeach"] == SEEN["arun"]
"""
    )
    concurrent.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("option", ["--energy-off", "--energy-judge=counted"])
def test_without_metering_an_async_for_hands_inferences_over_too(concurrent, option):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=20)
async def test_x(energy):
    outputs = []
    async def fn(sample):
        outputs.append(await ainfer(sample))
    async for sample in energy.aeach(range(30), concurrency=4):
        energy.create_task(fn(sample))
    assert len(outputs) == energy.count > 0
"""
    )
    concurrent.run(option).assert_outcomes(passed=1)


LEAVING = (
    FAILS_AT_17
    + """
async def loop(energy, fn, concurrency=4):
    async for sample in energy.aeach(range(30), concurrency=concurrency):
        energy.create_task(fn(sample))
"""
)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_error_of_what_was_handed_over_ends_all_others(concurrent, concurrency):
    concurrent.write(
        test_it=HEAD
        + LEAVING
        + f"""
async def test_x(energy):
    try:
        await loop(energy, awork, {concurrency})
    finally:
        assert not others()
"""
    )
    result = concurrent.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E   *ValueError: boom", "*1 unmeasured*"])
    if concurrency > 1:
        result.stdout.fnmatch_lines(
            ["E   *energy.aeach: raised by sample 17 (the first one is 0)*"]
        )
    result.stdout.no_fnmatch_line("*never retrieved*")
    result.stdout.no_fnmatch_line("*never awaited*")


def test_what_is_handed_over_after_an_error_is_cancelled_at_once(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
async def fails():
    raise ValueError("boom")

async def test_x(energy):
    with pytest.raises(ValueError):
        async for sample in energy.aeach(range(30), concurrency=4):
            energy.create_task(fails())
            await asyncio.sleep(0.01)
    assert sample == 0

async def test_y(energy):
    with pytest.raises(ValueError):
        async for sample in energy.aeach(range(30), concurrency=4):
            if sample == 0:
                energy.create_task(fails())
            else:
                await asyncio.sleep(0.01)
                last = energy.create_task(asyncio.sleep(60))
    assert sample == 1
    assert last.cancelled()
"""
    )
    result = concurrent.run()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*never awaited*")


def test_an_inference_that_exits_or_skips_does_so_for_its_test(concurrent):
    concurrent.write(
        test_it=HEAD
        + LEAVING
        + """
async def exits(sample):
    raise SystemExit(3)

async def skips(sample):
    pytest.skip("no server")

async def test_exit(energy):
    with pytest.raises(SystemExit):
        await loop(energy, exits)
    assert not others()

async def test_skip(energy):
    await loop(energy, skips)
"""
    )
    concurrent.run().assert_outcomes(passed=1, skipped=1)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_async_for_that_is_left_cancels_what_was_handed_over(concurrent, concurrency):
    concurrent.write(
        test_it=HEAD
        + LEAVING
        + f"""
async def test_break(energy):
    async for sample in energy.aeach(range(30), concurrency={concurrency}):
        task = energy.create_task(asyncio.sleep(60))
        break
    await asyncio.wait([task])
    assert task.cancelled()
    assert not others()

async def test_error_in_the_body(energy):
    with pytest.raises(ValueError):
        async for sample in energy.aeach(range(30), concurrency={concurrency}):
            energy.create_task(awork(28))
            await asyncio.sleep(0)
            raise ValueError("in the body")
    await asyncio.wait(others(), timeout=30)
    assert not others()
    assert 28 in ENDED

async def test_time_out(energy):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await loop(energy, lambda sample: awork(29), {concurrency})
    assert not others()
    assert 29 in ENDED

@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_anyio(energy, anyio_backend):
    import anyio

    with anyio.move_on_after(0.05) as scope:
        await loop(energy, lambda sample: awork(29), {concurrency})
    assert scope.cancelled_caught

async def test_a_task_that_the_test_cancels(energy):
    with pytest.raises(asyncio.CancelledError):
        async for sample in energy.aeach(range(30), concurrency={concurrency}):
            energy.create_task(asyncio.sleep(60)).cancel()
"""
    )
    result = concurrent.run()
    result.assert_outcomes(passed=5)
    result.stdout.no_fnmatch_line("*never awaited*")


def test_a_body_that_hands_nothing_over_or_too_much_is_refused(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
async def test_awaits(energy):
    async for sample in energy.aeach(range(30), concurrency=4):
        await ainfer(sample)

@pytest.mark.parametrize("concurrency", [1, 4])
async def test_twice(energy, concurrency):
    async for sample in energy.aeach(range(30), concurrency=concurrency):
        energy.create_task(ainfer(sample))
        energy.create_task(ainfer(sample))
"""
    )
    result = concurrent.run()
    result.assert_outcomes(failed=3)
    text = flowing(result)
    assert "energy.aeach(samples, concurrency=4): the body of an async for ends before" in text
    assert "no sample waits for its inference; call it once per sample" in text
    assert "never awaited" not in text


def test_a_body_that_awaits_what_it_has_begun_is_told(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=8, warmup=0)
async def test_x(energy):
    async for sample in energy.aeach(range(30), concurrency=4):
        await energy.create_task(asyncio.sleep(0.005))
"""
    )
    result = concurrent.run()
    result.assert_outcomes(passed=1, warnings=1)
    assert "were taken on average: a sample of energy.aeach waited" in flowing(result)


@pytest.mark.parametrize("awaits", [0, 60])
def test_a_function_that_blocks_the_event_loop_is_told_also_where_it_does_so_late(
    concurrent, awaits
):
    concurrent.write(
        test_it=HEAD
        + f"""
@pytest.mark.inference(n=120, warmup=0)
async def test_x(energy):
    async def fn(sample):
        if energy.count <= {awaits}:
            await asyncio.sleep(0.02)
        else:
            time.sleep(0.03)
            await asyncio.sleep(0)
    await energy.arun(fn, range(30), concurrency=4)
"""
    )
    result = concurrent.run()
    result.assert_outcomes(passed=1, warnings=1)
    assert "the event loop was blocked for" in flowing(result)


def test_an_event_loop_that_comes_round_is_not_told(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=60, warmup=0)
async def test_x(energy):
    async def fn(sample):
        await asyncio.sleep(0.02)
    await energy.arun(fn, range(30), concurrency=4)
"""
    )
    concurrent.run().assert_outcomes(passed=1, warnings=0)


REFUSALS = {
    "energy.run(infer, range(30), concurrency=0)": "concurrency: expected a whole number of 1",
    "energy.run(infer, range(30), concurrency=-1)": "a whole number of 1 or more, found -1",
    "energy.run(infer, range(30), concurrency=True)": "whole number of 1 or more, found True",
    "energy.run(infer, range(30), concurrency='8')": "whole number of 1 or more, found '8'",
    "energy.run(infer, range(30), concurrency=10_000)": "concurrency=10,000 needs as many",
    "energy.run(ainfer, range(30), concurrency=2)": "write: await energy.arun(fn, samples)",
    "await energy.arun(infer, range(30), concurrency=2)": "nothing to await, but an int: energy.r",
    "energy.run(infer, range(30), 2, concurrency=2)": "batch_size and concurrency cannot be had",
    "energy.aeach(range(30), concurrency=0)": "energy.aeach: concurrency: expected a whole number",
    "energy.aeach(range(30), concurrency=10_000)": "energy.aeach: concurrency=10,000 needs as many",
    "energy.aeach(range(30), 2, concurrency=2)": "energy.aeach: batch_size and concurrency cannot",
    "energy.create_task(ainfer(1))": "no sample waits for its inference",
    "energy.create_task(7)": "expected a coroutine, which has not begun: energy.create_task(fn(sam",
    "energy.create_task(asyncio.ensure_future(ainfer(1)))": "found Task",
    "energy.run(lambda s: energy.measure('x'), range(30), concurrency=2)": "measure('x'): of 2 ",
    "energy.first_token()": "no inference is under way",
}


@pytest.mark.parametrize("off", [(), ("--energy-off",)])
def test_what_cannot_be_meant_is_refused_in_words(concurrent, off):
    tests = "".join(
        f"async def test_{i}(energy):\n    {call}\n\n" for i, call in enumerate(REFUSALS)
    )
    concurrent.write(test_it=HEAD + tests)
    result = concurrent.run(*off)
    result.assert_outcomes(failed=len(REFUSALS))
    text = flowing(result)
    for words in REFUSALS.values():
        assert words in text


@pytest.mark.parametrize(
    ("call", "what"), [("add(tokens=1)", "produced it"), ("first_token()", "it")]
)
def test_what_is_told_outside_of_an_inference_is_refused(concurrent, call, what):
    concurrent.write(
        test_it=HEAD
        + f"""
def test_thread(energy):
    def fn(sample):
        thread = threading.Thread(target=tell)
        thread.start()
        thread.join()
        if ERRORS:
            raise ERRORS[0]

    def tell():
        try:
            energy.{call}
        except pytest.UsageError as error:
            ERRORS.append(error)

    ERRORS = []
    energy.run(fn, range(30), concurrency=2)

async def test_body(energy):
    async for sample in energy.aeach(range(30), concurrency=2):
        energy.create_task(asyncio.sleep(0))
        energy.{call}
"""
    )
    result = concurrent.run()
    result.assert_outcomes(failed=2)
    words = f"it is not known which of 2 inferences has {what}; call it in the function"
    assert flowing(result).count(f"UsageError: energy.{call.replace('1', '…')}: {words}") >= 2


@pytest.mark.parametrize("option", ["--energy-off", "--energy-judge=counted"])
def test_without_metering_the_outputs_are_the_samples_too(concurrent, option):
    concurrent.write(
        test_it=HEAD
        + """
@pytest.mark.inference(n=20)
def test_x(energy):
    outputs = energy.run(infer, range(30), concurrency=4)
    assert outputs == [-i for i in range(len(outputs))]
    assert outputs

@pytest.mark.inference(n=20)
async def test_y(energy):
    outputs = await energy.arun(ainfer, range(30), concurrency=4)
    assert outputs == [-i for i in range(len(outputs))]
    assert outputs
"""
    )
    concurrent.run(option).assert_outcomes(passed=2)


def test_what_is_counted_is_what_one_inference_does(project):
    one, several = results(
        project,
        """
def work(sample):
    return sum(map(len, [str(sample)] * 3))

@pytest.mark.parametrize("concurrency", [1, 4])
def test_x(energy, concurrency):
    energy.run(lambda sample: work(sample) + work(sample), range(30), concurrency=concurrency)
""",
        "--energy-judge=counted",
    )
    assert one["counts"]["samples"] == several["counts"]["samples"]
    assert one["counts"]["samples"][0]["python_calls"] > 0


def test_no_samples_are_no_figure(concurrent):
    concurrent.write(
        test_it=HEAD
        + """
async def test_x(energy):
    assert await energy.arun(ainfer, [], concurrency=4) == []
"""
    )
    concurrent.run("--energy-report").stdout.fnmatch_lines(["*samples is empty*"])


def test_the_verbose_table_and_the_csv_have_the_latency(concurrent):
    concurrent.write(test_it=HEAD + STORED.format(concurrency=4))
    result = concurrent.run("-v", "--energy-report", "--energy-export=csv=x.csv")
    result.stdout.fnmatch_lines(["*latency  *s, 95 % below *s"])
    heading, row = (concurrent.path / "x.csv").read_text().splitlines()
    assert dict(zip(heading.split(","), row.rsplit(",", 7)[-7:], strict=False)) is not None
    assert row.rsplit(",", 7)[-7] == "4"
    assert json.loads(row.rsplit(",", 7)[-6]) > 0


def test_a_paired_run_fills_and_drains_around_each_block(repository):
    repository.plugins = (ASYNC,)
    repository.ini("energy_meter = scripted", "asyncio_mode = auto")
    repository.write(test_it=HEAD + STORED.format(concurrency=4))
    repository.commit()
    (verdict,) = repository.paired().values()
    assert verdict["status"] == "ok"
    repository.write(test_it=DEARER + STORED.format(concurrency=4))
    (verdict,) = repository.paired().values()
    assert verdict["status"] == "regressed"
    assert verdict["change"]["value"] == pytest.approx(0.2)
    repository.write(test_it=HEAD + STORED.format(concurrency=8))
    (verdict,) = repository.paired().values()
    assert verdict["reason"] == "the base's concurrency was 4, now 8"
