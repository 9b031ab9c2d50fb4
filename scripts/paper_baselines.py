"""Write the runs behind "Power Hungry Processing" as baselines, to be read and never gated against.

    python scripts/paper_baselines.py MODELS.csv REPEATS.csv [FOLDER]

MODELS.csv has a row for each model and dataset (`published/data/luccioni2024_models.csv` of the
package); REPEATS.csv has single runs of 1,000 inferences, with the joules of GPUs, CPU and RAM
apart, for some of the rows. Both are recomputed from the authors' public repository of A. S.
Luccioni, Y. Jernite, E. Strubell: "Power Hungry Processing" (arXiv 2311.16863), MIT licence,
(c) 2023 Sasha Luccioni. FOLDER is `baselines/paper` unless given. The same input gives the same
bytes.

A row's repeats are found by their means: names do not tell, because some runs were done twice, on
images of other sizes, and the paper's tables are of the resized ones.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from pytest_energy.baselines.file_format import BaselineFile
from pytest_energy.baselines.folder import file_name
from pytest_energy.files import stable
from pytest_energy.papers.luccioni import GRAMS_PER_KWH_STATED, GRAMS_PER_KWH_USED
from pytest_energy.types.baseline import Baseline, Session
from pytest_energy.types.carbon import Carbon
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.result import Subject
from pytest_energy.types.units import JOULES_PER_KWH

FOLDER = Path("baselines/paper")

MACHINE = {
    "class": "8×A100-SXM4-80GB, whole node",
    "cpu": "Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz",
    "gpus": "8 x NVIDIA A100-SXM4-80GB, one of them at work",
    "system": "linux",
    "architecture": "x86_64",
}
"""As the authors' run files have it."""

MACHINE_FOLDER = "8x-a100-sxm4-80gb-whole-node"

N = 1000
"""Inferences of a run."""

SAME = 1e-4
"""How far two means of the same runs may differ: the rows are rounded to five digits."""

PUBLISHED = "2023-11-28"
"""The paper's day on arXiv: the date of what is known only as a mean."""

CPU_WATTS = 42.5
"""codecarbon's constant for a CPU that it does not know: half of 85 W. In the run files."""

CARBON = Carbon(
    GRAMS_PER_KWH_USED,
    "Oregon, as the paper computed",
    2023,
    f"codecarbon 2.3.1, in the authors' run files; the paper's text says {GRAMS_PER_KWH_STATED:g}"
    " g/kWh (Luccioni et al. 2024, arXiv 2311.16863)",
)

GPU = Domain(
    "gpu",
    "gpu",
    Method.COUNTER,
    "NVML, through codecarbon 2.3.1",
    0.0,
    "eight boards, seven of them idle: differences of each board's energy counter"
    " (nvmlDeviceGetTotalEnergyConsumption)",
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run of 1,000 inferences; energies in joules."""

    workload: str
    model: str
    date: str
    seconds: float
    gpu: float
    cpu: float
    ram: float

    @property
    def joules(self) -> float:
        return self.gpu + self.cpu + self.ram


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def read_repeats(path: Path) -> list[list[Repeat]]:
    """The groups of repeats of the same run, each in time order."""
    groups: dict[tuple[str, str], list[Repeat]] = {}
    for row in read(path):
        if int(row["sample"]) != N:
            continue
        repeat = Repeat(
            row["workload"],
            row["model"],
            _iso(row["timestamp"]),
            float(row["duration_s"]),
            *(float(row[name]) * JOULES_PER_KWH for name in ("gpu8_kwh", "cpu_kwh", "ram_kwh")),
        )
        groups.setdefault((repeat.workload, repeat.model), []).append(repeat)
    return [sorted(group, key=lambda one: one.date) for group in groups.values()]


def _iso(timestamp: str) -> str:
    """`2023-10-06T0:05:27` and `2023-10-06 00:05:27` as ISO 8601; the files name no time zone."""
    day, _, time = timestamp.replace(" ", "T").partition("T")
    return f"{day}T{time:0>8}"


def repeats_of(row: Mapping[str, str], groups: Iterable[list[Repeat]]) -> list[Repeat]:
    """The runs that a row is the mean of; empty where they are not among the groups.

    Energy and duration must both agree: one of the two alone agrees by chance.
    """
    joules = float(row["wh_per_1000"]) * 3600
    seconds = float(row["seconds_per_1000"])
    found = [
        group
        for group in groups
        if group[0].model == row["model"]
        and math.isclose(fmean(one.joules for one in group), joules, rel_tol=SAME)
        and math.isclose(fmean(one.seconds for one in group), seconds, rel_tol=SAME)
    ]
    if len(found) > 1:
        raise SystemExit(f"{row['model']} on {row['dataset']}: {len(found)} groups of repeats fit")
    return found[0] if found else []


def constants(cpu_watts: float, ram_watts: float, how: str) -> tuple[Domain, Domain]:
    """The domains that codecarbon made up from time."""
    return (
        Domain(
            "cpu",
            "cpu",
            Method.CONSTANT,
            "codecarbon 2.3.1",
            0.0,
            f"{cpu_watts:.4g} W: half of 85 W, for a CPU that codecarbon does not know; {how}",
        ),
        Domain(
            "ram",
            "dram",
            Method.CONSTANT,
            "codecarbon 2.3.1",
            0.0,
            f"{ram_watts:.4g} W: 3 W for each 8 GB of 1,149 GB; {how}",
        ),
    )


def session(date: str, seconds: float, gpu: float, cpu: float, ram: float) -> Session:
    """A run of 1,000 inferences, or the mean of ten, as a baseline keeps it; joules of the run."""
    each = stable(gpu / N)
    return Session(
        date=date,
        metered_count=N,
        commit=None,
        joules_per_unit=each,
        domains={"cpu": stable(cpu / N), "gpu": each, "ram": stable(ram / N)},
        blocks=(each,),
        seconds_per_unit=stable(seconds / N),
        other_cpu_share=None,
    )


def watts(group: Iterable[Repeat], part: str) -> float:
    """Mean power of a domain over the runs' durations."""
    group = list(group)
    return sum(getattr(one, part) for one in group) / sum(one.seconds for one in group)


def entry(row: Mapping[str, str], repeats: list[Repeat], ram_watts: float) -> Baseline:
    """A row as a baseline: a session for each of its repeats, else one from its mean.

    Args:
        row: of MODELS.csv.
        repeats: its runs; empty where they are not known.
        ram_watts: what RAM is taken to be where they are not.
    """
    subject = Subject(
        test=f"power-hungry-processing[{row['dataset']}]",
        region="",
        task=row["task"],
        model=row["model"],
        dataset=row["dataset"],
        role=row["role"],
        unit="inference",
        n=N,
    )
    if repeats:
        made_up = constants(
            watts(repeats, "cpu"), watts(repeats, "ram"), "over the duration of these runs"
        )
        sessions = tuple(
            session(one.date, one.seconds, one.gpu, one.cpu, one.ram) for one in repeats
        )
    else:
        seconds = float(row["seconds_per_1000"])
        joules = float(row["wh_per_1000"]) * 3600
        cpu, ram = CPU_WATTS * seconds, ram_watts * seconds
        made_up = constants(
            CPU_WATTS,
            ram_watts,
            f"deduced: the session is the mean of {row['repeats']} runs that are known by their"
            " total and duration alone, dated by the paper; RAM as in the median of the task's"
            " known runs; the GPUs are what the constants leave",
        )
        sessions = (session(PUBLISHED, seconds, joules - cpu - ram, cpu, ram),)
    return Baseline(subject, ("codecarbon",), (GPU, *made_up), sessions)


def baselines(models: Path, repeats: Path) -> dict[Path, BaselineFile]:
    """Every row as an entry of its task's and model's file."""
    rows = read(models)
    groups = read_repeats(repeats)
    known = [(row, repeats_of(row, groups)) for row in rows]
    alike: dict[tuple[str, str], list[float]] = {}
    for row, found in known:
        if found:
            alike.setdefault((row["role"], row["task"]), []).append(watts(found, "ram"))
    files: dict[Path, BaselineFile] = {}
    for row, found in known:
        path = Path(MACHINE_FOLDER, file_name(row["task"]), f"{file_name(row['model'])}.json")
        # codecarbon starts its clock for RAM late, so short runs have less of it.
        ram_watts = 0.0 if found else median(alike[row["role"], row["task"]])
        files.setdefault(path, BaselineFile({}, {})).put(
            entry(row, found, ram_watts), MACHINE, CARBON
        )
    return files


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[2]) if len(arguments) == 3 else FOLDER
    files = baselines(Path(arguments[0]), Path(arguments[1]))
    for path, file in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(file.text(), encoding="utf-8", newline="\n")
    entries = [entry for file in files.values() for entry in file.entries.values()]
    with_repeats = sum(len(entry.sessions) > 1 for entry in entries)
    print(
        f"{len(files)} files, {len(entries)} entries in {folder}: {with_repeats} with their"
        f" repeats, {len(entries) - with_repeats} from their means"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
