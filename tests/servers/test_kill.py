"""Four real servers, and a harness that dies: soon nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60.0
"""Seconds, on a quiet machine; what would stay, stays for ten minutes."""
NOBODY = 65534

HARNESS = """
import sys, time
from harness.processes import Processes
from harness.servers.server import discover, provide

with Processes() as processes:
    print(processes.folder, flush=True)
    running = [provide(kind, options={}, mode="wheel", processes=processes) for kind in sorted(discover())]
    if sys.argv[1] == "frozen":
        for server in running:
            server.suspend()
    print(*(pid for server in running for pid in server.pids()), flush=True)
    print(*(server.record.address.split(":")[1] for server in running), flush=True)
    if sys.argv[1] == "fails":
        raise SystemExit("something broke")
    if sys.argv[1] != "ends":
        time.sleep(600)
"""


def readable_to_nobody() -> bool:
    """Tell whether another user could run this interpreter and all that the harness imports."""
    if os.geteuid() != 0:
        return False
    try:
        command = [
            sys.executable,
            "-c",
            "import harness.servers.server, redis, pymongo, asyncpg, httpx, uvicorn",
        ]
        done = subprocess.run(
            command, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


as_nobody = pytest.mark.skipif(
    not readable_to_nobody(), reason="needs root, and an interpreter that another user may read"
)


class Harness:
    """A harness in a process of its own, with all its servers up or on their way."""

    def __init__(self, then: str, user: int | None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARNESS, then],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd=tempfile.gettempdir(),
        )
        assert self.process.stdout is not None
        self._lines = self.process.stdout
        self.folder = Path(self._lines.readline().strip())
        assert self.folder.is_dir(), self.process.communicate()[1]

    def numbers(self) -> list[int]:
        """Read the next line; the first are the pids, the second the ports."""
        numbers = [int(word) for word in self._lines.readline().split()]
        assert numbers, self.process.communicate()[1]
        return numbers

    def everything(self) -> list[psutil.Process]:
        """Return every process below it, the reaper included."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        """End it, should the test not have come so far."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=[None, pytest.param(NOBODY, marks=as_nobody)], ids=["as is", "as nobody"])
def user(request: pytest.FixtureRequest) -> int | None:
    found: int | None = request.param
    return found


def gone(harness: Harness, processes: list[psutil.Process]) -> None:
    """Wait until all of them and the folder are gone; fail when they stay."""
    begun = time.monotonic()
    while True:
        alive = [process for process in processes if process.is_running() and _works(process)]
        if not alive and not harness.folder.exists():
            return
        assert time.monotonic() - begun < PATIENCE_S, (alive, harness.folder.exists())
        time.sleep(0.01)


def _works(process: psutil.Process) -> bool:
    """Tell a process from a zombie, which waits for its parent alone."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def harness(request: pytest.FixtureRequest, user: int | None) -> Iterator[Harness]:
    started = Harness(request.param, user)
    yield started
    started.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("harness", ["sleeps"], indirect=True)
def test_a_killed_harness_leaves_nothing(harness: Harness, number: signal.Signals) -> None:
    pids, ports = set(harness.numbers()), set(harness.numbers())
    processes = harness.everything()
    assert pids <= {process.pid for process in processes}
    assert len(pids) > len(ports) == 4
    harness.process.send_signal(number)
    gone(harness, processes)
    listening = {
        connection.laddr.port
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    }
    assert not ports & listening


@pytest.mark.parametrize("harness", ["frozen"], indirect=True)
def test_frozen_servers_are_ended_too(harness: Harness) -> None:
    harness.numbers()
    processes = harness.everything()
    harness.process.kill()
    gone(harness, processes)


@pytest.mark.parametrize("harness", ["sleeps"], indirect=True)
def test_a_harness_that_is_killed_while_it_starts_them(harness: Harness) -> None:
    """In the midst of initdb, which has children of its own."""
    deadline = time.monotonic() + PATIENCE_S
    while "initdb" not in {_name(process) for process in harness.everything()}:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.1)
    processes = harness.everything()
    harness.process.kill()
    gone(harness, processes)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


@pytest.mark.parametrize(("harness", "status"), [("ends", 0), ("fails", 1)], indirect=["harness"])
def test_a_harness_that_ends_by_itself_leaves_nothing(harness: Harness, status: int) -> None:
    harness.numbers()
    processes = harness.everything()
    assert harness.process.wait(PATIENCE_S) == status
    gone(harness, processes)
