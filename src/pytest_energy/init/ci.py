"""Where a project's tests run: which service, and on whose machines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pytest_energy.files import read_text

GITHUB = "GitHub Actions"

WORKFLOWS = Path(".github", "workflows")

_OTHERS = (
    (".gitlab-ci.yml", "GitLab CI"),
    (".circleci/config.yml", "CircleCI"),
    ("azure-pipelines.yml", "Azure Pipelines"),
    ("bitbucket-pipelines.yml", "Bitbucket Pipelines"),
    (".buildkite", "Buildkite"),
    (".drone.yml", "Drone"),
    (".woodpecker.yml", "Woodpecker"),
    (".woodpecker", "Woodpecker"),
    (".cirrus.yml", "Cirrus CI"),
    (".travis.yml", "Travis CI"),
    ("appveyor.yml", "AppVeyor"),
    ("Jenkinsfile", "Jenkins"),
)

_HOSTED = re.compile(r"\b(?:ubuntu|windows|macos)-(?:latest|\d)")
_OWN = re.compile(r"\bself-hosted\b")


@dataclass(frozen=True, slots=True)
class Ci:
    """Where a project's tests run.

    Args:
        services: by name; empty where none was found.
        hosted: whether a workflow runs on GitHub's own machines.
        self_hosted: whether one runs on a machine of the project's.
        gate: that a workflow runs already, by name; empty where none does.
    """

    services: tuple[str, ...]
    hosted: bool = False
    self_hosted: bool = False
    gate: str = ""

    @property
    def on_github(self) -> bool:
        """Whether a workflow of GitHub's would be run."""
        return GITHUB in self.services


def read_ci(top: Path, on_github: bool) -> Ci:
    """Look at what CI services read.

    Args:
        top: of the repository.
        on_github: whether the repository is known to be kept on GitHub.
    """
    services, texts = [], []
    for path in sorted((top / WORKFLOWS).glob("*.y*ml")):
        try:
            texts.append(re.sub(r"(?m)(?:^|\s)#.*$", "", read_text(path)))
        except (OSError, UnicodeDecodeError):  # it says nothing of runners
            texts.append("")
    if texts or on_github:
        services.append(GITHUB)
    services += [name for place, name in _OTHERS if (top / place).exists()]
    return Ci(
        services=tuple(dict.fromkeys(services)),
        hosted=any(_HOSTED.search(text) for text in texts),
        self_hosted=any(_OWN.search(text) for text in texts),
        gate=_gate("\n".join(texts)),
    )


def _gate(text: str) -> str:
    """The gate that workflows run, by the options that they give pytest."""
    if not re.search(r"\bpytest\b.*--energy-", text):
        return ""
    if "--energy-against" in text:
        return "paired"
    return "counted" if re.search("--energy-judge[= ]counted", text) else "stored"
