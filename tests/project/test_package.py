"""What pyproject.toml says of the package, and whether it is so."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata, version

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from support.examples import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
GROUPS = PYPROJECT["dependency-groups"]

HOME = "https://github.com/pytest-energy/pytest-energy"
SITE = "https://pytest-energy.github.io/pytest-energy/"

PYTHON = "Programming Language :: Python :: 3."


def prose() -> str:
    """The README, the manual's pages and those of the examples."""
    folders = (ROOT / "docs", ROOT / "examples")
    pages = [ROOT / "README.md", *(path for each in folders for path in sorted(each.rglob("*.md")))]
    return "\n".join(path.read_text("utf-8") for path in pages)


def test_the_version_stands_in_one_place_and_is_the_one_that_is_installed():
    assert version("pytest-energy") == PROJECT["version"]
    assert PROJECT["dynamic"] == ["readme"]
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert "__version__ =" not in source


def test_the_addresses_are_those_of_the_project():
    assert PROJECT["urls"] == {
        "Homepage": SITE,
        "Documentation": SITE,
        "Repository": HOME,
        "Issues": f"{HOME}/issues",
        "Changelog": f"{HOME}/blob/main/CHANGELOG.md",
    }


def test_the_classifiers_of_python_are_those_that_nox_tests(noxfile):
    claimed = [c.removeprefix(PYTHON) for c in PROJECT["classifiers"] if c.startswith(PYTHON)]
    assert [f"3.{minor}" for minor in claimed] == noxfile.PYTHONS
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert all(each in allowed for each in noxfile.PYTHONS)
    assert f"3.{int(noxfile.PYTHONS[0].split('.')[1]) - 1}" not in allowed


def test_no_system_is_claimed_that_the_tests_do_not_run_on():
    systems = {c for c in PROJECT["classifiers"] if c.startswith("Operating System")}
    assert systems == {"Operating System :: POSIX :: Linux"}


def test_the_lowest_pytest_is_the_first_that_nox_tests(noxfile):
    (pytest_,) = [
        requirement
        for requirement in map(Requirement, PROJECT["dependencies"])
        if requirement.name == "pytest"
    ]
    first = next(iter(noxfile.PYTESTS))
    assert str(pytest_.specifier) == f">={first}"
    assert PYPROJECT["tool"]["pytest"]["ini_options"]["minversion"] == first


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_every_extra_is_in_the_manual(extra):
    # In README as `name`, elsewhere as pip takes it.
    assert re.search(rf"pytest-energy\[(?:[\w,-]+,)?{extra}[],]|`{extra}`", prose())


def test_every_extra_that_the_manual_names_is_there():
    named = {
        name
        for names in re.findall(r"pytest-energy\[([\w,-]+)\]", prose())
        for name in names.split(",")
    }
    assert named <= {*PROJECT["optional-dependencies"]}


def test_every_dependency_of_users_has_a_lowest_version():
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for each in lists for text in each):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert ">=" in operators, f"{requirement}: `nox --session minimum` needs one"


def test_what_developers_need_is_in_no_extra():
    names = {
        canonicalize_name(Requirement(text).name)
        for texts in PROJECT["optional-dependencies"].values()
        for text in texts
    }
    assert not names & {"hypothesis", "mypy", "nox", "pytest-xdist", "ruff", "towncrier"}
    assert not {*PROJECT["optional-dependencies"]} & {*GROUPS}


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"])
def test_the_links_between_the_projects_pages_lead_somewhere(name):
    text = (ROOT / name).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_description_of_the_installed_package_is_the_readme():
    described = metadata("pytest-energy")
    assert described["Description-Content-Type"] == "text/markdown"
    assert described["License-Expression"] == "Apache-2.0"


def test_what_the_page_for_contributors_tells_to_run_is_there(noxfile):
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {*re.findall(r"make (\w+)", text)}
    assert "setup" in targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for names in re.findall(r"nox --session ([\w ]+)(?:#|$)", text, re.MULTILINE):
        assert all(hasattr(noxfile, name) for name in names.split())
    for script in re.findall(r"`(?:\.venv/bin/python )?((?:benchmarks|scripts)/\w+\.py)`", text):
        assert (ROOT / script).exists(), script


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_group_of_dependencies_is_installed_by_something(group):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    nox = (ROOT / "noxfile.py").read_text("utf-8")
    included = {"include-group": group} in [each for texts in GROUPS.values() for each in texts]
    assert (
        included
        or f"--group {group}" in makefile
        or re.search(rf'"--group", "{group}"', nox)
        or (re.search(rf'install\(session, [^)]*"{group}"', nox))
    )
