"""The meter `prometheus`: series, presets, credentials, bad answers of a scripted server."""

from __future__ import annotations

import decimal
import functools
import gzip
import json
import re
import sys
import time
import tracemalloc

import pytest

from pytest_energy.meters import builtin_sources, open_meters
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.prometheus import server as servers
from pytest_energy.meters.prometheus.meter import Prometheus
from pytest_energy.meters.prometheus.queries import PRESETS, Endpoint, parse_queries
from pytest_energy.types.energy import Method
from support.prometheus import SECRET, FakePrometheus, trickle, vector


@pytest.fixture
def fake():
    found = FakePrometheus()
    yield found
    found.close()


def opened(fake: FakePrometheus, *queries: str, interval: float | None = None) -> Prometheus:
    return Prometheus(Endpoint(fake.url, parse_queries(queries or ("sum(x)",)), interval))


def answer(status: int, body: str | bytes = "", **headers: str):
    return lambda handler: handler.send(body, status, **headers)


def error(text: str) -> str:
    return json.dumps({"status": "error", "errorType": "bad_data", "error": text})


def result(entries: object, kind: str = "vector") -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": entries}})


def target(labels: object, interval: object) -> str:
    targets = [{"labels": labels, "scrapeInterval": interval}]
    return json.dumps({"status": "success", "data": {"activeTargets": targets}})


BAD = {
    "empty": (vector(), "finds nothing"),
    "html": ("<html>Grafana</html>", "not Prometheus' JSON but HTML"),
    "broken json": ('{"status":', "not Prometheus' JSON but something else"),
    "deep json": ("[" * 100_000, "not Prometheus' JSON but something else"),
    "deep, and up and down": ("[[]," * 100_000, "not Prometheus' JSON but something else"),
    "json that is none": ('{"status": NaN}', "not Prometheus' JSON but something else"),
    "another alphabet": ("{}".encode("utf-16"), "not Prometheus' JSON but something else"),
    "other json": ("[1]", "not Prometheus' JSON but something else"),
    "no data": ('{"status": "success"}', "no result of Prometheus"),
    "odd series": (vector({"a": "b"}, "many"), "no result of Prometheus"),
    "number": (vector({"a": "b"}, 5), "no result of Prometheus"),
    **{
        f"no number: {text[:8]!r}": (vector({"a": "b"}, text), "no result of Prometheus")
        for text in ("", " 7", "7\n", "1_000", "0x10", "\u0663", "sNaN", "9" * 100_000)
    },
    "negative": (vector({"a": "b"}, "-5"), r'\{a="b"\} is -5, no joules'),
    "labels that are none": (vector({"a": {"b": "c"}}, "5"), "no result of Prometheus"),
    "labels in a list": (vector([["a", "b"]], "5"), "no result of Prometheus"),
    "letters for a sample": (result([{"metric": {}, "value": "12"}]), "no result of Prometheus"),
    **{
        f"time: {time!r:.8}": (result([{"metric": {}, "value": [time, "5"]}]), "no result of Prom")
        for time in ("1000", True, None, 10**400)
    },
    "twice": (vector({"a": "b"}, "1", {"a": "b"}, "2"), "no result of Prometheus"),
    "nan": (vector({"a": "b"}, "NaN"), r'\{a="b"\} is NaN, no joules'),
    "inf": (vector({"a": "b"}, "+Inf"), "is Infinity, no joules"),
    "huge": (vector({"a": "b"}, "1e400"), r"is 1E\+400, no joules"),
    "overflow": (vector({"a": "b"}, "1e999999999"), r"is 1E\+999999999, no joules"),
    "unauthorised": (answer(401), r"access denied \(HTTP 401\)"),
    "forbidden": (answer(403, "<html>"), r"access denied \(HTTP 403\)"),
    "missing": (answer(404, "404 page not found"), r"something else \(HTTP 404\)"),
    "failing": (answer(502, "<html>"), r"HTML \(HTTP 502\)"),
    "error": (answer(400, error("1:5: parse\nerror\x1b[31m")), "Prometheus says: 1:5: parse error"),
    "long error": (error("x" * 10_000), "Prometheus says: x{199}…"),
    "large": (b" " * 10_000_000, "longer than 1 MB"),
    "body that trickles": (trickle(b"HTTP/1.1 200 OK\r\n\r\n", b" "), "no answer within 0.4 s"),
    "header that trickles": (trickle(b"HTTP/1.1 200 OK\r\nX: ", b"x"), "no answer within 0.4 s"),
    "compressed": (
        answer(200, gzip.compress(b" " * 10_000_000), **{"Content-Encoding": "gzip"}),
        r"the answer is compressed \(gzip, HTTP 200\), though that was not asked for",
    ),
    "redirect to nowhere": (answer(302, Location="http://[/"), "redirected to another place"),
    "silence": (lambda _: time.sleep(1), "no answer within 0.4 s"),
    "hang up": (lambda handler: handler.connection.close(), "no answer: "),
    **{
        kind: (result(entries, kind), f"gives a {kind}, not an instant vector")
        for kind, entries in (("matrix", []), ("scalar", [1, "1"]), ("string", [1, "x"]))
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


def test_an_answer_nested_deep_is_refused_where_the_program_has_raised_the_limit_of_recursion(fake):
    fake.query = lambda promql: "[" * 500_000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(MeterUnavailableError, match="not Prometheus' JSON"):
            opened(fake)
    finally:
        sys.setrecursionlimit(limit)


def test_a_list_of_targets_that_would_fill_the_memory_is_not_parsed(fake):
    fake.targets = "[" + "[]," * 2_000_000 + "[]]"  # 6 MB, and 130 MB once parsed
    tracemalloc.start()
    try:
        with pytest.raises(MeterUnavailableError, match="has more than 1,000,000 values"):
            opened(fake)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


def test_brackets_and_quotes_in_labels_are_no_structure(fake):
    fake.query = lambda promql: vector({"a": '[{"\\' * 200}, "5")
    assert opened(fake).read() == (0,)


def test_joules_are_exact_whatever_precision_the_test_works_with(fake):
    values = ["1000000.000001", "1000000.300003"]
    fake.query = lambda promql: vector({"host": "a"}, values[0])
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact])):
        meter = opened(fake)
        del values[0]
        assert meter.read() == (300_002,)


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


@pytest.mark.parametrize("sampled", ["NaN", "+Inf", "-Inf", "2000", "1e999999999", "now"])
def test_a_sample_from_no_time_that_can_be_is_no_result(fake, sampled):
    mark = {servers.MARK: "time"}
    fake.query = lambda promql: vector({"__name__": "x"}, "5", mark, sampled)
    with pytest.raises(MeterUnavailableError, match="no result of Prometheus"):
        opened(fake, "x")


@pytest.mark.parametrize("count", ["NaN", "+Inf", "often"])
def test_resets_that_are_no_count_are_no_result(fake, count):
    mark = {servers.MARK: "resets"}
    fake.query = lambda promql: vector({"__name__": "x"}, "5", mark, count)
    with pytest.raises(MeterUnavailableError, match="no result of Prometheus"):
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
        '{"status": "success", "data": {"activeTargets": {"labels": {}}}}',
        target({}, "x"),
        target({}, 15),
        target({}, "\u0663s"),
        target({}, f"{'9' * 400}s"),
        target({}, "999999999999s"),
        target([["job", "a"]], "15s"),
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
    assert [d.name for d in meter.domains] == ["cpu", "dram", "gpu"]
    assert fake.asked[1].startswith(
        'kepler_node_package_joules_total{source!="trained_power_model"} or '
    )


def test_kepler_counts_the_boards_of_a_gpu_server_and_none_where_there_are_none(fake):
    boards = [{"gpu": str(i), "gpu_uuid": f"GPU-{i}", "vendor": "nvidia"} for i in range(2)]
    fake.query = lambda promql: (
        vector(boards[0], "5", boards[1], "7") if "node_gpu" in promql else vector({"a": "b"}, "5")
    )
    meter = opened(fake, "kepler")
    assert [(d.name, d.kind) for d in meter.domains][2:] == [("gpu", "gpu")]
    fake.query = lambda promql: vector() if "node_gpu" in promql else vector({"a": "b"}, "5")
    assert [d.name for d in opened(fake, "kepler").domains] == ["cpu", "dram"]


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


def authorizations(fake: FakePrometheus) -> set[str | None]:
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
    other = FakePrometheus()
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
    shown = [repr(meter), repr(meter._server._credentials), repr(meter._server)]
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
