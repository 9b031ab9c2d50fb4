"""Each side imports its own code."""

from __future__ import annotations

import sys

import pytest

from pytest_energy.paired.import_redirect import RedirectFinder, Trees, redirected_paths
from support.packages import package
from support.projects import TEST


def test_a_src_layout_with_pythonpath(repository):
    repository.ini("energy_meter = scripted", "pythonpath = src")
    package(repository, "src", 2.0)
    repository.commit()
    package(repository, "src", 2.3)
    assert repository.paired()[TEST]["change"]["value"] == pytest.approx(0.15)


def test_a_flat_layout_beside_a_folder_of_tests(repository):
    repository.ini("energy_meter = scripted", "pythonpath = .")
    package(repository, ".", 2.0)
    tests = repository.path / "tests"
    tests.mkdir()
    (repository.path / "test_it.py").rename(tests / "test_it.py")
    repository.commit()
    (repository.path / "sentiment" / "model.py").write_text(
        "from scripted import spend\n\ndef infer(sample=None):\n    spend(2.3)\n"
    )
    assert repository.paired(str(tests))["tests/test_it.py::test_loop"]["change"][
        "value"
    ] == pytest.approx(0.15)


@pytest.mark.parametrize("kind", ["path", "finder"])
def test_an_editable_install(repository, tmp_path, kind, monkeypatch):
    """Both kinds that build backends make: a path in a .pth file, and a finder with a mapping."""
    package(repository, "lib", 2.0)
    repository.commit()
    package(repository, "lib", 2.3)
    site = tmp_path / "site"
    site.mkdir()
    if kind == "path":
        (site / "sitecustomize.py").write_text(
            f"import sys\nsys.path.append({str(repository.path / 'lib')!r})\n"
        )
    else:
        (site / "sitecustomize.py").write_text(
            "import sys\n"
            "from importlib.util import spec_from_file_location\n"
            f"FOLDER = {str(repository.path / 'lib' / 'sentiment')!r}\n"
            "class Finder:\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n"
            "        if name == 'sentiment':\n"
            "            return spec_from_file_location(name, FOLDER + '/__init__.py',\n"
            "                submodule_search_locations=[FOLDER])\n"
            "sys.meta_path.append(Finder)\n"
        )
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert repository.paired()[TEST]["change"]["value"] == pytest.approx(0.15)


def test_a_plain_script_beside_the_tests(repository):
    repository.set_cost(2.3)  # model.py
    assert repository.paired()[TEST]["change"]["value"] == pytest.approx(0.15)


def test_processes_that_a_test_starts_import_their_own_tree_too(repository, monkeypatch):
    repository.ini("energy_meter = scripted", "pythonpath = src")
    package(repository, "src", 2.0)
    (repository.path / "src" / "sentiment" / "cost.py").write_text("JOULES = 2.0\n")
    repository.write(
        test_it="""
        import subprocess, sys
        from scripted import spend

        def test_loop(energy):
            code = "import sentiment.cost; print(sentiment.cost.JOULES)"
            for sample in energy.each(range(2)):
                said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
                spend(float(said.stdout))
        """
    )
    (repository.path / "src" / "sentiment" / "__init__.py").write_text("")
    repository.commit()
    (repository.path / "src" / "sentiment" / "cost.py").write_text("JOULES = 2.3\n")
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(repository.path / "src"))
    assert repository.paired()[TEST]["change"]["value"] == pytest.approx(0.15)


def test_a_copy_that_both_sides_would_share_is_found_out(repository, tmp_path, monkeypatch):
    """The project installed without --editable: both would run the same code and agree."""
    package(repository, "src", 2.0)
    (repository.path / "pyproject.toml").write_text('[project]\nname = "sentiment-model"\n')
    repository.commit()
    package(repository, "src", 2.3)
    site = tmp_path / "site"
    information = site / "sentiment_model-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sentiment-model\n")
    (information / "RECORD").write_text("sentiment/__init__.py,,\nsentiment/model.py,,\n")
    (repository.path / "src" / "sentiment").rename(site / "sentiment")
    package(repository, "src", 2.3)
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "the base imported sentiment" in verdict["reason"]
    assert str(site) in verdict["reason"]
    assert "pip install -e ." in verdict["reason"]


@pytest.mark.parametrize("name", ["corp.model", "sentiment._core"])
def test_a_copy_below_the_top_is_found_out_too(repository, tmp_path, monkeypatch, name):
    """A namespace package has no file of its own, and a compiled module may lie elsewhere."""
    package, _, module = name.partition(".")
    (repository.path / "pyproject.toml").write_text('[project]\nname = "our-model"\n')
    repository.write(
        test_it=f"""
        import {name} as model

        def test_loop(energy):
            for sample in energy.each(range(40)):
                model.infer(sample)
        """
    )
    site = tmp_path / "site"
    (site / package).mkdir(parents=True)
    if package == "sentiment":
        (site / package / "__init__.py").write_text("")
    (site / package / f"{module}.py").write_text(
        "from scripted import spend\n\ndef infer(sample=None):\n    spend(2.0)\n"
    )
    information = site / "our_model-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: our-model\n")
    (information / "RECORD").write_text(f"{package}/{module}.py,,\n")
    repository.commit()
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(site))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert f"the base imported {package}" in verdict["reason"]


def test_what_only_the_heads_tree_has_is_not_lent_to_the_base(repository, tmp_path, monkeypatch):
    package(repository, "lib", 2.0)
    (repository.path / ".gitignore").open("a").write("generated.py\n")
    (repository.path / "lib" / "sentiment" / "__init__.py").write_text(
        "from sentiment.generated import infer\n"
    )
    repository.commit()
    (repository.path / "lib" / "sentiment" / "generated.py").write_text(
        "from sentiment.model import infer\n"
    )
    repository.own_process = True
    monkeypatch.setenv("PYTHONPATH", str(repository.path / "lib"))
    verdict = repository.paired()[TEST]
    assert verdict["status"] == "incomparable"
    assert "No module named 'sentiment.generated'" in verdict["reason"]
    made = "cp $PYTEST_ENERGY_HEAD/lib/sentiment/generated.py lib/sentiment/"
    assert repository.paired(f"--energy-against-setup={made}")[TEST]["status"] == "ok"


def test_a_virtual_environment_inside_the_tree_is_not_the_project(tmp_path, monkeypatch):
    head, base = tmp_path / "head", tmp_path / "base"
    environment = head / ".venv"
    (environment / "lib").mkdir(parents=True)
    base.mkdir()
    monkeypatch.setattr(sys, "prefix", str(environment))
    trees = Trees(head, base)
    assert trees.in_head(str(head / "src" / "model.py"))
    assert not trees.in_head(str(environment / "lib" / "torch" / "__init__.py"))
    assert not trees.in_head(str(tmp_path / "elsewhere.py"))
    paths = [str(head / "src"), str(environment / "lib"), "", "/usr/lib"]
    assert redirected_paths(trees, paths) == [str(base / "src"), *paths[1:]]


def test_a_namespace_package_is_turned_as_well(tmp_path, monkeypatch):
    head, base = tmp_path / "head", tmp_path / "base"
    for tree in (head, base):
        (tree / "corp" / "model").mkdir(parents=True)
        (tree / "corp" / "model" / "__init__.py").write_text(f"TREE = {tree.name!r}\n")
    trees = Trees(head, base)
    monkeypatch.setattr(sys, "meta_path", [RedirectFinder(trees), *sys.meta_path])
    monkeypatch.syspath_prepend(str(head))
    try:
        import corp.model  # type: ignore[import-not-found]

        assert corp.model.TREE == "base"
    finally:
        for name in ("corp", "corp.model"):
            sys.modules.pop(name, None)
