"""Joules per token of a server under load against the truth, and what `energy.arun` costs.

    python benchmarks/concurrency.py [--n 320] [--concurrency 1 2 8 32] [--requests 1000]

A server in a process of its own spends CPU seconds by a script: so many per request and so many per
token, in steps that serve all requests that are under way by turns, as continuous batching does. It
counts them, times some watts, in a counter that the meter reads. Answers are streamed. They have 16
tokens each, so that requests stay in step; or 8 to 24, so that they do not. The truth is the
script's. For 16 tokens the number of tokens is known exactly.

Then the server only waits, such that 500 requests a second are answered, and `energy.arun` stands
beside a plain loop of as many tasks, by turns: wall time and CPU time per request. CPU time of a
process that mostly waits depends on what else the machine does; what `energy.arun` itself takes is
seen beside a plain loop of requests that do nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import mmap
import multiprocessing
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from pytest_energy.gate.evaluate import NoPolicy
from pytest_energy.metering.fixture import MeteredEnergy
from pytest_energy.metering.instruments import Instruments
from pytest_energy.meters.base import Meter, MeterSource
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.inference import Inference

REQUEST_SECONDS, TOKEN_SECONDS, WATTS = 1e-3, 3e-4, 10.0
RATE = 500.0
"""Requests a second in the comparison with a plain loop."""

SLOTS = 32
"""Requests at a time in it."""

GOAL_ERROR, GOAL_OVERHEAD = 0.02, 0.05


class Server:
    """Answers requests, `TOKENS WAIT`, with a line per token; spends CPU seconds by the script."""

    def __init__(self, counter: Path) -> None:
        self._file = counter.open("r+b")
        self._counter = mmap.mmap(self._file.fileno(), 8)
        self._spent = 0.0
        self._active: list[tuple[asyncio.StreamWriter, asyncio.Event, list[int]]] = []
        self._some = asyncio.Event()

    def spend(self, seconds: float) -> None:
        """Spin for so many CPU seconds, and count them."""
        began = time.thread_time()
        while (spent := time.thread_time() - began) < seconds:
            pass
        self._spent += spent
        self._counter[:] = struct.pack("<q", round(self._spent * WATTS * 1e6))

    async def step(self) -> None:
        """A token for each request that is under way, again and again."""
        while True:
            await self._some.wait()
            for one in list(self._active):
                writer, over, left = one
                self.spend(TOKEN_SECONDS)
                writer.write(b"t\n")
                left[0] -= 1
                if not left[0]:
                    self._active.remove(one)
                    over.set()
            if not self._active:
                self._some.clear()
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection."""
        while line := await reader.readline():
            tokens, wait = line.split()
            if float(wait):
                await asyncio.sleep(float(wait) * random.uniform(0.5, 1.5))  # none in step
                writer.write(b"t\n" * int(tokens))
            else:
                self.spend(REQUEST_SECONDS)
                over = asyncio.Event()
                self._active.append((writer, over, [int(tokens)]))
                self._some.set()
                await over.wait()
        writer.close()


def be_server(counter: Path, ports: multiprocessing.SimpleQueue[int]) -> None:
    """The server's process."""

    async def main() -> None:
        server = Server(counter)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        ports.put(listening.sockets[0].getsockname()[1])
        await server.step()

    asyncio.run(main())


class ServerMeter(Meter):
    """Reads what the server has counted."""

    name = "server"
    domains = (Domain("cpu", "cpu", Method.COUNTER, "script", 0.0),)

    def __init__(self, counter: Path) -> None:
        self._file = counter.open("rb")
        self._counter = mmap.mmap(self._file.fileno(), 8, access=mmap.ACCESS_READ)

    def read(self) -> tuple[int, ...]:
        return struct.unpack("<q", self._counter[:])


class Client:
    """Asks the server over connections that are kept.

    Args:
        port: of the server.
        wait: seconds that it only waits, on average; 0 to have it work.
    """

    def __init__(self, port: int, wait: float = 0.0) -> None:
        self._port, self._wait = port, wait
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, tokens: int, first: Callable[[], None] = lambda: None) -> int:
        """One request; the tokens of its answer."""
        connection = self._free.pop() if self._free else None
        reader, writer = connection or await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"%d %.6f\n" % (tokens, self._wait))
        for i in range(tokens):
            await reader.readline()
            if not i:
                first()
        self._free.append((reader, writer))
        return tokens

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


def an_energy(instruments: Instruments, n: int, unit: str) -> MeteredEnergy:
    """A fixture for one loop."""
    inference = Inference(n=n, unit=unit)
    return MeteredEnergy("t::t", inference, "chat", "m", instruments=instruments, policy=NoPolicy())


async def measure(
    instruments: Instruments, port: int, samples: list[int], n: int, concurrency: int, how: str
) -> bool:
    """One line: joules per token and tokens against the truth; whether both are right."""
    energy, client = an_energy(instruments, n, "token"), Client(port)

    async def fn(tokens: int) -> None:
        energy.add(tokens=await client.ask(tokens, energy.first_token), prompt_tokens=5)

    if how == "arun":
        await energy.arun(fn, samples, concurrency=concurrency)
    else:
        async for tokens in energy.aeach(samples, concurrency=concurrency):
            energy.create_task(fn(tokens))
    client.close()
    (metered,) = energy.conclude()
    (one,) = metered.passes
    truth = WATTS * (TOKEN_SECONDS + REQUEST_SECONDS / statistics.fmean(samples))
    error = one.joules_per_unit / truth - 1
    alike = len(set(samples)) == 1
    expected = one.metered_count * samples[0]
    exact = (one.recorded or {})["tokens"] == expected if alike else True
    latency = one.latency
    assert latency is not None
    assert latency.first_token is not None
    print(
        f"  {how:5}  {'16 tokens' if alike else '8 to 24':9}  concurrency {concurrency:3}"
        f"  {1e3 * one.joules_per_unit:7.4f} mJ/token  truth {1e3 * truth:.4f}  {error:+7.2%}"
        f"  tokens {one.unit_count:,.0f}{' (exact)' if alike and exact else ''}"
        f"{'' if exact else f' OF {expected:,}'}"
        f"  first token {1e3 * latency.first_token.median_seconds:.1f} ms"
        f"  request {1e3 * latency.inference.median_seconds:.1f} ms"
    )
    return abs(error) <= GOAL_ERROR and exact


async def plain(fn: Callable[[int], Awaitable[object]], samples: list[int]) -> None:
    """The loop that one writes without this package."""
    waiting = iter(samples)

    async def work() -> None:
        for sample in waiting:
            await fn(sample)

    await asyncio.gather(*(work() for _ in range(SLOTS)))


async def own_cost(instruments: Instruments, requests: int, rounds: int) -> None:
    """CPU time per request that does nothing, `energy.arun` beside a plain loop."""

    async def ask(sample: int) -> int:
        await asyncio.sleep(0)
        return sample

    more = []
    for _ in range(rounds):
        began = time.process_time()
        await plain(ask, [1] * requests)
        between = time.process_time()
        energy = an_energy(instruments, requests, "inference")
        await energy.arun(ask, [1] * requests, concurrency=SLOTS)
        each = (time.process_time() - between) / energy.count
        more.append(each - (between - began) / requests)
    cost = statistics.median(more)
    print(
        f"energy.arun takes {1e6 * cost:.1f} µs of CPU time per request over a plain loop's:"
        f" at {RATE:.0f} a second {cost * RATE:.2%} of a CPU"
    )


async def compare(instruments: Instruments, port: int, requests: int, rounds: int) -> bool:
    """Wall and CPU time per request, `energy.arun` over a plain loop."""
    client = Client(port, wait=SLOTS / RATE)
    await plain(client.ask, [1] * SLOTS)
    figures: dict[str, list[tuple[float, float]]] = {"plain": [], "arun": []}
    order = itertools.cycle(["plain", "arun", "arun", "plain"])
    for kind in itertools.islice(order, 2 * rounds):
        energy = an_energy(instruments, requests, "inference")
        wall, cpu = time.perf_counter(), time.process_time()
        if kind == "plain":
            await plain(client.ask, [1] * requests)
            count = requests
        else:
            await energy.arun(client.ask, [1] * requests, concurrency=SLOTS)
            count = energy.count
        spent = time.perf_counter() - wall, time.process_time() - cpu
        figures[kind].append((spent[0] / count, spent[1] / count))
    client.close()
    walls, cpus = (
        [statistics.median(one[i] for one in figures[kind]) for kind in figures] for i in (0, 1)
    )
    print(
        f"  {1 / walls[0]:.0f} requests a second plain, {1 / walls[1]:.0f} through energy.arun:"
        f" wall {walls[1] / walls[0]:.3f} times, CPU {1e6 * cpus[0]:.0f} and {1e6 * cpus[1]:.0f} µs"
        f" per request, {cpus[1] / cpus[0]:.3f} times"
    )
    return walls[1] / walls[0] - 1 <= GOAL_OVERHEAD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=320)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 8, 32])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counter = Path(folder) / "counter"
        counter.write_bytes(bytes(8))
        ports: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
        server = multiprocessing.Process(target=be_server, args=(counter, ports), daemon=True)
        server.start()
        port = ports.get()
        source = MeterSource("server", lambda: ServerMeter(counter), True, "cpu")
        instruments = Instruments(["server"], [source], counts=False)
        chance = random.Random(1)
        varied = [chance.randint(8, 24) for _ in range(options.n)]
        good = []
        print("joules per token")
        for samples in ([16] * options.n, varied):
            for how, concurrency in itertools.product(("arun", "aeach"), options.concurrency):
                run = measure(instruments, port, samples, options.n, concurrency, how)
                good.append(asyncio.run(run))
        print(f"{RATE:.0f} requests a second, {SLOTS} at a time, by turns {options.rounds} times")
        good.append(asyncio.run(compare(instruments, port, options.requests, options.rounds)))
        asyncio.run(own_cost(instruments, 20 * options.requests, options.rounds))
        server.terminate()
        server.join()
    print("all goals are met" if all(good) else f"{good.count(False)} goals are missed")
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
