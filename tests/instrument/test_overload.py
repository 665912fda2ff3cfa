"""More arrivals than a server can carry, and answers that are errors: all are accounted for, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.instrument import known

if TYPE_CHECKING:
    from harness.processes import Processes

BUSY_MS = 10
RATE_PER_S = 200
USERS = 8
WINDOW_S = 2.0
DRAIN_S = 1.0


@pytest.fixture(scope="module")
def overloaded(processes: Processes) -> known.Trial:
    """Ask twice of what a server can do that is busy for 10 ms with every answer."""
    load = known.arriving(RATE_PER_S, users=USERS, arrivals="constant")
    return known.trial(
        processes, load, "busy", f"--busy-ms={BUSY_MS}", window_s=WINDOW_S, warmup_s=0.5, drain_s=DRAIN_S
    )


def test_every_arrival_is_a_row(overloaded: known.Trial) -> None:
    rows = overloaded.in_window
    scheduled_us = np.sort(rows["scheduled_us"])
    assert len(rows) == pytest.approx(RATE_PER_S * WINDOW_S, abs=1)
    assert np.diff(scheduled_us).max() <= 1e6 / RATE_PER_S + 1
    assert np.diff(scheduled_us).min() >= 1e6 / RATE_PER_S - 1


def test_what_was_not_answered_has_the_wait_that_was_seen(overloaded: known.Trial) -> None:
    rows = overloaded.in_window
    assert set(rows["outcome"]) == {"ok", "cut", "unsent"}
    assert (rows["outcome"] == "cut").sum() <= USERS
    ended_us = rows["scheduled_us"] + rows["response_us"]
    waiting = rows["outcome"].isin(["cut", "unsent"])
    assert (ended_us[waiting] >= (WINDOW_S + DRAIN_S) * 1e6 - 1).all()
    # All of it ended at one time, up to its rounding: when the drain did, whenever that was.
    unsent_us = ended_us[rows["outcome"] == "unsent"]
    assert unsent_us.max() - unsent_us.min() <= 2
    unsent = rows[rows["outcome"] == "unsent"]
    assert unsent["sent_us"].isna().all()
    assert unsent["service_us"].isna().all()


def test_the_server_carried_what_it_could(overloaded: known.Trial) -> None:
    """One in 10 ms, less what other processes took of its CPU; never more."""
    answered = overloaded.rows[overloaded.rows["outcome"] == "ok"]
    span_s = (answered["sent_us"] + answered["service_us"]).max() / 1e6 - overloaded.rows["sent_us"].min() / 1e6
    assert len(answered) <= span_s / (BUSY_MS / 1000) + 1
    cut = int((overloaded.rows["outcome"] == "cut").sum())
    assert overloaded.served.answered - cut <= len(answered) <= overloaded.served.answered


def test_waiting_grows_as_the_queue_does(overloaded: known.Trial) -> None:
    rows = overloaded.answered.sort_values("scheduled_us")
    first, last = rows.head(10), rows.tail(10)
    assert last["response_us"].min() > first["response_us"].max()
    # The users are never free: what a request waits for them is in its response, and not in its service.
    assert last["service_us"].median() < 0.5 * last["response_us"].median()
    assert last["wake_lag_us"].isna().all()


def test_errors_are_rows_like_others(processes: Processes) -> None:
    trial = known.trial(processes, known.arriving(200, users=8), "error", window_s=1.0, warmup_s=0.5)
    rows = trial.in_window
    assert len(rows) > 100
    assert set(rows["outcome"]) == {"http_error"}
    assert set(rows["status"]) == {500}
    assert rows["served_us"].notna().all()
