"""What a report of many results takes in each format: seconds, memory, size.

    python benchmarks/reports.py [N] [--formats csv html] [--repeats 3] [--without-blocks]
                                 [--keep DIR] [--json OUT]

Has `report_of_many.py` make a report of N results (10,000). Then `pytest-energy report` writes each
format in a process of its own. The peer is a process in which Python's json reads the same file;
"reading" is one in which the plugin does, and writes no format. Times are the least of the repeats,
by the clock and of the processor, which other programs lengthen less: the ratio is that of the
latter. Memory is the largest resident size.
With Chromium, chromedriver and Selenium, it is also measured how long the page takes until it is
usable.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from pytest_energy.report.exports import BUILT_IN

ONE_MODEL = "organisation/model-00007"
"""A format with room for one model is asked for this one."""


@dataclass(frozen=True)
class Taken:
    """What one process took.

    Args:
        name: of the format, or of what stands beside the formats.
        seconds: by the clock, the least of the repeats.
        cpu_seconds: of the processor, the least of the repeats.
        megabytes: the largest resident size, the most of the repeats.
        size: of the file in bytes; 0 where there is none.
        problem: why there is no file; empty where there is one.
    """

    name: str
    seconds: float
    cpu_seconds: float
    megabytes: float
    size: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """One process: seconds, megabytes, and what it complained of where it failed."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    problem: str


def process(command: Sequence[str], folder: Path) -> Run:
    """Run a command to its end."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().strip() or f"exit status {child.returncode}"
    problem = said if child.returncode else ""
    used = usage.ru_utime + usage.ru_stime
    return Run(seconds, used, _megabytes(usage.ru_maxrss), problem)


def _megabytes(maxrss: int) -> float:
    """Linux counts kilobytes, macOS bytes."""
    return maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def timed(name: str, command: Sequence[str], folder: Path, repeats: int, file: str = "") -> Taken:
    """A command that is run so many times.

    Args:
        name: of the row.
        command: the program and its arguments.
        folder: where it runs.
        repeats: how often.
        file: that it writes, in that folder; empty for none.
    """
    path = folder / file
    runs = []
    for _ in range(repeats):
        if file:
            path.unlink(missing_ok=True)
        runs.append(process(command, folder))
    return Taken(
        name,
        min(one.seconds for one in runs),
        min(one.cpu_seconds for one in runs),
        max(one.megabytes for one in runs),
        path.stat().st_size if file and path.exists() else 0,
        next((one.problem for one in runs if one.problem), ""),
    )


READ_BY_JSON = "import json; json.load(open('run.json', encoding='utf-8'))"
READ_BY_PLUGIN = (
    "from pathlib import Path; from pytest_energy.cli.report import read_reports;"
    "read_reports([Path('run.json')])"
)


def formats(names: Sequence[str], folder: Path, repeats: int) -> Iterator[Taken]:
    """The peer, the reading alone, and each format.

    Args:
        names: of the formats; empty for all that are built in.
        folder: with the report `run.json`; the formats are written there.
        repeats: how often each is done.
    """
    yield timed("json.load (peer)", [sys.executable, "-c", READ_BY_JSON], folder, repeats)
    yield timed("reading", [sys.executable, "-c", READ_BY_PLUGIN], folder, repeats)
    for reporter in BUILT_IN:
        if names and reporter.name not in names:
            continue
        command = [sys.executable, "-m", "pytest_energy", "report", "run.json"]
        command.append(f"--to={reporter.name}={reporter.file}")
        if reporter.name == "model-card":
            command.append(f"--model={ONE_MODEL}")
        yield timed(reporter.name, command, folder, repeats, reporter.file)


def until_usable(page: Path, repeats: int, folder: Path) -> tuple[float | None, str]:
    """Seconds from asking a headless Chromium for the page until its script says that it is ready.

    Returns:
        The least of the repeats, and an empty text; or None, and why there is no figure.
    """
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs or find_spec("selenium") is None:
        return None, "needs chromium, chromedriver and Selenium"
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location, driver_path = map(str, programs)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    environment = os.environ | {"TMPDIR": str(folder)}
    service = webdriver.ChromeService(driver_path, env=environment)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        runs = []
        for _ in range(repeats):
            driver.get("about:blank")
            started = time.perf_counter()
            driver.get(page.as_uri())
            while driver.execute_script("return document.documentElement.dataset.ready") != "true":
                if time.perf_counter() - started > 120:
                    return None, "the page was not ready after 120 s"
                time.sleep(0.01)
            runs.append(time.perf_counter() - started)
        return min(runs), ""
    finally:
        driver.quit()


def row(taken: Taken, peer: Taken) -> str:
    """A line of the table, of 80 columns."""
    line = (
        f"{taken.name:<23}{taken.seconds:>9.2f}{taken.cpu_seconds:>9.2f}"
        f"{taken.cpu_seconds / peer.cpu_seconds:>8.1f}"
        f"{taken.megabytes:>9.0f}{taken.megabytes / peer.megabytes:>8.1f}"
    )
    if taken.problem:
        last = taken.problem.splitlines()[-1]
        return f"{line}    none\n  {last if len(last) <= 78 else last[:75] + '...'}"
    return f"{line}{taken.size / 1e6:>9.2f}" if taken.size else line


HEAD = (
    f"{'format':<23}{'clock s':>9}{'CPU s':>9}{'x peer':>8}"
    f"{'peak MB':>9}{'x peer':>8}{'file MB':>9}"
)


def measure(
    size: int, blocks: bool, names: Sequence[str], repeats: int, folder: Path
) -> list[dict[str, object]]:
    """Make the report, write every format, print the table."""
    maker = Path(__file__).with_name("report_of_many.py")
    # A process of its own: what this one holds would count as memory of those that it starts.
    options = [] if blocks else ["--without-blocks"]
    subprocess.run([sys.executable, maker, str(size), folder / "run.json", *options], check=True)
    megabytes = (folder / "run.json").stat().st_size / 1e6
    print(f"{size:,} results, report of {megabytes:.1f} MB; {repeats} run(s) of each\n")
    print(f"{HEAD}\n{'─' * len(HEAD)}", flush=True)
    found: list[Taken] = []
    for taken in formats(names, folder, repeats):
        found.append(taken)
        print(row(taken, found[0]), flush=True)
    figures = [asdict(one) for one in found]
    page = folder / "energy.html"
    if page.exists():
        seconds, why = until_usable(page, repeats, folder)
        print(f"\nhtml in Chromium, until usable: {why or f'{seconds:.2f} s'}")
        figures.append({"name": "html until usable", "seconds": seconds, "problem": why})
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", nargs="?", type=int, default=10_000, metavar="N", help="results")
    parser.add_argument("--formats", nargs="+", default=[], choices=[one.name for one in BUILT_IN])
    parser.add_argument("--repeats", type=int, default=1, help="of each; the least is shown")
    parser.add_argument("--without-blocks", action="store_true", help="as --energy-json alone does")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the files there")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures there")
    given = parser.parse_args()
    if given.size < 1 or given.repeats < 1:
        parser.error("N and --repeats are 1 or more")
    with tempfile.TemporaryDirectory() as name:
        folder = (given.keep or Path(name)).resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--keep: {error}")
        figures = measure(
            given.size, not given.without_blocks, given.formats, given.repeats, folder
        )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
