"""Which machine this is, where a hypervisor hides the model too, and the CPUs that may be used."""

from __future__ import annotations

import os

import pytest

from pytest_energy.machine import identity
from pytest_energy.machine.cpus import usable_cpus

CPU = """\
processor	: {number}
vendor_id	: AuthenticAMD
cpu family	: {family}
model		: {model}
model name	: AMD EPYC
stepping	: 1
cache size	: 512 KB
flags		: fpu sse4_2 avx avx2 {flags}
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The machine class that a CPU makes."""

    def machine(**parts):
        cpuinfo = tmp_path / "cpuinfo"
        told = {"family": 25, "model": 1, "flags": "", **parts}
        cpuinfo.write_text("\n".join(CPU.format(number=number, **told) for number in range(2)))
        cpu = identity.read_cpu(cpuinfo)
        monkeypatch.setattr(identity, "read_cpu", lambda: cpu)
        found = identity.read_machine(())
        monkeypatch.undo()
        return found

    return machine


def test_a_hypervisor_that_hides_the_model_hides_no_generation(machine):
    milan = machine(flags="hypervisor")
    assert milan.cpu == "AMD EPYC"
    assert milan.cpu_details == ("family 25 model 1 stepping 1 512 KB cache sse4_2 avx avx2")
    assert milan.slug != machine(flags="hypervisor", model=17).slug
    assert milan.slug != machine(flags="hypervisor avx512f").slug
    assert milan.slug == machine(flags="hypervisor").slug


def test_without_one_the_brand_string_says_it_and_the_class_is_what_it_was(machine):
    bare = machine()
    assert bare.cpu_details == ""
    assert bare.slug == machine(model=17).slug


def test_a_cpu_without_a_description_is_no_error(tmp_path):
    assert identity.read_cpu(tmp_path / "absent").details == ""


@pytest.fixture
def group(tmp_path):
    """Control groups of a container, whose path is the host's."""
    top, own = tmp_path / "cgroup", tmp_path / "own"
    (top / "job").mkdir(parents=True)
    own.write_text("0::/job\n")

    def write(**quotas):
        for name, text in quotas.items():
            folder = top if name == "top" else top / name
            (folder / "cpu.max").write_text(text)
        return usable_cpus(top, own)

    return write


def test_a_containers_quota_counts_and_not_the_hosts_cpus(group, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert group() == 64
    assert group(job="max 100000") == 64
    assert group(job="400000 100000") == 4
    assert group(top="150000 100000") == 2
    assert group(job="10000 100000") == 1
    assert group(job="nonsense", top="max 100000") == 64


def test_the_older_control_groups_count_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    folder = tmp_path / "cpu" / "job"
    folder.mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("3:cpuset:/\n4:cpu,cpuacct:/job\n")
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path, own) == 64
    (folder / "cpu.cfs_quota_us").write_text("800000\n")
    assert usable_cpus(tmp_path, own) == 8


def test_an_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert usable_cpus(tmp_path, tmp_path / "absent") == 2
