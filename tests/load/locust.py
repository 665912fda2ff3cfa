"""Runs a scenario of one class under our recorder, in a real Locust process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.load import spool
from tests.harness.command import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADLESS = ("--headless", "--only-summary", "--stop-timeout=1")

SCENARIO = """
import time
import gevent
from locust import FastHttpUser, TaskSet, constant, task

class User(FastHttpUser):
    wait_time = constant(0)
{body}
"""


@contextmanager
def reflector() -> Iterator[str]:
    """Serve what does nothing but answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        command = [sys.executable, "-m", "harness.reflector", "--fd", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def run(folder: Path, host: str, body: str, *options: str, users: int = 2) -> subprocess.CompletedProcess[str]:
    """Run a user class with this body; `options` are our command line's."""
    (folder / "mine.py").write_text(SCENARIO.format(body=body))
    command = [sys.executable, "-m", "harness.load", "-f", "mine.py", f"--host={host}"]
    return subprocess.run(
        [*command, *HEADLESS, f"--users={users}", f"--spawn-rate={users}", *options],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def load(folder: Path, host: str, body: str, *options: str, users: int = 2) -> spool.Spool:
    """Run a user class with this body and return what was recorded."""
    done = run(folder, host, body, f"--spool={folder}", *options, users=users)
    assert done.returncode == 0, done.stderr
    (read,) = spool.read(folder)
    return read


def outcomes(read: spool.Spool) -> set[str]:
    """Return every outcome that was recorded."""
    return {spool.OUTCOMES[number] for number in read.rows["outcome"]}
