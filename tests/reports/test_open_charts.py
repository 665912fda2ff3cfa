from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from reports.charts import breakdown, canvas, intervals, ladder, palette
from reports.listings import findings, view
from reports.record import tables
from tests.reports.test_charts import texts

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded

CHARTS = (
    "tradeoff",
    "latency",
    "distribution",
    "load",
    "throughput",
    "capacity",
    "cost-p50",
    "cost-cpu",
    "layers",
    "cpu",
    "memory",
)


def test_every_chart_of_open_load_is_there(opened: Recorded, opened_written: dict[str, Path]) -> None:
    names = [*CHARTS, *(f"timeline-{variant.slug}" for variant in opened.run.variants if variant.error is None)]
    assert {name for name in opened_written if name.startswith("charts/")} == {
        f"charts/{name}.{kind}" for name in names for kind in ("png", "svg")
    }
    for name in CHARTS:
        said = " ".join(texts(opened_written[f"charts/{name}.svg"]))
        for words in ("open load, 300 arrivals/s, at most 64 in flight", "from the intended start", "Valkey 9.1.2"):
            assert words in said


def test_a_bar_of_layers_is_as_long_as_the_mean(opened: Recorded) -> None:
    with canvas.paper():
        on = breakdown.layers(opened.run, palette.styles(opened.run), [])
    assert on is not None
    axes: Any = on.figure.axes[0]
    ends: dict[float, float] = {}
    for patch in axes.patches:
        middle = patch.get_y() + patch.get_height() / 2
        ends[middle] = max(ends.get(middle, 0), patch.get_x() + patch.get_width())
    names = [row.variant.name for row in view.sheet(opened.run).rows]
    totals = [sum(findings.mean_parts(opened.run, name).values()) / 1e3 for name in names[:-1]]
    right = axes.get_xlim()[1]
    assert [ends[key] for key in sorted(ends)] == pytest.approx([min(total, right) for total in totals])
    # The one that is OVERLOADED does not make the others small.
    assert totals[-1] > 10 * right


def test_a_capacity_lies_between_its_bounds(opened: Recorded) -> None:
    with canvas.paper():
        on = intervals.capacity(opened.run, palette.styles(opened.run), [])
    assert on is not None
    axes: Any = on.figure.axes[0]
    spans = {(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches}
    assert spans == {(0, 4_000), (0, 2_000), (2_000, 2_500), (0, 1_600), (1_600, 2_500), (0, 0), (0, 200)}
    said = [text.get_text() for text in on.figure.texts]
    for words in ("≥ 4,000 /s", "2,000–2,500 /s · app CPU", "< 200 /s · app CPU"):  # noqa: RUF001 - a range
        assert words in said
    assert said.count("not searched for") == 3
    listing = findings.capacities(opened.run)
    assert listing is not None
    assert listing.rows[1] == [
        "redis", "2,000", "2,500", "app CPU", "at 2,500/s the app used 99 % of its core, the store 8 %", "2",
    ]  # fmt: skip
    assert "p99<20ms,errors<0.1%" in listing.remark


def test_the_ladder_is_of_its_trials_and_the_common_rate(opened: Recorded) -> None:
    run = opened.run
    lines = ladder.rungs(run)
    assert list(lines) == [row.variant.name for row in view.sheet(run).rows[:-1]]
    assert all([rung.rate_per_s for rung in line] == [150, 300, 600, 1_200] for line in lines.values())
    [at_600] = [
        trial.arms[0].figures
        for trial in run.trials
        if trial.load and trial.load.rate_per_s == 600 and trial.arms[0].variant == "redis"
    ]
    assert at_600 is not None
    assert at_600.p99_us is not None
    assert lines["redis"][2].times["p99_us"] == (at_600.p99_us / 1e3,) * 3
    common = [found.p99_us / 1e3 for _, found in view.measured(run, "redis") if found.p99_us]
    assert lines["redis"][1].times["p99_us"] == (statistics.median(common), min(common), max(common))
    assert [rung.state for rung in lines["http"]] == ["VALID", "OVERLOADED", "OVERLOADED", "OVERLOADED"]


def test_what_was_not_carried_is_hollow(opened: Recorded) -> None:
    styles = palette.styles(opened.run)
    with canvas.paper():
        on = ladder.draw(opened.run, styles, [])
    assert on is not None
    axes: Any = on.figure.axes[0]
    points = [
        line for line in axes.lines if line.get_linestyle() == "None" and line.get_color() == styles["http"].light
    ]
    faces = [point.get_markerfacecolor() for point in sorted(points, key=lambda point: point.get_xdata()[0])]
    assert faces == [styles["http"].light, *[canvas.PAPER] * 3]
    assert axes.get_yscale() == "log"
    assert {"OVERLOADED", "FAILED"} <= {text.get_text() for text in on.figure.texts}


def test_an_outline_counts_arrivals_answers_and_the_waiting(opened: Recorded) -> None:
    for trial in opened.run.trials:
        line = opened.outline(trial, 0)
        table = tables.read_requests(opened.folder, trial.number)
        assert line is not None
        assert table is not None
        assert line.arrived_per_s is not None
        rows = table.to_pandas()
        came = rows[rows["scheduled_us"].notna()]
        edges_us = line.edges_s * 1e6
        inside = came["scheduled_us"].between(edges_us[0], edges_us[-1], inclusive="left")
        assert line.arrived_per_s.sum() * 0.25 == inside.sum()
        assert (line.closed_from_s is None) == (trial.purpose != "latency")
        gone_us = came["sent_us"].fillna(came["scheduled_us"] + came["response_us"])
        queued = came["wake_lag_us"].isna()
        assert (line.waiting is None) <= (queued.sum() < 30)
        for moment_s, count in zip(*(line.waiting or ([], [])), strict=True):
            waits = queued & (came["scheduled_us"] <= moment_s * 1e6) & (gone_us > moment_s * 1e6)
            assert count == waits.sum()


def test_no_bin_holds_two_phases(opened: Recorded) -> None:
    trial = opened.run.trials[0]
    line = opened.outline(trial, 0)
    assert line is not None
    warmup, window, closed = line.stretches
    assert warmup.middle_s.max() < 0 < window.middle_s.min()
    assert window.middle_s.max() < trial.window_s <= line.drained_s <= (line.closed_from_s or 0) < closed.middle_s.min()
    assert line.end_s == (trial.closed_from_s or 0) + trial.closed_s
    for bins in line.stretches:
        assert np.all(bins.low_ms <= bins.median_ms)
        assert np.all(bins.median_ms <= bins.high_ms)
        assert np.all(bins.high_ms <= bins.slowest_ms)
    figures = trial.arms[0].figures
    assert figures is not None
    assert window.slowest_ms.max() * 1e3 == figures.max_us


def test_timelines_name_phases_and_leave_invalid_trials_out(opened_written: dict[str, Path]) -> None:
    redis = texts(opened_written["charts/timeline-redis.svg"])
    assert [text for text in redis if text.startswith("trial ")] == ["trial 1", "trial 14", "trial 20"]
    assert "INVALID and not drawn: trial 13" in redis
    assert redis.count("warm-up") == redis.count("closed") == 3
    http = texts(opened_written["charts/timeline-http.svg"])
    assert http.count("OVERLOADED") == 3
    assert {"waiting", "waiting: arrivals that had found no free user", "drain"} <= set(http)
    assert "triangles: somebody was never answered" in http
