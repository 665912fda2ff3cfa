"""The recorder inside a real Locust process, against servers whose every answer is known."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.load import spool
from tests.harness.command import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADLESS = ("--headless", "--only-summary", "--stop-timeout=1", "--warmup-s=0.3", "--window-s=0.7")

SCENARIO = """
from locust import FastHttpUser, HttpUser, constant, task

class Own(Exception):
    outcome = "wrong_answer"

class User(FastHttpUser):
    wait_time = constant(0)
    network_timeout = {timeout_s}

    @task
    def step(self):
        with self.client.get("/ping", name="{name}", catch_response=True) as response:
            {check}
"""


@contextmanager
def reflector() -> Iterator[str]:
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


def load(
    folder: Path, host: str, check: str = "pass", *, name: str = "ping", users: int = 2, timeout_s: float = 30
) -> spool.Spool:
    (folder / "mine.py").write_text(SCENARIO.format(check=check, name=name, timeout_s=timeout_s))
    command = [sys.executable, "-m", "harness.load", "-f", "mine.py", f"--host={host}", f"--spool={folder}"]
    done = subprocess.run(
        [*command, *HEADLESS, f"--users={users}", f"--spawn-rate={users}"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (read,) = spool.read(folder)
    return read


def outcomes(read: spool.Spool) -> set[str]:
    return {spool.OUTCOMES[number] for number in read.rows["outcome"]}


def test_requests_lie_where_the_trial_says(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host)
    sent_s = (read.rows["sent_ns"] - read.facts["t0_ns"]) / 1e9
    assert -0.31 < sent_s.min() < -0.2
    assert 0.8 < sent_s.max() < 1.1
    assert outcomes(read) == {"ok"}
    assert set(read.rows["status"]) == {200}
    assert set(read.rows["received_bytes"]) == {15}
    assert set(read.rows["user"]) == {0, 1}
    assert read.facts["messages"] == {}


def test_a_users_requests_do_not_overlap(tmp_path: Path) -> None:
    """Sent plus service never passes the next sent: both are read from one clock."""
    with reflector() as host:
        rows = load(tmp_path, host).rows
    for user in (0, 1):
        mine = np.sort(rows[rows["user"] == user], order="sent_ns")
        assert len(mine) > 20
        assert np.all(mine["sent_ns"][1:] >= mine["sent_ns"][:-1] + mine["service_ns"][:-1])


def test_times_are_finer_than_locust_rounds(tmp_path: Path) -> None:
    with reflector() as host:
        rows = load(tmp_path, host, users=1).rows
    assert len(np.unique(rows["service_ns"] // 1000)) > 50
    assert np.count_nonzero(rows["service_ns"] % 1_000_000) > len(rows) * 0.9


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        ("response.failure(Own('not mine'))", "wrong_answer"),
        ("response.failure('no')", "http_error"),
        ("response.request_meta['context']['outcome'] = 'refused'; response.success()", "refused"),
    ],
)
def test_a_scenario_says_what_an_answer_was(tmp_path: Path, check: str, outcome: str) -> None:
    with reflector() as host:
        read = load(tmp_path, host, check)
    assert outcomes(read) - {"cut"} == {outcome}  # on a busy machine one may be in flight at the end
    assert bool(read.facts["messages"]) == (outcome != "refused")


def test_a_refused_connection_is_a_transport_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    read = load(tmp_path, f"http://127.0.0.1:{port}")
    assert outcomes(read) == {"transport_error"}
    assert set(read.rows["status"]) == {0}


def test_silence_is_a_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        read = load(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
    assert "timeout" in outcomes(read)
    assert outcomes(read) <= {"timeout", "cut"}
    assert read.rows["service_ns"].min() >= 0.2e9


def test_what_is_in_flight_at_the_end_is_cut(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        read = load(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert outcomes(read) == {"cut"}
    assert len(read.rows) == 2
    assert read.rows["service_ns"].min() > 1.5e9


def test_names_are_recorded_as_given(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host, name="GET /ünïcode | 'quoted'")
    assert read.names == ["GET /ünïcode | 'quoted'"]
