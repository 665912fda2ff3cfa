"""Locust's own workers, each started by itself as on another machine, and what their master keeps of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from harness.load import spool
from tests.harness.command import TIMEOUT_S
from tests.load.locust import HEADLESS, SCENARIO, reflector

STEP = """
    @task
    def step(self):
        self.client.get("/ping", name="ping")
"""
PHASES = ("--warmup-s=0.5", "--window-s=1.5", "--drain-s=1", "--closed-s=0.5", "--closed-users=4")


@pytest.fixture(scope="module")
def spools(tmp_path_factory: pytest.TempPathFactory) -> list[spool.Spool]:
    """Load a server that does nothing at 200 arrivals/s from two workers; returns what the master kept."""
    tmp_path = tmp_path_factory.mktemp("workers")
    (tmp_path / "mine.py").write_text(SCENARIO.format(body=STEP))
    kept = tmp_path / "spool"
    kept.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "harness.load", "-f", "mine.py", "--headless"]
    env = {**os.environ, "HOME": str(tmp_path)}
    with reflector() as host:
        load = [f"--host={host}", "--users=10", "--spawn-rate=10", "--rate=200", f"--spool={kept}", *PHASES]
        lead = ["--master", "--expect-workers=2", "--master-bind-host=127.0.0.1", f"--master-bind-port={port}"]
        master = subprocess.Popen([*command, *HEADLESS[1:], *lead, *load], cwd=tmp_path, env=env)
        follow = ["--worker", f"--master-port={port}"]
        workers = [subprocess.Popen([*command, *follow], cwd=tmp_path, env=env) for _ in range(2)]
        try:
            assert [process.wait(TIMEOUT_S) for process in (master, *workers)] == [0, 0, 0]
        finally:
            for process in (master, *workers):
                process.kill()
    return spool.read(kept)


def test_the_master_keeps_every_workers_rows_whole(spools: list[spool.Spool]) -> None:
    assert [part.worker for part in spools] == [0, 1]
    for part in spools:
        scheduled = part.rows[part.rows["scheduled_ns"] != spool.NONE]
        assert {spool.OUTCOMES[number] for number in scheduled["outcome"]} == {"ok"}
        # 2 s at half the rate, and five standard deviations.
        assert 130 < len(scheduled) < 270
        assert len(np.unique(part.rows["user"])) == 5
        assert np.count_nonzero(part.rows["sent_ns"] >= part.facts["closed_ns"]) > 10
    together = np.sort(np.concatenate([part.rows["scheduled_ns"] for part in spools]))
    assert len(np.unique(together[together != spool.NONE])) == np.count_nonzero(together != spool.NONE)


def test_workers_of_one_machine_begin_the_window_together(spools: list[spool.Spool]) -> None:
    first, second = spools
    assert first.facts["t0_ns"] == second.facts["t0_ns"]
    assert first.facts["begin_ns"] == second.facts["begin_ns"]
    assert first.facts["t0_ns"] - first.facts["begin_ns"] >= 0.5e9
