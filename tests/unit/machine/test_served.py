"""A server's process tree: found by port or process, and followed to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pytest_energy.machine.served import ServedProcesses, parse_server
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.cpu_time import CpuTime
from support.prometheus import free_port

# Starts the server as no child of this process, as a user's other terminal does, and its worker.
SERVER = r"""
import os, socket, subprocess, sys, time
if os.fork():
    os._exit(0)
os.setsid()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print(os.getpid(), flush=True)
while True:
    c, _ = s.accept()
    if c.recv(1) == b"w":
        burn = "import time\nwhile time.process_time() < 0.5: pass"
        subprocess.run([sys.executable, "-c", burn])
    c.sendall(b"d")
    c.close()
"""


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Port and process id of a server that spends half a CPU second when it is asked."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True
    ) as first:
        pid = int(first.stdout.readline())
        try:
            yield port, pid
        finally:
            _kill(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def _read_until_lost(meter: CpuTime) -> None:
    while True:  # it takes the system a moment to end a process
        meter.read()


def ask(port: int) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"w")
        assert connection.recv(1) == b"d"


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is for Linux")


@pytest.mark.parametrize("by", ["port", "pid"])
def test_what_a_server_and_its_children_spend_is_counted(server, by):
    port, pid = server
    found = ServedProcesses(by, port if by == "port" else pid)
    before = found.cpu_ns()
    ask(port)
    assert 0.45e9 < found.cpu_ns() - before < 5e9


def test_the_estimate_covers_the_server_and_is_another_figure_than_without(server):
    port, _ = server
    alone = CpuTime(own_ns=lambda: 0, children_ns=lambda: 0)
    meter = CpuTime(
        own_ns=lambda: 0, children_ns=lambda: 0, find_served=lambda: ServedProcesses("port", port)
    )
    before, own = meter.read()[0], alone.read()[0]
    ask(port)
    assert meter.read()[0] - before > 0.45 * meter.watts * 1e6
    assert alone.read()[0] == own
    assert meter.domains[0].basis != alone.domains[0].basis


def test_a_server_that_ends_takes_the_meter_with_it(server):
    port, pid = server
    meter = CpuTime(find_served=lambda: ServedProcesses("port", port))
    meter.read()
    _kill(pid)
    with pytest.raises(MeterLostError, match=f"port {port}: the server's process {pid} has ended"):
        _read_until_lost(meter)


def test_a_port_that_nobody_listens_at_is_named():
    with pytest.raises(MeterUnavailableError, match="nobody listens there"):
        CpuTime(find_served=lambda: ServedProcesses("port", free_port()))


def test_processes_of_this_run_are_refused_since_they_are_counted_already():
    with pytest.raises(ValueError, match="belongs to this run"):
        ServedProcesses("pid", os.getpid())
    with pytest.raises(ValueError, match="has started this run"):
        ServedProcesses("pid", os.getppid())


def test_a_process_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="there is no such process"):
        ServedProcesses("pid", 2**22 + 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_another_users_server_is_refused_with_a_reason(server):
    # Forked, since somebody else may not be able to read the package where it is.
    ServedProcesses("port", server[0])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            ServedProcesses("port", server[0])
        except ValueError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        assert "permission denied to see who listens there" in said.read()


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "pid:0", "pid:", "-1", "x", "8000 9000", "pid:٣"]
)
def test_what_is_no_server_is_refused(text):
    with pytest.raises(ValueError, match="expected a port such as 8000, or pid:4711"):
        parse_server(text)


def test_a_port_and_a_process_are_read():
    assert parse_server("8000") == ("port", 8000)
    assert parse_server("pid:4711") == ("pid", 4711)
