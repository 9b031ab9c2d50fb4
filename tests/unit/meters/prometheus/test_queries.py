"""What may be asked of a Prometheus server."""

from __future__ import annotations

import re

import pytest

from pytest_energy.meters.prometheus.queries import parse_queries, parse_url
from support.prometheus import SECRET


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
