"""The recorder inside a real Locust process, against servers whose every answer is known."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.load import spool
from tests.load import locust
from tests.load.locust import outcomes, reflector

if TYPE_CHECKING:
    from pathlib import Path

WARMUP_S, WINDOW_S = 0.6, 0.7

STEP = """
    network_timeout = {timeout_s}

    @task
    def step(self):
        with self.client.get("/ping", name="{name}", catch_response=True) as response:
            {check}

class Own(Exception):
    outcome = "wrong_answer"
"""


def load(
    folder: Path, host: str, check: str = "pass", *, name: str = "ping", users: int = 2, timeout_s: float = 30
) -> spool.Spool:
    step = STEP.format(check=check, name=name, timeout_s=timeout_s)
    return locust.load(folder, host, step, f"--warmup-s={WARMUP_S}", f"--window-s={WINDOW_S}", users=users)


def test_requests_lie_where_the_trial_says(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host)
    sent_s = (read.rows["sent_ns"] - read.facts["t0_ns"]) / 1e9
    ends_s = sent_s + read.rows["service_ns"] / 1e9
    assert read.facts["t0_ns"] - read.facts["begin_ns"] == WARMUP_S * 1e9
    assert sent_s.min() < 0
    assert WINDOW_S < ends_s.max() <= (read.facts["ended_ns"] - read.facts["t0_ns"]) / 1e9
    assert outcomes(read) - {"cut"} == {"ok"}  # on a busy machine one may be in flight at the end
    answered = read.rows[read.rows["outcome"] == spool.OUTCOMES.index("ok")]
    assert set(answered["status"]) == {200}
    assert set(answered["received_bytes"]) == {15}
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
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # so that nobody else listens there
        read = load(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert outcomes(read) == {"transport_error"}
    assert set(read.rows["status"]) == {0}


def test_silence_is_a_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        read = load(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
    assert "timeout" in outcomes(read)
    assert outcomes(read) <= {"timeout", "cut"}
    timeouts = read.rows[read.rows["outcome"] == spool.OUTCOMES.index("timeout")]
    assert timeouts["service_ns"].min() >= 0.2e9


def test_what_is_in_flight_at_the_end_is_cut(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        read = load(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert outcomes(read) == {"cut"}
    assert len(read.rows) == 2
    ends_ns = read.rows["sent_ns"] + read.rows["service_ns"]
    assert ends_ns.min() - read.facts["t0_ns"] >= WINDOW_S * 1e9


def test_names_are_recorded_as_given(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host, name="GET /ünïcode | 'quoted'")
    assert read.names == ["GET /ünïcode | 'quoted'"]
