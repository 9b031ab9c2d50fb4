"""Files that others may have put there, and files that are written to where a user points."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from pytest_energy import files
from pytest_energy.files import (
    ABANDONED_SECONDS,
    TEMPORARY_SUFFIX,
    RefusedFileError,
    create_file,
    read_text,
    replace_file,
    sweep,
    write_output,
)

pytestmark = pytest.mark.usefixtures("no_hang")

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux: /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="a FIFO, a device: of POSIX systems")


def is_taken(path):
    return files.exists(path, follow_symlinks=False)


QUESTIONS = [files.exists, files.is_folder, files.is_file, files.is_link, is_taken]


@posix
def test_what_lies_at_a_path(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-folder").symlink_to(".")
    (tmp_path / "to-nothing").symlink_to("nothing")
    (tmp_path / "to-itself").symlink_to("to-itself")
    answers = {
        name: [question.__name__ for question in QUESTIONS if question(tmp_path / name)]
        for name in (".", "file", "to-file", "to-folder", "to-nothing", "to-itself", "nothing")
    }
    assert answers == {
        ".": ["exists", "is_folder", "is_taken"],
        "file": ["exists", "is_file", "is_taken"],
        "to-file": ["exists", "is_file", "is_link", "is_taken"],
        "to-folder": ["exists", "is_folder", "is_link", "is_taken"],
        "to-nothing": ["is_link", "is_taken"],
        "to-itself": ["is_link", "is_taken"],
        "nothing": [],
    }
    assert not any(question(tmp_path / "file" / "below") for question in QUESTIONS)
    assert not any(question(tmp_path / "a\0b") for question in QUESTIONS)


@posix
@pytest.mark.parametrize("question", QUESTIONS)
def test_what_cannot_be_told_is_not_taken_for_nothing(tmp_path, question):
    with pytest.raises(OSError, match="too long"):
        question(tmp_path / ("x" * 1000))


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(TEMPORARY_SUFFIX)]


# Reading


@posix
def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(RefusedFileError, match="it is a FIFO, and only regular files are read"):
        read_text(tmp_path / "x.json")


@posix
@pytest.mark.parametrize("link", [False, True])
def test_a_device_is_refused_and_fills_no_memory(tmp_path, link):
    path = tmp_path / "x.json"
    path.symlink_to("/dev/zero")
    with pytest.raises(RefusedFileError, match="it is a device, and only regular files are read"):
        read_text(path if link else path.resolve())


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"folder|directory|denied"):
        read_text(tmp_path)


def test_no_more_than_so_many_bytes_are_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"x" * 1000)
    assert len(read_text(path, most_bytes=1000)) == 1000
    with pytest.raises(RefusedFileError, match="more than 999 bytes, which no file of ours has"):
        read_text(path, most_bytes=999)


@linux
def test_a_file_of_unknown_size_is_read_as_far_as_it_may_be():
    assert read_text(files.Path("/proc/self/status")).startswith("Name:")


def test_a_link_is_followed_inside_of_the_folder_and_not_out_of_it(tmp_path):
    folder, outside = tmp_path / "baselines", tmp_path / "secret.json"
    (folder / "a").mkdir(parents=True)
    outside.write_text("secret")
    (folder / "there.json").write_text("ours")
    inside, out, above = (folder / "a" / name for name in ("in.json", "out.json", "above"))
    inside.symlink_to("../there.json")
    out.symlink_to(outside)
    above.symlink_to(tmp_path, target_is_directory=True)
    assert read_text(inside, within=folder) == "ours"
    for path in (out, above / "secret.json", above / "not_there.json"):
        with pytest.raises(RefusedFileError, match=r"a link leads out of .*, and is not followed"):
            read_text(path, within=folder)


def test_the_folder_itself_may_lie_behind_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.json").write_text("ours")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert read_text(tmp_path / "link" / "x.json", within=tmp_path / "link") == "ours"


def test_a_loop_of_links_is_an_error(tmp_path):
    (tmp_path / "x.json").symlink_to(tmp_path / "y.json")
    (tmp_path / "y.json").symlink_to(tmp_path / "x.json")
    with pytest.raises(OSError, match=r"[Tt]oo many|cannot be"):
        read_text(tmp_path / "x.json", within=tmp_path)


@posix
def test_a_name_that_the_file_system_cannot_have_is_named_with_the_remedy(tmp_path):
    script = (
        "from pathlib import Path; from pytest_energy import files\n"
        "for do in (files.read_text, lambda p: files.replace_file(p, ''),"
        " lambda p: files.write_output(p, '')):\n"
        "    try: do(Path('caf\\u00e9.json'))\n"
        "    except files.RefusedFileError as error: print(error.strerror)\n"
    )
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **ascii_alone},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        done.stdout.splitlines()
        == [
            "the name cannot be written in this system's encoding of file names (ascii): set"
            " PYTHONUTF8=1 in the environment, or a locale with UTF-8"
        ]
        * 3
    )


# Writing


def test_a_report_replaces_a_regular_file(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    write_output(path, "new")
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == []


def test_a_report_goes_through_a_link_and_the_link_stays(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    write_output(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_report_goes_through_a_link_to_what_is_not_there_yet(tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to("later.json")
    write_output(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "later.json").read_text() == "new"


@posix
def test_a_device_takes_a_report_and_stays_a_device():
    write_output(files.Path("/dev/null"), "new")
    assert stat.S_ISCHR(files.Path("/dev/null").stat().st_mode)


@posix
def test_a_fifo_takes_a_report_where_it_has_a_reader(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    for _ in range(1000):  # until the reader has opened it
        try:
            write_output(path, "x" * 200_000)
            break
        except OSError:
            time.sleep(0.01)
    reader.join()
    assert read == ["x" * 200_000]
    assert stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_a_fifo_without_a_reader_is_an_error_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="No such device"):
        write_output(tmp_path / "fifo", "new")


@linux
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_takes_a_report_behind_what_it_has_had(tmp_path, name):
    script = (
        "import sys; from pathlib import Path; from pytest_energy.files import write_output\n"
        "print('before', flush=True); write_output(Path(sys.argv[1]), 'report\\n')\n"
        "print('after', flush=True)\n"
    )
    command = [sys.executable, "-c", script, name]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stdout == "before\nreport\nafter\n"
    path = tmp_path / "out.txt"
    with path.open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    assert path.read_text().splitlines() == ["before", "report", "after"]


@linux
def test_a_link_to_standard_output_is_as_good(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/proc/self/fd/1")
    script = (
        "import sys; from pathlib import Path; from pytest_energy.files import write_output\n"
        "write_output(Path(sys.argv[1]), 'report\\n')\n"
    )
    command = [sys.executable, "-c", script, str(link)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "report\n"
    assert link.is_symlink()


def test_a_link_stays_a_link_whoever_writes(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    replace_file(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_new_file_is_made_whole_and_readable_as_others_are(tmp_path):
    create_file(tmp_path / "new.yml", "a: ü\n")
    assert (tmp_path / "new.yml").read_bytes() == "a: ü\n".encode()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.yml").stat().st_mode) == 0o666 & ~umask
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("links", [True, False], ids=["", "on a disk without hard links"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_a_new_file_is_never_written_over_what_is_there(tmp_path, monkeypatch, links, kind):
    path = tmp_path / "new.yml"
    target = tmp_path / "target"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(target)
        if kind == "link":
            target.write_text("mine")
    if not links:

        def refuse(*_):
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(type(path), "hardlink_to", refuse)
    with pytest.raises(FileExistsError):
        create_file(path, "ours")
    if kind in ("file", "link"):
        assert path.read_text() == "mine"
    assert target.exists() == (kind == "link")
    assert leftovers(tmp_path) == []
    path.rmdir() if kind == "folder" else path.unlink()
    create_file(path, "ours")
    assert path.read_text() == "ours"


# What killed writers leave


def test_what_a_killed_writer_left_is_swept_under_the_lock(tmp_path):
    (tmp_path / f".a.x1{TEMPORARY_SUFFIX}").write_text("{")
    (tmp_path / ".hidden").write_text("of others")
    (tmp_path / f"visible{TEMPORARY_SUFFIX}").write_text("of others")
    sweep(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".hidden", f"visible{TEMPORARY_SUFFIX}"}


def test_what_a_killed_report_left_is_swept_once_nobody_can_be_writing_it(tmp_path):
    old, new, other = (
        tmp_path / f".{name}{TEMPORARY_SUFFIX}"
        for name in ("report.json.1", "report.json.2", "other.json.3")
    )
    for path in (old, new, other):
        path.touch()
    long_ago = time.time() - ABANDONED_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    write_output(tmp_path / "report.json", "new")
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_what_a_killed_report_left_is_swept_where_a_link_leads_to(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    (tmp_path / "link.json").symlink_to(folder / "report.json")
    old = folder / f".report.json.1{TEMPORARY_SUFFIX}"
    old.touch()
    long_ago = time.time() - ABANDONED_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    write_output(tmp_path / "link.json", "new")
    assert [path.name for path in folder.iterdir()] == ["report.json"]


@linux
@pytest.mark.parametrize("name", ["/dev/fd/99999999999999999999", "/dev/fd/999999"])
def test_an_open_file_that_there_is_not_is_an_error(name):
    with pytest.raises(OSError, match=r"Bad file|No such"):
        write_output(files.Path(name), "new")
