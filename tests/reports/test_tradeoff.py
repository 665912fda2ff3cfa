from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from reports.charts import canvas, palette, tradeoff
from reports.charts.tradeoff_labels import Box, Point, leads_to, places
from reports.format import Capacity
from tests.reports import synthetic, synthetic_audits, synthetic_choice
from tests.reports.synthetic_choice import APART

if TYPE_CHECKING:
    from reports.charts.canvas import Canvas
    from reports.data import Recorded
    from reports.format import Run

DRAWN = {"redis": (3_000, 3_050, 3_100), "postgres": (2_000, 2_050, 2_100), "mongodb": (900, 950, 990)}


def drawn(run: Run) -> Canvas:
    with canvas.paper():
        on = tradeoff.draw(run, palette.styles(run), ["caption"])
    assert on is not None
    return on


def marks(on: Canvas, run: Run, name: str) -> list[Any]:
    axes: Any = on.figure.axes[0]
    colour = palette.styles(run)[name].light
    return [line for line in axes.lines if line.get_marker() == "o" and line.get_color() == colour]


def bars(on: Canvas, run: Run, name: str) -> list[tuple[Any, Any]]:
    axes: Any = on.figure.axes[0]
    colour = palette.styles(run)[name].light
    return [
        (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
        if line.get_marker() == "None" and line.get_color() == colour
    ]


def said(on: Canvas) -> list[str]:
    return [text.get_text() for text in on.figure.texts]


def test_marks_stand_at_the_figures_with_their_ranges_and_areas_are_the_cpu() -> None:
    run = synthetic_choice.run(APART, drawn_per_s=DRAWN)
    on = drawn(run)
    for name, times in APART.items():
        rates = DRAWN[name]
        for mark in marks(on, run, name):
            assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([rates[1]], [pytest.approx(times[1])])
        assert bars(on, run, name) == [
            ([rates[0], rates[2]], [pytest.approx(times[1])] * 2),
            ([rates[1]] * 2, [pytest.approx(times[0]), pytest.approx(times[2])]),
        ]
    sizes = {name: marks(on, run, name)[0].get_markersize() ** 2 for name in APART}
    assert sizes["mongodb"] / sizes["redis"] == pytest.approx(630 / 210)
    assert said(on).count("app CPU, µs/request") == 1
    assert {"100", "200", "500"} <= set(said(on))


def test_a_scale_is_logarithmic_where_its_span_asks_for_it() -> None:
    near = {name: tuple(100 * each / 7 for each in APART[name]) for name in ("redis", "postgres")}
    axes: Any = drawn(synthetic_choice.run(near, drawn_per_s=DRAWN)).figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylim()[0]) == ("linear", "linear", 0)
    wide = {"redis": (2.0, 2.1, 2.2), "postgres": (90.0, 95.0, 99.0)}
    on = drawn(synthetic_choice.run(wide, drawn_per_s={**DRAWN, "postgres": (200, 210, 220)}))
    axes = on.figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "p99 at 200/s, ms, logarithmic" in said(on)
    assert "requests/s of 16 users in closed loops, logarithmic" in said(on)


def capacity(name: str, lower: float | None, upper: float | None) -> Capacity:
    return Capacity(variant=name, lower_per_s=lower, upper_per_s=upper, limit="app CPU", why="it was full")


def test_a_capacity_goes_before_throughput_and_an_open_end_has_an_arrow() -> None:
    run = synthetic_choice.run(APART, drawn_per_s=DRAWN)
    run.capacities = [capacity("redis", 1_000, None), capacity("postgres", 500, 720)]
    on = drawn(run)
    axes: Any = on.figure.axes[0]
    assert marks(on, run, "redis")[0].get_xdata()[0] == 1_000
    assert marks(on, run, "postgres")[0].get_xdata()[0] == pytest.approx(600)
    arrows = {line.get_color(): line.get_marker() for line in axes.lines if line.get_marker() in {"<", ">", "^"}}
    assert arrows == {palette.styles(run)["redis"].light: ">"}
    assert bars(on, run, "postgres")[0][0] == [500, 720]
    assert "no capacity searched: mongodb" in said(on)
    run.capacities.append(capacity("mongodb", None, 100))
    assert marks(drawn(run), run, "mongodb")[0].get_xdata()[0] == 100
    assert "mongodb 6.30 ms (6.00 to 6.60), < 100 /s" in tradeoff.describe(run)


def test_who_fails_an_audit_is_crossed_out_and_who_is_not_trusted_is_hollow() -> None:
    run = synthetic_choice.run(APART, drawn_per_s=DRAWN, states={"mongodb": "OVERLOADED"})
    run.audits = [synthetic_audits.audit("redis", synthetic_audits.REVIVED)]
    on = drawn(run)
    axes: Any = on.figure.axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(list(each.get_xdata()), each.get_color()) for each in crosses] == [([3_050], canvas.ALARM)]
    assert {"OVERLOADED", "FAILS 3", "redis", "mongodb"} <= set(said(on))
    struck = [text.get_text() for text in on.figure.texts if (text.get_gid() or "").startswith("struck")]
    assert struck == ["redis"]
    filled = {name: any(mark.get_alpha() for mark in marks(on, run, name)) for name in APART}
    assert filled == {"redis": True, "postgres": True, "mongodb": False}
    assert "redis (fails its audit) 2.10 ms" in tradeoff.describe(run)
    assert "mongodb (OVERLOADED) 6.30 ms" in tradeoff.describe(run)


def test_nothing_is_drawn_where_nothing_is_traded_off(recorded: Recorded) -> None:
    alone = synthetic_choice.run({"redis": APART["redis"]}, drawn_per_s=DRAWN)
    for run in (recorded.run, alone, synthetic_choice.run(APART)):
        assert tradeoff.draw(run, palette.styles(run), []) is None


def boxes(on: Canvas, names: set[str]) -> list[Any]:
    renderer: Any = FigureCanvasAgg(on.figure).get_renderer()  # type: ignore[no-untyped-call] # matplotlib's
    return [text.get_window_extent(renderer) for text in on.figure.texts if text.get_text() in names]


def test_no_name_lies_on_another_with_sixteen_on_one_heap() -> None:
    names = [f"{backend}:pool={pool}" for backend in ("redis", "postgres") for pool in range(2, 10)]
    times = {name: (3.0 + place / 50, 3.2, 3.4) for place, name in enumerate(names)}
    run = synthetic_choice.run(times, drawn_per_s=dict.fromkeys(names, (2_000, 2_050, 2_100)))
    run.audits = [synthetic_audits.audit(names[0], synthetic_audits.REVIVED)]
    on = drawn(run)
    placed = boxes(on, set(names))
    assert len(placed) == len(names)
    for one, other in itertools.combinations(placed, 2):
        assert not one.overlaps(other)
    frame = on.figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in placed)


def test_hostile_names_are_text_on_the_chart() -> None:
    run = synthetic_choice.run(APART, drawn_per_s=DRAWN)
    for each in (run.variants[0], run.trials[0].arms[0], run.trials[1].arms[0], run.trials[2].arms[0]):
        setattr(each, "name" if hasattr(each, "name") else "variant", f"redis:{synthetic.EVIL}")
    with canvas.paper():
        on = tradeoff.draw(run, palette.styles(run), ["caption"])
        assert on is not None
        chart = on.finish("how", tradeoff.describe(run), {})
    assert "<script" not in chart.inline
    assert b"<script" not in chart.svg


POINTS = st.lists(st.tuples(st.floats(20, 280), st.floats(20, 190), st.floats(2, 10)), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(POINTS)
def test_no_place_is_given_twice_and_none_is_outside(found: list[tuple[float, float, float]]) -> None:
    points = [Point(x, y, radius, 40.0, 10.0) for x, y, radius in found]
    within = Box(0, 0, 300, 210)
    given_to = [each.box for each in places(points, [], [], within)]
    assert len(given_to) == len(points)
    assert all(box.inside(within) for box in given_to)
    for one, other in itertools.combinations(given_to, 2):
        assert one.over(other) == pytest.approx(0, abs=1e-6)
    for point, box in zip(points, given_to, strict=True):
        assert math.hypot(box.left + 20 - point.x, box.top + 5 - point.y) < 140


def test_no_name_is_put_on_the_line_that_leads_to_another() -> None:
    points = [Point(x, y, 7.0, 45.0, 12.0) for x, y in ((265, 187), (263, 187), (257, 186))]
    found = places(points, [], [Box(188, 195, 100, 13)], Box(0, 0, 300, 208))
    assert any(place.led for place in found)
    for point, place in zip(points, found, strict=True):
        x, y = leads_to(point, place.box)
        way = [(point.x + (x - point.x) * step / 12, point.y + (y - point.y) * step / 12) for step in range(12)]
        others = [other.box for other in found if other is not place]
        assert not any(other.holds(*at) for other in others for at in way if place.led)
