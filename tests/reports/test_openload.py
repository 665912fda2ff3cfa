from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reports import stats
from reports.format import Figures, Load
from reports.record import tables
from reports.verdict import growth_limit
from tests.reports.tabled import SECOND, arrival, requests, unsent

OPEN = Load(kind="open", users=64, rate_per_s=100)


def figures(*rows: dict[str, Any], window_s: float = 1.0, load: Load = OPEN, arm: int = 0) -> Figures:
    return stats.figures(requests(*rows), None, arm=arm, window_s=window_s, load=load)


def test_closed_load_has_none_of_it() -> None:
    found = figures(arrival(5), load=Load(users=4))
    assert found.achieved_share is found.queued_share is found.queue_growth is found.dispatch_lag_p50_us is None
    assert found.trends == {}


def test_what_was_drawn_and_what_came_of_it() -> None:
    found = figures(
        *[arrival(at, lag_us=30) for at in range(6)],
        arrival(6, outcome="http_error", lag_us=70),
        arrival(7, outcome="transport_error", lag_us=70),
        arrival(8, 2 * SECOND, outcome="timeout", lag_us=70),
        unsent(9, 2 * SECOND),
        arrival(-1),
        arrival(SECOND),
    )
    assert found.achieved_share == pytest.approx(0.8)
    assert found.queued_share == pytest.approx(0.1)
    assert found.dispatch_lag_p50_us == 30
    assert found.dispatch_lag_p99_us is None


def test_a_window_without_arrivals_has_achieved_nothing() -> None:
    found = figures(arrival(-5))
    assert found.achieved_share is found.queued_share is found.arrivals_p is None
    assert found.queue_growth == 0


def test_later_requests_of_a_step_are_no_arrivals() -> None:
    step = [
        arrival(1_000, 500, user=3, lag_us=7),
        # Meant to start with the answer before it, in ns; in whole µs they may be one or two apart.
        arrival(1_508, 400, user=3, wake_lag_us=None, sent_us=1_520),
        arrival(1_920, 400, user=3, wake_lag_us=None, sent_us=1_930),
    ]
    # Came while its user was busy, and was sent when that one was answered.
    waited = arrival(1_600, 300, user=3, wake_lag_us=None, sent_us=2_335, response_us=1_035)
    other_worker = arrival(2_330, 10, user=3, worker=1, wake_lag_us=None, sent_us=9_000)
    found = figures(waited, *step[::-1], other_worker, unsent(3_000, 50))
    assert found.requests == 6
    # Of four arrivals one found a user at once, and one never did.
    assert found.queued_share == pytest.approx(3 / 4)
    assert found.achieved_share == pytest.approx(3 / 4)


def test_arms_part_the_arrivals_but_not_their_intervals() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(10_000, 90)).astype(int)
    rows = [arrival(int(at), arm=int(rng.random() < 0.5)) for at in times if at < SECOND]
    first, second = (figures(*rows, arm=arm) for arm in (0, 1))
    assert first.requests + second.requests == len(rows)
    assert first.arrivals_p == second.arrivals_p
    assert (first.arrivals_p or 0) > 0.001


def test_arrivals_are_judged_by_the_plan() -> None:
    rng = np.random.default_rng(1)
    drawn = [arrival(int(at)) for at in np.cumsum(rng.exponential(10_000, 600)) if at < 5 * SECOND]
    assert (figures(*drawn, window_s=5).arrivals_p or 0) > 0.001
    assert (figures(*drawn, window_s=5, load=Load(kind="open", users=1, rate_per_s=150)).arrivals_p or 0) < 1e-4
    assert figures(*drawn[:30], window_s=5).arrivals_p is None
    constant = Load(kind="open", users=1, rate_per_s=300, arrivals="constant")
    assert figures(*drawn, window_s=5, load=constant).arrivals_p == 0
    # Two generators take turns; a later start of one is no fault.
    turns = [
        arrival(late + int(k * 2e6 / 300), worker=worker) for worker, late in ((0, 0), (1, 3_400)) for k in range(50)
    ]
    assert figures(*turns, load=constant).arrivals_p == 1


def test_the_queue_grows_by_what_stays_unanswered() -> None:
    # 100 arrivals a second of which 80 are answered, one after the other: behind by 0.2 of each second.
    rows = [arrival(at, round(at * 0.25) + 100) for at in range(-SECOND // 10, 10 * SECOND, SECOND // 100) if at >= 0]
    found = figures(*rows, window_s=10.0)
    # At t, those since 0.8 t are unanswered; from the middle of the first fifth to the middle of the last: 8 s.
    assert found.queue_growth == pytest.approx(0.2 * 8 * 100, abs=3)
    assert (found.queue_growth or 0) > growth_limit(found)


def test_a_stall_is_no_growth() -> None:
    # Whatever comes in the last second but one is answered at its end.
    stall = 9 * SECOND
    rows = [
        arrival(at, stall - at if 8.5 * SECOND <= at < stall else 100) for at in range(0, 10 * SECOND, SECOND // 200)
    ]
    found = figures(*rows, window_s=10.0)
    assert found.queue_growth == pytest.approx(0, abs=1)
    assert found.trends == {}


def test_what_began_before_the_window_is_in_flight_too() -> None:
    rows = [arrival(-10 * place, 700_000) for place in range(1, 41)] + [arrival(5)]
    assert figures(*rows).queue_growth == -40


def test_arrivals_that_were_cut_are_unanswered_to_the_end() -> None:
    rows = [arrival(500_000 + place, 10, outcome="cut") for place in range(20)]
    rows += [unsent(500_100 + place, 10) for place in range(20)]
    assert figures(*rows).queue_growth == 40


def lognormal(rng: np.random.Generator, *, rate: float, window_s: float, load: float, rise: float = 0.0) -> pa.Table:
    """Return arrivals at one server that is busy for this share of the time, by Lindley's recursion."""
    times = np.cumsum(rng.exponential(1e6 / rate, int(rate * (window_s + 1) * 1.5)))
    times = times[times < (window_s + 1) * 1e6]
    service = rng.lognormal(0, 0.5, len(times)) * load * 1e6 / rate / np.exp(0.125)
    service *= 1 + rise * np.clip(times / 1e6 - 1, 0, None) / window_s
    backlog = np.concatenate([[0], np.cumsum(service[:-1] - np.diff(times))])
    response = (backlog - np.minimum.accumulate(backlog) + service).astype(np.int64)
    start = (times - 1e6).astype(np.int64)
    count = len(start)
    return table_of(
        scheduled_us=start, sent_us=start, service_us=response, response_us=response,
        wake_lag_us=np.zeros(count, dtype=np.int64), user=np.arange(count) % 64,
    )  # fmt: skip


def table_of(**columns: Any) -> pa.Table:
    count = len(columns["sent_us"])
    known = {"arm": np.zeros(count, dtype=np.int8), "worker": np.zeros(count, dtype=np.int16)} | columns
    known |= {name: np.full(count, word) for name, word in (("name", "a"), ("phase", "solo"), ("outcome", "ok"))}
    arrays = []
    for field in tables.REQUESTS:
        values = pa.array(known[field.name]) if field.name in known else pa.nulls(count, field.type)
        word = pa.types.is_dictionary(field.type)
        arrays.append((values.dictionary_encode() if word else values).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=tables.REQUESTS)


@pytest.mark.parametrize(("rate", "window_s", "load"), [(300, 3, 0.3), (300, 3, 0.7), (300, 10, 0.8), (50, 10, 0.5)])
def test_a_healthy_server_neither_trends_nor_falls_behind(rate: float, window_s: float, load: float) -> None:
    rng = np.random.default_rng(4)
    told = Load(kind="open", users=64, rate_per_s=rate)
    found = [
        stats.figures(
            lognormal(rng, rate=rate, window_s=window_s, load=load), None, arm=0, window_s=window_s, load=told
        )
        for _ in range(100)
    ]
    assert sum(bool(each.trends) for each in found) <= 2
    assert sum((each.queue_growth or 0) > growth_limit(each) for each in found) <= 1
    assert sum((each.arrivals_p or 0) < 1e-3 for each in found) <= 1


def test_a_server_that_slows_down_is_seen() -> None:
    rng = np.random.default_rng(4)
    told = Load(kind="open", users=64, rate_per_s=300)
    slower = [
        stats.figures(lognormal(rng, rate=300, window_s=10, load=0.3, rise=0.6), None, arm=0, window_s=10, load=told)
        for _ in range(20)
    ]
    assert sum(0.3 < each.trends.get("latency", 0) < 1.5 for each in slower) >= 18
    assert not any("throughput" in each.trends for each in slower)


def test_a_server_that_cannot_keep_up_falls_behind() -> None:
    rng = np.random.default_rng(4)
    told = Load(kind="open", users=64, rate_per_s=300)
    behind = [
        stats.figures(lognormal(rng, rate=300, window_s=10, load=1.15), None, arm=0, window_s=10, load=told)
        for _ in range(20)
    ]
    assert all((each.queue_growth or 0) > growth_limit(each) for each in behind)


def test_answers_that_dry_up_are_a_trend_of_throughput() -> None:
    # One of so many is not answered, and they become more.
    rows = [
        arrival(at, 100, outcome="ok" if (at // 1_000) % 100 >= 60 * at / (10 * SECOND) else "timeout")
        for at in range(0, 10 * SECOND, 1_000)
    ]
    found = figures(*rows, window_s=10.0)
    assert found.trends["throughput"] == pytest.approx(-0.6, abs=0.1)
