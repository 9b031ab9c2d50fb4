"""`pytest-energy papers`, run as people run it: the installed script, in a process of its own."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pytest_energy.papers import desislavov, luccioni
from pytest_energy.papers.report_json import SCHEMA_FILE

SCRIPT = Path(sys.executable).with_name("pytest-energy")

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the console script is not installed")

TASKS = {
    "text-classification": 2,
    "fill-mask": 3,
    "object-detection": 60,
    "text-generation": 40,
    "text-to-image": 900,
}


def a_run() -> str:
    """Five tasks, in the paper's order but for one pair, and a general-purpose model."""
    lines = ["import pytest", "from scripted import spend", ""]
    rows = [(task, "task-specific", "own", joules) for task, joules in TASKS.items()]
    rows.append(("text-classification", "general-purpose", "google/flan-t5-base", 20))
    for number, (task, role, model, joules) in enumerate(rows):
        lines.append(
            f"""
@pytest.mark.inference(n=50, task={task!r}, role={role!r}, model={model!r})
def test_{number}(energy):
    for i in energy.each(range(50)):
        spend({joules} * (1 + 0.01 * (i % 5 - 2)))
"""
        )
    return "\n".join(lines)


@pytest.fixture
def report(project) -> Path:
    """A run's report whose results have their operations counted."""
    project.write(test_it=a_run())
    project.report()
    path = project.path / "report.json"
    record = json.loads(path.read_text("utf-8"))
    for number, result in enumerate(record["results"], 1):
        result["measurement"]["flops"] = {"count": number * 10**9, "without_formula": []}
        result["measurement"]["other_cpu_share"] = None  # whatever else ran here meanwhile
    path.write_text(json.dumps(record), "utf-8")
    return path


def call(*arguments: object, columns: int | None = None, **options) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
    if columns:
        environment["COLUMNS"] = str(columns)
    options = {"capture_output": True, "text": True, "encoding": "utf-8"} | options
    command = [str(SCRIPT), "papers", *map(str, arguments)]
    return subprocess.run(command, env=environment, check=False, **options)


def shown(*arguments: object, columns: int = 120) -> str:
    done = call(*arguments, columns=columns)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_papers_tables_are_printed():
    text = shown()
    for heading in ("Table 2", "Table 3", "Table 5", "Table 7", "2109.05472"):
        assert heading in text
    for row in luccioni.table2():
        assert row.name in text
    for device in desislavov.devices():
        assert device.name in text
    assert "592,570,000" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_leaderboards_stand_beside_the_paper_with_protocol_and_scope(columns):
    text = shown(columns=columns)
    assert all(len(line) <= columns for line in text.splitlines())
    flat = " ".join(text.split())
    assert "text-generation AI Energy Score 24 1 0.0129 0.00131 to 0.0287" in flat
    assert "Llama-2-13b-hf 26.1 1 of 5 stars" in flat
    assert "openai/gpt-oss-20b 0.356 0.230 0.156 0.102 0.0899 0.0442 at 1536 8.1" in flat
    assert "ten new tokens each, batch size 1; the GPU alone" in flat
    assert "in the server's steady state, language models with vLLM" in flat
    assert "Node and GPU are not comparable" in flat


def test_both_intensities_and_the_slip_are_said():
    text = " ".join(shown().split())
    assert (
        "printed grams were computed with 138.75 g/kWh, while the paper's text says 297.6" in text
    )
    assert "printed as 395,602,740; the formula gives 395,561,644: a slip in the paper" in text


def test_what_is_constant_and_what_is_a_bound_is_said():
    text = " ".join(shown().split())
    assert "constants for CPU (42.5 W) and RAM (431 W)" in text
    assert "an estimate and a lower bound" in text


def test_a_run_stands_in_the_next_column_with_its_method(report):
    text = shown("--run", report)
    (row,) = [line for line in text.splitlines() if line.startswith("text generation")]
    # 40 J are 0.0111 kWh per 1,000.
    assert row.endswith("0.0111 counter")
    (row,) = [line for line in text.splitlines() if line.startswith("summarization  ")][:1]
    assert row.endswith("-")
    # 1 - 6 * 2 / (5 * 24)
    assert "Rank correlation of the order of 5 tasks with the paper's (Spearman): 0.90" in text
    assert "gpu:0: counter (NVML)" in text


def test_the_ratios_stand_side_by_side(report):
    lines = shown("--run", report).splitlines()
    (row,) = [n for n, line in enumerate(lines) if line.endswith(" 10.00 counter")]
    assert lines[row].split()[:3] == ["text-classification", "8.6", "8.3"]
    assert lines[row + 1].strip().startswith("[9.")
    assert any("question-answering: no ratio, no general-purpose and no" in line for line in lines)


def test_tokens_of_a_run_stand_below_the_leaderboards(project):
    project.write(
        test_it="""
        import asyncio
        import pytest
        from scripted import spend

        # Tasks: of threads, one may have spent and not ended when the window ends.
        @pytest.mark.inference(n=40, unit="token", model="mine")
        def test_tokens(energy):
            async def ask(_):
                await asyncio.sleep(0)
                spend(2.0)
                energy.add(tokens=4)
            asyncio.run(energy.arun(ask, range(40), concurrency=2))

        @pytest.mark.inference(n=40, task="text-generation", role="task-specific")
        def test_requests(energy):
            async def ask(_):
                await asyncio.sleep(0)
                spend(2.0)
            asyncio.run(energy.arun(ask, range(40), concurrency=2))
        """
    )
    project.report()
    path = project.path / "report.json"
    flat = " ".join(shown("--run", path).split())
    assert "This machine, mine, 2 at a time: 0.500 J per token (counter), of all that is" in flat
    assert "This machine: 0 task-specific results" in flat  # the paper's are one at a time
    record = json.loads(call("--json", "--run", path).stdout)
    jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text()))
    assert record["run"]["per_token"][0]["joules_per_token"] == 0.5
    assert record["run"]["not_compared"] == 1


def test_table_2_takes_all_tests_or_those_that_are_named(report):
    text = shown("--run", report)
    assert "This machine: 5 task-specific results, of tests of the run (--tasks-of takes" in text
    text = shown("--run", report, "--tasks-of", "::test_3")
    assert "This machine: 1 task-specific result, of tests whose id contains '::test_3'." in text
    (row,) = [line for line in text.splitlines() if line.startswith("object detection")]
    assert row.endswith(" -")
    (row,) = [line for line in text.splitlines() if line.startswith("text generation")]
    assert row.endswith("0.0111 counter")
    assert "No rank correlation: 1 of the ten tasks was measured" in text
    # Of the other tables nothing is left out.
    assert "10.00 counter" in text


def test_the_tests_that_table_2_takes_stand_in_the_json(report):
    run = json.loads(shown("--json", "--run", report, "--tasks-of", "test_3"))["run"]
    assert run["tasks_of"] == "test_3"
    assert list(run["tasks"]) == ["text-generation"]
    assert run["rank_correlation"]["tasks"] == ["text-generation"]
    assert json.loads(shown("--json", "--run", report))["run"]["tasks_of"] == ""


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_tests_that_the_run_has_not_are_an_error(report, form):
    done = call("--run", report, "--tasks-of", "test_ten_tasks.py", *form)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"pytest-energy: --tasks-of: {report}: no test that was measured per inference has"
        " 'test_ten_tasks.py' in its id, such as test_it.py::test_0\n"
    )


def test_tests_of_no_run_are_an_error():
    done = call("--tasks-of", "test_ten_tasks.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tasks-of needs the run whose tests it names: --run REPORT.json" in done.stderr


def test_operations_become_bounds_on_every_device(report):
    text = shown("--run", report)
    (row,) = [line for line in text.splitlines() if line.startswith("A100 SXM4 80GB, fp32")]
    # 1 GFLOP x 400 W / 19.5 TFLOPS
    assert "≥ 20.5 mJ" in row
    assert row.count("≥") == 6


def count_bytes(report: Path, moved: int) -> None:
    """As if the first result's operators had read and written so much in an inference."""
    record = json.loads(report.read_text("utf-8"))
    record["machine"]["gpus"] = [{"model": "NVIDIA A100-SXM4-80GB", "power_limit_watts": 400}]
    record["results"][0]["counts"] = {"samples": [{"bytes": moved}], "sizes": [1]}
    report.write_text(json.dumps(record), "utf-8")


def test_with_bytes_the_longer_of_operations_and_memory_is_the_bound_on_every_device(report):
    count_bytes(report, 2_039_000_000)  # a millisecond of the A100's memory
    text = shown("--run", report)
    bounds = {}
    for precision in ("fp32", "fp16"):
        row = next(x for x in text.splitlines() if x.startswith(f"A100 SXM4 80GB, {precision}"))
        bounds[precision] = re.findall(r"≥ \S+ m?J\*?", row)
    # Of fp16 half as many bytes are moved. The other results have no bytes.
    assert bounds["fp32"][:2] == ["≥ 400 mJ*", "≥ 41.0 mJ"]
    assert bounds["fp16"][0] == "≥ 200 mJ*"
    assert "* of memory: the bytes of every operator's operands take longer" in flat(text)
    # 2 J over 20.5 mJ of operations, and over 400 mJ of memory.
    lines = text.splitlines()
    (row,) = [n for n, line in enumerate(lines) if line.startswith("#1 ")]
    assert " 97.5 x " in lines[row]
    assert lines[row + 1].rstrip().endswith(" (5.00 x)")
    assert "In brackets: with memory too" in flat(text)


def test_without_bytes_nothing_is_said_of_memory_in_a_run(report):
    text = flat(shown("--run", report))
    assert "In brackets" not in text
    assert "* of memory" not in text


def test_counts_that_are_not_as_reports_have_them_are_named(report):
    count_bytes(report, -1)
    done = call("--run", report)
    assert done.returncode == 2
    assert "counts.samples.0.bytes: expected a number from 0 to 1e+30" in done.stderr
    record = json.loads(report.read_text("utf-8"))
    record["results"][0]["counts"]["sizes"] = []
    report.write_text(json.dumps(record), "utf-8")
    assert "counts.sizes: expected one figure for each of 1 samples" in call("--run", report).stderr


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("with_run", [False, True])
def test_the_papers_energies_stand_over_the_bound_before_and_after_memory(report, with_run):
    lines = shown(*(("--run", report) if with_run else ())).splitlines()

    def row(*words: str) -> list[str]:
        (first,) = [
            n - len(words) + 1
            for n, line in enumerate(lines)
            if words[-1] == line.strip()
            and lines[n - 1].startswith(words[-2])
            and lines[n - len(words) + 1].startswith(words[0])
        ]
        return re.split(r"  +", lines[first])[2:]

    # joules, operations alone, with the weights, with every operand
    assert row("fill-mask", "bert-base-uncased", "64 tokens") == ["11", *["37 to 39"] * 3]
    assert row("fill-mask", "bert-base-uncased", "16 tokens") == [
        "11", "149 to 159", "125 to 133", "117 to 125",
    ]  # fmt: skip
    assert row("summarization", "ainize/bart-base-cnn", "64 tokens, 10 new, 4 beams") == [
        "95 to 104", "284 to 312", "129 to 142", "110 to 121",
    ]  # fmt: skip


def test_the_json_is_as_its_schema_says(report):
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(shown("--json")))
    validator.validate(json.loads(shown("--json", "--run", report)))
    count_bytes(report, 2_039_000_000)
    found = json.loads(shown("--json", "--run", report))
    validator.validate(found)
    work = found["run"]["work"][0]
    assert work["operator_bytes"] == 2_039_000_000
    (a100,) = [
        bound
        for bound in work["at_least_joules"]
        if (bound["device"], bound["precision"]) == ("A100 SXM4 80GB", "fp32")
    ]
    assert a100["joules"] == pytest.approx(0.0205, rel=0.01)
    assert a100["joules_with_memory"] == pytest.approx(0.4)
    assert found["run"]["work"][1]["at_least_joules"][0]["joules_with_memory"] is None
    bert = [one for one in found["published_over_bounds"] if one["model"] == "bert-base-uncased"]
    assert [one["input"] for one in bert] == ["16 tokens", "64 tokens", "256 tokens"]
    assert bert[0]["times"]["least"] > bert[0]["times_with_memory"]["least"]


def test_the_papers_energy_stands_beside_the_same_model_alone(report):
    rows = [line for line in shown("--run", report).splitlines() if re.match(r"#\d ", line)]
    assert len(rows) == 6
    assert [row.endswith(" -") for row in rows] == [True] * 5 + [False]


def test_a_figure_below_its_bound_is_no_0(report):
    """On a board that computes in fp16, whose peak is far above the one of fp32."""
    record = json.loads(report.read_text("utf-8"))
    record["machine"]["gpus"] = [{"model": "NVIDIA H100 80GB HBM3", "power_limit_watts": 700}]
    first = record["results"][0]["measurement"]
    first["flops"]["count"] = 10**12  # 10.5 J at the H100's peak in fp32; 2 J were metered
    report.write_text(json.dumps(record), "utf-8")
    text = shown("--run", report)
    (row,) = [line for line in text.splitlines() if line.startswith("#1 ")]
    assert " 0.191 x" in row
    assert "Below 1 x, a lower precision than fp32 was computed in" in " ".join(text.split())


def test_more_results_than_fit_are_spread_from_the_least_to_the_most_work(report):
    text = shown("--run", report, columns=80)
    (row,) = [line for line in text.splitlines() if line.startswith("A100 SXM4 80GB, fp32")]
    assert "≥ 20.5 mJ" in row
    assert "≥ 123 mJ" in row
    assert "4 of 6 results" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(report, columns):
    for arguments in ((), ("--run", report)):
        lines = shown(*arguments, columns=columns).splitlines()
        assert max(map(len, lines)) <= columns
        assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("method", ["estimated", "sampled", "counter"])
def test_at_80_columns_no_figure_is_cut_off(report, method):
    record = json.loads(report.read_text("utf-8"))
    for result in record["results"]:
        for domain in result["measurement"]["domains"]:
            domain["method"] = method
        result["subject"]["model"] += "-of-a-name-that-is-longer-than-any-column"
    report.write_text(json.dumps(record), "utf-8")
    text = shown("--run", report, columns=80)
    assert "…" not in text
    assert "0.0111" in text
    assert "masked language" in text
    # All eight of Table 3's grams at 297.6 stand whole.
    for row in luccioni.table3():
        assert f"{row.grams_per_1000_as_stated:.2f}" in text


def test_without_a_terminal_lines_are_80_columns_wide():
    assert max(map(len, call().stdout.splitlines())) <= 80


def test_there_are_no_escape_sequences_in_a_pipe():
    assert "\x1b" not in call().stdout


def test_programs_get_it_all_as_json(report):
    found = json.loads(shown("--json", "--run", report))
    assert len(found["table2"]) == 10
    assert found["table5"][1]["slip"]
    assert len(found["devices"]) == len(desislavov.devices())
    run = found["run"]
    assert run["tasks"]["text-generation"]["kwh_per_1000"] == pytest.approx(40 / 3600)
    assert run["rank_correlation"]["correlation"] == pytest.approx(0.9)
    assert run["general_over_specific"][0]["ratio"]["value"] == pytest.approx(10)
    (general,) = [work for work in run["work"] if work["model"] == "google/flan-t5-base"]
    assert general["of_the_papers_bound"]["of"] == "the paper's google/flan-t5-base"
    others = [work for work in run["work"] if work["model"] == "own"]
    assert [work["of_the_papers_bound"] for work in others] == [None] * 5
    assert len(general["at_least_joules"]) == len(desislavov.devices())
    assert json.loads(shown("--json"))["run"] is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ", line 1: not JSON (Expecting value)"),
        ('{\n"schema": 1,\n', ", line 3: not JSON"),
        ("[1, 2]", ": not a report of pytest-energy: it has no list of results"),
        ('{"results": []}', ": schema None, this version reads 1 and 2"),
        ('{"schema": 0, "results": []}', ": schema 0, this version reads 1 and 2"),
        ('{"schema": true, "results": []}', ": schema True, this version reads 1 and 2"),
        (
            '{"schema": 1, "results": []}',
            ", line 1: the report is not as reports have it: 'date' is missing",
        ),
        (
            '{"schema": 2, "results": [], "date": "yesterday", "machine": {"cpu": "x",'
            ' "logical_cpus": 2, "gpus": [], "system": "linux", "architecture": "x86_64"}}',
            ", line 1: the report is not as reports have it: date: expected a date and time of ISO",
        ),
        ("\udcff", ": not UTF-8 text"),
        ("[" * 100_000, ": not JSON (maximum recursion depth"),
    ],
)
def test_a_file_that_is_no_report_is_named_with_the_remedy(tmp_path, text, problem):
    path = tmp_path / "report.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = call("--run", path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"pytest-energy: {path}{problem}" in done.stderr
    assert "write one with: pytest --energy-json=REPORT.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_of_a_newer_version_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "report.json"
    path.write_text('{"schema": 3, "results": []}')
    done = call("--run", path)
    assert done.returncode == 2
    assert done.stderr == (
        f"pytest-energy: {path}: schema 3, this version reads 1 and 2; written by a newer"
        " pytest-energy: upgrade it\n"
    )


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda m: m.update(recorded=[]), "recorded: expected an object, found []"),
        (lambda m: m.update(recorded={"parameters": math.inf}), "parameters: expected a finite"),
        (lambda m: m.update(recorded={"parameters": 10**400}), "parameters: expected a finite"),
        (lambda m: m.update(metered_count=math.inf), "metered_count: expected a finite number"),
        (lambda m: m.update(unit_count=10**400), "unit_count: expected a finite"),
        (lambda m: m.update(other_cpu_share=math.nan), "other_cpu_share: expected a finite number"),
        (lambda m: m.update(flops=[1]), "flops: expected an object, found [1]"),
        (lambda m: m["flops"].update(count=10**400), "count: expected a number from 0 to 1e+30"),
        (lambda m: m["flops"].update(count=-1), "count: expected a number from 0 to 1e+30"),
        (lambda m: m.update(unit_count=0), "unit_count: expected a number above 0, found 0"),
        (lambda m: m.update(unit_count="many"), "unit_count: expected a number, found"),
        (
            lambda m: m["domains"][0].update(method="guessed"),
            "domains.0.method: expected one of counter",
        ),
        (
            lambda m: m["blocks"][0].update(joules=[]),
            "blocks.0.joules: expected one figure for each of 2",
        ),
        (
            lambda m: m["blocks"][0].update(joules=[float("nan"), 1]),
            "blocks.0.joules.0: expected a finite number",
        ),
        (lambda m: m["blocks"][0].update(joules=[-1e9, 1]), "J per inference"),
        (lambda m: m.update(domains=3), "domains: expected a list, found 3"),
    ],
)
def test_a_result_that_is_not_as_reports_have_it_is_named_with_its_line(report, spoil, problem):
    record = json.loads(report.read_text("utf-8"))
    spoil(record["results"][1]["measurement"])
    text = json.dumps(record, indent=1)
    report.write_text(text, "utf-8")
    done = call("--run", report)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "result 2 is not as reports have it" in line
    assert problem in line
    # The line is that of the member itself, or of the object that lacks it.
    number = int(line.partition("line ")[2].partition(":")[0])
    names = line.partition("as reports have it: ")[2].partition(": ")[0].split(".")
    member = next(name for name in reversed(names) if not name.isdigit())
    assert f'"{member}":' in "".join(text.splitlines()[number - 3 : number])


def test_a_report_without_blocks_gives_the_same_figures_without_intervals(project):
    project.write(test_it=a_run())
    whole, short = project.path / "whole.json", project.path / "short.json"
    project.run(f"--energy-json={whole}", "--energy-json-blocks", "--energy-counts=off")
    project.run(f"--energy-json={short}", "--energy-counts=off")
    assert short.stat().st_size < 0.6 * whole.stat().st_size
    with_blocks, without = shown("--run", whole), shown("--run", short)
    assert "no intervals: the run's report needs --energy-json-blocks for them" in without
    assert "no intervals" not in with_blocks
    for row in ("text generation", "object detection"):
        (before,) = [line for line in with_blocks.splitlines() if line.startswith(row)]
        assert before in without


@pytest.mark.parametrize("result", [1, None, [], "text"])
def test_a_result_that_is_no_object_is_named_with_its_line(report, result):
    record = json.loads(report.read_text("utf-8"))
    record["results"] = [result]
    report.write_text(json.dumps(record), "utf-8")
    done = call("--run", report)
    assert (done.returncode, done.stdout) == (2, "")
    found = json.dumps(result)
    assert (
        f"{report}, line 1: result 1 is not as reports have it: expected an object, found {found};"
        in done.stderr
    )


@pytest.mark.parametrize("name", ["task", "model", "role", "test"])
def test_a_name_that_is_no_text_is_named_with_its_line(report, name):
    record = json.loads(report.read_text("utf-8"))
    record["results"][1]["subject"][name] = 5
    report.write_text(json.dumps(record), "utf-8")
    done = call("--run", report)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"result 2 is not as reports have it: subject.{name}: expected a text, found 5"
        in done.stderr
    )


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    done = call("--run", tmp_path / "nope.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nope.json: No such file or directory" in done.stderr


def test_a_folder_is_no_report(tmp_path):
    done = call("--run", tmp_path)
    assert done.returncode == 2
    assert "it is a folder, and only regular files are read" in done.stderr


def test_an_unknown_argument_is_an_error():
    done = call("--energy-report")
    assert done.returncode == 2
    assert "unrecognized arguments: --energy-report" in done.stderr


def test_interference_with_a_run_is_said(report):
    record = json.loads(report.read_text("utf-8"))
    first, second = (result["measurement"] for result in record["results"][:2])
    first["interference"] = ["a counter stood still"]
    second["other_cpu_share"] = 0.6
    report.write_text(json.dumps(record), "utf-8")
    assert "2 of 6 results met interference, one of them this: a counter stood still" in shown(
        "--run", report
    )
    assert json.loads(shown("--json", "--run", report))["run"]["interference"] == {
        "a counter stood still": 1,
        "others used 60 % of the machine's CPU time meanwhile": 1,
    }


def test_a_run_in_which_nothing_was_measured_is_shown_without_figures(report):
    record = json.loads(report.read_text("utf-8"))
    record["results"] = []
    report.write_text(json.dumps(record), "utf-8")
    text = shown("--run", report)
    assert "nothing in it was measured per inference" in text
    assert "No rank correlation: 0 of the ten tasks were measured" in text
    assert "No result of this run has its operations counted" in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:
        done = call(capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert "the tables could not be written" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{SCRIPT} papers | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Power Hungry Processing")


def test_an_output_without_the_letters_is_written_with_others():
    command = [str(SCRIPT), "papers"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "592,570,000" in done.stdout


def test_the_command_loads_neither_torch_nor_pandas():
    code = (
        "import sys; from pytest_energy.cli.main import main; main(['papers', '--json']);"
        "heavy = {'torch', 'pandas', 'codecarbon', 'pynvml', 'psutil', 'rich'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Training


def test_strubells_table_stands_beside_its_formula_row_by_row():
    text = shown(columns=80)
    for line in (
        "BERT_base, V100x64       12,041.5     79.2      1,507    1,507    1,438    1,438",
        "NAS, P100x8               1,515.4  274,120    656,347  656,347  626,155  626,155",
    ):
        assert line in text
    assert "printed as 79 h, with which 1,503 kWh come out" in text
    assert "4,789 jobs" in text


def test_a_runs_own_training_stands_below_table_5_with_its_break_even(project):
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.training(steps=20, total_steps=1800, task="sentiment", model="tiny")
        def test_training(energy):
            for _ in energy.each(range(20)):
                spend(2000)

        @pytest.mark.inference(n=20, task="sentiment", model="tiny")
        def test_inference(energy):
            for _ in energy.each(range(20)):
                spend(36)
        """
    )
    project.report("--energy-pue=1.5")
    text = shown("--run", project.path / "report.json", columns=80)
    # 1,800 steps of 2,000 J are 1 kWh; inferences of 36 J are 0.01 Wh: both at the meter.
    (row,) = [line for line in text.splitlines() if line.startswith("tiny, this machine")]
    assert row.split() == ["tiny,", "this", "machine", "1.00", "-", "1e-05", "-", "100,000"]
    assert "tiny: extrapolated from a window of steps, 95 %: 0." in text
    assert "at the meter, as in Table 2: the site's PUE is not in them" in " ".join(text.split())
    record = json.loads(call("--run", project.path / "report.json", "--json").stdout)
    (trained,) = record["run"]["trained"]
    assert trained["model"] == "tiny"
    assert trained["inferences"] == [pytest.approx(100_000)]
    assert len(record["strubell_table3"]) == 8


def test_a_training_cost_that_cannot_be_is_named_with_its_file(project, tmp_path):
    project.write(
        test_it="""
        import pytest
        from scripted import spend

        @pytest.mark.training(steps=20, total_steps=1800)
        def test_training(energy):
            for _ in energy.each(range(20)):
                spend(2000)
        """
    )
    project.report()
    path = project.path / "report.json"
    record = json.loads(path.read_text("utf-8"))
    record["results"][0]["training_cost"]["joules"] = -1.0
    path.write_text(json.dumps(record, indent=2), "utf-8")
    done = call("--run", path)
    assert done.returncode == 2
    assert f"{path}, line " in done.stderr
    assert "a training's figures are above 0; write one with: pytest --energy-json" in done.stderr
