"""Libraries that an extra of pytest-energy brings: a missing one is named with the command."""

from __future__ import annotations

from importlib.util import find_spec

_DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image"}
"""Where a module's distribution has another name."""


def require(*modules: str, extra: str = "examples") -> None:
    """Check that libraries are installed before they are imported.

    Args:
        modules: names as in `import`.
        extra: of pytest-energy that brings them.

    Raises:
        ModuleNotFoundError: says which are missing, and how to install them.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        names = ", ".join(_DISTRIBUTIONS.get(name, name) for name in missing)
        raise ModuleNotFoundError(
            f"these examples need {names}, which the extra {extra} brings:"
            f" pip install 'pytest-energy[{extra}]' (in a clone: pip install '.[{extra}]')",
            name=missing[0],
        )
