"""What is printed: names that act on a terminal, terminals that are not UTF-8, long names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from xml.etree import ElementTree

import pytest

from support.terminals import COMMAND, screen_of

EVIL = r"\x1b[2J\x1b[32mAll good\x1b[0m\u202e\n\u200b"
"""Clears the screen, writes in green, turns the line around and begins a new one: as Python's
source has it, and as it is shown."""

HOSTILE = f'''
import pytest
from model import infer

EVIL = "{EVIL}"

@pytest.mark.inference(
    n=40, task="t" + EVIL, model="m" + EVIL, dataset="d" + EVIL, unit="u" + EVIL, budget="1 kJ",
    tolerance="9%"
)
def test_loop(energy):
    for _ in energy.each([0]):
        infer()
    energy.record(**{{"u" + EVIL: 40, "acc" + EVIL: 0.5}})

@pytest.mark.inference(n=10)
def test_region(energy):
    with energy.measure("decode" + EVIL, n=10):
        infer()
'''

HUB = "mistralai-community/Mixtral-8x22B-v0.1-AWQ-GEMM-4bit-{}-Instruct-v0.1"

LONG = f'''
import pytest
from model import infer

PROMPT = "summarise the article in exactly three sentences, {{}}, and return nothing else at all"
FIRST, SECOND = "{HUB.format("wikitext")}", "{HUB.format("pile-10k")}"

@pytest.mark.inference(n=40, task="generation", model=FIRST, role="general-purpose")
@pytest.mark.parametrize("prompt", ["in German", "in French"], ids=PROMPT.format)
def test_generation(energy, prompt):
    for _ in energy.each([0]):
        infer()
    energy.record(accuracy=0.5)

@pytest.mark.inference(n=40, task="generation", model=SECOND, role="task-specific")
def test_other(energy):
    for _ in energy.each([0]):
        infer()
'''


def acting(text):
    """The characters of an output that act on a terminal, or that nobody sees."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {c for c in text.replace("\n", "") if unicodedata.category(c) in kinds}


@pytest.fixture
def hostile(project):
    """A project whose names all act on a terminal, in a process that writes UTF-8."""
    project.write(test_it=HOSTILE)

    def run(*arguments, columns=120, encoding="utf-8", more=COMMAND[1:]):
        project.load_plugins(*arguments)
        environment = os.environ | {"COLUMNS": str(columns), "PYTHONIOENCODING": encoding}
        done = subprocess.run(
            [sys.executable, *more, *arguments],
            cwd=project.path,
            env=environment,
            capture_output=True,
            check=False,
        )
        # Never by universal newlines: a carriage return has to be seen here.
        return (done.stdout + done.stderr).decode(encoding, "surrogateescape")

    project.printed = run
    return project


@pytest.mark.parametrize("arguments", [[], ["-n2"], ["--color=no", "--tb=long", "-rA", "-vv"]])
def test_no_name_acts_on_the_terminal_in_the_table_or_in_a_failures_message(hostile, arguments):
    stored = hostile.printed("--energy-update", "--energy-report", *arguments)
    hostile.set_cost(30.0)
    failed = hostile.printed("--energy-report", *arguments)
    again = hostile.printed(*arguments)
    for output in (stored, failed, again):
        assert not acting(output)
    assert f"t{EVIL}" in failed  # the table's heading
    assert f"energy regressed: 30.0 J per u{EVIL}" in failed
    assert f"energy regressed in 'decode{EVIL}'" in failed


@pytest.mark.parametrize("arguments", [[], ["-n1"]])
@pytest.mark.parametrize(
    ("mark", "body", "problem"),
    [
        ('task="t\\ud800"', "energy.record(a=1)", r"task: 't\ud800' has half a character"),
        ('model="t\\ud800"', "energy.record(a=1)", r"model: 't\ud800' has half a character"),
        ('task="t"', 'energy.measure("\\ud800")', "energy.measure: expected a name, found"),
        ('task="t"', 'energy.record(**{"\\ud800": 1})', "the name has half a character"),
        ('task="t"', 'energy.add(**{"\\ud800": 1})', "the name has half a character"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_in_a_name(hostile, arguments, mark, body, problem):
    hostile.write(
        test_it=f"import pytest\n\n@pytest.mark.inference(n=1, {mark})\n"
        f"def test_x(energy):\n    {body}"
    )
    output = hostile.printed("--energy-update", *arguments)
    assert problem in " ".join(output.split())
    assert "INTERNALERROR" not in output


def test_colours_are_the_reports_own(hostile):
    output = hostile.printed("--energy-report", "--color=yes")
    assert "\x1b[32mAll good" not in output
    assert not acting(re.sub(r"\x1b\[[0-9;]*m", "", output))


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda entry, text: entry.update(dataset=text), "incomparable"),
        (lambda entry, text: entry["domains"]["cpu"].update(source=text), "incomparable"),
        (lambda entry, text: entry["sessions"][0]["environment"].update(python=text), "versions"),
    ],
)
def test_nothing_stored_acts_on_the_terminal(hostile, spoil, where):
    hostile.write(test_it=HOSTILE.replace(EVIL, ""))
    hostile.printed("--energy-update")
    for path in hostile.baselines():
        form = json.loads(path.read_text("utf-8"))
        for entry in form["entries"].values():
            spoil(entry, "x\x1b[2J\u202e")
        path.write_text(json.dumps(form), "utf-8")
    hostile.set_cost(30.0)
    for arguments in (["--energy-report"], ["--energy-strict"], ["--energy-update"]):
        output = hostile.printed(*arguments)
        assert not acting(output)
        if "--energy-update" not in arguments:
            assert where in output
            assert r"x\x1b[2J\u202e" in output


def test_an_entry_that_is_pruned_is_named_without_its_escape_sequences(hostile):
    hostile.printed("--energy-update")
    hostile.write(
        test_it=HOSTILE.replace("decode", "prefill").replace("def test_loop", "def test_l")
    )
    output = hostile.printed("--energy-prune")
    assert "there is no test" in output
    assert not acting(output)
    assert not acting(hostile.printed())  # the notice that names them


def test_a_baseline_file_that_cannot_be_read_is_quoted_without_its_escape_sequences(hostile):
    hostile.printed("--energy-update")
    for path in hostile.baselines():
        text = path.read_text("utf-8").replace('"schema": 2', '"schema": "\\u001b[2J"')
        path.write_text(text, "utf-8")
    for arguments in ([], ["--energy-update"], ["--energy-prune"], ["--energy-strict"]):
        output = hostile.printed(*arguments)
        assert r"\x1b[2J" in output
        assert not acting(output)
    output = hostile.printed(more=["-m", "pytest_energy", "migrate"])
    assert r'schema "\u001b[2J"' in output
    assert not acting(output)


@pytest.mark.parametrize(
    "marker",
    ["task=EVIL, n=0", "task=EVIL, tolerance=EVIL", "**{EVIL: 1}", "unit=EVIL, budget=EVIL"],
)
@pytest.mark.parametrize("workers", [[], ["-n1"]])
def test_a_usage_error_quotes_names_without_their_escape_sequences(hostile, marker, workers):
    hostile.write(
        test_it=f'import pytest\nEVIL = "{EVIL}"\n\n@pytest.mark.inference({marker})\n'
        "def test_x(): 0"
    )
    output = hostile.printed(*workers)
    assert "test_it.py::test_x" in output
    assert not acting(output)


def test_a_usage_error_names_a_file_without_its_escape_sequences(hostile):
    path = hostile.path / "test_\x1b[2J.py"
    path.write_text("import pytest\n\n@pytest.mark.inference(n=0)\ndef test_x(): 0")
    output = hostile.printed("-q")
    assert r"ERROR: test_\x1b[2J.py::test_x" in output
    assert not acting(output)


@pytest.mark.parametrize(
    "line",
    [
        "energy.record(**{EVIL: 'much'})",
        "energy.add(**{EVIL: 1}); energy.record(**{EVIL: 1})",
        "energy.measure(EVIL, n=0).__enter__()",
    ],
)
def test_an_error_inside_a_test_quotes_names_without_their_escape_sequences(hostile, line):
    hostile.write(
        test_it=f'import pytest\nEVIL = "{EVIL}"\n\n@pytest.mark.inference(n=1)\n'
        f"def test_x(energy):\n    {line}"
    )
    output = hostile.printed("--junitxml=junit.xml")
    assert "UsageError: energy." in output
    assert not acting(output)
    assert ElementTree.parse(hostile.path / "junit.xml")


def test_an_option_that_cannot_be_meant_is_quoted_without_its_escape_sequences(hostile):
    for option in ("--energy-tolerance", "--energy-meter", "--energy-country", "--energy-allow"):
        output = hostile.printed(f"{option}=x\x1b[2J\u202e")
        assert "ERROR" in output
        assert not acting(output)


def test_the_base_of_a_pull_request_is_named_without_its_escape_sequences(repository, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    repository.write(test_it=HOSTILE)
    repository.write(
        test_it=HOSTILE + "\n\ndef test_more(energy): energy.each('\\x1b[2J').send(0)\n"
    )
    repository.commit()
    repository.git("branch", "a\u202eb")
    repository.write(test_it=HOSTILE)
    repository.set_cost(9.0)
    repository.own_process = True
    result = repository.against("--energy-report", base="a\u202eb")
    output = result.stdout.str() + result.stderr.str()
    assert r"a\u202eb" in output
    assert "regressed" in output
    assert not acting(output)


ODD_METERS = f'''
from pytest_energy import Domain, Meter, MeterSource, MeterUnavailableError, Method

EVIL = "{EVIL}"

class Odd(Meter):
    name = "odd" + EVIL
    domains = (Domain("cpu" + EVIL, "cpu", Method.COUNTER, "RAPL", 0.0, "basis" + EVIL),)

    def read(self):
        return (0,)

def closed():
    raise MeterUnavailableError("no " + EVIL, "type:\\n  this " + EVIL)

def pytest_energy_meters(config):
    return [MeterSource(Odd.name, Odd, about=EVIL), MeterSource("closed" + EVIL, closed)]
'''


def test_the_console_script_shows_no_name_that_acts_on_the_terminal(hostile):
    hostile.printed("--energy-json=report.json")
    report = (hostile.path / "report.json").read_text("utf-8")
    (hostile.path / "report.json").write_text(report.replace("NVML", r"\u001b[2J\u202e"), "utf-8")
    (hostile.path / "conftest.py").write_text(ODD_METERS)
    for command in (
        ["doctor"],
        ["papers", "--run", "report.json"],
        ["papers", "--run", "x\x1b[2J"],
    ):
        output = hostile.printed(*command, more=["-m", "pytest_energy"])
        assert r"\x1b[2J" in output
        assert not acting(output)


def test_junit_xml_is_parsed_whatever_the_names_are(hostile):
    hostile.printed("--energy-update")
    hostile.set_cost(30.0)
    hostile.printed("--junitxml=junit.xml")
    suite = ElementTree.parse(hostile.path / "junit.xml").getroot()[0]
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties[f"energy.acc{EVIL}"] == "0.5"
    assert properties[f"energy.decode{EVIL}.verdict"] == "regressed"
    assert not acting("".join(properties) + "".join(properties.values()))


def test_the_json_report_has_the_names_as_they_were_given(hostile):
    report = hostile.report()
    name = "t\x1b[2J\x1b[32mAll good\x1b[0m\u202e\n\u200b"
    assert name in {result["subject"]["task"] for result in report["results"]}


def test_letters_and_emoji_are_printed_as_they_are(hostile):
    hostile.write(test_it=HOSTILE.replace(EVIL, "é 日本 👩‍💻 ❤️"))
    output = hostile.printed("--energy-report", columns=200)
    assert "té 日本 👩‍💻 ❤️\n" in output
    assert "accé 日本 👩‍💻 ❤️ 0.500" in output


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("arguments", [[], ["-n1"], ["--color=yes"]])
def test_where_the_terminal_is_not_utf_8_the_table_is_plain_and_can_be_read(
    hostile, encoding, arguments
):
    hostile.write(test_it=LONG)
    hostile.set_cost(2e-6)
    output = hostile.printed("--energy-report", *arguments, encoding=encoding)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()
    start = lines.index("generation")
    assert re.fullmatch("model +energy/unit +per 1,000 +change +verdict *", lines[start + 1])
    assert re.fullmatch("-{60,120}", lines[start + 3])
    assert re.match("mistralai.*[.][.][.].*-v0.1 ", lines[start + 4])
    assert ("2.00 µJ" if encoding == "cp1252" else "2.00 uJ") in lines[start + 4]
    assert "\\u" not in output
    assert max(map(len, lines[start:])) <= 120  # above, pytest names a folder


@pytest.mark.parametrize("arguments", [[], ["-n1"]])
def test_where_the_terminal_is_not_utf_8_a_failures_message_can_be_read_and_files_keep_it(
    hostile, arguments
):
    hostile.write(test_it=LONG.replace('task="generation"', 'task="分類"'))
    hostile.set_cost(2e-6)
    hostile.printed("--energy-update", encoding="ascii")
    hostile.set_cost(9e-6)
    output = hostile.printed("--junitxml=junit.xml", *arguments, encoding="ascii")
    assert "energy regressed: 9.00 uJ per inference, baseline 2.00 uJ (1 session)\n" in output
    assert "- Failed: energy regressed: 9.00 uJ per" in output
    assert "9.00 µJ" in (hostile.path / "junit.xml").read_text("utf-8")


def test_where_the_terminal_is_not_utf_8_the_live_line_is_drawn_of_what_it_has(project):
    project.write(
        test_it="""
        import pytest, time
        from model import infer

        @pytest.mark.inference(n=60, warmup=0)
        @pytest.mark.parametrize("x", ["y"], ids=["a-long-parameter-" * 9])
        def test_évil(energy, x):
            for _ in energy.each([0]):
                infer()
                time.sleep(0.02)
        """
    )
    project.set_cost(2e-6)
    drawn, last = screen_of(COMMAND, project.path, 80, {"PYTHONIOENCODING": "ascii"})
    pattern = r"test_\\xe9vil\[a-.*\.\.\..*parameter-\] +[- ]+ +\d+/60 +[\d.]+ uJ +\d.* left"
    assert [screen for screen in drawn if re.search(pattern, screen)]
    assert "1 passed" in last


@pytest.mark.parametrize("command", [["doctor"], ["papers"]])
def test_where_the_terminal_is_not_utf_8_the_console_script_writes_plain_tables(hostile, command):
    output = hostile.printed(*command, encoding="ascii", more=["-m", "pytest_energy"])
    assert re.search("^-{40,}$", output, re.MULTILINE)
    assert "?" not in output.replace("?)", "")
    assert output.isascii()
    if command == ["papers"]:
        assert "0.002 +/- 0.001" in output


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_long_names_are_shortened_in_the_middle_and_told_apart(hostile, columns):
    hostile.write(test_it=LONG)
    output = hostile.printed("--energy-report", columns=columns)
    table = output[output.index("\ngeneration\n") :]
    lines = table.splitlines()
    assert max(map(len, lines)) <= columns
    end = lines[2].index("energy/unit")
    names = [line[: end - 1].rstrip() for line in lines]
    models = {name for name in names if name.startswith("mist")}
    tests = {name for name in names if name.startswith(" test_") and name.endswith("]")}
    assert (len(models), len(tests)) == (2, 2)
    assert all(name.endswith("v0.1") for name in models)
    if columns == 200:
        assert models == {HUB.format("wikitext"), HUB.format("pile-10k")}
    else:
        assert all("…" in name for name in models | tests)


def test_the_table_takes_the_width_of_the_terminal_up_to_200_columns(hostile):
    hostile.write(test_it=LONG.replace("wikitext", "w" * 300))
    for columns, widest in ((80, 80), (160, 160), (200, 200), (300, 200)):
        output = hostile.printed("--energy-report", columns=columns)
        table = output[output.index("\ngeneration\n") : output.index("energy: nothing was")]
        assert max(map(len, table.splitlines())) == widest


def test_what_was_recorded_has_a_colour_of_its_own(hostile):
    hostile.write(test_it=LONG)
    output = hostile.printed("--energy-report", "--color=yes", columns=200)
    (colour,) = set(re.findall(r"\x1b\[([\d;]*)maccuracy 0.500\x1b\[0m", output))
    others = set(re.findall(r"\x1b\[([\d;]*)m(?!accuracy|\x1b)", output))
    assert colour not in others
