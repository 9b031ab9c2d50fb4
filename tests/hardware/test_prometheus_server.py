"""A real Prometheus server, scraping exporters."""

from __future__ import annotations

import json
import time

import pytest

from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from support.prometheus import NEEDS_PROMETHEUS, RealPrometheus, wait_for


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    found = RealPrometheus(tmp_path_factory.mktemp("prometheus"))
    try:
        wait_for(found.url, "count(up_joules_total)", 2)
        yield found
    finally:
        found.close()


@NEEDS_PROMETHEUS
def test_the_joules_of_a_window_are_exact_for_one_series_and_for_many(real):
    real.spend("exact_joules", 0.1, 0.1, gpu="0")
    real.spend("exact_joules", 1000, 1000.1, gpu="1")
    meter = real.open("gpu=exact_joules_total", "system=sum(exact_joules_total)")
    assert [d.resolution_seconds for d in meter.domains] == [0.3, 0.3]
    real.spend("exact_joules", 0.2, 1000.3, gpu="0")
    real.spend("exact_joules", 41.7, 1042, gpu="1")
    assert meter.read() == (41_900_000, 41_900_000)
    meter.close()


@NEEDS_PROMETHEUS
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


@NEEDS_PROMETHEUS
def test_a_reset_before_the_window_is_no_matter(real):
    real.spend("before_joules", 5, 5)
    real.model.reset("before_joules")
    wait_for(real.url, "before_joules_total", 0)
    real.spend("before_joules", 1, 1)
    real.spend("before_joules", 1, 2)
    meter = real.open("before_joules_total")
    real.spend("before_joules", 2, 4)
    assert meter.read() == (2_000_000,)


@NEEDS_PROMETHEUS
def test_a_series_that_joins_is_said_by_its_labels(real):
    real.spend("joining_joules", 5, 5, pod="a")
    meter = real.open("joining_joules_total")
    real.spend("joining_joules", 5, 10, pod="b")
    with pytest.raises(MeterLostError, match=r'pod="b"\} is new'):
        meter.read()


@NEEDS_PROMETHEUS
def test_prometheus_own_words_about_a_query_are_shown(real):
    with pytest.raises(MeterUnavailableError, match=r"Prometheus says: .*1:5: parse error"):
        real.open("cpu=foo[")
    with pytest.raises(MeterUnavailableError, match="gives a matrix, not an instant vector"):
        real.open("up[1m]")
    with pytest.raises(MeterUnavailableError, match=r"'no_such_joules_total'.*: finds nothing"):
        real.open("no_such_joules_total")


@NEEDS_PROMETHEUS
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


@NEEDS_PROMETHEUS
def test_a_run_meters_what_was_spent_elsewhere(project, real):
    real.spend("run_joules", 10, 10)
    body = 'tell("spend", metric="run_joules", joules=2.5); seen("run_joules_total", 12.5)'
    result = run_served(project, real, real.model.port, "run_joules_total", body)
    assert result["verdict"]["status"] != "unmeasured"
    assert result["measurement"]["joules_per_unit"] == 2.5
    assert result["measurement"]["meters"] == ["prometheus"]


@NEEDS_PROMETHEUS
def test_a_counter_reset_in_a_run_is_unmeasured_with_the_query(project, real):
    real.spend("reset_joules", 10, 10)
    body = 'tell("reset", metric="reset_joules"); seen("reset_joules_total", 0)'
    result = run_served(project, real, real.model.port, "reset_joules_total", body)
    assert result["verdict"]["status"] == "unmeasured"
    reason = json.dumps(result["verdict"])
    assert "query 'reset_joules_total' at http" in reason
    assert "was reset, or wrapped" in reason


@NEEDS_PROMETHEUS
def test_an_exporter_that_stops_in_a_run_is_unmeasured_with_the_query(project, real):
    real.fragile.spend("stopping_joules", 10)
    wait_for(real.url, "stopping_joules_total", 10)
    body = 'tell("stop"); seen("stopping_joules_total", None)'
    result = run_served(project, real, real.fragile.port, "stopping_joules_total", body)
    assert result["verdict"]["status"] == "unmeasured"
    reason = json.dumps(result["verdict"])
    assert "query 'stopping_joules_total' at http" in reason
    assert "finds nothing any more: its exporter or its target is down" in reason
