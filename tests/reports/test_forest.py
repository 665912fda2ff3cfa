"""The charts of a regression check: what they draw, what they tell, and whose it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from reports.charts import canvas, forest
from reports.charts.palette import styles
from reports.listings import blocks
from reports.words import measures, units
from tests.reports import synthetic_judged
from tests.reports.test_charts import SVG


def owners(inline: str) -> dict[str, set[str]]:
    """Return what is told in a drawing by whom it belongs to, an empty text where nothing is told."""
    found: dict[str, set[str]] = {}
    for group in ET.fromstring(inline).iter(f"{SVG}g"):  # noqa: S314 - ours
        if names := group.get("data-of"):
            found.setdefault(names, set()).add(group.findtext(f"{SVG}title", ""))
    return found


def test_every_change_is_told_with_its_interval_and_goes_with_its_pair() -> None:
    run = synthetic_judged.check("regressed", ("redis", "memory"))
    with canvas.paper():
        on = forest.changes(run.comparisons, styles(run), [])
        assert on is not None
        chart = on.finish("", "", {})
    measured = [(pair, metric) for pair in run.comparisons for metric in forest.measured(pair)]
    assert len(chart.marks) == len(measured) == 9
    for mark, (pair, metric) in zip(chart.marks, measured, strict=True):
        assert metric.change is not None
        assert (mark.variant, mark.what, mark.unit) == (pair.name, measures.measure(metric.metric).name, "%")
        assert isinstance(mark.figure, units.Written)
        assert isinstance(mark.reach, units.Written)
        assert (mark.figure.value, mark.reach.value, mark.reach.to) == (
            metric.change.estimate, metric.change.low, metric.change.high,
        )  # fmt: skip
        assert mark.note == metric.state + ("" if metric.decides else " (shown)")
    owned = owners(chart.inline)
    assert owned.keys() == {"redis", "memory"}
    assert {name: titles - {""} for name, titles in owned.items()} == {
        name: {mark.told for mark in chart.marks if mark.variant == name} for name in owned
    }


def test_every_block_is_told() -> None:
    [pair] = synthetic_judged.check("regressed").comparisons
    with canvas.paper():
        on = forest.every_block(pair, "redis", styles(synthetic_judged.check())[pair.base], [])
        assert on is not None
        chart = on.finish("", "", {})
    assert chart.variant == "redis"
    changes = {
        f"{measures.measure(metric.metric).name} in block {number}": change
        for metric in forest.measured(pair)
        for number, change in enumerate(blocks.by_block(metric.base, metric.head), 1)
    }
    assert {mark.what: getattr(mark.figure, "value", None) for mark in chart.marks} == changes
    assert len(chart.marks) == 5 * 12
    assert owners(chart.inline) == {"redis": {mark.told for mark in chart.marks}}


def test_a_wide_metric_that_decides_nothing_does_not_stretch_the_scale() -> None:
    run = synthetic_judged.check("pass")
    metrics = forest.measured(run.comparisons[0])
    narrow = forest.reach(metrics)
    for each in metrics:
        if each.metric == "p99_us" and each.change is not None:
            each.change.high = 40.0
    assert forest.reach(metrics)[1] <= narrow[1]
    on = forest.changes(run.comparisons, styles(run), [])
    assert on is not None
    arrows = [line for line in on.figure.axes[0].lines if line.get_marker() == ">"]
    assert len(arrows) == 1


def test_the_blocks_change_is_what_was_judged() -> None:
    pair = synthetic_judged.check("regressed").comparisons[0]
    metric = pair.metrics[0]
    for change, base, head in zip(blocks.by_block(metric.base, metric.head), metric.base, metric.head, strict=True):
        assert base * (1 + change) == pytest.approx(head)
