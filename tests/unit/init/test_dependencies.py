"""What a project says that it depends on, in whichever file it says so."""

from __future__ import annotations

import pytest

from pytest_energy.init.dependencies import ProjectError, read_dependencies


@pytest.fixture
def project(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_txt", ".txt").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject_toml": "[project]\ndependencies = [\"Torch >= 2 ; python_version > '3'\"]"},
        {"pyproject_toml": "[project.optional-dependencies]\nml = ['torch[cpu]==2']"},
        {"pyproject_toml": "[dependency-groups]\nml = [{include-group = 'x'}, 'torch']"},
        {"pyproject_toml": "[tool.poetry.dependencies]\ntorch = '^2'"},
        {"pyproject_toml": "[tool.poetry.group.ml.dependencies]\ntorch = '^2'"},
        {"requirements_txt": "# models\n-r other.txt\ntorch==2.1  # pinned\n"},
        {"requirements__ml_txt": "torch\n"},
        {"setup_cfg": "[options]\ninstall_requires =\n    torch>=2\n"},
        {"setup_cfg": "[options.extras_require]\nml =\n    torch>=2\n"},
    ],
)
def test_a_library_is_found_wherever_it_is_named(project, files):
    assert read_dependencies(project(**files)).libraries == ("torch",)


def test_the_library_that_says_most_about_a_project_stands_first(project):
    found = read_dependencies(
        project(requirements_txt="torch\nTransformers\nnumpy\nscikit_learn\n")
    )
    assert found.libraries == ("transformers", "torch", "scikit-learn")


@pytest.mark.parametrize(
    ("files", "install"),
    [
        ({"pyproject_toml": "[project]\nname = 'a'"}, "--editable ."),
        ({"setup_py": ""}, "--editable ."),
        ({"pyproject_toml": "[project.optional-dependencies]\ndev = []"}, '--editable ".[dev]"'),
        (
            {"pyproject_toml": "[project.optional-dependencies]\ndev = []\ntest = []"},
            '--editable ".[test]"',
        ),
        (
            {"pyproject_toml": "[project]\nname = 'a'\n[dependency-groups]\ntest = []"},
            "--editable . --group test",
        ),
        (
            {"requirements_txt": "", "requirements-dev_txt": "", "notes_txt": ""},
            "--requirement requirements-dev.txt --requirement requirements.txt",
        ),
        ({"pyproject_toml": "[tool.ruff]"}, ""),
    ],
)
def test_it_is_known_how_pip_installs_what_the_tests_need(project, files, install):
    assert read_dependencies(project(**files)).install == install


def test_the_oldest_python_is_known(project):
    found = read_dependencies(project(pyproject_toml="[project]\nrequires-python = '>=3.13,<4'"))
    assert found.python == "3.13"


def test_what_is_of_another_form_than_it_should_be_says_nothing(project):
    found = read_dependencies(project(pyproject_toml="project = 1\ntool = [1]\n"))
    assert (found.libraries, found.python) == ((), "")


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    (tmp_path / "requirements.txt").write_bytes(b"torch\n\xff\n")
    with pytest.raises(ProjectError, match=r"requirements\.txt, line 2: not UTF-8 text"):
        read_dependencies(tmp_path)
