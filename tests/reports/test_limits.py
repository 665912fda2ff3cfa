from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reports.format import Figures, StoreOps
from reports.trials.limits import Tried, limiting

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO = {"app": [0], "store": [1], "generator": [1]}
FOUR = {"app": [0, 1], "store": [2], "generator": [3]}


def tried(
    rate: float,
    kept: bool | None,  # noqa: FBT001 - a trial's answer
    *,
    app: float | None = 0.5,
    store: float | None = 0.2,
    generator: float | None = 0.3,
    ops: dict[str, float] | None = None,
    count: int = 500,
) -> Tried:
    nothing: dict[Any, Any] = {"app": None, "store": None, "generator": None}
    figures = Figures(
        requests=1_000, outcomes={"ok": 1_000}, window_s=3.0, requests_per_s=rate, error_share=0.0,
        mean_us=4e3, p50_us=3e3, p95_us=9e3, p99_us=20e3, max_us=80e3, cpu_us_per_request=nothing, rss_bytes=nothing,
        pss_bytes=nothing, cpu_share={"app": app, "store": store, "generator": generator},
        store_ops={
            name: StoreOps(count=count, failed=0, mean_us=us, p50_us=us, p99_us=us) for name, us in (ops or {}).items()
        },
    )  # fmt: skip
    return Tried(rate, kept, figures)


@pytest.mark.parametrize(
    ("trials", "cpus", "limit", "why"),
    [
        ([tried(900, False, app=0.97)], TWO, "app CPU", "At 900/s the app used 97 % of CPU 0."),
        ([tried(900, False, app=0.97)], {}, "app CPU", "At 900/s the app used 97 % of a core."),
        ([tried(900, False, app=1.9)], FOUR, "app CPU", "At 900/s the app used 95 % of CPU 0+1."),
        ([tried(900, False, app=0.97)], FOUR, "unknown", "Nothing of ours was full: CPU at 900/s: app 97 %"),
        ([tried(900, False, store=0.93)], FOUR, "store CPU", "At 900/s the store used 93 % of CPU 2."),
        ([tried(900, False, store=0.92, generator=0.07)], TWO, "store CPU", "the store used 92 % of CPU 1."),
        (
            [tried(900, False, store=0.5, generator=0.48)], TWO, "CPU 1, shared by store and generator",
            "At 900/s CPU 1 was 98 % full (store 50 %, generator 48 %).",
        ),
        (
            [tried(900, False, store=0.2, generator=0.75)], TWO, "CPU 1, shared by store and generator",
            "(store 20 %, generator 75 %)",
        ),
        ([tried(900, False, generator=0.75)], FOUR, "generator", "the generator used 75 % of CPU 3."),
        (
            [tried(900, False, app=0.99, store=0.5, generator=0.47)], TWO, "app CPU",
            "At 900/s the app used 99 % of CPU 0 and CPU 1 was 97 % full (store 50 %, generator 47 %).",
        ),
        # At the lowest rate where anything is full: beyond it more will be.
        ([tried(900, False, store=0.95), tried(2_000, False, app=1.0)], FOUR, "store CPU", "At 900/s"),
        ([tried(900, False), tried(2_000, False, app=2.0)], FOUR, "app CPU", "At 2,000/s the app used 100 %"),
        (
            [tried(200, True, ops={"get": 400, "update": 500}), tried(900, False, ops={"get": 3_200, "update": 900})],
            TWO, "store waiting",
            "generator 30 %), but the store's get took 3.20 ms on average at 900/s, and 0.400 ms at 200/s",
        ),
        ([tried(200, True, ops={"get": 400}), tried(900, False, ops={"get": 1e3})], TWO, "unknown", "Nothing of ours"),
        ([tried(200, True, ops={"get": 10}), tried(900, False, ops={"get": 90})], TWO, "unknown", "Nothing of ours"),
        ([tried(200, True, ops={"get": 0}), tried(900, False, ops={"get": 900})], TWO, "unknown", "Nothing of ours"),
        (
            [tried(200, True, ops={"get": 400}), tried(900, False, ops={"get": 4e3}, count=3)], TWO, "unknown",
            "Nothing of ours was full",
        ),
        ([tried(900, False, ops={"get": 4e3})], TWO, "unknown", "Nothing of ours was full: CPU at 900/s: app 50 %"),
        ([tried(900, False, app=None, store=None, generator=None)], TWO, "unknown", "CPU at 900/s: not known."),
        ([tried(200, True), tried(400, None)], TWO, "generator", "At 400/s the trials were not valid"),
        ([tried(400, True), tried(200, None)], TWO, "unknown", "Nothing gave out: every trial up to 400/s kept"),
        ([Tried(400, None, None)], TWO, "generator", "At 400/s the trials were not valid"),
        ([], TWO, "unknown", "No trial says anything."),
    ],
)  # fmt: skip
def test_what_gave_out_first(trials: Sequence[Tried], cpus: dict[str, list[int]], limit: str, why: str) -> None:
    found, said = limiting(trials, workers=2 if cpus is FOUR else 1, cpus=cpus)
    assert found == limit
    assert why in said
    assert said.endswith(".")


def test_somebody_else_is_suspected_where_the_generator_waits() -> None:
    crowded = [replace(tried(900, False), waiting_share=0.45), replace(tried(950, False), waiting_share=0.2)]
    limit, why = limiting(crowded, cpus=TWO)
    assert limit == "unknown"
    assert why.endswith("; but the generator waited up to 45 % of the time for its CPU: something else runs here.")


def test_order_does_not_matter() -> None:
    trials = [tried(900, False, store=0.95), tried(400, True), tried(2_000, False, app=1.0), tried(700, None)]
    assert limiting(trials, cpus=FOUR) == limiting(trials[::-1], cpus=FOUR)


def test_workers_and_processes_are_what_can_be_filled() -> None:
    assert limiting([tried(900, False, app=0.99)], workers=1)[0] == "app CPU"
    assert limiting([tried(900, False, app=0.99)], workers=2)[0] == "unknown"
    assert limiting([tried(900, False, generator=0.9)], generator_processes=2)[0] == "unknown"
    assert limiting([tried(900, False, generator=0.9)], generator_processes=1)[0] == "generator"
