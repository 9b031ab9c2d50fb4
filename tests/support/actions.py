"""A composite action run as GitHub's runner runs it: expressions, environment files, scripts."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!()]|[A-Za-z_][\w.-]*)")
_WORDS = {"&&": "and", "||": "or", "!": "not", "(": "(", ")": ")", "==": "==", "!=": "!="}


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression as our files have them; what is not known is empty."""
    words, position = [], 0
    expression = expression.strip()
    while position < len(expression):
        found = _TOKEN.match(expression, position)
        assert found, f"this runner does not know: {expression[position:]}"
        word = found[1]
        if word in _WORDS:
            words.append(_WORDS[word])
        elif word == "cancelled":
            assert expression[found.end() :].startswith("()")
            words.append("bool")  # bool() is False, as is cancelled()
        elif word[0] == "'":
            words.append(repr(word[1:-1].replace("''", "'")))
        else:
            words.append(repr(names.get(word, "")))
        position = found.end()
    return eval(" ".join(words), {"__builtins__": {"bool": bool}})


def expand(text: str, names: Mapping[str, Any]) -> str:
    """A text with the values of its expressions."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], names)), text)


@dataclass
class Run:
    """What a run of the action left behind.

    Args:
        exit_code: of the step that failed; 0 where none did.
        log: what all steps have printed.
        outputs: of the action.
        used: the inputs of each other action that was used, by its name without the version.
    """

    exit_code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)


class Action:
    """A composite action in a folder, in a workspace.

    Args:
        folder: that has action.yml.
        workspace: where the job's checkout is.
        environment: of the job.
        names: what expressions may ask for, as `github.token`.
    """

    def __init__(
        self,
        folder: Path,
        workspace: Path,
        environment: Mapping[str, str],
        names: Mapping[str, Any],
    ) -> None:
        yaml = pytest.importorskip("yaml")
        self._folder, self._workspace, self._environment = folder, workspace, environment
        self._names = dict(names)
        self.definition = yaml.safe_load((folder / "action.yml").read_text())

    def run(self, **inputs: str) -> Run:
        """Run the steps; of an action that a step uses, its inputs are noted."""
        names, run = dict(self._names), Run()
        for name, of in self.definition["inputs"].items():
            given = inputs.pop(name.replace("-", "_"), None)
            names[f"inputs.{name}"] = expand(of["default"], names) if given is None else given
        assert not inputs, f"the action has no such inputs: {inputs}"
        for step in self.definition["runs"]["steps"]:
            self._run_step(step, names, run)
        for name, of in self.definition["outputs"].items():
            run.outputs[name] = expand(of["value"], names)
        return run

    def _run_step(self, step: dict[str, Any], names: dict[str, Any], run: Run) -> None:
        condition = str(step.get("if", "")).removeprefix("${{").removesuffix("}}")
        # Without a word about the job's status a step needs those before it to have succeeded.
        if run.exit_code and "cancelled()" not in condition:
            return
        if condition and not evaluate(condition, names):
            return
        if "uses" in step:
            action = step["uses"].partition("@")[0]
            run.used[action] = {n: expand(v, names) for n, v in step.get("with", {}).items()}
            return
        output = self._workspace / "github-output"
        output.write_text("")
        done = subprocess.run(
            # What `shell: bash` stands for, by GitHub's reference of the syntax of workflows.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self._workspace / expand(step.get("working-directory", "."), names),
            env={
                **os.environ,
                **self._environment,
                "GITHUB_ACTION_PATH": str(self._folder),
                "GITHUB_OUTPUT": str(output),
                **{name: expand(value, names) for name, value in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        run.log += done.stdout + done.stderr
        run.exit_code = run.exit_code or done.returncode
        for line in output.read_text().splitlines():
            name, equals, value = line.partition("=")
            assert equals, line
            names[f"steps.{step['id']}.outputs.{name}"] = value
