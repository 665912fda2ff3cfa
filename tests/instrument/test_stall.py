"""A server that freezes for a second: open load tells it, closed load does not.

What was waited for is bounded from below by when the freeze really began and ended, by the server's own stamps; how
little is added to it is for `benchmarks/stall.py` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.instrument import known, stall

if TYPE_CHECKING:
    from harness.processes import Processes

WINDOW_S = 4.0
DRAIN_S = 30.0


def freeze_us(trial: known.Trial) -> tuple[float, float]:
    """Return when the server began to freeze and when it went on, in µs from t0."""
    assert trial.served.frozen_ns is not None
    begun_ns, ended_ns = trial.served.frozen_ns
    return (begun_ns - trial.t0_ns) / 1000, (ended_ns - trial.t0_ns) / 1000


def test_open_load_tells_what_arithmetic_says(processes: Processes) -> None:
    trial = stall.trial(processes, stall.OPEN, WINDOW_S, drain_s=DRAIN_S)
    told = trial.in_window
    assert set(told["outcome"]) == {"ok"}
    assert len(told) == pytest.approx(stall.RATE_PER_S * WINDOW_S, abs=2)
    begun_us, ended_us = freeze_us(trial)
    came_us, ends_us = told["scheduled_us"], told["scheduled_us"] + told["response_us"]
    due = came_us.between(begun_us - stall.DELAY_S * 1e6 + 1, begun_us - 1)
    during = came_us.between(begun_us, ended_us - 1)
    assert due.sum() >= stall.DELAY_S * stall.RATE_PER_S - 1
    assert during.sum() >= stall.FREEZE_S * stall.RATE_PER_S - 1
    assert (ends_us[due] >= ended_us - 1).all()
    assert (ends_us[during] >= ended_us + stall.DELAY_S * 1e6 - 1).all()
    # One arrival's distance from the next is what arithmetic leaves open.
    one_us = 1e6 / stall.RATE_PER_S
    assert known.quantile(told["response_us"], 0.99) >= stall.open_p99_us(WINDOW_S) - 2 * one_us
    assert told["response_us"].max() >= stall.MAX_US - one_us
    # What was waited for is in the response, and nowhere else; what came long before has not waited.
    assert (told["service_us"] <= told["response_us"]).all()
    before = came_us < begun_us - 4 * stall.DELAY_S * 1e6
    assert np.median(told["response_us"][before]) < stall.FREEZE_S / 2 * 1e6


def test_closed_load_is_blind_to_it(processes: Processes) -> None:
    """As arithmetic says, too: each user's one long request is too few among the many that it did not send."""
    trial = stall.trial(processes, stall.CLOSED, WINDOW_S)
    told = trial.answered
    begun_us, ended_us = freeze_us(trial)
    middle_us, ends_us = (begun_us + ended_us) / 2, told["sent_us"] + told["service_us"]
    frozen = (told["sent_us"] < middle_us) & (ends_us > middle_us)
    assert frozen.sum() == stall.CLOSED.users
    assert (ends_us[frozen] >= ended_us - 1).all()
    # Under open load a quarter of all arrivals saw it: even the 90th percentile tells.
    assert frozen.mean() < 0.05
    open_p90_us = (stall.FREEZE_S + 2 * stall.DELAY_S - WINDOW_S / 10) * 1e6
    assert known.quantile(told["response_us"], 0.9) < open_p90_us / 2
