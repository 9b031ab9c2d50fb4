"""A pseudo-terminal, and what was drawn on it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support import plugins


def written_to(parent):
    """What is written to a pseudo-terminal, as it comes, until its other end is closed."""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            return
        if not data:
            return
        yield data


def screen_of(command, cwd, columns=80, environment=None):
    """Run a command on a pseudo-terminal: every screen that was drawn, and the last."""
    pyte = pytest.importorskip("pyte")
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    screen = pyte.Screen(columns, 40)
    stream = pyte.ByteStream(screen)
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # A developer's own CI variables must not decide here.
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "BUILD_NUMBER", "COLUMNS"}}
    env |= {"TERM": "xterm", **plugins.only(), **(environment or {})}
    process = subprocess.Popen(command, cwd=cwd, stdin=child, stdout=child, stderr=child, env=env)
    os.close(child)
    drawn = []
    for data in written_to(parent):
        stream.feed(data)
        drawn.append("\n".join(line.rstrip() for line in screen.display))
    process.wait()
    os.close(parent)
    return drawn, drawn[-1]


COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
