"""Reference work beside the blocks, in the library that the program uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_energy.metering import reference_work
from pytest_energy.metering.instruments import Instruments
from pytest_energy.meters.base import Meter, MeterLostError, MeterSource
from pytest_energy.meters.meter_set import MeterSet
from pytest_energy.types.energy import Domain, Method
from pytest_energy.types.measurement import REFERENCE_LIBRARIES


class Counted(Meter):
    """Charges 1 J for every reading, so that what lies between two readings takes 1 J."""

    name = "counted"

    def __init__(self, method=Method.ESTIMATED):
        self.domains = (Domain("cpu", "cpu", method, "test", 0.0),)
        self.joules = 0
        self.lost = False

    def read(self):
        if self.lost:
            raise MeterLostError("gone")
        self.joules += 1
        return (self.joules * 1_000_000,)


class RecordedWork(reference_work.ReferenceWorkload):
    library, work = "test", "nothing"

    def __init__(self, threads=1):
        super().__init__(threads)
        self.times = []

    def repeat(self, times):
        self.times.append(times)


@pytest.fixture
def reference(monkeypatch):
    work = RecordedWork()
    monkeypatch.setattr(reference_work, "references", lambda *_: [work])
    return work


def test_the_best_library_that_is_loaded_is_taken_and_none_is_imported(monkeypatch):
    torch = pytest.importorskip("torch", reason="needs torch")
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.delitem(sys.modules, "numpy")
    assert [workload.library for workload in reference_work.references()] == ["python"]
    monkeypatch.setitem(sys.modules, "numpy", numpy)
    assert reference_work.references()[0].library == "numpy"
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert reference_work.references()[0].kind == (
        f"torch float32 transformer layer 64x768, {torch.get_num_threads()}"
        f" thread{'s' * (torch.get_num_threads() > 1)}"
    )


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_beside_work_on_one_thread_runs_a_reference_on_one_thread(library, monkeypatch):
    module = pytest.importorskip(library, reason=f"needs {library}")
    if library == "numpy":
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("os.cpu_count", lambda: 4)
        of_several, of_unknown = 4, 1
    else:
        monkeypatch.setattr(module, "get_num_threads", lambda: 4)
        of_several = of_unknown = 4
    single, several, unknown = (
        reference_work.references(parallel)[0] for parallel in (False, True, None)
    )
    assert {each.library for each in (single, several, unknown)} == {library}
    assert (single.threads, several.threads, unknown.threads) == (1, of_several, of_unknown)
    # What a baseline was measured beside is at hand all the same.
    for parallel in (False, True):
        kinds = [each.kind for each in reference_work.references(parallel)]
        assert {single.kind, several.kind} <= set(kinds)


def test_beside_work_that_torch_has_no_part_in_runs_none_of_torchs():
    pytest.importorskip("torch", reason="needs torch")
    assert reference_work.references(False)[0].library == "torch"
    assert reference_work.references(False, torch_works=False)[0].library != "torch"


@pytest.mark.parametrize("library", REFERENCE_LIBRARIES)
def test_a_library_that_is_asked_for_is_imported_and_no_other_is_taken(library):
    program = (
        "import sys\n"
        "from pytest_energy.metering.reference_work import references\n"
        f"kinds = {{each.library for each in references(False, False, {library!r})}}\n"
        f"assert kinds == {{{library!r}}}, kinds\n"
        f"assert {library == 'python'} or {library!r} in sys.modules\n"
    )
    if library != "python":
        pytest.importorskip(library, reason=f"needs {library}")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_library_that_is_not_installed_is_named_with_the_option(monkeypatch):
    monkeypatch.setattr(reference_work, "find_spec", lambda _: None)
    meter = Counted()
    with pytest.raises(ValueError, match=r"--energy-yardstick=torch .* is not installed here"):
        Instruments(["counted"], [MeterSource("counted", lambda: meter)], reference="torch")


def test_a_reference_on_one_thread_leaves_torchs_threads_as_they_were():
    torch = pytest.importorskip("torch", reason="needs torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        layer = reference_work.TorchLayer(torch, 1)
        layer.repeat(1)
        assert layer.threads == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_baselines_kind_is_taken_whatever_else_is_loaded():
    pytest.importorskip("torch", reason="needs torch")
    runner = reference_work.ReferenceRunner(MeterSet([Counted()]))
    kind = reference_work.PythonLoop().kind
    assert runner.reference(kind).kind == kind
    of_old = next(r.kind for r in reference_work.references() if "product" in r.kind)
    assert runner.reference(of_old).kind == of_old
    assert runner.reference("of a library that is not here").library == "torch"


def test_the_test_s_own_random_numbers_and_modes_are_left_alone():
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer, product = reference_work.TorchLayer(torch), reference_work.TorchProduct(torch)
        layer.repeat(4)
        product.repeat(9)
        assert layer._operands[0].dtype is torch.float32
        assert product._operands[2].dtype is torch.float32
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_inference_mode_enabled()
    assert torch.rand(1) == expected


def test_numpys_and_pythons_references_run():
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    state = numpy.random.get_state()[1].copy()
    reference_work.NumpyProduct(numpy).repeat(2)
    reference_work.PythonLoop().repeat(1)
    assert (numpy.random.get_state()[1] == state).all()


def test_numpys_threads_are_those_of_the_environment(monkeypatch):
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert reference_work.NumpyProduct(numpy).kind == "numpy float32 product 64x768x3072, 1 thread"


def test_every_block_gets_the_mean_of_the_readings_around_it(reference, monkeypatch):
    runner = reference_work.ReferenceRunner(MeterSet([Counted()]))
    runner.reference()
    taken = iter([4.0, 2.0, 6.0])
    monkeypatch.setattr(runner, "read", lambda *_: next(taken))
    recorder = reference_work.ReferenceRecorder(runner, reference)
    recorder.begin(1.0)
    recorder.after(2)  # the first two blocks were too short for a reading of their own
    recorder.after(3)
    found = recorder.beside(3)
    assert found.joules == (3.0, 3.0, 4.0)
    assert (found.kind, found.threads) == ("test nothing, 1 thread", 1)


def test_short_blocks_share_a_reading_and_the_last_one_always_has_one(reference):
    runner = reference_work.ReferenceRunner(MeterSet([Counted()]))
    recorder = reference_work.ReferenceRecorder(runner, runner.reference())
    assert not recorder.is_due(0.05, last=False)
    assert recorder.is_due(0.15, last=False)  # 0.2 s by now: 20 ms are a tenth of it
    recorder.after(2)
    assert not recorder.is_due(0.05, last=False)
    assert recorder.is_due(0.0, last=True)


def test_a_reading_takes_about_a_tenth_of_the_work_that_it_stands_beside(reference):
    runner = reference_work.ReferenceRunner(MeterSet([Counted()]))
    runner.reference()
    runner._repetition_seconds[reference.kind] = 0.01
    runner.read(reference, 1.0)
    assert reference.times[-1] == 10
    runner._repetition_seconds[reference.kind] = 0.01
    runner.read(reference, 1e6)
    assert reference.times[-1] == 200  # never longer than 2 s


def test_a_lost_meter_leaves_no_reading(reference):
    meter = Counted()
    runner = reference_work.ReferenceRunner(MeterSet([meter]))
    recorder = reference_work.ReferenceRecorder(runner, runner.reference())
    meter.lost = True
    recorder.begin(1.0)
    assert recorder.beside(3) is None


def test_short_bodies_that_follow_each_other_share_a_reading(reference):
    runner = reference_work.ReferenceRunner(MeterSet([Counted()]))
    known = runner.reference()
    first, second = (reference_work.ReferenceRecorder(runner, known) for _ in range(2))
    first.before_body()
    before = len(reference.times)
    first.after_body(0.001)
    second.before_body()
    second.after_body(0.001)
    assert len(reference.times) == before
    assert first.beside(1).joules == second.beside(1).joules
