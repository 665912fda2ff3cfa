"""Two worker processes: nothing is lost between them and the table, nothing is counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.load import spool
from reports import stats
from reports.record import tables
from tests.instrument import known

if TYPE_CHECKING:
    from pathlib import Path

    from harness.processes import Processes

LOADS = {"closed": known.closed(8), "open": known.arriving(400, users=40)}


@pytest.mark.parametrize("kind", LOADS)
def test_merged_percentiles_are_those_of_all_raw_samples(processes: Processes, tmp_path: Path, kind: str) -> None:
    window_s = 1.5
    server = known.Server(processes, "lognormal")
    folder = tmp_path / "load"
    generator = known.generate(processes, server.url, LOADS[kind], window_s=window_s, workers=2, folder=folder)
    assert generator.child.wait(known.START_S) == 0, generator.child.tail(20)
    recorded = generator.recorded()
    served = server.stop()
    assert recorded is not None
    assert recorded.messages == {}
    told = recorded.requests["outcome"].to_pylist()
    checked, wrong = recorded.checks["asked"]
    # Both processes' answers; one that was cut may still have come before the end.
    assert told.count("ok") <= checked <= len(told)
    assert wrong == 0

    # As the workers wrote them: each by the clock of its own t0.
    response_ns = []
    parts = spool.read(folder / "spool")
    assert [part.worker for part in parts] == [0, 1]
    for part in parts:
        assert len(part.rows) > 100
        scheduled, sent = part.rows["scheduled_ns"], part.rows["sent_ns"]
        start_ns = np.where(scheduled == spool.NONE, sent, scheduled)
        inside = (start_ns >= part.facts["t0_ns"]) & (start_ns < part.facts["t0_ns"] + window_s * 1e9)
        response_ns.append((sent + part.rows["service_ns"] - start_ns)[inside])
    raw_us = (np.concatenate(response_ns) + 500) // 1000

    figures = stats.figures(tables.write_requests(tmp_path, 1, recorded.requests), None, arm=0, window_s=window_s)
    assert figures.requests == len(raw_us) > 200
    assert figures.p50_us == known.quantile(raw_us, 0.5)
    assert figures.p95_us == known.quantile(raw_us, 0.95)
    assert figures.p99_us == known.quantile(raw_us, 0.99)
    assert figures.max_us == raw_us.max()
    assert figures.mean_us == pytest.approx(raw_us.mean(), rel=1e-12)

    # As the server saw them: every answered row has its stamp, and every stamp its row, but for what users still sent
    # when the recorders had closed.
    rows = known.written(processes, recorded).to_pandas()
    answered = (rows["outcome"] == "ok").to_numpy()
    assert not np.isnan(known.served_us(rows, served)[answered]).any()
    recorded_of = rows.loc[answered, "name"].value_counts()
    ended_ns = min(part.facts["ended_ns"] for part in parts)
    without_row = [
        (key, number)
        for (key, number), (arrival_ns, _) in served.stamps.items()
        if number >= recorded_of.get(key, 0) and arrival_ns < ended_ns
    ]
    assert len(without_row) <= (rows["outcome"] == "cut").sum()
