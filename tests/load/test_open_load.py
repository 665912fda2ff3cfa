"""Open load inside a real Locust process, against servers whose every answer is known."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.load import spool
from tests.load.locust import load, outcomes, reflector, run

if TYPE_CHECKING:
    from pathlib import Path

STEP = """
    @task
    def step(self):
        self.client.get("/ping", name="ping")
"""
OPEN = ("--rate=200", "--window-s=1", "--warmup-s=0.3")


def scheduled_s(read: spool.Spool) -> np.ndarray[Any, Any]:
    rows = read.rows[read.rows["scheduled_ns"] != spool.NONE]
    return np.sort(rows["scheduled_ns"] - read.facts["t0_ns"]) / 1e9


def test_arrivals_come_from_the_beginning_to_the_windows_end(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host, STEP, *OPEN, users=20)
    start_s = scheduled_s(read)
    assert -0.3 < start_s[0] < -0.2
    assert 0.9 < start_s[-1] < 1.0
    assert 150 < np.count_nonzero(start_s > 0) < 255  # 200 and four standard deviations
    assert outcomes(read) == {"ok"}
    assert len(np.unique(read.rows["user"])) > 15


def test_the_same_seed_draws_the_same_arrivals(tmp_path: Path) -> None:
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        with reflector() as host:
            drawn.append(scheduled_s(load(folder, host, STEP, *OPEN, "--seed=7", users=20)))
    first, second = (each[:200] - each[0] for each in drawn)
    assert np.allclose(first, second, atol=1e-8)


def test_constant_arrivals_are_evenly_spaced(tmp_path: Path) -> None:
    with reflector() as host:
        start_s = scheduled_s(load(tmp_path, host, STEP, *OPEN, "--arrivals=constant"))
    assert np.allclose(np.diff(start_s), 1 / 200, atol=1e-6)


def test_who_waits_for_a_user_has_waited(tmp_path: Path) -> None:
    """One user and 20 ms a step carry 50 a second of 200: the last arrivals of the window wait longest."""
    step = """
    @task
    def step(self):
        gevent.sleep(0.02)
        self.client.get("/ping", name="ping")
"""
    with reflector() as host:
        read = load(tmp_path, host, step, *OPEN, "--drain-s=0.5", users=1)
    rows = read.rows
    queued = rows[(rows["wake_lag_ns"] == spool.NONE) & (rows["outcome"] == spool.OUTCOMES.index("ok"))]
    assert len(queued) > 30
    assert np.all(np.diff(queued["scheduled_ns"]) > 0)  # first come, first served
    waited_s = (queued["sent_ns"] - queued["scheduled_ns"]) / 1e9
    assert waited_s[-1] > 0.8
    unsent = rows[rows["outcome"] == spool.OUTCOMES.index("unsent")]
    assert len(unsent) > 100
    assert set(unsent["sent_ns"]) == {spool.NONE}
    # All of the window's arrivals are there, and what was never sent waited up to the end of the drain.
    ends_s = (unsent["scheduled_ns"] + unsent["service_ns"] - read.facts["t0_ns"]) / 1e9
    assert np.ptp(ends_s) < 1e-6
    assert 1.5 <= ends_s[0] < (read.facts["ended_ns"] - read.facts["t0_ns"]) / 1e9


def test_what_is_in_flight_when_the_drain_ends_is_cut_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        read = load(
            tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", STEP, *OPEN, "--drain-s=0.3", "--closed-s=0.3",
            users=3,
        )  # fmt: skip
    kinds = [spool.OUTCOMES[number] for number in read.rows["outcome"]]
    assert kinds.count("cut") == 3
    assert set(kinds) == {"cut", "unsent"}


def test_a_later_request_of_a_step_is_meant_to_start_at_the_answer_before(tmp_path: Path) -> None:
    step = """
    @task
    def step(self):
        self.client.get("/first", name="first")
        gevent.sleep(0.01)
        self.client.get("/second", name="second")
"""
    with reflector() as host:
        read = load(tmp_path, host, step, "--rate=50", "--window-s=1", users=20)
    first = read.rows[read.rows["name"] == read.names.index("first")]
    second = read.rows[read.rows["name"] == read.names.index("second")]
    assert np.all(first["wake_lag_ns"] != spool.NONE)
    assert np.all(second["wake_lag_ns"] == spool.NONE)
    assert set(second["scheduled_ns"]) <= set(first["sent_ns"] + first["service_ns"])
    assert np.all(second["sent_ns"] - second["scheduled_ns"] > 10_000_000)


def test_task_sets_and_waiting_times_give_way_to_arrivals(tmp_path: Path) -> None:
    step = """
    wait_time = constant(30)

    def on_start(self):
        self.client.get("/start", name="start")

    @task
    class Tasks(TaskSet):
        @task
        def inner(self):
            self.client.get("/inner", name="inner")
"""
    with reflector() as host:
        read = load(tmp_path, host, step, *OPEN, users=4)
    inner = read.rows[read.rows["name"] == read.names.index("inner")]
    started = read.rows[read.rows["name"] == read.names.index("start")]
    assert len(inner) > 150
    assert np.all(inner["scheduled_ns"] != spool.NONE)
    assert len(started) == 4
    assert np.all(started["scheduled_ns"] == spool.NONE)


def test_a_step_that_fails_does_not_stop_the_arrivals(tmp_path: Path) -> None:
    step = """
    @task
    def step(self):
        self.client.get("/ping", name="ping")
        raise ValueError("a scenario's own mistake")
"""
    with reflector() as host:
        read = load(tmp_path, host, step, *OPEN)
    assert np.count_nonzero(scheduled_s(read) > 0) > 150
    assert list(read.facts["messages"]) == ['the scenario raised ValueError("a scenario\'s own mistake")']


def test_closed_loops_follow_the_drain(tmp_path: Path) -> None:
    with reflector() as host:
        read = load(tmp_path, host, STEP, *OPEN, "--closed-s=0.5", "--closed-users=3", users=20)
    closed = read.rows[read.rows["sent_ns"] >= read.facts["closed_ns"]]
    assert np.all(closed["scheduled_ns"] == spool.NONE)
    assert len(np.unique(closed["user"])) == 3
    # As they go on as soon as they are answered, it is more than arrivals would have brought in that time.
    assert len(closed) > 300
    assert read.facts["closed_from_ns"] - read.facts["closed_ns"] == 0.5e9
    assert read.facts["ended_ns"] >= read.facts["closed_from_ns"] + 0.5e9
    assert np.max(closed["sent_ns"] + closed["service_ns"]) > read.facts["closed_from_ns"]


def test_a_warm_up_ends_when_the_harness_says_steady(tmp_path: Path) -> None:
    (tmp_path / spool.STEADY).touch()
    with reflector() as host:
        read = load(tmp_path, host, STEP, "--rate=100", "--warmup-s=0.3", "--warmup-most-s=20", "--window-s=0.5")
    assert 0.3e9 <= read.facts["t0_ns"] - read.facts["begin_ns"] < 20e9


def test_the_loops_lag_is_seen_in_the_window(tmp_path: Path) -> None:
    step = """
    @task
    def step(self):
        self.client.get("/ping", name="ping")
        end = time.monotonic() + 0.03
        while time.monotonic() < end:
            pass
"""
    with reflector() as host:
        quiet = load(tmp_path, host, STEP, "--rate=20", "--window-s=1")
        busy = load(tmp_path, host, step, "--rate=20", "--window-s=1")
    # Every 20 ms; the last of them are lost where the machine stands still at the window's end.
    assert 20 <= len(quiet.facts["lags_ns"]) <= 51
    assert min(*quiet.facts["lags_ns"], *busy.facts["lags_ns"]) >= 0
    assert np.percentile(busy.facts["lags_ns"], 90) > 5e6
    # Others may be in the way of a quiet loop too, but not all the time.
    assert np.min(quiet.facts["lags_ns"]) < 5e6


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_either_client_is_recorded_alike(tmp_path: Path, client: str) -> None:
    with reflector() as host:
        read = load(tmp_path, host, STEP, *OPEN, f"--client={client}", users=20)
    rows = read.rows
    assert outcomes(read) == {"ok"}
    assert np.all(rows["sent_ns"] >= rows["scheduled_ns"])
    assert np.all(rows["wake_lag_ns"] >= 0)


def test_arrivals_come_without_a_record_too(tmp_path: Path) -> None:
    """As with the web page: Locust's own statistics count what open load sends."""
    with reflector() as host:
        done = run(tmp_path, host, STEP, "--rate=100", "--run-time=2", "--json", users=10)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    # 200, less what a busy machine does not come to; as closed loops the users would have sent thousands.
    assert 50 < entry["num_requests"] < 1000
