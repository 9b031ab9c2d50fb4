"""One target, for so many seconds: `python fuzz/one.py TARGET SECONDS FOLDER`.

With atheris the inputs follow what they reach in the code (coverage); without it, where there is no
build of atheris, they are varied blindly. A defect ends nothing: it is kept once, with the smallest
input that was found to show it, and the search goes on.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

try:
    import atheris
except ImportError:
    atheris = None

MOST_BYTES = 20_000

if atheris is not None:
    with atheris.instrument_imports(include=["pytest_energy"], enable_loader_override=False):
        from support import hostile
else:
    from support import hostile

from mutation import changed, smaller  # noqa: E402


@dataclass(slots=True)
class Search:
    """What a target was given, and what fell.

    Args:
        name: of the target.
        folder: takes the inputs that show a defect, and a file with the count.
    """

    name: str
    folder: Path
    inputs: int = 0
    found: dict[str, str] = field(default_factory=dict)
    """Files of inputs by what they show."""
    _told: float = 0.0

    def give(self, data: bytes) -> None:
        """One input."""
        self.inputs += 1
        shown = self._shown(data)
        if shown and shown not in self.found:
            self._keep(shown, smaller(data, lambda less: self._shown(less) == shown))
        if self.inputs == 1 or time.monotonic() - self._told > 0.5:
            self.tell()

    def tell(self) -> None:
        """Write down how many there were."""
        self._told = time.monotonic()
        told = {"inputs": self.inputs, "found": self.found}
        (self.folder / f"{self.name}.json").write_text(json.dumps(told))

    def _shown(self, data: bytes) -> str:
        """Which defect an input shows: the error and the line of ours that it passed last."""
        try:
            hostile.check(self.name, data)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "pytest_energy" in f.filename or "hostile" in f.filename]
            last = ours[-1]
            return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        return ""

    def _keep(self, shown: str, data: bytes) -> None:
        path = self.folder / f"{self.name}-{hashlib.sha256(data).hexdigest()[:8]}"
        path.write_bytes(data)
        self.found[shown] = path.name
        try:
            hostile.check(self.name, data)
        except Exception:
            path.with_suffix(".txt").write_bytes(
                traceback.format_exc().encode(errors="backslashreplace")
            )
        self.tell()


def _blindly(search: Search, corpus: list[bytes], seconds: float) -> None:
    chance, until = random.Random(), time.monotonic() + seconds
    while time.monotonic() < until:
        data = chance.choice(corpus)
        search.give(changed(data, chance.getrandbits(32), MOST_BYTES, _spoiled(chance)))


def _spoiled(chance: random.Random) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        at = chance.randrange(len(data) + 1)
        return data[:at] + chance.randbytes(chance.randrange(4)) + data[at + chance.randrange(4) :]

    return spoil


def main() -> None:
    """Search, until the time is up."""
    name, seconds, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    search = Search(name, folder)
    seeds = list(hostile.TARGETS[name].seeds())
    for data in seeds:
        search.give(data)
    if atheris is None:
        _blindly(search, seeds, seconds)
        search.tell()
        return
    corpus = folder.parent / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return changed(data, seed, most, lambda raw: atheris.Mutate(raw, most))

    options = [
        f"-max_total_time={max(1, round(seconds))}", f"-max_len={MOST_BYTES}", "-timeout=60",
        "-rss_limit_mb=3000", "-verbosity=0", f"-artifact_prefix={folder}/{name}-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], search.give, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
