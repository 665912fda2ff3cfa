from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console

from reports.charts import canvas, gallery, lines, palette, sizes_chart
from reports.choice import decision
from reports.exporters import grids
from reports.listings import details, findings, sizes, sizes_listing, view
from reports.listings.listing import Struck
from reports.record.audited import Audit
from reports.words.units import MISSING
from tests.reports import synthetic_sizes as synthetic
from tests.reports.synthetic import EVIL
from tests.reports.synthetic_audits import check
from tests.reports.test_charts import SVG

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.charts.canvas import Canvas, Chart
    from reports.format import Figures, Run

COOKIES = ("cookie", "cookie:encrypted=true")


def on_paper(run: Run) -> Canvas | None:
    with canvas.paper():
        return sizes_chart.draw(run, palette.styles(run), view.caption(run))


def drawn(run: Run) -> Chart:
    on = on_paper(run)
    assert on is not None
    with canvas.paper():
        return on.finish(sizes_chart.HOW, sizes_chart.describe(run), gallery.colours(run))


def of(run: Run, variant: str, step: str) -> list[Figures]:
    """Return the figures of a step in every trial of a variant."""
    arms = [arm for trial in run.trials for arm in trial.arms if arm.variant == variant]
    return [arm.figures.steps[step] for arm in arms if arm.figures]


def at(run: Run, variant: str, payload_bytes: int) -> sizes.Point:
    [point] = [each for each in sizes.points(run)[variant] if each.payload_bytes == payload_bytes]
    return point


def cells(run: Run, variant: str) -> list[str]:
    listing = sizes_listing.listing(run)
    assert listing is not None
    [row] = [row for row in listing.rows if row[0] == variant]
    return [cell for cell, head in zip(row, listing.heads, strict=True) if not head.words]


def test_sizes_in_a_terminal(golden: Callable[[str, str], None]) -> None:
    run = synthetic.run()
    run.trials[-1].verdict.state = "OVERLOADED"
    listing = sizes_listing.listing(run)
    assert listing is not None
    console = Console(width=80, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(listing.title, grids.laid(listing, console, console.options), listing.remark, sep="\n")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    table = text.partition("p50 of")[0].splitlines()
    assert max(map(len, table)) <= 80
    # Below title, head and rule a row a variant: not one is broken.
    assert [row.split(" ")[0] for row in table[4:]] == list(synthetic.MOST)
    golden("sizes-terminal-80.txt", text)


def test_points_are_medians_of_the_trials_that_count() -> None:
    run = synthetic.run()
    assert sizes.steps(run) == ["GET /profile", "POST /profile"]
    found = sizes.points(run)
    assert list(found) == list(synthetic.MOST)
    for name, line in found.items():
        assert [point.payload_bytes for point in line] == list(synthetic.SIZES)
        for point in line:
            for step, times in point.times.items():
                meant = synthetic.p50_us(name, step, point.payload_bytes)
                assert times == pytest.approx((meant, meant * 0.9, meant * 1.1))
    last = next(trial for trial in reversed(run.trials) if trial.arms[0].variant == "redis")
    last.verdict.state = "INVALID"
    meant = synthetic.p50_us("redis", "GET /profile", 1000)
    assert at(run, "redis", 1000).times["GET /profile"] == pytest.approx((meant * 0.95, meant * 0.9, meant))


def test_a_refusal_is_answered_and_is_no_time_of_a_session() -> None:
    run = synthetic.run()
    seen = [each for name in COOKIES for each in of(run, name, "POST /login 3000 B")]
    assert all(each.p50_us is not None for each in seen)
    # They outnumber whatever else was sent, and rank it no higher.
    assert sum(each.requests for each in seen) > sum(
        each.requests for name in synthetic.MOST for each in of(run, name, "POST /profile 1000 B")
    )
    run = synthetic.run({"redis": None, "cookie": 2500})
    for trial in run.trials:
        for name, each in trial.arms[0].figures.steps.items() if trial.arms[0].figures else ():
            if name.startswith("POST /profile"):
                each.outcomes = {"ok": 1}
    assert sizes.steps(run)[1] == "POST /login"
    refused, kept = at(run, "cookie", 3000), at(run, "cookie", 2500)
    assert (refused.times, refused.kept, refused.refused) == ({}, False, True)
    assert (set(kept.times), kept.kept, kept.refused) == ({"GET /profile", "POST /login"}, True, False)


def test_a_cliff_is_between_what_is_kept_and_what_is_refused() -> None:
    run = synthetic.run()
    assert sizes.cliffs(run) == dict.fromkeys(COOKIES, (2500, 3000))
    assert sizes.sentences(run) == [
        "cookie and cookie:encrypted=true keep sessions up to 2.5 kB of payload and refuse 3 kB with a 413."
    ]
    run = synthetic.run(synthetic.MOST | {"cookie:encrypted=true": 2000, "redis": 50})
    assert sizes.cliffs(run) == {
        "cookie": (2500, 3000), "cookie:encrypted=true": (2000, 2500), "redis": (None, 100),
    }  # fmt: skip
    assert sizes.sentences(run) == [
        "cookie keeps sessions up to 2.5 kB of payload and refuses 3 kB with a 413.",
        "cookie:encrypted=true keeps sessions up to 2 kB of payload and refuses 2.5 kB with a 413.",
        "redis keeps no size that was tried and refuses 100 B with a 413.",
    ]
    assert cells(run, "redis") == [sizes_listing.REFUSED] * len(synthetic.SIZES)
    three = synthetic.run({"cookie": 2500, "cookie:encrypted=true": 2500, "cookie:a=b": 2500})
    assert sizes.sentences(three)[0].startswith("cookie, cookie:encrypted=true and cookie:a=b keep sessions")


def test_the_first_screen_warns_of_who_refused_a_size() -> None:
    warned, well = (decision.decision(synthetic.run(most)) for most in (synthetic.MOST, {"redis": None}))
    assert warned is not None
    assert well is not None
    [text] = [each.text for each in warned.cautions if each.key == "sizes"]
    assert text.startswith("cookie, cookie:encrypted=true refused larger sessions: ")
    assert "sizes" not in {each.key for each in well.cautions}


def test_what_is_refused_below_a_size_that_is_kept_is_no_cliff() -> None:
    run = synthetic.run({"redis": None})
    for trial in run.trials:
        figures = trial.arms[0].figures
        assert figures is not None
        figures.steps = {name: each for name, each in figures.steps.items() if not name.endswith(" 1000 B")}
        figures.steps["POST /login 1000 B"] = synthetic.figures(700, 10, "refused")
    assert sizes.cliffs(run) == {}
    assert cells(run, "redis")[1] == sizes_listing.REFUSED
    # Of a size that was refused and kept the figures are those of what was kept.
    for trial in run.trials:
        assert trial.arms[0].figures is not None
        trial.arms[0].figures.steps["GET /profile 1000 B"] = synthetic.figures(1_234, 10)
    assert cells(run, "redis")[1] == "1.23"


def test_nobody_keeps_any_size() -> None:
    run = synthetic.run({"cookie": 50}, (1000, 4000))
    listing = sizes_listing.listing(run)
    assert listing is not None
    assert [list(row) for row in listing.rows] == [["cookie", "no", "no"]]
    assert "cookie keeps no size that was tried and refuses 1 kB with a 413." in listing.remark
    assert on_paper(run) is None
    assert "cookie: none" in sizes_chart.describe(run)


def test_what_was_not_answered_is_neither_kept_nor_refused() -> None:
    run = synthetic.run({"redis": None}, (100, 1000))
    for each in (*of(run, "redis", "GET /profile 1000 B"), *of(run, "redis", "POST /login 1000 B")):
        each.outcomes, each.p50_us = {"timeout": each.requests}, None
    assert cells(run, "redis") == ["1.40", MISSING]
    for each in of(run, "redis", "GET /profile 1000 B"):
        each.p50_us, each.at_least = 30e6, ["p50_us"]
    assert cells(run, "redis") == ["1.40", "≥30,000"]


def test_a_lower_bound_is_marked_and_told() -> None:
    run = synthetic.run()
    of(run, "redis", "GET /profile 1000 B")[0].at_least = ["p50_us"]
    assert cells(run, "redis")[:3] == ["1.40", "≥1.41", "1.42"]
    [mark] = [each for each in drawn(run).marks if each.figure.startswith("≥")]
    assert (mark.variant, mark.what) == ("redis", "p50 of GET /profile at 1 kB")


def test_one_size_or_none_is_not_shown() -> None:
    nameless = synthetic.run()
    for trial in nameless.trials:
        assert trial.arms[0].figures is not None
        steps = trial.arms[0].figures.steps
        trial.arms[0].figures.steps = {name.rpartition(" ")[0].rpartition(" ")[0]: each for name, each in steps.items()}
    for run in (nameless, synthetic.run(sizes=(1000,)), synthetic.run(blocks=0)):
        assert sizes.steps(run) == []
        assert (sizes.points(run), sizes.cliffs(run), sizes.sentences(run)) == ({}, {}, [])
        assert sizes_listing.listing(run) is None
        assert on_paper(run) is None


def test_every_point_stands_in_the_column_of_its_size() -> None:
    run = synthetic.run()
    on = on_paper(run)
    assert on is not None
    reads, writes = on.figure.axes[:2]
    assert [tick.get_text() for tick in writes.get_xticklabels()] == [
        "100 B", "1 kB", "2 kB", "2.5 kB", "3 kB", "4 kB", "10 kB", "100 kB",
    ]  # fmt: skip
    for number, (name, most) in enumerate(synthetic.MOST.items()):
        kept = [size for size in synthetic.SIZES if most is None or size <= most]
        for axes, step in ((reads, "GET /profile"), (writes, "POST /profile")):
            points = [line for line in axes.lines if line.get_marker() == lines.shape(number)]
            # Above the floor that cliffs are written on.
            points = [line for line in points if line.get_color() == palette.styles(run)[name].light][: len(kept)]
            assert [round(np.asarray(line.get_xdata())[0]) for line in points] == list(range(len(kept)))
            assert [np.asarray(line.get_ydata())[0] for line in points] == pytest.approx(
                [synthetic.p50_us(name, step, size) / 1e3 for size in kept]
            )


def test_cliffs_at_one_size_are_told_apart_and_stand_free() -> None:
    run = synthetic.run()
    on = on_paper(run)
    assert on is not None
    for axes in on.figure.axes[:2]:
        labels = [text for text in axes.texts if text.get_text() == "413"]
        assert len(labels) == len(COOKIES)
        agg: Any = FigureCanvasAgg(on.figure)
        boxes = [label.get_window_extent(agg.get_renderer()) for label in labels]
        assert not boxes[0].overlaps(boxes[1])
        low = min(np.asarray(line.get_ydata()).min() for line in axes.lines if line.get_alpha())
        assert axes.transData.transform((0, low))[1] > max(box.y1 for box in boxes)
        dotted = [np.asarray(line.get_xdata()) for line in axes.lines if line.is_dashed()]
        ends = sorted(xs[0] for xs in dotted if xs[0] == xs[-1])
        assert len(ends) == 2
        assert 3.5 <= ends[0] < ends[1] < 3.6


def test_marks_are_told_once_and_go_with_their_variant() -> None:
    run = synthetic.run()
    chart = drawn(run)
    told = [each.told for each in chart.marks]
    assert len(told) == len(set(told))
    assert "cookie, smallest payload refused (413): 3 kB, up to 2.5 kB is kept" in told
    assert "memory, p50 of POST /profile at 4 kB: 1.39 ms (1.25 – 1.53)" in told  # noqa: RUF001 - a range
    hidden: dict[str, str] = {}
    shown = []
    for element in ET.fromstring(chart.inline).iter():  # noqa: S314 - ours
        within = "".join(element.itertext())
        if name := element.get("data-of"):
            hidden[name] = hidden.get(name, "") + within
        elif element.tag == f"{SVG}text":
            shown.append(within)
    assert set(hidden) == set(synthetic.MOST)
    # In both panels, and nowhere but with their variants.
    assert [text.count("413") - text.count("(413)") for text in hidden.values()] == [0, 2, 2, 0]
    assert "payload of the session, not to scale; 413: refused" in shown
    names = {each for line in ET.fromstring(chart.inline).iter(f"{SVG}title") for each in line.itertext()}  # noqa: S314 - ours
    assert set(told) <= names
    kept = drawn(synthetic.run({"memory": None, "redis": None}))
    assert "413" not in kept.inline.replace("(413)", "")


def test_verdicts_and_audits_are_seen_in_the_drawing() -> None:
    run = synthetic.run()
    run.trials[0].verdict.state = "OVERLOADED"
    run.trials[3].verdict.state = "FAILED"
    run.audits = [Audit(variant="cookie", checks=[check(3, "FAIL")])]
    on = on_paper(run)
    assert on is not None
    said = {text.get_text() for text in on.figure.texts}
    assert {"OVERLOADED", "FAILED"} <= said
    assert {mark.note for mark in drawn(run).marks if mark.variant == "memory"} == {"OVERLOADED"}
    reads = on.figure.axes[0]
    assert "X" in {line.get_marker() for line in reads.lines}
    [listing] = [each for each in findings.beside(run) if each.key == "payloads"]
    assert [isinstance(row[0], Struck) for row in listing.rows] == [False, True, False, False]
    assert [row[1] for row in listing.rows] == ["OVERLOADED", "", "", "FAILED"]


def test_the_details_have_what_was_refused_and_what_was_not_answered() -> None:
    run = synthetic.run({"redis": None, "cookie": 2500})
    for each in of(run, "redis", "POST /logout 2500 B"):
        each.outcomes, each.p50_us, each.p95_us, each.p99_us = {"timeout": 9}, None, None, None
    found = details.steps(run)
    assert [head.name for head in found.heads] == ["variant", "step", "requests", "refused", "p50", "p95", "p99"]
    rows = {(row[0], row[1]): row[2:] for row in found.rows}
    assert rows["cookie", "POST /login 10000 B"] == ["1,200", "1,200", "0.700", "1.40", "2.10"]
    assert rows["cookie", "POST /login 2000 B"][:2] == ["36", MISSING]
    assert rows["redis", "POST /logout 2500 B"] == ["27", *[MISSING] * 4]
    logins = [step for name, step in rows if name == "redis" and step.startswith("POST /login")]
    assert logins == [f"POST /login {size} B" for size in synthetic.SIZES]
    assert "refused" in found.remark
    without = details.steps(synthetic.run({"redis": None}))
    assert "refused" not in {head.name for head in without.heads}
    assert without.remark == ""


@pytest.mark.parametrize(
    ("most", "tried"),
    [
        ({f"redis:{EVIL}": None, "cookie:" + "W" * 60: 50_000}, synthetic.SIZES),
        ({"cookie": 50, "redis": None}, (100, 1000)),
        ({f"cookie:a={number}": 2500 for number in range(6)}, synthetic.SIZES),
        ({"cookie": 19_000, "redis": None}, tuple(range(1000, 21_000, 1000))),
    ],
)
def test_nothing_leaves_the_picture(most: dict[str, int | None], tried: tuple[int, ...]) -> None:
    chart = drawn(synthetic.run(most, tried))
    assert "<script" not in chart.inline
    places: dict[str, list[tuple[float, float]]] = {}
    for element in ET.fromstring(chart.svg).iter(f"{SVG}text"):  # noqa: S314 - ours
        text, style = "".join(element.itertext()), element.get("style", "")
        width = canvas.measure(text, float(style.partition("px")[0].rpartition(" ")[2]), bold="bold" in style)
        x, y = (
            (element.get("x"), element.get("y"))
            if element.get("x")
            else element.get("transform", "").partition("(")[2].replace(",", " ").replace(")", " ").split()[:2]
        )
        start = float(x or "nan") - width * ("middle" in style) / 2 - width * ("anchor: end" in style)
        assert -0.5 <= start <= start + width <= canvas.WIDTH + 0.5, text
        assert not math.isnan(start)
        places.setdefault(str(y), []).append((start, start + width))
    for row in places.values():
        ends = sorted(row)
        assert all(one[1] <= other[0] for one, other in pairwise(ends))
