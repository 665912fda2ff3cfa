from __future__ import annotations

from typing import Any

import pytest

from reports.format import LAYERS, ROLES, Figures, StoreOps
from reports.trials.layers import layers_us, percentile_us, store_ops, with_counted


def figures(at_least: list[str] | None = None) -> Figures:
    return Figures(
        requests=1000,
        outcomes={"ok": 1000},
        window_s=10.0,
        requests_per_s=100.0,
        mean_us=1000.0,
        p50_us=900.0,
        p95_us=2000.0,
        p99_us=3000.0,
        max_us=9000.0,
        at_least=at_least or [],
        error_share=0.0,
        cpu_us_per_request=dict.fromkeys(ROLES),
        rss_bytes=dict.fromkeys(ROLES),
        pss_bytes=dict.fromkeys(ROLES),
        cpu_share=dict.fromkeys(ROLES),
    )


def total(count: int, total_us: float, buckets: dict[float, int] | None = None, failed: int = 0) -> dict[str, Any]:
    return {"count": count, "failed": failed, "total_us": total_us, "buckets": buckets or {}}


COUNTED: dict[str, Any] = {
    "request": total(1000, 800_000),
    "framework": total(1000, 250_000),
    "session": total(1000, 50_000),
    "store": total(1000, 460_000),
    "get": total(1000, 400_000, {362.0: 500, 395.0: 490, 4096.0: 10}),
    "update": total(200, 60_000, {304.0: 198, 8192.0: 2}, failed=1),
    "sweep": total(1, 90.0, {99.0: 1}),
    "loop_lag": total(300, 30_000, {99.0: 200, 128.0: 97, 5793.0: 3}),
}


def test_the_layers_add_up_to_the_mean() -> None:
    layers = layers_us(COUNTED, 1000.0)
    assert tuple(layers) == LAYERS
    assert layers == pytest.approx(
        {"client": 200.0, "framework": 250.0, "session": 50.0, "store": 460.0, "unattributed": 40.0}
    )
    assert sum(layers.values()) == pytest.approx(1000.0, rel=1e-12)


def test_requests_that_one_side_did_not_count_weigh_nothing() -> None:
    """The app counted whole seconds of a window that was longer, at the same rate."""
    half = {
        name: each | {"count": each["count"] // 2, "total_us": each["total_us"] / 2} for name, each in COUNTED.items()
    }
    assert layers_us(half, 1000.0) == pytest.approx(layers_us(COUNTED, 1000.0))


@pytest.mark.parametrize("missing", ["request", "framework", "session", "store"])
def test_an_app_that_does_not_count_a_layer_has_none(missing: str) -> None:
    counted = {name: each for name, each in COUNTED.items() if name != missing}
    assert layers_us(counted, 1000.0) == {}
    assert "get" in store_ops(counted)


def test_nothing_is_made_of_nothing() -> None:
    assert layers_us(None, 1000.0) == {}
    assert layers_us(COUNTED, None) == {}
    assert store_ops(None) == {}


def test_an_app_that_was_slower_than_its_answers_saw_other_requests() -> None:
    assert layers_us(COUNTED, 799.0) == {}


def test_rounding_leaves_no_negative_rest() -> None:
    counted = COUNTED | {"framework": total(1000, 290_000.001)}
    layers = layers_us(counted, 1000.0)
    assert layers["unattributed"] == 0.0
    assert sum(layers.values()) == pytest.approx(1000.0, rel=1e-6)


def test_store_operations_are_told_from_the_rest() -> None:
    assert store_ops(COUNTED) == {
        "get": StoreOps(count=1000, failed=0, mean_us=400.0, p50_us=362.0, p99_us=395.0),
        "sweep": StoreOps(count=1, failed=0, mean_us=90.0, p50_us=99.0, p99_us=99.0),
        "update": StoreOps(count=200, failed=1, mean_us=300.0, p50_us=304.0, p99_us=304.0),
    }


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.0), (50, 1.0), (51, 2.0), (99, 2.0), (100, 4.0)])
def test_a_percentile_is_the_upper_edge_of_its_bucket(percent: int, expected: float) -> None:
    assert percentile_us({4.0: 1, 1.0: 50, 2.0: 49}, percent) == expected


def test_figures_get_what_the_app_counted() -> None:
    before = figures()
    after = with_counted(before, COUNTED)
    assert after.layers_us == layers_us(COUNTED, 1000.0)
    assert (after.app_loop_lag_p50_us, after.app_loop_lag_p99_us) == (99.0, 128.0)
    assert after.store_ops == store_ops(COUNTED)
    assert before.layers_us == {}
    assert Figures.model_validate_json(after.model_dump_json()) == after


def test_figures_without_counters_stay_empty() -> None:
    after = with_counted(figures(), None)
    assert after.layers_us == {}
    assert after.app_loop_lag_p50_us is None
    assert after.store_ops == {}


def test_a_mean_that_is_only_a_lower_bound_has_no_layers() -> None:
    """Requests without an answer are in it."""
    before = figures(at_least=["mean_us", "max_us"])
    assert with_counted(before, COUNTED).layers_us == {}
    assert with_counted(before, COUNTED, mean_response_us=900.0).layers_us["client"] == pytest.approx(100.0)
