"""Which of the plugins that are installed a run of pytest loads.

All of them together take half a second to load, in every process that a test starts.
"""

from __future__ import annotations

BROUGHT_BY = {"-n": "xdist.plugin", "--reruns": "pytest_rerunfailures"}
"""Modules of plugins, by the option that each brings."""


def only(*modules: str) -> dict[str, str]:
    """The environment in which pytest loads this plugin, and of the others only those named."""
    return {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": ",".join(dict.fromkeys(["pytest_energy.plugin", *modules])),
    }


def asked_for(*arguments: str) -> tuple[str, ...]:
    """Modules of the plugins whose options stand among the arguments."""
    return tuple(
        module
        for option, module in BROUGHT_BY.items()
        if any(argument.startswith(option) for argument in arguments)
    )
