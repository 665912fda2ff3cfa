"""Every number of the first screen is in run.json, or is a function of what is there that stands here by its name."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from reports.charts import canvas, palette, tradeoff
from reports.choice.decision import decision
from reports.files import read_run
from reports.judging import paired
from reports.listings import matrix, struck
from reports.words import units
from tests.reports import (
    synthetic_audits,
    synthetic_choice,
    synthetic_distance,
    synthetic_faults,
    synthetic_open,
    synthetic_told,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reports.choice.decision import Decision
    from reports.choice.needs import Figure
    from reports.data import Recorded
    from reports.format import Run

REFERENCE: Final = Path(__file__).parents[2] / "results" / "reference"
NUMBER: Final = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
"""No part of a word such as p99; a comma or a full stop behind it is no part of it."""
ENOUGH: Final = 12
"""Blocks: from there on a range is an interval."""


def choice() -> Run:
    names = ("none", "memory", *synthetic_choice.APART)
    run = synthetic_choice.run(
        {"none": (1.0, 1.1, 1.2), "memory": (1.5, 1.6, 1.7), **synthetic_choice.APART},
        drawn_per_s={name: (3_000 + 10 * place, 3_050, 3_100) for place, name in enumerate(names)},
    )
    run.audits = [synthetic_audits.audit(name) for name in ("redis", "postgres")]
    run.trials[0].verdict.state = "SUSPECT"
    return run


RUNS: dict[str, Callable[[Path], Run]] = {
    "choice": lambda _: choice(),
    "told": lambda _: synthetic_told.bench(),
    "distance": lambda _: synthetic_distance.run(),
    "faults": synthetic_faults.record,
    "open": synthetic_open.record,
    "reference": lambda _: read_run(REFERENCE),
}


@pytest.fixture(scope="module", params=[*RUNS, "closed"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, recorded: Recorded) -> Run:
    return recorded.run if request.param == "closed" else RUNS[request.param](tmp_path_factory.mktemp(request.param))


def decided(run: Run) -> Decision:
    found = decision(run)
    assert found is not None
    return found


def with_store(parts: dict[str, float | None], *, stored: bool) -> float | None:
    app = parts.get("app")
    return None if app is None else app + ((parts.get("store") or 0.0) if stored else 0.0)


def held(raw: dict[str, Any], figures: dict[str, Any], *, stored: bool) -> float | None:
    """Return what app and store hold: PSS where it is known of all, RSS where not."""
    at = {each["name"]: each["server"] is not None for each in raw["variants"]}
    latency = [arm for trial in raw["trials"] if trial["purpose"] == "latency" for arm in trial["arms"]]
    pss = all(
        with_store(arm["figures"]["pss_bytes"], stored=at[arm["variant"]]) is not None
        for arm in latency
        if arm["figures"] is not None
    )
    return with_store(figures["pss_bytes" if pss else "rss_bytes"], stored=stored)


READ: Final[dict[str, Callable[..., float | None]]] = {
    "p99": lambda _raw, arm, _stored: arm["figures"]["p99_us"],
    "p50": lambda _raw, arm, _stored: arm["figures"]["p50_us"],
    "throughput": lambda raw, arm, _stored: (
        (arm["closed"] if raw["plan"]["load"]["kind"] == "open" else arm["figures"]) or {}
    ).get("requests_per_s"),
    "app-cpu": lambda _raw, arm, _stored: arm["figures"]["cpu_us_per_request"].get("app"),
    "cpu": lambda _raw, arm, stored: with_store(arm["figures"]["cpu_us_per_request"], stored=stored),
    "memory": lambda raw, arm, stored: held(raw, arm["figures"], stored=stored),
}
WRITTEN: Final[dict[str, Callable[[float], str]]] = {
    "p99": units.ms, "p50": units.ms, "throughput": units.per_second, "app-cpu": units.us, "cpu": units.us,
    "memory": units.mib, "capacity": units.per_second,
}  # fmt: skip


def over_blocks(run: Run, key: str) -> dict[str, tuple[float, float, float]]:
    """Return median, low and high by variant, of each block's last trial that is not INVALID."""
    raw = run.model_dump(mode="json")
    stored = {each["name"]: each["server"] is not None for each in raw["variants"]}
    seen: dict[str, dict[int, float]] = defaultdict(dict)
    for trial in raw["trials"]:
        if trial["purpose"] == "latency" and trial["verdict"]["state"] != "INVALID":
            for arm in trial["arms"]:
                if arm["figures"] and (value := READ[key](raw, arm, stored[arm["variant"]])) is not None:
                    seen[arm["variant"]][trial["block"]] = value
    return {name: reach(list(values.values())) for name, values in seen.items()}


def reach(values: list[float]) -> tuple[float, float, float]:
    """Return the median with its interval of 95 %, of the logarithms, or with the extremes where blocks are few."""
    low, high = min(values), max(values)
    if len(values) >= ENOUGH and low > 0:
        found = paired.interval([math.log(value) for value in values], 0.025)
        assert found is not None
        low, high = (math.exp(end) for end in found)
    return statistics.median(values), low, high


def test_every_figure_is_a_function_of_the_run(run: Run) -> None:
    counted = 0
    for each in decided(run).answers:
        for figure in each.figures:
            counted += 1
            ends = (figure.value, figure.low, figure.high)
            if each.key == "capacity":
                lower, upper = next(
                    (one.lower_per_s or 0.0, one.upper_per_s) for one in run.capacities if one.variant == figure.variant
                )
                assert ends == ((lower, lower, lower) if upper is None else ((lower + upper) / 2, lower, upper))
                shown = [lower] if upper is None else [end for end in (lower, upper) if end]
                assert set(NUMBER.findall(figure.text)) == {units.per_second(end) for end in shown}
            elif each.key.startswith("fault-"):
                known = {
                    trial.outage.recovery_ms
                    for trial in run.trials
                    if trial.outage and trial.arms[0].variant == figure.variant
                }
                assert figure.value in known
                assert NUMBER.findall(figure.text) == ([units.significant(figure.value)] if figure.value else [])
            else:
                assert ends == pytest.approx(over_blocks(run, each.key)[figure.variant], rel=1e-12)
                assert set(NUMBER.findall(figure.text)) <= set(map(WRITTEN[each.key], ends))
                assert WRITTEN[each.key](figure.value) in figure.text
    assert counted >= 6


def bare(run: Run, text: str) -> str:
    """Return a text without what it quotes: names, versions, what the machine is called, objectives, reasons."""
    quoted = {variant.name for variant in run.variants} | {run.environment.cpu or "", run.plan.scenario}
    quoted |= {variant.server.label for variant in run.variants if variant.server}
    quoted |= {reason.rstrip(".") for trial in run.trials for reason in trial.verdict.reasons}
    quoted |= {struck.reason(checks).rstrip(".") for checks in struck.checks(run).values()}
    quoted |= {variant.error.rstrip(".") for variant in run.variants if variant.error}
    quoted |= {run.plan.objective.text} if run.plan.objective else set()
    for words in sorted(filter(None, quoted), key=len, reverse=True):
        text = text.replace(words, "")
    return text


def counts(run: Run) -> Iterator[float]:
    """Yield the numbers of things that a sentence may tell."""
    latency = [trial for trial in run.trials if trial.purpose == "latency"]
    yield from (len(run.variants) - (run.baseline is not None), len(latency))
    states = [trial.verdict.state for trial in latency]
    valid = [trial for trial in latency if trial.verdict.state != "INVALID"]
    yield from (len(valid), states.count("INVALID"), states.count("SUSPECT"), len({each.block for each in valid}))
    yield from (run.plan.load.users, run.plan.closed_users, run.plan.sessions, run.environment.cores)
    yield from {variant.rtt_ms for variant in run.variants if variant.rtt_ms is not None}
    figures = [arm.figures for trial in valid for arm in trial.arms if arm.figures]
    fewest = min((each.requests for each in figures), default=0)
    # Of so many requests the slowest hundredth.
    yield from (fewest, max(round(fewest / 100), 1))
    yield from (max((len(audit.checks) for audit in run.audits), default=0), len(matrix.ALL), ENOUGH)
    for trial in run.trials:
        if trial.outage is not None:
            yield sum(count for stage in trial.outage.stages for count in stage.errors.values())


def allowed(run: Run) -> set[str]:
    numbers = {f"{count:,}" for count in counts(run)} | {f"{count:g}" for count in counts(run)} | {"95"}
    numbers |= {units.per_second(run.plan.load.rate_per_s or 0)}
    for variant in run.variants:
        numbers |= set(NUMBER.findall(variant.durability))
    return numbers


CHECKS: Final = {"revocation": "3", "workers": "16"}


def test_every_number_of_a_sentence_is_a_figure_or_a_count(run: Run) -> None:
    found, known = decided(run), allowed(run)
    written = {
        each.key: {number for one in each.figures for number in NUMBER.findall(one.text)} for each in found.answers
    }
    speed = written.get("p99") or written.get("throughput", set())
    told = 0
    for each in found.answers:
        own = known | (written[each.key] or speed) | {CHECKS.get(each.key, "")}
        # Who else shares the place, and beyond six names, how many more there are.
        own |= {str(count) for count in range(1, len(run.variants))} if re.search(r"\d others?\b", each.said) else set()
        numbers = NUMBER.findall(bare(run, f"{each.need} {each.said}"))
        assert [number for number in numbers if number not in own] == [], each
        told += len(numbers)
    assert told
    for text in (found.question, found.trouble, found.ranges, *(each.reason for each in found.aside)):
        assert [each for each in NUMBER.findall(bare(run, text)) if each not in known] == [], text


def test_every_number_of_a_caution_is_a_count_of_the_run(run: Run) -> None:
    known = allowed(run)
    for each in decided(run).cautions:
        others = {number for number, _ in re.findall(r"(\d+) (others?)\b", each.text)}
        numbers = [number for number in NUMBER.findall(bare(run, each.text)) if number not in others]
        assert [number for number in numbers if number not in known] == [], each
        assert all(int(number) < len(run.variants) for number in others)


def test_every_mark_of_the_trade_off_stands_where_the_run_says(run: Run) -> None:
    shown = tradeoff.spots(run)
    with canvas.paper():
        on = tradeoff.draw(run, palette.styles(run), ["caption"])
    if len(shown) < 2:
        assert on is None
        return
    assert on is not None
    p99, cpu, drawn = (over_blocks(run, key) for key in ("p99", "app-cpu", "throughput"))
    axes: Any = on.figure.axes[0]
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    stand = {(line.get_xdata()[0], line.get_ydata()[0]) for line in circles}
    expected = set()
    for spot in shown:
        name = spot.row.variant.name
        figure: Figure = spot.p99
        assert (figure.value, figure.low, figure.high) == pytest.approx(p99[name], rel=1e-12)
        assert spot.cpu_us is None or spot.cpu_us == pytest.approx(cpu[name][0], rel=1e-12)
        capacity = next((each for each in run.capacities if each.variant == name), None)
        if run.capacities:
            assert capacity is not None
            low, high = capacity.lower_per_s, capacity.upper_per_s
            middle = math.sqrt(low * high) if low and high else low or high
            assert (spot.low_per_s, spot.high_per_s, spot.middle_per_s) == (low, high, middle)
        else:
            assert (spot.middle_per_s, spot.low_per_s) == pytest.approx(drawn[name][:2], rel=1e-12)
            assert spot.high_per_s is None or spot.high_per_s == pytest.approx(drawn[name][2], rel=1e-12)
        expected.add((spot.middle_per_s, figure.value / 1e3))
    assert stand == expected


def test_a_figure_that_is_made_up_is_found_out() -> None:
    run, other = choice(), choice()
    figures = run.trials[-1].arms[0].figures
    assert figures is not None
    figures.p99_us = (figures.p99_us or 0) * 1.5
    made_up = next(each.figures[-1] for each in decided(run).answers if each.key == "p99")
    assert made_up.high != pytest.approx(over_blocks(other, "p99")[made_up.variant][2], rel=1e-12)
