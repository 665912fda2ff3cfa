"""What figures a page may show: those of run.json, and functions of them that are named here."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from reports.format import LAYERS
from tests.reports.page import Page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reports.format import Run


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield every number with the names on the way to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def known(run: Run) -> set[float]:
    """Return all numbers of a run, and over the trials of each variant and load their medians, sums and extremes."""
    raw = run.model_dump(mode="json")
    found = {value for _, value in numbers(raw)}
    per_variant: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for trial in raw["trials"]:
        if trial["verdict"]["state"] == "INVALID":
            continue
        rate = str((trial["load"] or raw["plan"]["load"])["rate_per_s"])
        # At a rate, the trials of the ladder are together with those of the table.
        for where in (trial["purpose"], rate):
            for arm in trial["arms"]:
                for path, value in numbers(arm):
                    per_variant[where, arm["variant"], *path].append(value)
    for values in per_variant.values():
        found |= {statistics.median(values), sum(values), min(values), max(values)}
    found |= {float(len(each.trials)) for each in run.capacities}
    found |= moved(run)
    return found | layers(run) | shares(raw) | ratios(raw) | faults(run) | relayed(run) | means(run) | judged(run)


def layers(run: Run) -> set[float]:
    """Return the mean of each variant by its layers' medians, and what they leave to it."""
    found = set()
    for variant in run.variants:
        seen = [
            arm.figures.layers_us
            for trial in run.trials
            if trial.purpose == "latency" and trial.verdict.state != "INVALID"
            for arm in trial.arms
            if arm.variant == variant.name and arm.figures is not None and arm.figures.layers_us
        ]
        if seen:
            attributed = [
                statistics.median(each.get(layer, 0.0) for each in seen)
                for layer in LAYERS[:-1]
                if any(layer in each for each in seen)
            ]
            rest = max(statistics.median(sum(each.values()) for each in seen) - sum(attributed), 0.0)
            found |= {rest, sum(attributed) + rest}
    return found


def shares(raw: Any) -> set[float]:
    """Return how many of a million answers were wrong and, by the rule of three, at most were; without faults."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for trial in raw["trials"]:
        for name, each in trial["checked"].items() if trial["fault"] is None else ():
            both = sums[*(arm["variant"] for arm in trial["arms"]), name]
            both[0] += each["checked"]
            both[1] += each["wrong"]
    found = {float(value) for both in sums.values() for value in both}
    known_shares = [(checked, wrong) for checked, wrong in sums.values() if checked]
    return found | {share / checked * 1e6 for checked, wrong in known_shares for share in (wrong, 3)}


def ratios(raw: Any) -> set[float]:
    """Return the ranges that the table is sorted by, and each change between two variants read the other way round."""
    spreads = [spread for summary in raw["summaries"] for spread in summary["metrics"].values()]
    told = [each["change"]["estimate"] for each in raw["told"]]
    return {spread["max"] - spread["min"] for spread in spreads} | {1 / (1 + each) - 1 for each in told}


def faults(run: Run) -> set[float]:
    """Return when each fault's first error came after it, and how many failed from then on that need no session."""
    found = set()
    for seen in (trial.outage for trial in run.trials if trial.outage is not None):
        if seen.first_error_us is not None:
            found.add(float(seen.first_error_us - seen.began_us))
        found.add(float(sum(sum(each.errors.values()) for each in seen.sessionless if each.name != "before")))
    return found


def relayed(run: Run) -> set[float]:
    """Return what each variant's relay saw, over its latency trials: the medians, and the most that it took."""
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in run.trials:
        if trial.relayed is not None and trial.purpose == "latency" and trial.verdict.state != "INVALID":
            for path, value in numbers(trial.relayed.model_dump()):
                seen[trial.arms[0].variant, path[-1]].append(value)
    return {value for values in seen.values() for value in (statistics.median(values), max(values))}


def means(run: Run) -> set[float]:
    """Return where an interval of a figure's logarithm may end: at the geometric mean of any two trials of a series."""
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in run.trials:
        for arm in trial.arms if trial.relayed is not None else ():
            for figures, name in ((arm.figures, "p50_us"), (arm.figures, "p99_us"), (arm.closed, "requests_per_s")):
                if figures is not None and (value := getattr(figures, name)) is not None:
                    seen[arm.variant, name].append(value)
    return {math.sqrt(one * other) for values in seen.values() for one in values for other in values}


def moved(run: Run) -> set[float]:
    """Return the bytes to a store and from it together, of every step that was counted."""
    steps = [step for each in run.counts for step in each.steps.values()]
    return {float((each.to_store_bytes or 0) + (each.from_store_bytes or 0)) for each in steps}


def judged(run: Run) -> set[float]:
    """Return of each pair the medians, what is tolerated, and every block's number and change."""
    found = set()
    for each in (metric for pair in run.comparisons for metric in pair.metrics if metric.base):
        before = statistics.median(each.base)
        found |= {before, statistics.median(each.head), max(each.tolerance.share, each.tolerance.floor / before)}
        found |= {head / base - 1 for base, head in zip(each.base, each.head, strict=True)}
        found |= {float(block) for block in range(1, len(each.base) + 1)}
    return found


def rounded(value: float) -> str:
    """Return a number so that the order in which it was added up makes no difference."""
    return f"{value:.9g}"


def check(run: Run, content: str, *, least: int, also: Collection[float] = ()) -> Page:
    """Find every figure of every table in the run's data, or among those of others; at least so many there are."""
    page = Page(content)
    there = {rounded(value) for value in (*known(run), *also)}
    cells = [(key, cell) for key, rows in page.tables.items() for row in rows for cell in row]
    figures = [(key, cell.text, value) for key, cell in cells for value in (cell.value, cell.to) if value is not None]
    assert [each for each in figures if rounded(each[-1]) not in there] == []
    assert len(figures) >= least
    # What is not among words and has a digit is a figure.
    of_words = re.compile(r"words|reason")
    numbered = [(key, cell) for key, cell in cells if cell.tag == "td" and re.search(r"\d", cell.text)]
    bare = [
        (key, cell.text)
        for key, cell in numbered
        if cell.value is None and not of_words.search(cell.attributes.get("class") or "")
    ]
    assert bare == []
    return page
