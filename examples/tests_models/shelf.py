"""Models by name: loaded once, when first needed, and released after the last test that names them.

A test says which models it uses, `@pytest.mark.models("minilm")`, and takes them from the fixture
`shelf`, `shelf["minilm"]`. A session fixture would keep every model until the end: here a whole
suite fits into the memory of its largest test.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar


class Shelf:
    """Loads models, counts who needs them yet, and lets them go.

    Args:
        say: gets one line about each model that is loaded: where it came from.
    """

    loaders: ClassVar[dict[str, tuple[Callable[..., tuple[Any, str]], tuple[str, ...]]]] = {}
    """By name: what makes a model, and the names of others that it is made from."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._loaded: dict[str, Any] = {}
        self._wanted: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        """How often each was loaded: once, unless somebody did not say that he needs it."""

    def expect(self, names: Iterable[str]) -> None:
        """One more test will need these.

        Raises:
            LookupError: no loader has such a name; says which there are.
        """
        for name in self._with_parts(names):
            self._wanted[name] += 1

    def __getitem__(self, name: str) -> Any:
        """The model, loaded if need be.

        Raises:
            LookupError: the test did not say that it needs it.
        """
        if not self._wanted[name]:
            raise LookupError(f'say that the test needs it: @pytest.mark.models("{name}")')
        if name not in self._loaded:
            load, parts = self.loaders[name]
            model, origin = load(*(self[part] for part in parts))
            self._loaded[name] = model
            self.loads[name] += 1
            if origin:
                self._say(origin)
        return self._loaded[name]

    def done(self, names: Iterable[str]) -> None:
        """One test has ended that needed these; what no other needs is released."""
        released = False
        for name in self._with_parts(names):
            self._wanted[name] -= 1
            if not self._wanted[name]:
                released = self._loaded.pop(name, None) is not None or released
        if released:
            _give_back_memory()

    def _with_parts(self, names: Iterable[str]) -> list[str]:
        """The names, and of what each is made, and of what that is."""
        found = []
        for name in names:
            if name not in self.loaders:
                known = ", ".join(sorted(self.loaders))
                raise LookupError(f"no model is called {name!r}; there are: {known}")
            found += [name, *self._with_parts(self.loaders[name][1])]
        return found

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the models in memory."""
        return tuple(self._loaded)


def loads(name: str, *parts: str) -> Callable[[Callable[..., tuple[Any, str]]], Any]:
    """Register what loads a model.

    Args:
        name: that tests use.
        parts: names of models that it is made from. The function gets them, and returns the model
            and its origin: a line for people, or nothing where the parts' say it all.
    """

    def register(loader: Callable[..., tuple[Any, str]]) -> Callable[..., tuple[Any, str]]:
        Shelf.loaders[name] = (loader, parts)
        return loader

    return register


def _give_back_memory() -> None:
    """Return freed memory to the system: a C library keeps what it thinks will be needed again."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)
