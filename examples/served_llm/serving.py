"""A server of a language model on this machine: transformers' own, OpenAI-compatible."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 120.0
"""How long a server may take to load its model, here a small one."""

MODELS = Path(__file__).parents[1] / "tests_models"


class ServerError(RuntimeError):
    """The server did not come up; the message has the last of what it wrote."""


def smollm2() -> str:
    """SmolLM2-135M-Instruct: from the hub, else from a package that ships its weights.

    Another process looks: what it imports would stay in this one, which only asks.

    Returns:
        An id of the hub, or a folder.
    """
    told = subprocess.run(
        [sys.executable, "-c", "import models; print(models.smollm2_source())"],
        cwd=MODELS,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return told.stdout.splitlines()[-1]


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serve(model: str, log: Path, arguments: Sequence[str] = ()) -> Iterator[str]:
    """`transformers serve`, from when it answers until the block ends.

    Args:
        model: an id of the hub, or a folder.
        log: where it may write.
        arguments: more options of the command: `--continuous-batching`.

    Yields:
        The base URL of its API.

    Raises:
        ServerError: it ended, or did not answer within `READY_SECONDS`.
    """
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", model]
    command += ["--device=cpu", "--host=127.0.0.1", f"--port={port}", *arguments]
    # One thread: those of a pool spin while they wait, and CPU seconds would count that as work.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("w") as written:
        process = subprocess.Popen(
            command,
            stdout=written,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        _await(f"http://127.0.0.1:{port}/health", process, shlex.join(command), log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    """Have this process ended when its parent is, however that is: a model takes much memory."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _await(url: str, process: subprocess.Popen[bytes], command: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:  # nobody listens yet, or the model is still being loaded
            pass
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            why = f"ended with {ended}" if ended is not None else f"was silent at {url}"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise ServerError(f"{command} {why}; its last lines:\n{said}")
        time.sleep(0.2)
