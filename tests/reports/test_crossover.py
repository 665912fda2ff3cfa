from __future__ import annotations

import csv
import io
import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from reports.charts import canvas, crossover_chart, gallery
from reports.exporters import csv as exported
from reports.exporters import grids
from reports.format import Capacity
from reports.listings import crossover, crossover_listing, findings, view
from reports.listings.crossover import Reach, order, reach, without_distance
from reports.listings.listing import Struck
from reports.record.audited import Audit
from reports.record.relayed import RelayCost
from reports.words.units import MISSING, Written
from tests.reports import synthetic_distance as synthetic
from tests.reports.synthetic import EVIL
from tests.reports.synthetic_audits import check
from tests.reports.test_charts import SVG

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.charts.canvas import Chart
    from reports.format import Run


def drawn(run: Run) -> Chart | None:
    with canvas.paper():
        on = crossover_chart.draw(run, view.caption(run))
        if on is None:
            return None
        return on.finish(crossover_chart.how(run), crossover_chart.describe(run), gallery.colours(run))


def steady(rtt_ms: float) -> tuple[float, float]:
    """Return an app that is better than both others at no distance."""
    return 3_000 + rtt_ms * 1e3, 300


def test_distance_in_a_terminal(golden: Callable[[str, str], None]) -> None:
    run = synthetic.run()
    console = Console(width=80, file=io.StringIO(), color_system=None, legacy_windows=False)
    for listing in (crossover_listing.listing(run), crossover_listing.relay(run)):
        assert listing is not None
        console.print(listing.title, grids.laid(listing, console, console.options), listing.remark, sep="\n")
    assert isinstance(console.file, io.StringIO)
    golden("distance-terminal-80.txt", console.file.getvalue())


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("redis:rtt=4", "redis"),
        ("redis:driver=sync,rtt=4", "redis:driver=sync"),
        ("redis:codec=json,rtt=0.5,workers=2", "redis:codec=json,workers=2"),
        ("near", "near"),
    ],
)
def test_a_series_is_named_without_its_distance(name: str, series: str) -> None:
    assert without_distance(name) == series


def test_points_are_the_trials_medians_in_order_of_distance() -> None:
    run = synthetic.run(rtts=(4.0, 0.0, 1.0))
    redis, sync = crossover.series(run)
    assert (redis.name, sync.name) == ("redis", "redis:driver=sync")
    assert [point.rtt_ms for point in sync.points] == [0, 1, 4]
    p50_us, per_s = synthetic.waiting(4.0)
    figures = sync.points[2].figures
    assert figures["p50_us"].middle == pytest.approx(p50_us)
    assert (figures["p50_us"].low, figures["p50_us"].high) == pytest.approx((p50_us * 0.96, p50_us * 1.04))
    assert figures["throughput_per_s"].middle == pytest.approx(per_s)
    assert not figures["p50_us"].exact
    invalid = next(trial for trial in run.trials if trial.arms[0].variant == "redis:driver=sync,rtt=4")
    invalid.verdict.state = "INVALID"
    assert crossover.series(run)[1].points[2].figures["p50_us"].trials == 2


def test_where_two_series_cross_is_said_only_of_what_was_tried() -> None:
    latency, throughput = crossover.sentences(synthetic.run())
    assert latency == (
        "redis has a longer p50 than redis:driver=sync at 0 ms, one that cannot be told apart at 0.5 ms, and a shorter "
        "one from 1 ms."
    )
    assert throughput == "redis answers fewer a second than redis:driver=sync at 0 ms, and more from 0.5 ms."
    turned = dict(reversed(synthetic.APPS.items()))
    assert crossover.sentences(synthetic.run(turned))[1] == (
        "redis:driver=sync answers more a second than redis at 0 ms, and fewer from 0.5 ms."
    )
    # With blocks that differ by a third, the ranges of neighbours overlap up to the last distance.
    assert crossover.sentences(synthetic.run(spread=0.2))[0] == (
        "redis has a longer p50 than redis:driver=sync at 0 ms, and one that cannot be told apart from 0.5 ms."
    )


def test_two_that_do_not_cross_are_told_once_and_of_two_backends_not_at_all() -> None:
    apps = {"redis": synthetic.free, "redis:driver=threads": steady}
    assert crossover.sentences(synthetic.run(apps))[1] == (
        "redis answers more a second than redis:driver=threads at every round-trip time that was tried (0 to 20 ms)."
    )
    alike = crossover.sentences(synthetic.run({"redis": steady, "redis:driver=threads": steady}))
    assert alike[0].startswith("redis cannot be told apart in p50 from redis:driver=threads at every round-trip time")
    assert crossover.sentences(synthetic.run({"redis": synthetic.free, "postgres": steady})) == []
    crossing = crossover.sentences(synthetic.run({"redis": synthetic.free, "postgres": synthetic.waiting}))
    assert crossing[1] == "redis answers fewer a second than postgres at 0 ms, and more from 0.5 ms."


def test_a_lower_bound_is_never_the_smaller_one() -> None:
    run = synthetic.run()
    for trial in run.trials:
        for arm in trial.arms:
            if arm.variant.startswith("redis:rtt") and arm.figures:
                arm.figures.at_least = ["p50_us"]
    assert crossover.sentences(run)[0] == (
        "redis has a longer p50 than redis:driver=sync at 0 ms, and one that cannot be told apart from 0.5 ms."
    )
    listing = crossover_listing.listing(run)
    assert listing is not None
    assert [row[2].startswith("≥") for row in listing.rows] == [True] * 5 + [False] * 5


def test_a_dozen_blocks_bear_an_interval() -> None:
    run = synthetic.run(blocks=12, rtts=(0.0, 1.0))
    figure = crossover.series(run)[0].points[0].figures["p50_us"]
    assert figure.exact
    assert 0.96 * 900 < figure.low < 900 < figure.high < 1.04 * 900
    listing = crossover_listing.listing(run)
    assert listing is not None
    assert "95 % intervals" in listing.remark
    assert "95 % intervals" in crossover_chart.how(run)
    assert not reach([1.0] * 11).exact
    assert reach([0.0] * 12).exact is False
    two = [Reach(1.0, low, high, 3, exact=False) for low, high in ((1.0, 2.0), (2.0, 3.0))]
    assert order(*two) == "alike"
    assert order(Reach(1, 0.5, 1.9, 3, exact=False), two[1]) == "fewer"


def test_one_distance_is_no_series() -> None:
    without = synthetic.run()
    for variant in without.variants:
        variant.rtt_ms = None
    for trial in without.trials:
        trial.relayed = None
    for run in (synthetic.run(rtts=(1.0,)), without):
        assert crossover.series(run) == []
        assert crossover_listing.listing(run) is None
        assert drawn(run) is None
    assert crossover_listing.relay(without) is None


def test_the_chart_has_every_point_at_its_distance() -> None:
    run = synthetic.run()
    with canvas.paper():
        on = crossover_chart.draw(run, [])
    assert on is not None
    p50, p99, rate, capacity = on.figure.axes[:4]
    marks = {line.get_marker(): line for line in p50.lines if line.get_marker() not in {"None", None}}
    assert set(marks) == {"o", "s"}
    squares = [line for line in rate.lines if line.get_marker() == "s"]
    assert [np.asarray(line.get_ydata())[0] for line in squares] == pytest.approx(
        [synthetic.waiting(rtt)[1] for rtt in synthetic.RTTS]
    )
    forward: Any = p50.get_xaxis().get_transform()
    low, high = forward.transform(list(p50.get_xlim()))
    places = forward.transform([np.asarray(line.get_xdata())[0] for line in squares])
    meant = forward.transform(list(synthetic.RTTS))
    assert all(abs(place - each) < 0.01 * (high - low) for place, each in zip(places, meant, strict=True))
    ticks = [tick.get_text() for tick in capacity.get_xticklabels()]
    assert ticks == ["0", "0.5", "1", "4", "20"]
    assert p99.get_yscale() == "log"
    chart = drawn(run)
    assert chart is not None
    assert "answers fewer a second than redis:driver=sync at 0 ms" in chart.inline


def test_every_point_is_told_with_its_range() -> None:
    run = synthetic.run()
    for trial in run.trials:
        if trial.arms[0].variant == "redis:rtt=4" and trial.arms[0].figures:
            trial.arms[0].figures.at_least = ["p99_us"]
            trial.verdict.state = "OVERLOADED"
    chart = drawn(run)
    assert chart is not None
    # Two apps at every distance, in p50, p99, throughput and capacity.
    assert len(chart.marks) == 2 * len(synthetic.RTTS) * 4
    marks = {(mark.variant, mark.what): mark for mark in chart.marks}
    assert len(marks) == len(chart.marks)
    p50_us, per_s = synthetic.waiting(20.0)
    p50 = marks["redis:driver=sync,rtt=20", "p50 at 20 ms"]
    assert isinstance(p50.figure, Written)
    assert isinstance(p50.reach, Written)
    assert p50.unit == "ms"
    assert (p50.figure.value, p50.reach.value, p50.reach.to) == pytest.approx((p50_us, p50_us * 0.96, p50_us * 1.04))
    capacity = marks["redis:driver=sync,rtt=20", "capacity at 20 ms"]
    assert isinstance(capacity.figure, Written)
    assert (capacity.figure.value, capacity.figure.to, capacity.unit) == (per_s * 0.8, per_s * 0.9, "/s")
    bounded = marks["redis:rtt=4", "p99 at 4 ms"]
    assert (bounded.figure[0], bounded.note) == ("≥", "OVERLOADED")
    assert [mark.note for mark in chart.marks].count("OVERLOADED") == 4
    titles = [title.text for title in ET.fromstring(chart.inline).iter(f"{SVG}title")]  # noqa: S314 - ours
    assert set(titles) == {mark.told for mark in chart.marks}


def test_points_go_with_their_variant_and_lines_with_either_of_theirs() -> None:
    run = synthetic.run(rtts=(0.0, 1.0, 4.0))
    chart = drawn(run)
    assert chart is not None
    owned: dict[tuple[str, ...], list[bool]] = {}
    for group in ET.fromstring(chart.inline).iter(f"{SVG}g"):  # noqa: S314 - ours
        if names := group.get("data-of"):
            owned.setdefault(tuple(names.split("\n")), []).append(group.find(f"{SVG}title") is not None)
    for name in ("redis:rtt={}", "redis:driver=sync,rtt={}"):
        near, middle, far = (name.format(rtt) for rtt in (0, 1, 4))
        # A bar and a mark in each of three panels; a bar and its ends in that of capacity. Each says what it is.
        assert {each: owned.pop((each,)) for each in (near, middle, far)} == dict.fromkeys(
            (near, middle, far), [True] * 8
        )
        # A line in each of three panels; of capacities nothing is drawn between two distances. Nothing is told there.
        assert owned.pop((near, middle)) == owned.pop((middle, far)) == [False] * 3
    assert owned == {}


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [(1_000, 1_240, "1,000–1,240"), (1_000, None, "≥1,000"), (None, 98.7, "< 98.7"), (None, None, "–")],  # noqa: RUF001 - as written
)
def test_a_capacity_is_told_as_far_as_it_is_known(lower: float | None, upper: float | None, said: str) -> None:
    found = Capacity(variant="redis:rtt=1", lower_per_s=lower, upper_per_s=upper, limit="app CPU", why="")
    assert crossover.bounds(found) == said
    run = synthetic.run()
    run.capacities = [found]
    listing = crossover_listing.listing(run)
    assert listing is not None
    shown = [row[-1] for row in listing.rows if row[:2] == ["redis", "1"]]
    assert (shown == [said]) == (said != MISSING)


def test_what_is_missing_has_no_panel() -> None:
    run = synthetic.run()
    run.capacities = []
    for trial in run.trials:
        trial.arms[0].closed = None
    with canvas.paper():
        on = crossover_chart.draw(run, [])
    assert on is not None
    said = {text.get_text() for text in on.figure.texts}
    assert {"p50", "p99"} <= said
    assert not {"throughput", "capacity"} & said
    listing = crossover_listing.listing(run)
    assert listing is not None
    assert [head.name for head in listing.heads] == ["series", "rtt", "p50", "p99"]


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (1.0, None),
        (1.2, "redis:rtt=0.5: the relay was late by 108 µs at p99, of a delay of 0.5 ms."),
        (2.0, "redis:rtt=0.5: the relay was late by 60.0 µs at the median, of a delay of 0.5 ms."),
        (4.0, "redis:rtt=0: the relay used 84 % of a core and may have held up what passed."),
    ],
)
def test_a_relay_that_stood_in_the_way_is_named(late: float, said: str | None) -> None:
    run = synthetic.run(late=late)
    listing = crossover_listing.relay(run)
    assert listing is not None
    assert listing.rows[1] == [
        "redis:rtt=0.5", "1.10", "152", "1,240", f"{30 * late:.1f}" if late < 4 else "120",
        f"{90 * late:.1f}" if late * 90 < 100 else f"{90 * late:.0f}", f"{round(21 * late)} %",
    ]  # fmt: skip
    assert listing.rows[0][4:6] == ["–", "–"]  # noqa: RUF001 - the dash of tables
    assert said is None or said in listing.remark
    assert said is not None or "the relay" not in listing.remark
    run.relay_cost = RelayCost(
        direct_us=40, relayed_us=78, added_us=38, most_per_s=9_000, direct_most_per_s=20_000, busy_share=0.9,
        cpu_us=70, additions=[],
    )  # fmt: skip
    listing = crossover_listing.relay(run)
    assert listing is not None
    assert "With no delay the relay adds 38.0 µs to a round trip of 40.0 µs." in listing.remark


def test_hostile_names_stay_inside_the_picture() -> None:
    run = synthetic.run({f"redis:{EVIL}": synthetic.free, "redis:" + "W" * 60: synthetic.waiting}, rtts=(0.0, 1.0))
    chart = drawn(run)
    assert chart is not None
    assert "<script" not in chart.inline
    for element in ET.fromstring(chart.svg).iter(f"{SVG}text"):  # noqa: S314 - ours
        text, style = "".join(element.itertext()), element.get("style", "")
        width = canvas.measure(text, float(style.partition("px")[0].rpartition(" ")[2]), bold="bold" in style)
        x: Any = element.get("x") or element.get("transform", "").partition("(")[2].replace(",", " ").split()[0]
        start = float(x) - width * ("middle" in style) / 2 - width * ("anchor: end" in style)
        assert -0.5 <= start <= start + width <= canvas.WIDTH + 0.5, text
        assert not math.isnan(start)


def test_distances_are_exported_and_shown_beside_the_figures() -> None:
    run = synthetic.run()
    rows = list(csv.DictReader(io.StringIO(exported.distances(run))))
    assert [(row["series"], float(row["rtt_ms"])) for row in rows] == [
        (name, rtt) for name in synthetic.APPS for rtt in synthetic.RTTS
    ]
    assert float(rows[-1]["throughput_per_s_median"]) == pytest.approx(synthetic.waiting(20.0)[1])
    assert {"distances", "relay"} <= {listing.key for listing in (*findings.beside(run), *findings.inside(run))}
    run.audits = [
        Audit(variant="redis:rtt=1", checks=[check(3, "FAIL")]),
    ]
    [listing] = [each for each in findings.beside(run) if each.key == "distances"]
    assert [isinstance(row[0], Struck) for row in listing.rows] == [True] * 5 + [False] * 5
