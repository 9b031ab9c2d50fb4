"""llms.txt and the skill: what they name is there, and what they show runs."""

from __future__ import annotations

import argparse
import ast
import json
import re

import pytest

from pytest_energy.cli.main import command_line, main
from pytest_energy.settings import OPTIONS
from pytest_energy.types.verdict import FAILED, Status
from support.examples import ROOT

LLMS = ROOT / "llms.txt"
SKILL = ROOT / "skills" / "pytest-energy" / "SKILL.md"
INIT = ROOT / "docs" / "init.md"
PAGES = [LLMS, SKILL, INIT]

pytestmark = pytest.mark.skipif(not LLMS.exists(), reason="not in a source distribution")

REPOSITORY = "https://github.com/pytest-energy/pytest-energy/blob/main/"


def text_of(path):
    return path.read_text("utf-8")


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", text_of(path), re.DOTALL)


def by_name(path):
    return path.name


def test_llms_txt_has_the_form_of_llmstxt_org():
    """A title, a summary, then sections of links with a line each (llmstxt.org, "Format")."""
    title, blank, summary, *rest = text_of(LLMS).splitlines()
    assert title == "# pytest-energy"
    assert blank == ""
    assert summary.startswith("> ")
    sections = [line for line in rest if line.startswith("#")]
    assert sections == ["## Start", "## Gates", "## Metering", "## After a run", "## Optional"]
    listed = rest[rest.index(sections[0]) :]
    for line in listed:
        assert not line or line in sections or re.fullmatch(r"- \[[^]]+\]\(\S+\): \S.*", line), line


def test_what_llms_txt_links_to_is_there():
    linked = re.findall(r"\]\((\S+)\)", text_of(LLMS))
    assert len(set(linked)) == len(linked) > 20
    for link in linked:
        assert link.startswith(REPOSITORY), link
        assert (ROOT / link.removeprefix(REPOSITORY)).is_file(), link


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_relative_links_lead_to_files(path):
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(path)):
        assert (path.parent / link).exists(), link


def options_of_commands():
    """The options of the console script and its commands."""
    whole = command_line()
    found = set(whole._option_string_actions)
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= set(command._option_string_actions)
    return found


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_every_option_that_is_named_is_there(path):
    ours = {f"--energy-{name}" for name, *_ in OPTIONS} | options_of_commands()
    of_others = {"--ours", "--noconftest"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", text_of(path)))
    assert named
    assert named - {"--energy"} <= ours | of_others


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_every_command_that_is_named_is_there(path):
    (commands,) = [
        set(action.choices)
        for action in command_line()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    named = set(re.findall(r"(?:^|`)pytest-energy ([a-z]+)", text_of(path), re.MULTILINE))
    assert named <= commands


@pytest.mark.parametrize("path", [SKILL, LLMS], ids=by_name)
def test_what_the_fixture_is_said_to_have_it_has(path):
    from pytest_energy.metering.fixture import MeteredEnergy

    for name in set(re.findall(r"\benergy\.([a-z_]+)", text_of(path))):
        assert hasattr(MeteredEnergy, name), name


def test_the_skill_has_a_head_with_a_name_and_when_to_use_it():
    yaml = pytest.importorskip("yaml")
    _, head, body = text_of(SKILL).split("---\n", 2)
    found = yaml.safe_load(head)
    assert set(found) == {"name", "description"}
    assert found["name"] == SKILL.parent.name
    assert 0 < len(found["description"]) <= 1024
    assert body.lstrip().startswith("# ")


def test_the_skill_says_of_each_verdict_what_to_do():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", text_of(SKILL), re.MULTILINE)
    assert {name for name, *_ in rows} == {status.value for status in Status}
    for name, meaning, what in rows:
        assert what
        assert ("fails" in meaning) == (Status(name) in FAILED), name


def test_python_of_the_skill_is_valid():
    found = blocks(SKILL, "python")
    assert found
    for block in found:
        ast.parse(block)


def test_the_skills_test_is_new_then_stored_then_ok_and_then_fails(project):
    """What the skill shows, run as the skill says, with a rise that is planted."""
    (example,) = blocks(SKILL, "python")
    project.write(test_energy=example)
    judge = "--energy-judge=counted"
    assert project.verdicts(judge)["test_energy.py::test_classifier"]["status"] == "new"
    assert project.run(judge, "--energy-update").ret == 0
    assert project.run(judge, "--energy-strict").ret == 0
    project.write(test_energy=example.replace("range(2000)", "range(4000)"))
    result = project.run(judge)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["energy regressed: *"])
    accepted = project.run(judge, "--energy-update", "--energy-reason=twice the letters")
    assert accepted.ret == 0
    assert project.run(judge).ret == 0


def test_checking_what_the_manual_shows_for_pre_commit():
    yaml = pytest.importorskip("yaml")
    (block,) = blocks(INIT, "yaml")
    (hook,) = yaml.safe_load(text_of(ROOT / ".pre-commit-hooks.yaml"))
    (repo,) = yaml.safe_load(block)["repos"]
    assert repo["repo"] == REPOSITORY.partition("/blob/")[0]
    assert [each["id"] for each in repo["hooks"]] == [hook["id"]]


def test_schemas_that_the_manual_names_are_those_that_there_are():
    named = set(re.findall(r"`(\w+-\d\.json)`", text_of(INIT)))
    there = {
        json.loads(text_of(path))["$id"].rpartition("/")[2]
        for path in (ROOT / "src").rglob("*.schema.json")
    }
    assert named == there


def test_the_help_of_each_command_that_the_page_explains_can_be_asked_for(capfd):
    for command in ("init", "check"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert "Exit code: 0" in " ".join(capfd.readouterr().out.split())
