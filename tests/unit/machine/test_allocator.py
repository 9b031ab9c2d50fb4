"""The memory allocator, held steady in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

from pytest_energy.machine import allocator
from pytest_energy.types.measurement import STEADY_VARIABLES
from support.examples import ROOT

FAULTS = """
from pytest_energy.machine.allocator import hold_steady, page_faults

def faults():
    before = page_faults()
    for _ in range(4):
        bytearray(40 << 20)  # 10,240 pages; above M_MMAP_THRESHOLD's largest value
    return (page_faults() - before) // 4

as_is = faults()
held = hold_steady()
bytearray(40 << 20)
print(held, as_is, faults())
"""


def run(python: str = sys.executable, **environment: str) -> tuple[bool, int, int]:
    """Whether it was held, and page faults of an allocation as it is and afterwards."""
    done = subprocess.run(
        [python, "-c", FAULTS],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    held, as_is, steady = done.stdout.split()
    return held == "True", int(as_is), int(steady)


@pytest.fixture
def glibc():
    if not (sys.platform == "linux" and allocator._is_glibc()):
        pytest.skip("the C library is not glibc")


def test_memory_is_kept_for_the_next_allocation(glibc):
    held, as_is, steady = run()
    assert held
    assert as_is > 10_000
    assert steady < 100


def test_the_variables_that_reports_name_do_the_same_from_outside(glibc):
    variables = dict(each.split("=") for each in STEADY_VARIABLES.split())
    _, as_is, _ = run(**variables)
    assert as_is < 10_240 // 4 + 100  # of four, the first one takes it from the system


def test_it_is_the_same_in_a_program_of_fixed_addresses(glibc):
    """As the system's Python is in Debian and Ubuntu: there malloc's address tells nothing."""
    python = "/usr/bin/python3"
    new = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not Path(python).exists() or subprocess.run([python, "-c", new], check=False).returncode:
        pytest.skip("the system has no Python that is new enough")
    held, as_is, steady = run(python, PYTHONPATH=str(ROOT / "src"))
    assert held
    assert steady < 100 < as_is


def test_a_library_between_that_asks_glibc_changes_nothing(glibc, tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("needs a compiler (cc)")
    source, library = tmp_path / "own.c", tmp_path / "own.so"
    source.write_text(
        "#include <stddef.h>\n"
        "extern void *__libc_malloc(size_t);\n"
        "void *malloc(size_t size) { return __libc_malloc(size); }\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    held, _, steady = run(LD_PRELOAD=str(library))
    assert held
    assert steady < 100


@pytest.mark.parametrize(
    ("library", "package"),
    [("jemalloc", "libjemalloc2"), ("tcmalloc_minimal", "libtcmalloc-minimal4")],
)
def test_the_allocators_that_people_preload_are_left_alone(glibc, library, package):
    preloaded = find_library(library)
    if preloaded is None:
        pytest.skip(f"needs the system package {package}")
    held, *_ = run(LD_PRELOAD=preloaded)
    assert not held


def test_another_c_library_is_left_alone(monkeypatch):
    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown, raising=False)
    assert not allocator.hold_steady()


def test_page_faults_are_counted(glibc):
    before = allocator.page_faults()
    bytearray(40 << 20)
    assert allocator.page_faults() >= before
