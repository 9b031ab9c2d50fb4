"""The meter `prometheus`: what may be asked, every bad answer, and real servers end to end."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.prometheus import server as servers
from pytest_energy.meters.prometheus.meter import Prometheus
from pytest_energy.meters.prometheus.queries import PRESETS, Endpoint, parse_queries, parse_url
from pytest_energy.types.energy import Method

EXAMPLE = Path(__file__).parents[1] / "examples" / "served"
SECRET = "s3cr3t-t0k3n"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch):
    for name in (servers.TOKEN, servers.USER, servers.PASSWORD):
        monkeypatch.delenv(name, raising=False)


# What may be asked


@pytest.mark.parametrize(
    ("text", "name", "kind", "promql"),
    [
        ("cpu_a=sum(x_joules_total)", "cpu_a", "cpu", "sum(x_joules_total)"),
        ("gpu = x", "gpu", "gpu", "x"),
        ('dram_b=x{zone="dram"}', "dram_b", "dram", 'x{zone="dram"}'),
        ("node=x", "node", "system", "x"),
        ('x{job="a"}', "prometheus", "system", 'x{job="a"}'),
        ("x == 5", "prometheus", "system", "x == 5"),
        ("x==5", "prometheus", "system", "x==5"),
        ("x=~5", "prometheus", "system", "x=~5"),  # no PromQL, and for Prometheus to say so
        ('sum by (job) (x{a=~"b"})', "prometheus", "system", 'sum by (job) (x{a=~"b"})'),
    ],
)
def test_a_name_is_a_word_with_a_single_equals_sign_behind_it(text, name, kind, promql):
    (query,) = parse_queries([text])
    assert (query.name, query.kind, query.ways) == (name, kind, (promql,))


def test_presets_are_named_alone_and_bring_their_domains():
    assert [q.name for q in parse_queries(["node_exporter", "dcgm"])] == ["cpu", "dram", "gpu"]
    with pytest.raises(ValueError, match="a preset names its domains itself: write dcgm"):
        parse_queries(["gpu=dcgm"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["kepler", "node_exporter"], "two queries of the name 'cpu'"),
        (["a", "b"], "two queries of the name 'prometheus', 'a' and 'b': name your own"),
        (["scaphandre", "kepler"], "both count 'cpu', which would count it twice"),
        (["cpu="], "expected PromQL behind cpu="),
    ],
)
def test_queries_that_cannot_stand_side_by_side_are_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        parse_queries(texts)


@pytest.mark.parametrize("text", ["localhost:9090", "ftp://host", "http://", "http://h:99999", ""])
def test_what_is_no_url_is_refused_and_repeated(text):
    with pytest.raises(ValueError, match=re.escape(f"found {text!r}")):
        parse_url(text)


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{SECRET}@host:9090",
        f"user:{SECRET}@host",
        f"http://host?token={SECRET}",
        f"http://host#{SECRET}",
    ],
)
def test_a_url_with_credentials_is_refused_without_repeating_them(text):
    with pytest.raises(ValueError, match=r"refused|without \? and #") as refused:
        parse_url(text)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (f"--energy-prometheus-url=http://me:{SECRET}@host", "a user or password is refused"),
        ("--energy-prometheus-url=nowhere", "expected a URL such as http://localhost:9090"),
        ("--energy-prometheus-query=cpu=", "expected PromQL behind cpu="),
        ("--energy-prometheus-interval=0", "expected seconds such as 15, found '0'"),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors_that_name_them(loop, option, message):
    result = loop.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    flag = option.partition("=")[0]
    result.stderr.fnmatch_lines([f"*{flag} (or ini *{message}*"])
    assert SECRET not in result.stderr.str() + result.stdout.str()


def test_in_an_ini_file_each_query_has_a_line_of_its_own(loop):
    loop.ini(
        "energy_meter = prometheus",
        "energy_prometheus_url = http://127.0.0.1:1",
        "energy_prometheus_query =",
        '    gpu=sum by (a, b) (x{a="1", b="2"})',
        "    gpu=y",
    )
    result = loop.run()
    result.stderr.fnmatch_lines(
        ["*--energy-prometheus-query (or ini energy_prometheus_query): two queries of the name*"]
    )


def test_without_a_query_the_meter_says_what_it_wants(loop):
    result = loop.run("--energy-meter=prometheus")
    result.stderr.fnmatch_lines(
        ["*meter 'prometheus' is unavailable: no query is given; --energy-prometheus-query with*"]
    )


def test_auto_leaves_it_and_nothing_is_imported_for_it():
    (source,) = [s for s in builtin_sources() if s.name == "prometheus"]
    assert not source.automatic
    code = (
        "import sys, pytest_energy.settings.settings, pytest_energy.meters;"
        "assert not {'requests', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Bad answers, from servers of the standard library


class Fake:
    """A server whose answers a test scripts: bytes, or what writes the whole answer itself."""

    def __init__(self) -> None:
        fake = self
        self.query = lambda promql: vector({"job": "a", "instance": "b"}, "5")
        self.targets = json.dumps(
            {
                "status": "success",
                "data": {
                    "activeTargets": [
                        {"labels": {"job": "a", "instance": "b"}, "scrapeInterval": "15s"},
                        {"labels": {"job": "a", "instance": "c"}, "scrapeInterval": "1m30s"},
                        {"labels": {"job": "z", "instance": "z"}, "scrapeInterval": "1h"},
                    ]
                },
            }
        )
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                fake.headers.append(dict(self.headers))
                if path.endswith("/targets"):
                    self.send(fake.targets)
                    return
                promql = urllib.parse.parse_qs(query)["query"][0]
                fake.asked.append(promql)
                answer = fake.query(promql)
                if callable(answer):
                    answer(self)
                else:
                    self.send(answer)

            def send(self, body: str | bytes, status: int = 200, **headers: str) -> None:
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def vector(*pairs: object) -> str:
    """An instant vector: labels and value, in turns."""
    result = [
        {"metric": labels, "value": [1000.0, value]}
        for labels, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


@pytest.fixture
def fake():
    found = Fake()
    yield found
    found.close()


def opened(fake: Fake, *queries: str, interval: float | None = None) -> Prometheus:
    return Prometheus(Endpoint(fake.url, parse_queries(queries or ("sum(x)",)), interval))


def answer(status: int, body: str = "", **headers: str):
    return lambda handler: handler.send(body, status, **headers)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """One byte now and then, for ever."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:  # the client has gone
        pass


def error(text: str) -> str:
    return json.dumps({"status": "error", "errorType": "bad_data", "error": text})


BAD = {
    "empty": (vector(), "finds nothing"),
    "html": ("<html>Grafana</html>", "not Prometheus' JSON but HTML"),
    "broken json": ('{"status":', "not Prometheus' JSON but something else"),
    "deep json": ("[" * 100_000, "not Prometheus' JSON but something else"),
    "other json": ("[1]", "not Prometheus' JSON but something else"),
    "no data": ('{"status": "success"}', "no result of Prometheus"),
    "odd series": (vector({"a": "b"}, "many"), "no result of Prometheus"),
    "number": (vector({"a": "b"}, 5), "no result of Prometheus"),
    "twice": (vector({"a": "b"}, "1", {"a": "b"}, "2"), "no result of Prometheus"),
    "nan": (vector({"a": "b"}, "NaN"), r'\{a="b"\} is NaN, no joules'),
    "inf": (vector({"a": "b"}, "+Inf"), "is Infinity, no joules"),
    "huge": (vector({"a": "b"}, "1e99999"), "no joules"),
    "unauthorised": (answer(401), r"access denied \(HTTP 401\)"),
    "forbidden": (answer(403, "<html>"), r"access denied \(HTTP 403\)"),
    "missing": (answer(404, "404 page not found"), r"something else \(HTTP 404\)"),
    "failing": (answer(502, "<html>"), r"HTML \(HTTP 502\)"),
    "error": (answer(400, error("1:5: parse\nerror\x1b[31m")), "Prometheus says: 1:5: parse error"),
    "long error": (error("x" * 10_000), "Prometheus says: x{199}…"),
    "large": (b" " * 10_000_000, "longer than 1 MB"),
    "drip": (drip, "no answer within 0.4 s"),
    "silence": (lambda _: time.sleep(1), "no answer within 0.4 s"),
    "hang up": (lambda handler: handler.connection.close(), "no answer: "),
    **{
        kind: (
            json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}),
            f"gives a {kind}, not an instant vector",
        )
        for kind, result in (("matrix", []), ("scalar", [1, "1"]), ("string", [1, "x"]))
    },
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_answer_at_opening_makes_the_meter_unavailable_with_the_query(fake, bad, monkeypatch):
    monkeypatch.setattr(servers, "TIMEOUT_SECONDS", 0.4)
    given, message = BAD[bad]
    fake.query = lambda promql: given
    with pytest.raises(MeterUnavailableError, match=message) as unavailable:
        opened(fake, "cpu=sum(joules)")
    assert f"query 'sum(joules)' at {fake.url}: " in unavailable.value.reason
    assert "\n" not in unavailable.value.reason
    assert "\x1b" not in unavailable.value.reason


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_answer_while_reading_is_a_lost_meter_with_the_query(fake, bad, monkeypatch):
    monkeypatch.setattr(servers, "TIMEOUT_SECONDS", 0.4)
    meter = opened(fake, "cpu=sum(joules)")
    given, message = BAD[bad]
    fake.query = lambda promql: given
    with pytest.raises(MeterLostError) as lost:
        meter.read()
    assert f"query 'sum(joules)' at {fake.url}: " in str(lost.value)
    expected = "finds nothing any more" if bad == "empty" else message
    assert re.search(expected, str(lost.value))


def test_a_server_that_is_down_is_said_at_once():
    endpoint = Endpoint("http://127.0.0.1:1", parse_queries(["x"]))
    with pytest.raises(MeterUnavailableError, match="no answer: Connection refused") as error:
        Prometheus(endpoint)
    assert "--energy-prometheus-url" in error.value.hint


def test_a_passing_trouble_loses_nothing_but_the_reading_in_which_it_was(fake):
    meter = opened(fake)
    fake.query = lambda promql: answer(503)
    with pytest.raises(MeterLostError):
        meter.read()
    fake.query = lambda promql: vector({"job": "a", "instance": "b"}, "7.25")
    assert meter.read() == (2_250_000,)


# Series


def test_each_series_is_followed_by_its_labels_and_the_domain_counts_their_increases(fake):
    values = {"a": "1000000.000001", "b": "0.1"}
    fake.query = lambda promql: vector(*(x for k, v in values.items() for x in ({"host": k}, v)))
    meter = opened(fake)
    assert meter.read() == (0,)
    values.update(a="1000000.000003", b="0.4")
    assert meter.read() == (300_002,)
    values.update(b="1")
    assert meter.read() == (900_002,)


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ({"a": "4", "b": "900"}, r'the counter of \{host="a"\} was reset, or wrapped'),
        ({"a": "5", "b": "5", "c": "0"}, r'\{host="c"\} is new: what it counted before is not'),
    ],
)
def test_a_reset_and_a_series_that_joins_lose_the_meter_for_good(fake, then, message):
    values = {"a": "5", "b": "5"}
    fake.query = lambda promql: vector(*(x for k, v in values.items() for x in ({"host": k}, v)))
    meter = opened(fake)
    values.update(then)
    with pytest.raises(MeterLostError, match=message):
        meter.read()
    values.clear()
    values.update(a="50", b="1000")
    # A window around the one that was told would else count on as if nothing had happened.
    with pytest.raises(MeterLostError, match=message):
        meter.read()


def test_a_series_that_is_gone_is_lost_until_it_comes_back(fake):
    values = {"a": "5", "b": "5"}
    fake.query = lambda promql: vector(*(x for k, v in values.items() for x in ({"host": k}, v)))
    meter = opened(fake)
    del values["b"]
    with pytest.raises(MeterLostError, match=r'\{host="b"\} is gone'):
        meter.read()
    values.update(b="8")
    assert meter.read() == (3_000_000,)


def test_samples_that_are_too_old_are_stale_at_opening_and_while_reading(fake):
    sampled = ["999"]

    def query(promql):
        labels = {"job": "a", "instance": "b"}
        mark = labels | {servers.MARK: "time"}
        return vector(labels | {"__name__": "x"}, "5", mark, sampled[0])

    fake.query = query
    meter = opened(fake, "x")
    assert meter.read() == (0,)
    sampled[0] = "940"  # 60 s old, scraped every 15 s
    stale = r'\{instance="b", job="a"\} is stale: its last sample is 60 s old'
    with pytest.raises(MeterLostError, match=stale):
        meter.read()
    with pytest.raises(MeterUnavailableError, match=stale):
        opened(fake, "x")


# How often they move


@pytest.mark.parametrize(
    ("labels", "seconds"),
    [
        ({"job": "a", "instance": "b"}, 15),
        ({"job": "a"}, 90),
        ({"job": "a", "instance": "elsewhere"}, 90),
        ({}, 3600),
        ({"job": "unknown"}, 3600),
    ],
)
def test_the_resolution_is_the_scrape_interval_of_the_targets_behind_the_series(
    fake, labels, seconds
):
    fake.query = lambda promql: vector(labels, "5")
    assert opened(fake).domains[0].resolution_seconds == seconds
    assert opened(fake, interval=7200).domains[0].resolution_seconds == 7200


@pytest.mark.parametrize(
    "targets",
    [
        "<html>",
        error("no such thing"),
        '{"status": "success", "data": {"activeTargets": []}}',
        '{"status": "success", "data": {"activeTargets": [{"labels": {}}]}}',
        '{"status": "success", "data": {"activeTargets": [{"labels": {}, "scrapeInterval": "x"}]}}',
    ],
)
def test_a_server_that_does_not_tell_its_scrape_interval_has_to_be_helped(fake, targets):
    fake.targets = targets
    with pytest.raises(MeterUnavailableError, match="how often the counters are scraped") as error:
        opened(fake)
    assert error.value.hint == "say it with --energy-prometheus-interval SECONDS"
    assert opened(fake, interval=2).domains[0].resolution_seconds == 2


# Presets

SERIES = {
    "dcgm": {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "2000"},
    "kepler": {'kepler_node_cpu_joules_total{zone="package"}': "2"},
    "scaphandre": {"scaph_host_energy_microjoules": "2000000"},
    "node_exporter": {"node_rapl_package_joules_total": "2", "node_rapl_dram_joules_total": "2"},
}


@pytest.mark.parametrize(
    ("preset", "domains"),
    [
        ("dcgm", [("gpu", "gpu")]),
        ("kepler", [("cpu", "cpu")]),
        ("scaphandre", [("host", "system")]),
        ("node_exporter", [("cpu", "cpu"), ("dram", "dram")]),
    ],
)
def test_presets_count_in_joules_and_leave_out_memory_that_has_no_counter(fake, preset, domains):
    add = [0]

    def query(promql):
        for metric, value in SERIES[preset].items():
            if promql.startswith(metric):
                return vector({"UUID": "GPU-1"}, str(int(value) * (1 + add[0])))
        return vector()

    fake.query = query
    meter = opened(fake, preset)
    assert [(d.name, d.kind) for d in meter.domains] == domains
    assert {d.method for d in meter.domains} == {Method.COUNTER}
    add[0] = 1
    assert meter.read() == (2_000_000,) * len(domains)
    assert meter.remote
    assert meter.covers == ({"cpu", "dram"} if preset == "scaphandre" else set())


def test_the_older_names_of_kepler_are_asked_when_the_newer_find_nothing(fake):
    idle, dynamic = {"mode": "idle"}, {"mode": "dynamic"}
    fake.query = lambda promql: (
        vector() if "node_cpu" in promql else vector(idle, "5", dynamic, "7")
    )
    meter = opened(fake, "kepler")
    assert [d.name for d in meter.domains] == ["cpu", "dram"]
    assert fake.asked[1].startswith(
        'kepler_node_package_joules_total{source!="trained_power_model"} or '
    )


def test_a_preset_that_finds_nothing_names_all_that_was_asked(fake):
    fake.query = lambda promql: vector()
    with pytest.raises(MeterUnavailableError, match="node_rapl_package_joules_total") as error:
        opened(fake, "node_exporter")
    assert "node_rapl_joules_total{rapl_zone" in error.value.reason
    assert "psys" not in "".join(way for query in PRESETS["node_exporter"] for way in query.ways)


def test_a_board_with_two_series_would_count_twice_and_is_refused_with_what_to_ask(fake):
    series = ({"UUID": "GPU-1", "pod": "a"}, "5", {"UUID": "GPU-1", "pod": "b"}, "5")
    fake.query = lambda promql: vector(*series)
    with pytest.raises(MeterUnavailableError, match="two series of one UUID, GPU-1") as error:
        opened(fake, "dcgm")
    own = "gpu=max by (UUID) (DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) * 0.001"
    assert own in error.value.hint
    assert parse_queries([own])[0].kind == "gpu"


def test_a_query_of_the_users_own_is_part_of_what_a_baseline_is_compared_with(fake):
    assert opened(fake, "cpu=sum(x)").domains[0].basis == "sum(x)"
    fake.query = lambda promql: vector({}, "5")
    assert opened(fake, "scaphandre").domains[0].basis == ""


def test_it_stands_beside_other_meters_unless_they_count_the_same(fake):
    fake.query = lambda promql: vector({}, "5")
    for query, refused in (("cpu=x", True), ("cpu_far=x", False)):
        sources = builtin_sources(Endpoint(fake.url, parse_queries([query])))
        if refused:
            with pytest.raises(ValueError, match="both count 'cpu'"):
                open_meters(["cpu_time", "prometheus"], sources)
        else:
            meters = open_meters(["cpu_time", "prometheus"], sources)
            assert [d.name for d in meters.domains] == ["cpu", "cpu_far"]
            assert not meters.remote


# Credentials


def authorizations(fake: Fake) -> set[str | None]:
    return {headers.get("Authorization") for headers in fake.headers}


def test_a_token_from_the_environment_is_sent(fake, monkeypatch):
    monkeypatch.setenv(servers.TOKEN, SECRET)
    opened(fake).read()
    assert authorizations(fake) == {f"Bearer {SECRET}"}


def test_a_user_and_password_from_the_environment_are_sent(fake, monkeypatch):
    monkeypatch.setenv(servers.USER, "me")
    monkeypatch.setenv(servers.PASSWORD, "pä:ss")
    opened(fake).read()
    assert authorizations(fake) == {"Basic bWU6cMOkOnNz"}


def test_no_netrc_is_looked_into(fake, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    opened(fake).read()
    assert authorizations(fake) == {None}


def test_a_redirect_is_not_followed_and_gets_no_credentials(fake, monkeypatch):
    monkeypatch.setenv(servers.TOKEN, SECRET)
    other = Fake()
    fake.query = lambda promql: answer(302, Location=f"http://u:{SECRET}@localhost:1/{SECRET}")
    with pytest.raises(MeterUnavailableError, match=r"redirected to http://localhost:1 ") as error:
        opened(fake)
    assert SECRET not in str(error.value) + error.value.hint
    fake.query = lambda promql: answer(307, Location=f"{other.url}/api/v1/query")
    with pytest.raises(MeterUnavailableError, match="redirected"):
        opened(fake)
    other.close()
    assert other.headers == []


SETTINGS = (
    {servers.TOKEN: SECRET, servers.USER: "me"},
    {servers.USER: SECRET},
    {servers.PASSWORD: SECRET},
    {servers.TOKEN: f"{SECRET}\n"},
    {servers.TOKEN: f"{SECRET}ü"},
    {servers.USER: f"a:{SECRET}", servers.PASSWORD: SECRET},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=range(len(SETTINGS)))
def test_credentials_that_cannot_be_meant_are_refused_without_repeating_them(
    fake, monkeypatch, settings
):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MeterUnavailableError, match="PYTEST_ENERGY_PROMETHEUS_") as error:
        opened(fake)
    assert SECRET not in repr(error.value) + error.value.hint
    assert fake.headers == []


@pytest.mark.parametrize("bad", [*BAD, "repeated"])
@pytest.mark.parametrize("names", [(servers.TOKEN,), (servers.USER, servers.PASSWORD)], ids=len)
def test_credentials_are_in_no_message_and_no_repr(fake, monkeypatch, bad, names):
    monkeypatch.setattr(servers, "TIMEOUT_SECONDS", 0.4)
    for name in names:
        monkeypatch.setenv(name, SECRET)
    meter = opened(fake)
    sent = fake.headers[0]["Authorization"]
    given = error(f"wrong: {sent}") if bad == "repeated" else BAD[bad][0]
    fake.query = lambda promql: given
    shown = [repr(meter), repr(meter._server._session.auth), repr(meter._server)]
    for attempt in (meter.read, functools.partial(opened, fake)):
        with pytest.raises((MeterLostError, MeterUnavailableError)) as caught:
            attempt()
        chain: BaseException | None = caught.value
        while chain is not None:
            shown += [str(chain), repr(chain)]
            chain = None if chain.__suppress_context__ else chain.__cause__ or chain.__context__
    for text in shown:
        assert SECRET not in text
        assert sent.partition(" ")[2] not in text


# A real Prometheus


class Exporter:
    """Counters of joules made with prometheus_client, scraped by a real Prometheus.

    `/spend?metric=…&joules=…` adds, `/reset?metric=…` begins anew, `/stop` answers 500 from then
    on: so that a test in another process can make it happen in the midst of its window.
    """

    def __init__(self) -> None:
        client = pytest.importorskip("prometheus_client")
        self.registry = client.CollectorRegistry()
        self.counters: dict[str, object] = {}
        self.stopped = False
        self.more = b""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                said = dict(urllib.parse.parse_qsl(query))
                if path == "/spend":
                    exporter.spend(said["metric"], float(said["joules"]))
                elif path == "/reset":
                    exporter.reset(said["metric"])
                elif path == "/stop":
                    exporter.stopped = True
                failed = path == "/metrics" and exporter.stopped
                body = client.generate_latest(exporter.registry) + exporter.more
                self.send_response(500 if failed else 200)
                self.send_header("Content-Type", client.CONTENT_TYPE_LATEST)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._counter = client.Counter
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def spend(self, metric: str, joules: float, **labels: str) -> None:
        if metric not in self.counters:
            names = tuple(labels)
            self.counters[metric] = self._counter(metric, "Joules.", names, registry=self.registry)
        counter = self.counters[metric]
        (counter.labels(**labels) if labels else counter).inc(joules)

    def reset(self, metric: str) -> None:
        self.registry.unregister(self.counters.pop(metric))
        self.spend(metric, 0)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def value_of(url: str, promql: str) -> float | None:
    asked = urllib.parse.urlencode({"query": promql})
    with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def wait_for(url: str, promql: str, value: float | None) -> None:
    """Until Prometheus has scraped so much; None for until it finds nothing."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = value_of(url, promql)
        except OSError:  # it is starting
            found = float("nan")
        if found == value:
            return
        time.sleep(0.05)
    pytest.fail(f"{promql} is {found}, not {value}, after a minute")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


NEEDS = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs prometheus (Debian: prometheus)"
)


class Real:
    """A Prometheus with two exporters: one that stays, and one that a test may stop."""

    def __init__(self, folder: Path) -> None:
        self.model, self.fragile = Exporter(), Exporter()
        for exporter in (self.model, self.fragile):
            exporter.spend("up_joules", 1)
        (folder / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "300ms", "scrape_timeout": "300ms"},
                    "scrape_configs": [
                        {
                            "job_name": name,
                            "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
                        }
                        for name, exporter in (("model", self.model), ("fragile", self.fragile))
                    ],
                }
            )
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def open(self, *queries: str) -> Prometheus:
        return Prometheus(Endpoint(self.url, parse_queries(queries)))

    def spend(self, metric: str, joules: float, total: float, **labels: str) -> None:
        """Spend, and wait until it is scraped."""
        self.model.spend(metric, joules, **labels)
        wait_for(self.url, f"sum({metric}_total)", total)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self.model.close()
        self.fragile.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    found = Real(tmp_path_factory.mktemp("prometheus"))
    try:
        wait_for(found.url, "count(up_joules_total)", 2)
        yield found
    finally:
        found.close()


@NEEDS
def test_the_joules_of_a_window_are_exact_for_one_series_and_for_many(real):
    real.spend("exact_joules", 0.1, 0.1, gpu="0")
    real.spend("exact_joules", 1000, 1000.1, gpu="1")
    meter = real.open("gpu=exact_joules_total", "system=sum(exact_joules_total)")
    assert [d.resolution_seconds for d in meter.domains] == [0.3, 0.3]
    real.spend("exact_joules", 0.2, 1000.3, gpu="0")
    real.spend("exact_joules", 41.7, 1042, gpu="1")
    assert meter.read() == (41_900_000, 41_900_000)
    meter.close()


@NEEDS
def test_a_reset_between_two_scrapes_is_seen_even_when_the_counter_has_overtaken_its_old_value(
    real,
):
    real.spend("overtaken_joules", 5, 5)
    plain, summed = real.open("overtaken_joules_total"), real.open("sum(overtaken_joules_total)")
    real.model.reset("overtaken_joules")
    wait_for(real.url, "overtaken_joules_total", 0)
    assert plain.domains  # nothing was read meanwhile
    real.spend("overtaken_joules", 8, 8)
    with pytest.raises(MeterLostError, match=r"overtaken_joules_total.*was reset, or wrapped"):
        plain.read()
    # Of a sum nobody can tell; the manual says so.
    assert summed.read() == (3_000_000,)


@NEEDS
def test_a_reset_before_the_window_is_no_matter(real):
    real.spend("before_joules", 5, 5)
    real.model.reset("before_joules")
    wait_for(real.url, "before_joules_total", 0)
    real.spend("before_joules", 1, 1)
    real.spend("before_joules", 1, 2)
    meter = real.open("before_joules_total")
    real.spend("before_joules", 2, 4)
    assert meter.read() == (2_000_000,)


@NEEDS
def test_a_series_that_joins_is_said_by_its_labels(real):
    real.spend("joining_joules", 5, 5, pod="a")
    meter = real.open("joining_joules_total")
    real.spend("joining_joules", 5, 10, pod="b")
    with pytest.raises(MeterLostError, match=r'pod="b"\} is new'):
        meter.read()


@NEEDS
def test_prometheus_own_words_about_a_query_are_shown(real):
    with pytest.raises(MeterUnavailableError, match=r"Prometheus says: .*1:5: parse error"):
        real.open("cpu=foo[")
    with pytest.raises(MeterUnavailableError, match="gives a matrix, not an instant vector"):
        real.open("up[1m]")
    with pytest.raises(MeterUnavailableError, match=r"'no_such_joules_total'.*: finds nothing"):
        real.open("no_such_joules_total")


@NEEDS
def test_samples_that_bring_an_old_time_of_their_own_are_stale_though_they_are_found(real):
    ten_seconds_ago = int((time.time() - 10) * 1000)
    real.model.more = f"stamped_joules_total 5 {ten_seconds_ago}\n".encode()
    wait_for(real.url, "stamped_joules_total", 5)
    with pytest.raises(MeterUnavailableError, match=r"stamped_joules_total.* is stale: its last"):
        real.open("stamped_joules_total")


INNER = """
import json, time, urllib.parse, urllib.request
import pytest

URL = {url!r}
EXPORTER = "http://127.0.0.1:{port}"

def tell(path, **said):
    urllib.request.urlopen(f"{{EXPORTER}}/{{path}}?" + urllib.parse.urlencode(said), timeout=10)

def seen(promql, value):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = urllib.parse.urlencode({{"query": promql}})
        with urllib.request.urlopen(f"{{URL}}/api/v1/query?{{asked}}", timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        found = float(result[0]["value"][1]) if result else None
        if found == value:
            return
        time.sleep(0.05)
    pytest.fail(f"{{promql}} is {{found}}")

@pytest.mark.inference(n=1)
def test_served():
    {body}
"""


def run_served(project, real, port, metric, body) -> dict:
    """A pytest of its own that meters `metric` while `body` happens; its only result."""
    project.write(test_it=INNER.format(url=real.url, port=port, body=body))
    project.own_process = True
    (result,) = project.report(
        "--energy-meter=prometheus",
        f"--energy-prometheus-url={real.url}",
        f"--energy-prometheus-query=system={metric}",
    )["results"]
    return result


@NEEDS
def test_a_run_meters_what_was_spent_elsewhere(project, real):
    real.spend("run_joules", 10, 10)
    body = 'tell("spend", metric="run_joules", joules=2.5); seen("run_joules_total", 12.5)'
    result = run_served(project, real, real.model.port, "run_joules_total", body)
    assert result["verdict"]["status"] != "unmeasured"
    assert result["measurement"]["joules_per_unit"] == 2.5
    assert result["measurement"]["meters"] == ["prometheus"]


@NEEDS
def test_a_counter_reset_in_a_run_is_unmeasured_with_the_query(project, real):
    real.spend("reset_joules", 10, 10)
    body = 'tell("reset", metric="reset_joules"); seen("reset_joules_total", 0)'
    result = run_served(project, real, real.model.port, "reset_joules_total", body)
    assert result["verdict"]["status"] == "unmeasured"
    reason = json.dumps(result["verdict"])
    assert "query 'reset_joules_total' at http" in reason
    assert "was reset, or wrapped" in reason


@NEEDS
def test_an_exporter_that_stops_in_a_run_is_unmeasured_with_the_query(project, real):
    real.fragile.spend("stopping_joules", 10)
    wait_for(real.url, "stopping_joules_total", 10)
    body = 'tell("stop"); seen("stopping_joules_total", None)'
    result = run_served(project, real, real.fragile.port, "stopping_joules_total", body)
    assert result["verdict"]["status"] == "unmeasured"
    reason = json.dumps(result["verdict"])
    assert "query 'stopping_joules_total' at http" in reason
    assert "finds nothing any more: its exporter or its target is down" in reason


# The example


@contextmanager
def ended(process: subprocess.Popen):
    """Whatever it started ends with it."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@NEEDS
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_examples_own_lines_meter_its_server(tmp_path):
    pytest.importorskip("numpy")
    folder = tmp_path / "served"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    ports = {"8008": str(free_port()), "9091": str(free_port())}
    for path in folder.iterdir():
        text = path.read_text()
        for written, free in ports.items():
            text = text.replace(written, free)
        path.write_text(text)
    (lines,) = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    report = tmp_path / "report.json"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": f"-p no:cacheprovider --energy-json={report}",
    }
    with ended(
        subprocess.Popen(
            ["bash", "-c", lines],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    ) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "1 passed" in output, output
    (result,) = json.loads(report.read_text())["results"]
    assert result["verdict"]["status"] in {"new", "unresolved", "inconclusive"}, output
    measured = result["measurement"]
    assert measured["meters"] == ["prometheus"]
    assert measured["joules_per_unit"] > 0
    assert "cpu_of_server: counter (Prometheus): classifier_joules_total" in output
