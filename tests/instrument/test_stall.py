"""A server that freezes for a second: open load tells it, closed load does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.instrument import known, stall

if TYPE_CHECKING:
    from harness.processes import Processes

WINDOW_S = 4.0


def test_open_load_tells_what_arithmetic_says(processes: Processes) -> None:
    trial = stall.trial(processes, stall.OPEN, WINDOW_S)
    told = trial.in_window
    assert set(told["outcome"]) == {"ok"}
    assert len(told) == pytest.approx(stall.RATE_PER_S * WINDOW_S, abs=2)
    assert known.quantile(told["response_us"], 0.99) == pytest.approx(stall.open_p99_us(WINDOW_S), rel=0.05)
    assert told["response_us"].max() == pytest.approx(stall.MAX_US, rel=0.05)
    # What was waited for is in the response, and nowhere else.
    assert told["service_us"].max() <= told["response_us"].max()


def test_closed_load_is_blind_to_it(processes: Processes) -> None:
    """As arithmetic says, too: each user's one long request is too few among the many that it did not send."""
    trial = stall.trial(processes, stall.CLOSED, WINDOW_S)
    told = trial.answered
    assert (told["service_us"] > stall.FREEZE_S * 0.9e6).sum() == stall.CLOSED.users
    assert stall.CLOSED.users / len(told) < 0.01
    assert known.quantile(told["response_us"], 0.99) < 0.2 * stall.open_p99_us(WINDOW_S)
    assert told["response_us"].max() == pytest.approx(stall.MAX_US, rel=0.05)
