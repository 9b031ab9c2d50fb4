"""`pytest-energy --print-completion`: a script that completes commands and options."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from pytest_energy.cli import completion
from pytest_energy.cli.main import COMMANDS, command_line, main

COMMAND = [sys.executable, "-m", "pytest_energy", "--print-completion"]

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]


@pytest.fixture(scope="module")
def scripts():
    pytest.importorskip("shtab")
    return {
        shell: subprocess.run([*COMMAND, shell], capture_output=True, text=True, check=True).stdout
        for shell in completion.SHELLS
    }


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_there_is_a_script_for_each_shell_that_knows_every_command(scripts, shell):
    for name in NAMES:
        assert name in scripts[shell]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["mi"], ["migrate"]),
        (["co"], ["comment", "compare"]),
        (["migrate", "--ch"], ["--check"]),
        (["init", "--d"], ["--dry-run"]),
        (["compare", "--judge", ""], ["both", "counted", "measured"]),
    ],
)
def test_bash_completes_commands_options_and_choices(scripts, tmp_path, typed, expected):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    (tmp_path / "completion.bash").write_text(scripts["bash"])
    words = " ".join(f"'{word}'" for word in ["pytest-energy", *typed])
    program = (
        f"source ./completion.bash; COMP_WORDS=({words}); COMP_CWORD={len(typed)};"
        " complete=$(complete -p pytest-energy | sed 's/.*-F \\([^ ]*\\).*/\\1/');"
        ' "$complete"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(map(str.strip, done.stdout.split())) == expected


def test_without_shtab_the_extra_is_named(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "pip install 'pytest-energy[completion]'" in err


def test_an_unknown_shell_is_an_error(capfd):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "fish"])
    assert ended.value.code == 2
    assert "invalid choice: 'fish'" in capfd.readouterr().err


def test_shtab_is_imported_for_the_script_alone():
    code = (
        "import sys; from pytest_energy.cli.main import command_line; command_line();"
        " print('shtab' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_help_names_every_command():
    text = command_line().format_help()
    for name in NAMES:
        assert f"\n    {name} " in text
