"""`baselines/paper/`: the paper's runs in the project's own format, read and never compared."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from statistics import fmean

import pytest

from pytest_energy.baselines.file_format import read_file
from pytest_energy.papers import luccioni
from pytest_energy.types.baseline import Baseline
from pytest_energy.types.energy import Method
from support.examples import ROOT

FOLDER = ROOT / "baselines" / "paper"
SCRIPT = ROOT / "scripts" / "paper_baselines.py"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="not in a source distribution")

FILES = sorted(FOLDER.rglob("*.json"))


@pytest.fixture(scope="module")
def entries() -> list[Baseline]:
    return [entry for path in FILES for entry in read_file(path).entries.values()]


def test_all_88_models_are_there_with_every_dataset(entries):
    named = {(e.subject.role, e.subject.task, e.subject.dataset, e.subject.model) for e in entries}
    assert named == {(r.role, r.task, r.dataset, r.model) for r in luccioni.models()}
    assert len(entries) == 312
    assert len({entry.subject.model for entry in entries}) == 88


def test_the_domains_add_up_to_the_papers_energy_row_by_row(entries):
    rows = {(r.task, r.dataset, r.model): r for r in luccioni.models()}
    for entry in entries:
        row = rows[entry.subject.task, entry.subject.dataset, entry.subject.model]
        joules = fmean(sum(session.domains.values()) for session in entry.sessions)
        assert joules == pytest.approx(row.joules_per_inference, rel=1e-4), row
        seconds = fmean(session.seconds_per_unit for session in entry.sessions)
        assert seconds == pytest.approx(row.seconds_per_1000 / 1000, rel=1e-4), row


def test_what_would_be_gated_is_the_gpus_alone(entries):
    for entry in entries:
        methods = {domain.name: domain.method for domain in entry.domains}
        assert methods == {
            "gpu": Method.COUNTER,
            "cpu": Method.CONSTANT,
            "ram": Method.CONSTANT,
        }
        for session in entry.sessions:
            assert session.joules_per_unit == session.domains["gpu"]


def test_the_boards_take_at_least_what_eight_idle_ones_do(entries):
    # Eight boards with nothing to do took 461 W in the run where they took least.
    for entry in entries:
        for session in entry.sessions:
            watts = session.domains["gpu"] / session.seconds_per_unit
            assert 450 < watts < 8 * 400, entry.subject


def test_ten_sessions_where_the_repeats_are_known_else_one_that_says_it_is_deduced(entries):
    counts = [len(entry.sessions) for entry in entries]
    assert (counts.count(10), counts.count(1)) == (164, 148)
    for entry in entries:
        bases = [domain.basis for domain in entry.domains if domain.method is Method.CONSTANT]
        deduced = len(entry.sessions) == 1
        assert all(("deduced" in basis) == deduced for basis in bases)


def test_the_spread_of_ten_sessions_is_the_papers(entries):
    rows = {(r.task, r.dataset, r.model): r for r in luccioni.models()}
    for entry in entries:
        if len(entry.sessions) == 10:
            row = rows[entry.subject.task, entry.subject.dataset, entry.subject.model]
            totals = [sum(session.domains.values()) / 3.6 for session in entry.sessions]
            middle = fmean(totals)
            sd = (sum((total - middle) ** 2 for total in totals) / 9) ** 0.5
            assert sd == pytest.approx(row.sd_wh_per_1000, rel=0.01, abs=0.0006), row


def test_files_say_the_machine_and_the_intensity_that_the_paper_computed_with():
    for path in FILES:
        record = json.loads(path.read_text("utf-8"))
        assert record["machine"]["class"] == "8×A100-SXM4-80GB, whole node"
        for entry in record["entries"].values():
            assert entry["carbon_intensity"]["grams_per_kwh"] == 138.75
            assert "297.6" in entry["carbon_intensity"]["source"]


def test_files_stand_as_the_format_writes_them():
    for path in FILES:
        assert read_file(path).text() == path.read_text("utf-8")


def test_a_test_of_the_same_name_is_never_compared_with_them(project):
    shutil.copytree(FOLDER, project.path / "baselines" / "paper")
    model = "distilbert-base-uncased-finetuned-sst-2-english"
    project.write(
        test_it=f"""
        import pytest
        from model import infer

        @pytest.mark.inference(n=1000, task="text-classification", model="{model}", dataset="sst2")
        def test_it(energy):
            for sample in energy.each(range(50)):
                infer(sample)
        """
    )
    (verdict,) = project.verdicts().values()
    assert verdict["status"] == "new"
    assert "A100" not in json.dumps(verdict)


def test_pruning_leaves_them_as_they_are(loop):
    shutil.copytree(FOLDER, loop.path / "baselines" / "paper")
    loop.run("--energy-update")
    loop.write(test_it="def test_nothing(): pass")
    result = loop.run("--energy-prune=delete")
    result.stdout.fnmatch_lines(["*pruned*"])
    assert loop.baselines() == []
    left = sorted((loop.path / "baselines" / "paper").rglob("*.json"))
    assert [path.read_bytes() for path in left] == [path.read_bytes() for path in FILES]


# The script, on a few made-up runs.

MODELS = """\
# where the figures come from
role,task,dataset,model,parameters,repeats,wh_per_1000,sd_wh_per_1000,seconds_per_1000
task-specific,fill-mask,c4,org/known,1000000,2,3.0,0.1,10.0
task-specific,fill-mask,oscar,org/known,1000000,2,4.0,0.1,12.0
"""

HEAD = "workload,model,rep,timestamp,duration_s,total_kwh,gpu8_kwh,cpu_kwh,ram_kwh,sample"


def repeats(workload: str, wh: float, seconds: float, sample: int = 1000) -> list[str]:
    """Two runs, a tenth apart, whose mean is what was asked for; half of it GPUs."""
    lines = []
    for rep, part in enumerate((0.95, 1.05)):
        gpu, cpu, ram = (wh * part * share / 1000 for share in (0.5, 0.1, 0.4))
        moment = f"2023-10-0{6 - rep}T0:05:27"
        figures = [gpu + cpu + ram, gpu, cpu, ram]
        cells = [workload, "org/known", rep, moment, seconds * part, *figures, sample]
        lines.append(",".join(map(str, cells)))
    return lines


def write(folder: Path, *groups: list[str]) -> subprocess.CompletedProcess[str]:
    (folder / "models.csv").write_text(MODELS)
    (folder / "repeats.csv").write_text("\n".join([HEAD, *chain(*groups)]) + "\n")
    command = [sys.executable, str(SCRIPT), "models.csv", "repeats.csv", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def only_file(folder: Path) -> Path:
    (path,) = (folder / "out").rglob("*.json")
    return path


def test_repeats_are_found_by_energy_and_duration_together(tmp_path):
    done = write(
        tmp_path,
        repeats("fillmask_c4", 3.0, 11.0),  # the energy alone agrees
        repeats("fillmask_c4_resized", 3.0, 10.0),
        repeats("fillmask_oscar", 4.4, 12.0),
    )
    assert done.stdout == "1 files, 2 entries in out: 1 with their repeats, 1 from their means\n"
    entries = read_file(only_file(tmp_path)).entries
    known = entries["power-hungry-processing[c4]"]
    # In the order of time, and the hour in two digits.
    assert [s.date for s in known.sessions] == ["2023-10-05T00:05:27", "2023-10-06T00:05:27"]
    assert known.sessions[1].domains["gpu"] == pytest.approx(0.95 * 3.0 * 0.5 * 3.6)


def test_what_is_known_by_its_mean_alone_leaves_the_gpus_what_the_constants_leave(tmp_path):
    write(tmp_path, repeats("fillmask_c4", 3.0, 10.0))
    (session,) = read_file(only_file(tmp_path)).entries["power-hungry-processing[oscar]"].sessions
    # RAM as in the other row: 40 % of 3 Wh in 10 s are 432 W.
    assert session.domains["ram"] == pytest.approx(432 * 12 / 1000, rel=1e-5)
    assert session.domains["cpu"] == pytest.approx(42.5 * 12 / 1000)
    assert sum(session.domains.values()) == pytest.approx(4.0 * 3.6, rel=1e-5)


def test_writing_again_changes_no_byte(tmp_path):
    write(tmp_path, repeats("fillmask_c4", 3.0, 10.0))
    before = only_file(tmp_path).read_bytes()
    write(tmp_path, repeats("fillmask_c4", 3.0, 10.0))
    assert only_file(tmp_path).read_bytes() == before


def test_runs_of_another_number_of_inferences_are_left_out(tmp_path):
    done = write(
        tmp_path, repeats("fillmask_c4", 3.0, 10.0, 500), repeats("fillmask_oscar", 4.0, 12.0)
    )
    assert "1 with their repeats" in done.stdout


def test_two_groups_that_fit_one_row_are_an_error(tmp_path):
    done = write(tmp_path, repeats("fillmask_c4", 3.0, 10.0), repeats("again", 3.0, 10.0))
    assert done.returncode == 1
    assert "org/known on c4: 2 groups of repeats fit" in done.stderr


def test_the_files_are_of_the_rows_that_the_package_has():
    rows = list(csv.DictReader(line for line in MODELS.splitlines() if line[0] != "#"))
    assert set(rows[0]) <= set(luccioni.Row.__slots__)
