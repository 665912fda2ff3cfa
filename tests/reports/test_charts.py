from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

import reports
from reports import stats
from reports.charts import bars, canvas, palette, timeline
from reports.record import tables
from reports.trials import outline
from reports.words import units
from tests.reports import synthetic

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded

NAMES = ("latency", "distribution", "throughput", "cpu", "memory")
SVG = "{http://www.w3.org/2000/svg}"


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ET.parse(path).iter(f"{SVG}text")]  # noqa: S314 - ours


def test_every_chart_is_there_twice(recorded: Recorded, written: dict[str, Path]) -> None:
    ran = [variant.slug for variant in recorded.run.variants if variant.error is None]
    names = [*NAMES, "cost-cpu", *(f"timeline-{slug}" for slug in ran)]
    assert {name for name in written if name.startswith("charts/")} == {
        f"charts/{name}.{kind}" for name in names for kind in ("png", "svg")
    }
    for name in names:
        with Image.open(written[f"charts/{name}.png"]) as picture:
            picture.verify()
        root = ET.parse(written[f"charts/{name}.svg"]).getroot()  # noqa: S314 - ours
        assert root.tag == f"{SVG}svg"


def test_a_picture_says_load_servers_and_machine(written: dict[str, Path]) -> None:
    for name in NAMES:
        said = " ".join(texts(written[f"charts/{name}.svg"]))
        for words in (
            "closed load, 16 users",
            "not comparable to open load",
            "Valkey 9.1.2",
            "AMD EPYC 7B13",
        ):
            assert words in said


def test_no_text_leaves_the_picture(
    hostile: Recorded, written: dict[str, Path], opened_written: dict[str, Path]
) -> None:
    everything = [*written.values(), *opened_written.values(), *reports.write(hostile)]
    pictures = [path for path in everything if path.suffix == ".svg"]
    for path in pictures:
        for element in ET.parse(path).iter(f"{SVG}text"):  # noqa: S314 - ours
            style = element.get("style", "")
            size = float(style.partition("px")[0].rpartition(" ")[2])
            upright = "rotate(-90" in element.get("transform", "")
            width = size if upright else canvas.measure("".join(element.itertext()), size, bold="bold" in style)
            x = float(element.get("x") or element.get("transform", "").partition("(")[2].replace(",", " ").split()[0])
            start = x - width * ("middle" in style) / 2 - width * ("anchor: end" in style)
            assert start >= -0.5, path
            assert start + width <= canvas.WIDTH + 0.5, path


def test_the_figures_written_in_the_charts_are_the_summaries(recorded: Recorded, written: dict[str, Path]) -> None:
    said = {name: texts(written[f"charts/{name}.svg"]) for name in NAMES}
    for summary in recorded.run.summaries:
        metrics = summary.metrics
        assert " / ".join(units.ms(metrics[name].median) for name in stats.PERCENTILES) + " ms" in said["latency"]
        assert f"{units.per_second(metrics['requests_per_s'].median)} /s" in said["throughput"]
        parts = [metrics.get(f"{role}_cpu_us_per_request") for role in ("app", "store", "generator")]
        assert " + ".join(units.us(part.median) if part else "–" for part in parts) in said["cpu"]  # noqa: RUF001 - the dash of tables


def test_marks_and_bars_lie_where_the_summaries_say(recorded: Recorded) -> None:
    styles = palette.styles(recorded.run)
    by_name = {summary.variant: summary.metrics for summary in recorded.run.summaries}
    order = [row.variant.name for row in bars.Rows(recorded.run, "x", "x", "x", []).rows]
    with canvas.paper():
        axes: Any = bars.throughput(recorded.run, styles, []).figure.axes[0]
        drawn = [patch.get_width() for patch in axes.patches if patch.get_facecolor()[3] > 0 and not patch.get_hatch()]
        assert drawn == [by_name[name]["requests_per_s"].median for name in order if name in by_name]
        spans = [tuple(line.get_xdata()) for line in axes.lines]
        assert spans == [
            (by_name[name]["requests_per_s"].min, by_name[name]["requests_per_s"].max)
            for name in order
            if name in by_name
        ]
        axes = bars.latency(recorded.run, styles, []).figure.axes[0]
        marks = [line.get_xdata()[0] * 1e3 for line in axes.lines if line.get_linestyle() == "None"]
        assert marks == pytest.approx(
            [by_name[name][metric].median for name in order if name in by_name for metric in stats.PERCENTILES]
        )
        assert all(isinstance(each, LineCollection) for each in axes.collections)


def test_the_tail_is_the_share_of_requests_that_took_longer() -> None:
    values = np.array(random.Random(1).sample(range(1_000_000), 5_000))  # noqa: S311 - not a secret
    found = outline.tail(values)
    assert found is not None
    for x, share in zip(*found, strict=True):
        assert share == np.mean(values > round(x * 1e3))
    assert found[1][-1] == 10 / 5_000
    assert outline.tail(values[:10]) is None


def test_the_timeline_counts_every_right_answer_once(recorded: Recorded) -> None:
    for trial in recorded.run.trials:
        table = tables.read_requests(recorded.folder, trial.number)
        line = recorded.outline(trial, 0)
        assert line is not None
        edges = line.edges_s
        start_us, response_us, right = stats.timed(table, 0)
        done = ((start_us + response_us) / 1e6)[right]
        assert line.answered_per_s.sum() * 0.25 == np.sum((done >= edges[0]) & (done < edges[-1]))
        assert (edges[0], edges[-1], 0.0 in edges) == (-trial.warmup_s, trial.window_s, True)
        assert (line.arrived_per_s, line.waiting, line.closed_from_s) == (None, None, None)


def test_of_many_trials_the_gravest_and_the_rest_evenly_are_drawn(recorded: Recorded) -> None:
    trial, line = recorded.run.trials[0], recorded.outline(recorded.run.trials[0], 0)
    assert line is not None
    states = ["VALID"] * 30
    states[5], states[17] = "FAILED", "SUSPECT"
    verdicts = [trial.verdict.model_copy(update={"state": state}) for state in states]
    many = [
        (trial.model_copy(update={"number": number, "verdict": verdict}), line)
        for number, verdict in enumerate(verdicts)
    ]
    drawn = [each.number for each, _ in timeline.chosen(many)]
    assert len(drawn) == timeline.MOST
    assert {5, 17} <= set(drawn)
    assert drawn == sorted(drawn)
    gaps = [after - before for before, after in pairwise(drawn)]
    assert max(gaps) <= 4
    assert timeline.chosen(many[: timeline.MOST]) == many[: timeline.MOST]


def test_a_run_without_tables_still_has_its_summaries_drawn(tmp_path: Path) -> None:
    synthetic.record(tmp_path, synthetic.SMALL[:1], unavailable=(), blocks=1)
    (tmp_path / "trials/0001/requests.parquet").unlink()
    names = {path.name for path in reports.write(tmp_path)}
    assert {"index.html", "latency.png", "distribution.svg"} <= names
    assert "timeline-none.png" not in names


def test_a_report_is_the_same_each_time(recorded: Recorded, written: dict[str, Path]) -> None:
    before = {path: path.read_bytes() for path in written.values()}
    again = reports.write(recorded.folder)
    assert {path: path.read_bytes() for path in again} == before


# Machado, Oliveira & Fernandes 2009, severity 1, for linear sRGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.asarray(np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4))


def lab(rgb: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_backends_are_told_apart_by_everyone(sight: str, theme: int) -> None:
    seen = {name: lab(np.array(SIGHT[sight]) @ linear(pair[theme])) for name, pair in palette.KNOWN.items()}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= 16, (one, other)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough(theme: int) -> None:
    paper = palette.PAPER[theme]
    for pair in [*palette.KNOWN.values(), *palette.SPARE]:
        assert contrast(pair[theme], paper) >= 3
    for pair in (palette.INK, palette.MUTED, palette.ALARM):
        assert contrast(pair[theme], paper) >= 4.5


def test_a_backend_keeps_its_colour_and_its_variants_share_it(recorded: Recorded) -> None:
    styles = palette.styles(recorded.run)
    assert styles["mongodb"].light == palette.KNOWN["mongodb"][0]
    assert styles["mongodb"].solid
    assert not styles["mongodb:driver=pymongo"].solid
    assert len({style.light for style in styles.values()}) == len(styles)


def test_unknown_backends_have_colours_of_their_own(recorded: Recorded) -> None:
    run = recorded.run.model_copy(deep=True)
    run.variants = [synthetic.variant(name) for name in ("dynamo", "sqlite", "etcd", "consul", "disk")]
    colours = {style.light for style in palette.styles(run).values()}
    assert colours == {light for light, _ in palette.SPARE}
