"""Which module of which model is running, by hooks on every module of this process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

Path = tuple[str, ...]
"""Names from the model's class on: `("BertModel", "encoder", "layer", "0")`."""


class ModulePaths:
    """Names modules by their place in the model that was called first in this thread.

    Args:
        enter, leave: called around a model that is called in another thread than the one that
            counts.
    """

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self._enter = enter
        self._leave = leave
        self._thread = threading.get_ident()
        self._stacks = threading.local()
        self._names: dict[int, dict[int, Path]] = {}
        self._roots: dict[int, Any] = {}
        self._handles: list[Any] = []

    def install(self) -> None:
        """Begin to follow the modules that are called."""
        module: Any = sys.modules["torch.nn.modules.module"]
        self._thread = threading.get_ident()
        self._handles = [
            module.register_module_forward_pre_hook(self._before),
            # Also where the module raises.
            module.register_module_forward_hook(self._after, always_call=True),
        ]

    def remove(self) -> None:
        """Follow no longer."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._stack.clear()
        self._names.clear()  # not to keep models that the sample made for itself
        self._roots.clear()

    @property
    def current(self) -> Path:
        """Of the module that runs in this thread; empty outside of modules."""
        stack = self._stack
        return stack[-1][1] if stack else ()

    @property
    def _stack(self) -> list[tuple[int, Path]]:
        stack: list[tuple[int, Path]] | None = getattr(self._stacks, "stack", None)
        if stack is None:
            stack = self._stacks.stack = []
        return stack

    def _before(self, module: Any, _: Any) -> None:
        stack = self._stack
        if not stack and threading.get_ident() != self._thread:
            self._enter()
        stack.append((id(module), self._path(module, stack)))

    def _after(self, module: Any, *_: Any) -> None:
        stack = self._stack
        if not any(number == id(module) for number, _ in stack):
            return  # it was called before the hooks were there
        while stack and stack.pop()[0] != id(module):
            pass
        if not stack and threading.get_ident() != self._thread:
            self._leave()

    def _path(self, module: Any, stack: list[tuple[int, Path]]) -> Path:
        if not stack:
            return self._of_root(module, module)
        root = self._roots.get(stack[0][0])
        path = None if root is None else self._of_root(root, module)
        return path or (*stack[-1][1], f"<{type(module).__name__}>")

    def _of_root(self, root: Any, module: Any) -> Path:
        """The path of a module in a model; empty where it is none of the model's."""
        number = id(root)
        names = self._names.get(number)
        if names is None:
            self._roots[number] = root  # its id is its own as long as it is kept
            names = self._names[number] = self._named(root)
        if id(module) not in names:  # added since?
            added = {key: path for key, path in self._named(root).items() if key not in names}
            names.update(added)
            names.setdefault(id(module), ())
        return names[id(module)]

    def _named(self, root: Any) -> dict[int, Path]:
        first = type(root).__name__
        same = [each for each in self._roots.values() if type(each).__name__ == first]
        number = next((i for i, each in enumerate(same) if each is root), len(same))
        top = f"{first}#{number + 1}" if number else first
        return {
            id(each): (top, *name.split(".")) if name else (top,)
            for name, each in root.named_modules()
        }
