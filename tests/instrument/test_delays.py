"""What was recorded against what a server served, by its own stamps.

Whatever takes the CPUs can only lengthen a request, so its stamps bound what is recorded from below, on any machine.
How close the two come is for `benchmarks/accuracy.py` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports import stats
from tests.instrument import known

if TYPE_CHECKING:
    from harness.processes import Processes
    from reports.format import Load

FAST_MS, SLOW_MS = 50, 500
SERVERS = {
    "fixed": ("fixed", "--delay-ms=100"),
    "bimodal": ("bimodal", f"--delay-ms={FAST_MS}", f"--slow-ms={SLOW_MS}"),
    "lognormal": ("lognormal", "--delay-ms=100"),
}
LOAD = known.arriving(200, users=100)
WINDOW_S = 2.0
PATIENCE_S = 30.0
"""A drain ends when all is answered; until then a machine that stands still may go on."""
ROUNDED_US = 0.5
"""Recorded times are whole microseconds."""


@pytest.mark.parametrize("mode", SERVERS)
def test_recorded_delays_are_those_that_were_served(processes: Processes, mode: str) -> None:
    """Request by request: each has the delay that it was served, and what it took to send and to hear it."""
    trial = known.trial(
        processes, LOAD, *SERVERS[mode], window_s=WINDOW_S, warmup_s=0.5, drain_s=PATIENCE_S, seed=len(mode)
    )
    rows = trial.answered
    # So many were drawn, by a seed; every one was answered, and has its stamp.
    assert len(rows) == len(trial.in_window) > 300
    assert trial.served.answered == len(trial.rows)
    added_us = (rows["service_us"] - rows["served_us"]).to_numpy()
    assert added_us.min() >= -ROUNDED_US
    figures = stats.figures(trial.table, None, arm=0, window_s=WINDOW_S)
    for share, recorded_us in ((0.5, figures.p50_us), (0.95, figures.p95_us), (0.99, figures.p99_us)):
        assert recorded_us is not None
        assert recorded_us >= known.quantile(rows["served_us"], share) - ROUNDED_US
    # A row with another one's delay would be off by as much as the delays are apart, in one direction or the other.
    assert np.median(added_us) < (SLOW_MS - FAST_MS) / 2 * 1000
    # Locust would round these to ten milliseconds; of whole ones all remainders are zero.
    assert len(np.unique(rows["service_us"] % 1000)) > 20


@pytest.mark.parametrize("client", ["lean", "stock"])
@pytest.mark.parametrize("load", [known.closed(4), known.arriving(300, users=16)], ids=["closed", "open"])
def test_no_request_is_recorded_shorter_than_it_was(processes: Processes, client: str, load: Load) -> None:
    """Arrival and departure at the server, by a clock of its own reading, lie between sending and last byte."""
    trial = known.trial(processes, load, "lognormal", window_s=1.0, warmup_s=0.5, client=client)
    rows = trial.answered
    assert len(rows) > 50
    assert rows["served_us"].notna().all()
    assert (rows["served_us"] <= rows["service_us"] + ROUNDED_US).all()
    assert (rows["response_us"] >= rows["service_us"]).all()


def test_a_response_is_its_waiting_and_its_service(processes: Processes) -> None:
    load = known.arriving(300, users=4)
    rows = known.trial(processes, load, "fixed", "--delay-ms=20", window_s=1.0, warmup_s=0.5).answered
    waited_us = rows["sent_us"] - rows["scheduled_us"]
    assert np.abs(waited_us + rows["service_us"] - rows["response_us"]).max() <= 2
    queued = rows["wake_lag_us"].isna()
    assert queued.mean() > 0.5  # four users carry 200 a second at most
    # The generator woke, and then sent.
    assert (rows.loc[~queued, "wake_lag_us"] <= waited_us[~queued] + 1).all()
