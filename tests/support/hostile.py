"""Hostile input: for each reader of ours, what must hold of it whatever bytes it is given.

A check passes where the reader refuses its input with the error that it documents, in a message fit
for a terminal, or accepts it and everything that is done with it later succeeds. Any other
exception is a defect. `fuzz/` calls these with inputs that it makes up; `tests/data/fuzz` has those
that have shown a defect once.
"""

from __future__ import annotations

import io
import json
import math
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from pytest_energy.baselines import accepted, migration
from pytest_energy.baselines import store as baselines
from pytest_energy.baselines.counts import CountsStore
from pytest_energy.baselines.counts_format import (
    Action,
    CountsEntry,
    CountsFile,
    read_counts,
    variant_name,
)
from pytest_energy.baselines.file_format import SCHEMA, BaselineError, BaselineFile, read_file
from pytest_energy.comment.body import marker
from pytest_energy.comment.github import GitHub, GitHubError, Token
from pytest_energy.comment.place import Head, Place, PlaceError, read_place
from pytest_energy.comment.post import post, pull_request_of
from pytest_energy.files import line_of
from pytest_energy.machine import load, process_tree
from pytest_energy.machine.cpus import usable_cpus
from pytest_energy.machine.identity import read_cpu, read_vendor
from pytest_energy.machine.sensors import read_clock, read_heat
from pytest_energy.meters.amd_energy import AmdEnergy
from pytest_energy.meters.asking import TroubleError
from pytest_energy.meters.base import MeterLostError, MeterUnavailableError
from pytest_energy.meters.cpu_time import watts_per_cpu
from pytest_energy.meters.prometheus.meter import Prometheus
from pytest_energy.meters.prometheus.queries import Endpoint, parse_queries, parse_url
from pytest_energy.meters.rapl import Psys, Rapl
from pytest_energy.meters.served import progress
from pytest_energy.meters.served.counters import Page, parse_metrics, parse_paths
from pytest_energy.meters.served.http import Http
from pytest_energy.meters.served.metrics import Metrics
from pytest_energy.meters.served.progress import PageMeter
from pytest_energy.papers import report as papers_report
from pytest_energy.papers import report_json
from pytest_energy.papers.run import read_run
from pytest_energy.report import json as json_report
from pytest_energy.report.exports import BUILT_IN
from pytest_energy.report.exports.targets import Target as ExportTarget
from pytest_energy.report.printable import printable
from pytest_energy.report.read import RunError, read_session
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.codec import DecodeError, decode, encode
from pytest_energy.types.energy import gated_domains
from pytest_energy.types.measurement import Block, Measurement, ReferenceReadings
from pytest_energy.types.result import Result
from pytest_energy.types.session import Overhead, TestReport
from pytest_energy.types.units import (
    parse_budget,
    parse_flops,
    parse_percent,
    share_of_budget,
)
from pytest_energy.types.verdict import Rule
from pytest_energy.verdict.case import Case
from pytest_energy.verdict.count_rows import trimmed
from pytest_energy.verdict.counts_comparison import compare
from pytest_energy.verdict.judge import agreement, judge
from support import reports
from support.baselines import CARBON, MACHINE, addition, subject
from support.counts import counts, counts_addition
from support.measurements import CPU, FIVE, RULE, SUBJECT, measured, stored
from support.schema_1 import BASELINE, REPORT, schema_1

MOST_CHARACTERS = 1000
"""Of a message that a person is to read."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, and how it is tried.

    Args:
        check: raises what is no refusal; gets the input and an empty folder.
        seeds: valid inputs, which are varied.
    """

    check: Callable[[bytes, Path], None]
    seeds: Callable[[], Sequence[bytes]]


def check(name: str, data: bytes) -> None:
    """Give an input to a target.

    Args:
        name: in `TARGETS`.
        data: the input.
    """
    with TemporaryDirectory(prefix="fuzz-", dir=_memory()) as folder:
        TARGETS[name].check(data, Path(folder))


def _memory() -> str | None:
    """A folder that is held in memory, where the system has one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def check_message(error: Exception, lines: int | None = None) -> None:
    """Whether a message can be shown, and names a line that is there.

    Args:
        error: with the message.
        lines: of the file; None where the message is of no file.
    """
    text = str(error)
    assert text, "an empty message"
    assert len(text) <= MOST_CHARACTERS, f"a message of {len(text)} characters"
    printable(text).encode()
    named = re.search(r", line (\d+): ", text)
    if named and lines is not None:
        assert 1 <= int(named[1]) <= lines, f"line {named[1]} of {lines}"


def check_finite_json(value: Any) -> None:
    """Whether a value can be written as JSON."""
    json.dumps(encode(value), allow_nan=False).encode()


# Baselines


def _write(path: Path, data: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data.count(b"\n") + 1


def _baseline(data: bytes, folder: Path) -> None:
    path = folder / "file.json"
    lines = _write(path, data)
    try:
        file = read_file(path)
    except BaselineError as error:
        check_message(error, lines)
        return
    _check_written_again(file, path)
    for entry in file.entries.values():
        _check_judged(entry)
    for entry in list(file.entries.values())[:2]:
        _check_added(entry, data, folder)


def _check_written_again(file: BaselineFile, path: Path) -> None:
    text = file.text()
    path.write_bytes(text.encode())
    again = read_file(path)
    assert again.entries == file.entries
    assert again.text() == text


def _check_judged(entry: Baseline) -> None:
    """Whether figures like the stored ones, and others, get a verdict that a report can hold."""
    check_finite_json(entry)
    last = entry.sessions[-1]
    references = {last.reference_joules, (0.5,) * len(last.blocks), ()}
    for joules, reference in product({last.joules_per_unit, 2.0}, references):
        measurement = _measurement(entry, joules, reference)
        verdict = judge(Case(entry.subject, [measurement], RULE, entry, (), False))
        check_finite_json(verdict)
        check_finite_json(agreement(entry.subject, [measurement], entry, RULE))


def _measurement(entry: Baseline, joules: float, reference: tuple[float, ...]) -> Measurement:
    last, count = entry.sessions[-1], len(entry.sessions[-1].blocks)
    domains = entry.domains if gated_domains(entry.domains) else (CPU,)
    gated = gated_domains(domains)
    figures = tuple(joules / len(gated) if i in gated else 0.0 for i in range(len(domains)))
    readings = ReferenceReadings(entry.reference_workload, 1, reference)
    return Measurement(
        meters=entry.meters,
        domains=domains,
        blocks=(Block(1, 0.1, figures),) * count,
        metered_count=count,
        unit_count=float(count),
        recorded=dict(last.recorded),
        reference=readings if reference else None,
        allocator=entry.allocator,
    )


def _check_added(entry: Baseline, data: bytes, folder: Path) -> None:
    """Whether another session can be stored, and nothing else in the file changes."""
    store = baselines.BaselineStore(folder / "baselines", MACHINE, CARBON)
    path = store.path(entry.subject)
    _write(path, data)
    before = _entries(path)
    (done,) = store.store([addition(2.0, of=entry.subject)])
    assert done.before == entry
    after = _entries(path)
    kept = after.pop(entry.subject.key).sessions[:-1]
    assert kept == before.pop(entry.subject.key).sessions[-(baselines.KEEP_SESSIONS - 1) :]
    assert after == before


def _entries(path: Path) -> dict[str, Baseline]:
    """Entries of a file, whether their digests are right or not: storing sets the machine."""
    entries = read_file(path).entries
    return {key: replace(entry, unverified="") for key, entry in entries.items()}


def _baseline_seeds() -> list[bytes]:
    with TemporaryDirectory() as place:
        store = baselines.BaselineStore(Path(place), MACHINE, CARBON)
        one = addition(2.0)
        blocks = {"blocks": (2.0, 2.1, 1.9), "block_sizes": (1, 1, 1)}
        few = replace(one.session, **blocks, recorded={"accuracy": 0.9})
        readings = replace(few, reference_joules=(0.5, 0.5, 0.5), flops=7, flops_samples=(7, 7))
        store.store([replace(one, session=few), replace(one, session=readings)])
        store.store([replace(one, session=few, subject=subject("t.py::test_y", region="r"))])
        text = store.path(subject()).read_text()
        again = addition(3.0, agrees=False)
        store.store([replace(again, session=replace(few, block_sizes=()))])
        replaced = store.path(subject()).read_text()
    return [text.encode(), replaced.encode(), schema_1(text).encode()]


def _counts(data: bytes, folder: Path) -> None:
    path = folder / "file.json"
    lines = _write(path, data)
    try:
        file = read_counts(path)
    except BaselineError as error:
        check_message(error, lines)
        return
    text = file.text()
    path.write_bytes(text.encode())
    again = read_counts(path)
    assert again.entries == file.entries
    assert again.text() == text
    for entry in list(file.entries.values())[:3]:
        _check_counted(entry)
    for entry in list(file.entries.values())[:2]:
        _check_counts_added(file, entry, data, folder)


def _check_counted(entry: CountsEntry) -> None:
    """Whether the stored counts, and others, are compared in a way that a report can hold."""
    for variant in list(entry.variants.values())[:3]:
        check_finite_json(variant)
        one, versions = variant.counts, variant.counts.versions
        for now in (one, replace(counts(2), device=one.device, versions=versions)):
            change = compare(now, variant.n, variant.unit, variant.dataset, variant)
            check_finite_json(change)
        assert trimmed(one, variant.coefficients).samples == one.samples


def _check_counts_added(file: CountsFile, entry: CountsEntry, data: bytes, folder: Path) -> None:
    """Whether other counts can be stored, and nothing else in the file changes."""
    store = CountsStore(folder / "baselines")
    path = store.path(entry.subject)
    _write(path, data)
    one = counts_addition(of=entry.subject, date=datetime(2999, 1, 1, tzinfo=UTC))
    (done,) = store.store([one])
    assert done.action is not Action.CREATED
    after = dict(read_counts(path).entries)
    variants = after.pop(entry.subject.key).variants
    new = variants.pop(variant_name(one.counts))
    assert new.counts == one.counts
    assert all(entry.variants[name] == each for name, each in variants.items())
    assert after == {key: each for key, each in file.entries.items() if key != entry.subject.key}
    (again,) = store.store([one])
    assert again.action is Action.UNCHANGED


def _counts_seeds() -> list[bytes]:
    with TemporaryDirectory() as place:
        store = CountsStore(Path(place))
        others = [counts_addition(counts(2), subject("t.py::test_y", region="r"))]
        others += [counts_addition(counts(device="cuda"))]
        texts = []
        for more in ([counts_addition()], others):
            store.store(more)
            texts.append(store.path(subject()).read_bytes())
    return texts


def _migration(data: bytes, folder: Path) -> None:
    path = folder / "machine" / "task" / "file.json"
    _write(path, data)
    (listed,) = migration.migrate(folder, write=False)
    (done,) = migration.migrate(folder)
    before = path.read_bytes()
    if done.problem:
        assert before == data
        assert listed.problem == done.problem
        return
    assert (listed.step, done.step) in {
        (migration.Step.OUTDATED, migration.Step.REWRITTEN),
        (migration.Step.CURRENT, migration.Step.CURRENT),
    }
    old = folder / "old.json"
    old.write_bytes(data)
    assert read_file(old).entries == read_file(path).entries
    assert read_file(path).schema == SCHEMA
    old.unlink()
    assert [one.step for one in migration.migrate(folder)] == [migration.Step.CURRENT]
    assert path.read_bytes() == before


def _migration_seeds() -> list[bytes]:
    return [BASELINE.read_bytes(), *_baseline_seeds()]


def _accepted(data: bytes, folder: Path) -> None:
    lines = _write(folder / accepted.NAME, data)
    try:
        entries = accepted.read(folder)
    except BaselineError as error:
        check_message(error, lines)
        return
    check_finite_json(entries)
    accepted.store(folder, {})
    assert accepted.read(folder) == entries
    before = (folder / accepted.NAME).read_bytes()
    accepted.store(folder, {})
    assert (folder / accepted.NAME).read_bytes() == before


def _accepted_seeds() -> list[bytes]:
    with TemporaryDirectory() as place:
        one = accepted.Accepted(0.15, "main", "2026-03-04T05:06:07Z", "a larger model")
        accepted.store(Path(place), {"t.py::test_x": one, "t.py::test_y": one})
        return [(Path(place) / accepted.NAME).read_bytes()]


# Reports


def _run(data: bytes, folder: Path) -> None:
    path = folder / "report.json"
    lines = _write(path, data)
    try:
        run = read_run(path)
    except RunError as error:
        check_message(error, lines)
        return
    for one in run.measured:
        assert math.isfinite(one.measurement.joules_per_unit)
    json.loads(report_json.as_json(run), parse_constant=_refuse)
    if zlib.crc32(data) % 16 == 0:  # tables take a hundred times as long
        papers_report.write(run, io.StringIO())


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in JSON")


UNWRITABLE = (
    # A number so large that a product of two has no value.
    "not JSON compliant",
    "OverflowError",
    "is no finite number; measure it again",
    # What a format has no room for, or no figure of.
    "results need a ",
    "a model card is of one model",
    "the report's date, ",
)
"""Why a report that can be read is not written in a format."""


def _session(data: bytes, folder: Path) -> None:
    """A report that is read back is written in every format, or one says why it is not."""
    path = folder / "report.json"
    lines = _write(path, data)
    try:
        report = read_session(path)
    except RunError as error:
        check_message(error, lines)
        return
    for reporter in BUILT_IN:
        target = ExportTarget(reporter, folder / reporter.file, "--to")
        for problem in target.write([report]):
            assert any(known in problem for known in UNWRITABLE), problem


def _session_seeds() -> list[bytes]:
    record = json.loads(json_report.render(reports.full_session(), blocks=False))
    parts = [{**record, "results": record["results"][i : i + 2]} for i in (0, 2)]
    return [json.dumps(part).encode() for part in parts] + _run_seeds()


def _run_seeds() -> list[bytes]:
    record = json.loads(REPORT.read_bytes())
    for result in record["results"]:
        if result["measurement"]:
            result["measurement"]["blocks"] = result["measurement"]["blocks"][:2]
    one = {**record, "results": record["results"][:1]}
    training = [result for result in record["results"] if result.get("training_cost")]
    return [json.dumps(part).encode() for part in (one, {**record, "results": training})]


def _test_report(data: bytes, folder: Path) -> None:
    del folder
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        value = decode(TestReport, record)
    except DecodeError as error:
        check_message(error)
        return
    written = encode(value)
    assert repr(decode(TestReport, json.loads(json.dumps(written)))) == repr(value)


def _test_report_seeds() -> list[bytes]:
    measurement = measured(2.0, blocks=2)
    baseline = stored(*FIVE, blocks=2)
    verdict = judge(Case(SUBJECT, [measurement], RULE, baseline, (), False))
    result = Result(SUBJECT, measurement, Rule(tolerance=0.05), verdict)
    from pytest_energy.types.session import Instrumentation

    report = TestReport((result,), Overhead(1.0, 2.0), Instrumentation(), ("a notice",))
    return [json.dumps(encode(report)).encode()]


# Lines


def _lines(data: bytes, folder: Path) -> None:
    """The line of every member of a text, found in another way."""
    del folder
    try:
        value = json.loads(data)
        indented = json.dumps(value, indent=1)
    except (ValueError, RecursionError):
        return
    text = data.decode("utf-8-sig", errors="surrogatepass") if data[:1] != b"\xff" else ""
    most = text.count("\n") + 1
    lines = indented.splitlines()
    places = list(_places(value, (), iter(range(len(lines)))))
    # Each is looked for from the top; of many members a part is enough.
    for place, line in places[:: max(1, len(places) // 40)]:
        assert line_of(indented, place) == line + 1, place
        if text and json.loads(text) == value:
            assert 1 <= line_of(text, place) <= most


def _places(value: Any, place: tuple[str | int, ...], lines: Any) -> Any:
    """Every member's place and line, counted along a text of one member a line."""
    yield place, next(lines)
    members: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    if isinstance(value, list):
        members = list(enumerate(value))
    for name, member in members:
        yield from _places(member, (*place, name), lines)
    if members:
        next(lines)  # the bracket that closes it


# What people write


def _units(data: bytes, folder: Path) -> None:
    del folder
    text = data.decode("utf-8", errors="replace")
    with suppress(ValueError):
        assert 0 <= parse_percent(text) < math.inf
    with suppress(ValueError):
        budget = parse_budget(text)
        amount = budget.grams if budget.joules is None else budget.joules
        assert amount is not None
        assert 0 < amount < math.inf
        assert parse_budget(share_of_budget(text, 1.0))
    with suppress(ValueError):
        assert 1 <= parse_flops(text) < math.inf
    with suppress(ValueError):
        parse_url(text)
    with suppress(ValueError):
        parse_queries(text.split("\n"))


def _unit_seeds() -> list[bytes]:
    return [
        b"5%", b"2 J", b"0.5 Wh/1000", b"0.6 gCO2e/1_000", b"8.5 GFLOP", b"1e3 mWh / 1,000",
        b"http://localhost:9090", b"https://[::1]:9090/base", b"gpu=sum(DCGM_X{a=\"b\"})", b"dcgm",
    ]  # fmt: skip


# Prometheus


class _Response:
    """An answer, as requests has it."""

    def __init__(self, status: int, body: bytes, location: str) -> None:
        self.status_code = status
        self.headers = {"Location": location} if location else {}
        self.raw = io.BytesIO(body)

    def __enter__(self) -> _Response:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _prometheus(data: bytes, folder: Path) -> None:
    """A server that gives one answer after the other, and the last one for ever."""
    del folder
    try:
        script = json.loads(data)
    except (ValueError, RecursionError):
        script = None
    if not isinstance(script, dict):
        script = {}
    answers = {kind: _answers(script.get(kind), data) for kind in ("query", "targets")}
    asked: list[str] = []

    def ask(session: object, method: str, url: str, **options: object) -> _Response:
        del session, method, options
        asked.append(url)
        queue = answers["targets" if url.endswith("targets") else "query"]
        return queue.pop(0) if len(queue) > 1 else _again(queue[0])

    endpoint = Endpoint("http://localhost:9090", parse_queries(["x", "gpu=sum(y)"]))
    with mock.patch("requests.Session.request", ask):
        try:
            meter = Prometheus(endpoint)
        except MeterUnavailableError as error:
            assert asked, "this server was not asked"
            check_message(error)
            return
        try:
            last = meter.read()
            now = meter.read()
        except MeterLostError as error:
            check_message(error)
            return
        finally:
            meter.close()
    assert asked, "this server was not asked"
    assert all(0 <= before <= after for before, after in zip(last, now, strict=True))
    for domain in meter.domains:
        assert 0 <= domain.resolution_seconds < math.inf


def _again(response: _Response) -> _Response:
    return _Response(
        response.status_code, response.raw.getvalue(), response.headers.get("Location", "")
    )


def _answers(given: Any, data: bytes) -> list[_Response]:
    answers = [
        _Response(
            status if (status := one.get("status")) in range(100, 1000) else 200,
            json.dumps(one.get("body")).encode(),
            str(one.get("location", "")),
        )
        for one in (given if isinstance(given, list) else [])
        if isinstance(one, dict)
    ]
    return answers or [_Response(200, data, "")]


def _prometheus_seeds() -> list[bytes]:
    def vector(*values: tuple[dict[str, str], str]) -> dict[str, Any]:
        result = [{"metric": labels, "value": [1000.5, value]} for labels, value in values]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return {"status": 200, "body": body}

    labels = {"job": "node", "instance": "a:1"}
    mark = "pytest_energy_is"
    found = vector((labels, "100.5"), ({**labels, mark: "time"}, "1000"))
    later = vector(
        (labels, "1e3"), ({**labels, mark: "time"}, "1000"), ({**labels, mark: "resets"}, "0")
    )
    target = {"labels": labels, "scrapeInterval": "1m30s"}
    active = {"status": "success", "data": {"activeTargets": [target]}}
    error = {"status": 400, "body": {"status": "error", "error": "no"}}
    away = {"status": 302, "body": None, "location": "http://elsewhere/"}
    targets = [{"status": 200, "body": active}]
    return [
        json.dumps({"query": queries, "targets": targets}).encode()
        for queries in ([found, found, found, later], [found], [error], [away])
    ]


# Pages of exporters and plugs


NEXT_PAGE = b"\n# next\n"
"""Between a page and the one that stands there when it is asked for again."""


def _metrics(data: bytes, folder: Path) -> None:
    """Presets, a pattern of labels, a counter by its name, and the requests of others."""
    del folder
    counters = parse_metrics(["kepler", 'wall=joules{a=~"x.*",b!="y"}', "total_millijoules"])
    page = Page("http://localhost:9400/metrics", counters, 1.0, "http://localhost:8000/metrics")
    _check_page(lambda: Metrics(page), data)


def _http(data: bytes, folder: Path) -> None:
    """A path through objects and lists, and a figure at the top."""
    del folder
    page = Page("http://localhost/rpc", parse_paths(["a=emeters.0.total Wh", "total kJ"]), 1.0)
    _check_page(lambda: Http(page), data)


def _check_page(open_meter: Callable[[], PageMeter], data: bytes) -> None:
    """A page that is one thing after the other, and the last one for ever."""
    pages = data.split(NEXT_PAGE)
    asked: list[str] = []

    def ask(session: object, method: str, url: str, **options: object) -> _Response:
        del session, method, options
        asked.append(url)
        return _Response(200, pages.pop(0) if len(pages) > 1 else pages[0], "")

    with (
        mock.patch("requests.Session.request", ask),
        mock.patch.object(progress, "PAUSE_SECONDS", 0.0),
    ):
        try:
            meter = open_meter()
        except MeterUnavailableError as error:
            assert asked, "this server was not asked"
            check_message(error)
            return
        try:
            last, now = meter.read(), meter.read()
            with suppress(TroubleError):  # who asks takes that for "not known"
                for line in meter.interference():
                    assert printable(line) == line
        except MeterLostError as error:
            check_message(error)
            return
        finally:
            meter.close()
    assert all(0 <= before <= after for before, after in zip(last, now, strict=True))
    for domain in meter.domains:
        assert 0 < domain.resolution_seconds < math.inf
        printable(domain.basis).encode()


def _metrics_seeds() -> list[bytes]:
    def page(joules: float, more: str = "") -> bytes:
        return (
            "# HELP kepler_node_cpu_joules_total Energy.\n# TYPE kepler_node_cpu_joules counter\n"
            f'kepler_node_cpu_joules_total{{zone="package",node="a"}} {joules}\n'
            f'kepler_node_gpu_joules_total{{gpu_uuid="GPU-1"}} {joules} 1700000000000\n'
            f'joules{{a="x1",b="z"}} {joules}\ntotal_millijoules {joules}\n'
            f"process_start_time_seconds 1.7e9\nvllm:num_requests_running 3\n{more}"
        ).encode()

    return [
        page(1.0),
        NEXT_PAGE.join((page(1.5), page(2.5), page(1e3))),
        page(1.0, 'joules{a="x2\\"\\n"} +Inf\njoules{a="x3"} 0x10\n'),
        b"<html></html>",
    ]


def _http_seeds() -> list[bytes]:
    def page(wh: float) -> bytes:
        return json.dumps(
            {"emeters": [{"total": wh, "unit": "Wh"}, {}], "total": 3 * wh, "units": "kJ"}
        ).encode()

    return [page(1.5), NEXT_PAGE.join((page(1.5), page(2.5))), b'{"emeters": {"0": 1}}', b"[1e400]"]


# GitHub


def _github(data: bytes, folder: Path) -> None:
    """An event of GitHub's runner, and a server that answers whatever is asked with the same."""
    event = folder / "event.json"
    event.write_bytes(data)
    environment = {"GITHUB_REPOSITORY": "octo/models", "GITHUB_EVENT_PATH": str(event)}
    place = Place("http://localhost", "octo/models", 7)
    with suppress(PlaceError):
        try:
            place = read_place(environment)
        except PlaceError as error:
            check_message(error)
            raise
    head = place.head or Head("octo", "fix", "a" * 40)
    github = GitHub("http://localhost", Token("secret"), lambda seconds: None)

    def ask(session: object, method: str, url: str, **options: object) -> _Response:
        del session, method, options
        assert url.startswith("http://localhost/"), "the token goes elsewhere"
        return _Response(200, data, "")

    with mock.patch("requests.Session.request", ask):
        try:
            for use in (
                lambda: pull_request_of(github, place.repository, head),
                lambda: post(github, place.repository, place.number or 7, "text", marker("")),
                lambda: github.send("POST", "/x", {"body": "text"}),
            ):
                with suppress(GitHubError):
                    _said(use)
        finally:
            github.close()


def _said(use: Callable[[], object]) -> None:
    try:
        use()
    except GitHubError as error:
        check_message(error)
        raise


def _github_seeds() -> list[bytes]:
    repo = {"full_name": "octo/models"}
    pull = {
        "number": 7,
        "head": {"repo": repo, "label": "octo:fix", "sha": "a" * 40},
        "base": {"repo": repo},
    }
    run = {
        "head_repository": {"owner": {"login": "octo"}},
        "head_branch": "fix",
        "head_sha": "a" * 40,
    }
    comment = {
        "id": 1,
        "user": {"login": "github-actions[bot]"},
        "body": f"{marker('')}\ntext",
        "html_url": "https://github.test/1",
    }
    values = (
        {"pull_request": pull},
        {"issue": {"number": 7, "pull_request": {}}},
        {"workflow_run": run},
        [pull],
        [comment, comment | {"user": None, "body": None}],
        comment | {"login": "octocat"},
        {"message": "Not Found", "errors": [{"message": "no"}, "no"]},
    )
    return [json.dumps(value).encode() for value in values]


# What the kernel says


def _kernel(data: bytes, folder: Path) -> None:
    """Trees of the kernel's, with texts of others in their files."""
    try:
        files = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(files, dict):
        return
    for name, text in list(files.items())[:60]:
        parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
        path = folder.joinpath(*parts)
        with suppress(OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(str(text).encode("utf-8", "surrogateescape"))
    cpu = read_cpu(folder / "cpuinfo")
    assert cpu.sockets >= 1
    assert 0 < watts_per_cpu(cpu)[0] < math.inf
    read_vendor(folder / "cpuinfo")
    assert usable_cpus(folder / "cgroup", folder / "own") >= 1
    read_clock(folder / "cpu")
    read_heat(folder / "cpu")
    for open_meter in (
        lambda: Rapl(folder / "powercap", "AuthenticAMD"),
        lambda: Rapl(folder / "powercap", "GenuineIntel"),
        lambda: Psys(folder / "powercap"),
        lambda: AmdEnergy(folder / "hwmon"),
    ):
        _check_meter(open_meter)
    _check_processes(folder)


def _check_meter(open_meter: Callable[[], Any]) -> None:
    try:
        meter = open_meter()
    except MeterUnavailableError as error:
        check_message(error)
        return
    try:
        assert meter.max_read_interval_seconds is None or meter.max_read_interval_seconds > 0
        counts = meter.read()
        assert all(count >= 0 for count in counts)
    except MeterLostError as error:
        check_message(error)
    finally:
        meter.close()


def _check_processes(folder: Path) -> None:
    def open_below(path: str) -> Any:
        return open(folder / path.lstrip("/"), "rb")

    def list_below(path: str) -> list[str]:
        return [one.name for one in (folder / path.lstrip("/")).iterdir()]

    uptime = folder / "proc" / "uptime"
    content = uptime.read_bytes()[:64] if uptime.is_file() else b""
    with (
        mock.patch.object(process_tree, "open_bytes", open_below),
        mock.patch.object(process_tree, "listdir", list_below),
        mock.patch.object(process_tree, "clock_gettime_ns", return_value=0),
        mock.patch.object(process_tree, "_has_children", return_value=True),
        mock.patch.object(load, "pread", return_value=content),
        mock.patch.object(load, "_uptime", return_value=0),
    ):
        processes = process_tree.RunProcesses()
        processes.foreign_pids({7, 8})
        assert processes.children_cpu_ns() >= 0
        idle = load.idle_seconds()
        assert idle is None or 0 < idle < math.inf


def _kernel_seeds() -> list[bytes]:
    stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 5 6 7 8 20 0 1 0 100"
    processes = {
        "proc/uptime": "350735.47 234388.90\n",
        "proc/self/task/1/children": "7 8 ",
        "proc/7/stat": stat,
        "proc/8/stat": stat.replace("S 1", "S 7"),
        "proc/7/task/7/children": "",
        "own": "0::/a/b\n",
        "cgroup/a/cpu.max": "150000 100000\n",
        "cgroup/cpu.max": "max 100000\n",
        "cpuinfo": "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: Xeon 8175M\n"
        "physical id\t: 0\nflags\t\t: avx2 hypervisor\n\nphysical id\t: 1\n",
        "cpu/cpufreq/policy0/scaling_governor": "powersave\n",
        "cpu/cpufreq/policy0/scaling_cur_freq": "2400000\n",
        "cpu/cpufreq/policy0/cpuinfo_max_freq": "3500000\n",
        "cpu/cpufreq/boost": "1\n",
        "cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
    }
    zones = {}
    for number, name in (
        ("0", "package-0-die-0"), ("1", "package-0-die-1"), ("0:0", "dram"), ("2", "psys"),
    ):  # fmt: skip
        zones[f"powercap/intel-rapl:{number}/name"] = f"{name}\n"
        zones[f"powercap/intel-rapl:{number}/energy_uj"] = f"{12345678 + len(zones)}\n"
        zones[f"powercap/intel-rapl:{number}/max_energy_range_uj"] = "262143328850\n"
    hwmon = {
        "hwmon/hwmon0/name": "amd_energy\n",
        "hwmon/hwmon0/energy1_label": "Ecore000\n",
        "hwmon/hwmon0/energy1_input": "123\n",
        "hwmon/hwmon0/energy2_label": "Esocket0\n",
        "hwmon/hwmon0/energy2_input": "12345678\n",
    }
    version_1 = {
        "own": "4:cpu,cpuacct:/x\n",
        "cgroup/cpu/x/cpu.cfs_quota_us": "250000\n",
        "cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
    }
    return [json.dumps(tree).encode() for tree in (processes, zones, hwmon, version_1)]


TARGETS = {
    "baseline": Target(_baseline, _baseline_seeds),
    "migration": Target(_migration, _migration_seeds),
    "accepted": Target(_accepted, _accepted_seeds),
    "counts": Target(_counts, _counts_seeds),
    "run": Target(_run, _run_seeds),
    "session": Target(_session, _session_seeds),
    "test-report": Target(_test_report, _test_report_seeds),
    "lines": Target(_lines, lambda: [*_accepted_seeds(), *_test_report_seeds()]),
    "units": Target(_units, _unit_seeds),
    "prometheus": Target(_prometheus, _prometheus_seeds),
    "metrics": Target(_metrics, _metrics_seeds),
    "http": Target(_http, _http_seeds),
    "github": Target(_github, _github_seeds),
    "kernel": Target(_kernel, _kernel_seeds),
}
"""What is given hostile input, by name."""
