"""Feeds the same requests to Locust's own statistics and to ours, and prints how often they were compared.

A process of its own: importing Locust patches it. What differs is printed and ends it.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
import time
from typing import Any

import locust.stats
from locust.env import Environment
from locust.event import Events
from locust.exception import CatchResponseError

from harness.load import locust_stats

NAMES = [("/ping", "GET"), ("/login", "POST"), ("/profile", "GET"), ("/profile", "POST")]


class Clock:
    """Stands in for the time of day; both tables must see the same one."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def environment(*, ours: bool, is_worker: bool) -> Environment:
    made = Environment(events=Events())
    if is_worker:
        made.stats = locust.stats.RequestStats(use_response_times_cache=False)
    made.create_local_runner()
    locust.stats.setup_distributed_stats_event_listeners(made.events, made.stats)
    if ours:
        locust_stats.install(made)
        assert type(made.stats) is locust_stats.NotedStats
    return made


def seen(environment: Environment) -> dict[str, Any]:
    """Return all that Locust's page, tables and files could say now."""
    stats = environment.stats
    table = io.StringIO()
    locust.stats.StatsCSV(environment, locust.stats.PERCENTILES_TO_REPORT).requests_csv(csv.writer(table))
    return {
        "summary": [locust.stats.get_stats_summary(stats, current=current) for current in (False, True)],
        "percentiles": locust.stats.get_percentile_stats_summary(stats),
        "errors": locust.stats.get_error_report_summary(stats),
        "csv": table.getvalue(),
        "page": [entry.to_dict() for entry in locust.stats.sort_stats(stats.entries)],
        "order": [str(key) for key in stats.entries],
        "all": [
            {**entry.serialize(), "cache": repr(entry.response_times_cache)}
            for entry in [stats.total, *stats.entries.values()]
        ],
        "now": [
            entry.get_current_response_time_percentile(0.95)
            for entry in [stats.total, *stats.entries.values()]
            if entry.use_response_times_cache
        ],
        "totals": [stats.num_requests, stats.num_failures, stats.last_request_timestamp, stats.start_time],
    }


def requested(rng: random.Random, both: list[Environment]) -> None:
    """Report one request to both, as a client does; now and then one as only odd clients report them."""
    name, method = rng.choice(NAMES[: rng.choice([1, 1, 4])])
    took: Any = rng.choice([rng.expovariate(1), rng.uniform(0, 200), rng.uniform(0, 60_000), 0.5, 99.5, 99.97])
    if rng.random() < 0.02:
        took = rng.choice([None, 12, 250])
    error = rng.choice([CatchResponseError("not 200"), ValueError("x"), "text"]) if rng.random() < 0.05 else None
    length = rng.randrange(100_000)
    for environment in both:
        environment.events.request.fire(
            request_type=method, name=name, response_time=took, response_length=length, exception=error, context={}
        )


def compared(seed: int, clock: Clock) -> int:
    """Live through some seeded minutes; returns how often the two were compared."""
    rng = random.Random(seed)  # noqa: S311 - a test's
    is_worker = seed % 3 == 2
    both = [environment(ours=ours, is_worker=is_worker) for ours in (False, True)]
    looks = 0
    for _ in range(rng.choice([50, 400, 4000])):
        clock.now += rng.choice([0.0, 0.0001, 0.01, rng.expovariate(5), -0.3 if rng.random() < 0.01 else 0.0])
        requested(rng, both)
        chance = rng.random()
        if chance < 0.002:
            for one in both:
                one.stats.reset_all()
        elif chance < 0.004:
            for one in both:
                one.stats.clear_all()
        elif chance < 0.008 and is_worker:
            reports: list[dict[str, Any]] = [{}, {}]
            for one, report in zip(both, reports, strict=True):
                one.events.report_to_master.fire(client_id="x", data=report)
            assert reports[0] == reports[1], reports
            looks += 1
        elif chance < 0.02:
            same(both)
            looks += 1
    same(both)
    return looks + 1


def same(both: list[Environment]) -> None:
    stock, ours = (seen(one) for one in both)
    for key, value in stock.items():
        assert value == ours[key], f"{key}: Locust has {value}, we have {ours[key]}"


def main() -> None:
    clock = Clock()
    time.time = clock
    locust_stats.time = clock  # type: ignore[attr-defined] # the name it was imported by
    looks = sum(compared(seed, clock) for seed in range(60))
    locust.stats.bucket_response_time = lambda response_time: int(response_time // 7) * 7  # as Locust's manual allows
    looks += sum(compared(seed, clock) for seed in range(60, 66))
    json.dump({"looks": looks}, sys.stdout)


if __name__ == "__main__":
    main()
