"""The meters `metrics` and `http`: known figures, bad answers, resets and staleness."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.meters.served import counters, page, progress
from pytest_energy.meters.served.http import Http
from pytest_energy.meters.served.metrics import Metrics
from pytest_energy.meters.updates import observe
from support.prometheus import SECRET, FakePrometheus, free_port, trickle


class Fake(FakePrometheus):
    """A server of one page, whose text a test scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.page: object = "x_joules_total 5\n"
        self.query = lambda _: self.page
        self.address = f"{self.url}/metrics?query=x"


@pytest.fixture
def fake() -> Iterator[Fake]:
    found = Fake()
    yield found
    found.close()


def metrics(fake: Fake, *texts: str, interval: float | None = 1.0, requests: str = "") -> Metrics:
    asked = counters.parse_metrics(texts or ("x_joules_total",))
    return Metrics(counters.Page(fake.address, asked, interval, requests))


def http(fake: Fake, *texts: str, interval: float | None = 1.0) -> Http:
    return Http(counters.Page(fake.address, counters.parse_paths(texts), interval))


def send(status: int, body: str | bytes = b"", **headers: str):
    return lambda handler: handler.send(body, status, **headers)


PRESETS = {
    "dcgm": (
        'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-0",Hostname="a"} %d000\n'
        'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="1",UUID="GPU-1",Hostname="a"} 9000\n',
        {"gpu": "gpu"},
    ),
    "kepler": (
        'kepler_node_cpu_joules_total{zone="package",path="p"} %d\n'
        'kepler_node_cpu_joules_total{zone="core",path="c"} 7\n'
        'kepler_node_cpu_joules_total{zone="dram",path="d"} 9\n'
        'kepler_node_gpu_joules_total{gpu="0",gpu_uuid="GPU-0",vendor="nvidia"} 11\n',
        {"cpu": "cpu", "dram": "dram", "gpu": "gpu"},
    ),
    "scaphandre": ("scaph_host_energy_microjoules %d000000\n", {"host": "system"}),
    "node_exporter": (
        'node_rapl_package_joules_total{index="0",path="/sys/intel-rapl:0"} %d\n'
        'node_rapl_package_joules_total{index="0",path="/sys/intel-rapl-mmio:0"} 900\n',
        {"cpu": "cpu"},
    ),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_counts_joules_and_nothing_twice(fake, preset):
    text, domains = PRESETS[preset]
    fake.page = text % 5
    meter = metrics(fake, preset)
    assert {d.name: d.kind for d in meter.domains} == domains
    assert all("whole" in d.basis for d in meter.domains)
    fake.page = text % 12
    assert meter.read() == (7_000_000, *[0] * (len(domains) - 1))
    assert meter.covers == ({"cpu", "dram"} if preset == "scaphandre" else set())


def test_labels_choose_and_the_unit_is_written_behind_them(fake):
    fake.page = 'e{a="1",b="x,}"} 1\ne{a="2",b="y"} 1\n'
    meter = metrics(fake, 'cpu_server=e{a="1", b=~"x.*"} mWh', 'gpu=e{a!="1"} kJ')
    fake.page = 'e{a="1",b="x,}"} 1.5\ne{a="2",b="y"} 3\n'
    assert meter.read() == (1_800_000, 2_000_000_000)
    assert [d.kind for d in meter.domains] == ["cpu", "gpu"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e", "the unit of 'e' is not known"),
        ("e W", "'W' is no unit of energy"),
        ("e_joules_total mJ", "says J, and mJ is written"),
        ("e{a=b} J", "expected label"),
        ('e{a=~"("} J', "no pattern"),
        ("cpu=", "expected a counter behind cpu="),
        ("gpu=dcgm", "a preset names its domains itself"),
        ("sum(e)", "expected dcgm, kepler"),
    ],
)
def test_a_counter_that_cannot_be_meant_is_refused(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        counters.parse_metrics([text])


@pytest.mark.parametrize("texts", [("dcgm", "gpu=e J"), ("scaphandre", "kepler")])
def test_what_would_count_twice_is_refused(texts):
    with pytest.raises(ValueError, match=r"two counters|count it twice"):
        counters.parse_metrics(texts)


BAD = {
    "html": ("<html>Login</html>", "the answer is HTML"),
    "nothing": ("y 1\n", "finds nothing"),
    "garbage": ("x_joules_total{ oh\n", "no text of Prometheus"),
    "binary": (b"x_joules_total \xff\xfe 1", "no text in UTF-8"),
    "duplicate": ("x_joules_total 1\nx_joules_total 2\n", "stands there twice"),
    "negative": ("x_joules_total -1\n", "no joules"),
    "infinite": ("x_joules_total +Inf\n", "no joules"),
    "not a number": ("x_joules_total NaN\n", "no joules"),
    "huge": ("x_joules_total 1e300\n", "nothing has counted"),
    "two hosts": (
        'x_joules_total{instance="a"} 1\nx_joules_total{instance="b"} 2\n',
        "series of 2 hosts: a, b",
    ),
    "401": (send(401), r"access denied \(HTTP 401\)"),
    "404": (send(404), "HTTP 404"),
    "429": (send(429), "HTTP 429"),
    "500": (send(500, "x_joules_total 1"), "HTTP 500"),
    "redirect": (
        send(302, Location="http://other.test/secret"),
        r"redirected to http://other.test \(HTTP 302\)",
    ),
    "compressed": (send(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"}), "compressed"),
    "50 MB": (b"#" * 50_000_000, "longer than 16 MB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_page_is_named_when_the_meter_is_opened_and_when_it_is_read(fake, name):
    good, (fake.page, message) = fake.page, BAD[name]
    with pytest.raises(MeterUnavailableError, match=message) as error:
        metrics(fake)
    assert error.value.reason.startswith(f"{fake.url}/metrics?…: ")
    fake.page = good
    meter = metrics(fake)
    fake.page = BAD[name][0]
    with pytest.raises(MeterLostError, match=f"{message}|finds nothing any more|is new"):
        meter.read()


def test_an_answer_that_never_ends_is_given_up(fake, monkeypatch):
    monkeypatch.setattr(page, "TIMEOUT_SECONDS", 0.2)
    fake.page = trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"#")
    with pytest.raises(MeterUnavailableError, match="no answer within"):
        metrics(fake)


def test_a_server_that_dies_half_way_is_named(fake):
    meter = metrics(fake)
    fake.page = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx_jou", b"", lasting=0)
    with pytest.raises(MeterLostError, match="no answer: "):
        meter.read()
    fake.close()
    with pytest.raises(MeterLostError, match="no answer: "):
        meter.read()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("x_joules_total 5", "x_joules_total 1", "was reset, or wrapped"),
        (
            "x_joules_total 5\nx_created 100",
            "x_joules_total 50\nx_created 200",
            "was reset|finds",
        ),
        (
            "x_joules_total 5\nx_joules_created 100",
            "x_joules_total 50\nx_joules_created 200",
            "it was created anew",
        ),
        (
            "x_joules_total 5\nprocess_start_time_seconds 1",
            "x_joules_total 50\nprocess_start_time_seconds 2",
            "the exporter was started anew",
        ),
        ("x_joules_total 5", 'x_joules_total 5\nx_joules_total{a="b"} 5', "is new"),
    ],
)
def test_after_a_reset_the_meter_stays_lost(fake, before, after, message):
    fake.page = f"{before}\n"
    meter = metrics(fake)
    fake.page = f"{after}\n"
    if "x_created" in before:  # of another counter
        assert meter.read() == (45_000_000,)
        return
    for _ in range(2):
        with pytest.raises(MeterLostError, match=f"{message}.*lost for the rest"):
            meter.read()


def test_a_counter_that_stands_still_is_stale(fake, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "clock", lambda: now[0])
    monkeypatch.setattr(progress, "sleep", lambda _: None)
    meter = metrics(fake)
    now[0] += 19
    assert meter.read() == (0,)
    now[0] += 2
    with pytest.raises(MeterLostError, match="has not moved for 21 s, and should every 1 s"):
        meter.read()
    fake.page = "x_joules_total 6\n"
    assert meter.read() == (1_000_000,)


def test_a_sample_of_an_old_time_is_stale_by_the_servers_own_clock(fake):
    def at(sample: float):
        text = f"x_joules_total 5 {int(sample * 1000)}\n"
        head = f"HTTP/1.1 200 OK\r\nDate: {formatdate(1e9, usegmt=True)}\r\n"
        return trickle(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode(), b"", lasting=0)

    fake.page = at(1e9 - 1)
    meter = metrics(fake)
    fake.page = at(1e9 - 60)
    with pytest.raises(MeterLostError, match="is stale: its sample is 60 s old"):
        meter.read()
    with pytest.raises(MeterUnavailableError, match="is stale"):
        metrics(fake)
    fake.page = f"x_joules_total 5 {int(time.time() * 1000)}\n"  # beside this machine's own Date
    assert metrics(fake).read() == (0,)


def test_the_interval_is_seen_where_counters_move_and_asked_for_where_not(fake, monkeypatch):
    monkeypatch.setattr(progress, "WATCHED_SECONDS", 0.3)
    with pytest.raises(MeterUnavailableError, match="did not move") as error:
        metrics(fake, interval=None)
    assert "--energy-metrics-interval SECONDS" in error.value.hint
    began = time.monotonic()
    fake.query = lambda _: f"x_joules_total {int((time.monotonic() - began) / 0.05)}\n"
    monkeypatch.setattr(progress, "WATCHED_SECONDS", 20)
    (domain,) = metrics(fake, interval=None).domains
    assert domain.resolution_seconds >= 0.02


@pytest.mark.parametrize(
    ("name", "state"),
    [("vllm:num_requests_running", "running"), ("llamacpp:requests_deferred", "waiting")],
)
def test_requests_of_others_are_interference(fake, name, state):
    meter = metrics(fake)
    assert meter.interference() == ()
    fake.page = f'x_joules_total 5\n{name}{{model_name="m"}} 3\n'
    assert meter.interference() == (f"the server works on requests of others (3 {state})",)
    assert MeterSet([metrics(fake)]).interference() == meter.interference()


def test_requests_are_told_by_another_page_which_gets_no_credentials_of_the_first(
    fake, monkeypatch
):
    monkeypatch.setenv("PYTEST_ENERGY_METRICS_TOKEN", SECRET)
    server = Fake()
    server.page = "vllm:num_requests_running 2\n"
    meter = metrics(fake, requests=server.address)
    assert "2 running" in meter.interference()[0]
    assert SECRET not in str(server.headers)
    assert SECRET in str(fake.headers)
    meter.close()
    server.close()


def test_updates_of_a_fast_counter_are_seen_and_can_be_waited_for(fake):
    began = time.monotonic()
    fake.query = lambda _: f"x_joules_total {int((time.monotonic() - began) / 0.1)}\n"
    assert observe(metrics(fake, interval=0.1))[0] is not None
    assert observe(metrics(fake, interval=15.0)) == (None,)


SHELLY = {"id": 0, "aenergy": {"total": 10.5, "by_minute": [1.0, 2.0], "minute_ts": 1}}


def test_a_plug_counts_watt_hours(fake):
    fake.page = json.dumps(SHELLY)
    meter = http(fake, "wall=aenergy.total Wh", "cpu_x=aenergy.by_minute.1 mWh")
    fake.page = json.dumps({"aenergy": {"total": 10.501, "by_minute": [0, 3.0]}})
    assert meter.read() == (3_600_000, 3_600_000)
    assert [d.name for d in meter.domains] == ["wall", "cpu_x"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"a": {"c": 1}}, "nothing at a.b: in a there is no 'b', but c"),
        ([1], "nothing at a.b"),
        ({"a": {"b": "12"}}, "is '12', no number"),
        ({"a": {"b": True}}, "is True, no number"),
        ({"a": {"b": None}}, "is None, no number"),
        ({"a": {"b": -1}}, "no count of energy"),
        ({"a": {"b": 10**400}}, "no count of energy"),
        ({"a": {"b": 1, "unit": "kWh"}}, "is in kWh as the answer says, and Wh is asked for"),
        ("{", "no JSON"),
        ("[" * 10_000, "no JSON"),
        ("[" + "0," * 100_001 + "0]", "more than 100,000 values"),
        ("<html>", "HTML"),
    ],
)
def test_json_without_a_count_is_named(fake, answer, message):
    fake.page = answer if isinstance(answer, str) else json.dumps(answer)
    with pytest.raises(MeterUnavailableError, match=message):
        http(fake, "a.b Wh")


def test_a_plug_that_begins_anew_is_lost(fake):
    fake.page = '{"a": 5}'
    meter = http(fake, "a Wh")
    fake.page = '{"a": 0}'
    with pytest.raises(MeterLostError, match="was reset"):
        meter.read()


def test_credentials_go_into_the_header_and_nowhere_else(fake, monkeypatch):
    monkeypatch.setenv("PYTEST_ENERGY_METRICS_TOKEN", SECRET)
    metrics(fake)
    assert fake.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    fake.page = send(302, Location=f"http://{SECRET}.test/")
    with pytest.raises(MeterUnavailableError) as error:
        metrics(fake)
    assert SECRET not in f"{error.value.reason} {error.value.hint}"
    monkeypatch.setenv("PYTEST_ENERGY_METRICS_USER", "me")
    with pytest.raises(MeterUnavailableError, match="both PYTEST_ENERGY_METRICS_TOKEN and"):
        metrics(fake)


@pytest.mark.parametrize("url", [f"http://me:{SECRET}@h/m", f"h?{SECRET}", f"http://h/m#{SECRET}"])
def test_a_url_with_a_secret_is_refused_without_it(url):
    with pytest.raises(ValueError, match=r"refused|expected") as error:
        counters.parse_address(url, "PYTEST_ENERGY_HTTP")
    assert SECRET not in str(error.value)


EXPORTER = """
import sys, threading, time
from prometheus_client import Counter, start_http_server
joules = Counter("server_joules", "of a server", ["board"])
start_http_server(int(sys.argv[1]), "127.0.0.1")
print("ready", flush=True)
for line in sys.stdin:
    joules.labels("0").inc(float(line))
    print("done", flush=True)
"""


def test_a_real_exporter_of_prometheus_client_is_read_to_the_joule():
    port = free_port()
    command = [sys.executable, "-c", EXPORTER, str(port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"

            def spend(joules: float) -> None:
                print(joules, file=process.stdin, flush=True)
                assert process.stdout.readline() == "done\n"

            spend(3.25)
            asked = counters.parse_metrics(['gpu=server_joules_total{board="0"}'])
            meter = Metrics(counters.Page(f"http://127.0.0.1:{port}/metrics", asked, 0.1))
            spend(41.5)
            assert meter.read() == (41_500_000,)
            process.kill()
            process.wait()
            with pytest.raises(MeterLostError, match="no answer"):
                meter.read()
        finally:
            process.kill()


NODE_EXPORTER = shutil.which("prometheus-node-exporter")


@pytest.mark.skipif(NODE_EXPORTER is None, reason="needs prometheus-node-exporter")
def test_a_real_node_exporter_is_read():
    port = free_port()
    with subprocess.Popen(
        [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 20
            while True:
                # A counter that every machine has, read as if it counted joules.
                asked = counters.parse_metrics(['cpu=node_cpu_seconds_total{mode="user"} J'])
                try:
                    url = f"http://127.0.0.1:{port}/metrics"
                    meter = Metrics(counters.Page(url, asked, 1.0))
                    break
                except MeterUnavailableError:
                    assert time.monotonic() < until
                    time.sleep(0.1)
            spent = time.process_time() + 0.3
            while time.process_time() < spent:
                pass
            assert meter.read()[0] > 0
        finally:
            process.kill()
