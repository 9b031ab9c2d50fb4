"""How the package is structured: lines, modules, chains of imports, imports across packages.

    python scripts/structure.py

Imports that only type checkers see do not count. `PYTHONPATH=OTHER/src` measures another checkout.
The order of the packages is held by the contracts in pyproject.toml (`lint-imports`).
"""

from __future__ import annotations

import importlib.util
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

PACKAGE = "pytest_energy"


def package_of(module: str) -> str:
    """The package that a module lies in, or the module itself at the top level."""
    return module.split(".")[1] if "." in module else module


def main() -> None:
    """Print the figures."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    imports = {
        module: {
            other
            for other in graph.find_modules_directly_imported_by(module)
            if not other.startswith(f"{module}.") and not module.startswith(f"{other}.")
        }
        for module in graph.modules
    }
    tuple(TopologicalSorter(imports).static_order())  # raises CycleError where there is a cycle

    @cache
    def depth(module: str) -> int:
        return 1 + max((depth(other) for other in imports[module]), default=0)

    chain = [max(imports, key=depth)]
    while imports[chain[-1]]:
        chain.append(max(imports[chain[-1]], key=depth))
    pairs = [(module, other) for module in imports for other in imports[module]]
    across = [(a, b) for a, b in pairs if package_of(a) != package_of(b)]
    packages = {(package_of(a), package_of(b)) for a, b in across}
    files = sorted(root.rglob("*.py"))
    top = sorted(path.name for path in root.iterdir() if path.is_file())
    print(
        f"lines of Python                 {sum(len(f.read_text().splitlines()) for f in files):,}"
    )
    print(f"modules                         {len(files):,}")
    print(f"files at the top level          {len(top):,}  ({', '.join(top)})")
    folders = sum((path / "__init__.py").exists() for path in root.iterdir())
    print(f"packages at the top level       {folders}")
    print(f"imports between modules         {len(pairs):,}")
    print(f"imports across packages         {len(across):,}")
    print(f"arrows between packages         {len(packages):,}")
    names = " > ".join(module.removeprefix(f"{PACKAGE}.") for module in chain)
    print(f"longest chain of imports        {len(chain)}  ({names})")


if __name__ == "__main__":
    main()
