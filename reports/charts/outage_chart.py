"""Charts of faults: for each fault what every variant answered through it, and how long that took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from reports.charts import canvas
from reports.charts.canvas import ALARM, GRID, INK, MUTED, PAPER, SHADE, SMALL, WIDTH, Canvas
from reports.charts.marks import Mark
from reports.listings import outage_listing, struck, view
from reports.record import tables
from reports.record.outage import errors, listed
from reports.trials.outage_bins import bins
from reports.words import units
from reports.words.text import distinct, file_name
from reports.words.units import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.charts.palette import Style
    from reports.data import Recorded
    from reports.format import Run, Trial
    from reports.listings.outage_listing import Faulted
    from reports.record.faulted import Fault
    from reports.record.outage import Outage, Stage
    from reports.trials.outage_bins import Bins, Kind

HOW: Final = (
    "In tenths of a second: answers to requests with a session, right ones upwards, the others downwards; a number "
    "stands beside what is beyond the scale. Below, the "
    "slowest of those that were meant to start then, whatever came, and dashed the slowest request that needs no "
    "session. Shaded: the store is away. Lines: when it was let go, when it answered, when the app had recovered."
)
_LEFT: Final = 34.0
_RIGHT: Final = 9.0
_HEAD: Final = 28.0
_ANSWERS: Final = 46.0
_GAP: Final = 15.0
_LATENCY: Final = 50.0
_APART: Final = 18.0
_FOOT: Final = 28.0
_LINE: Final = 12.0
_CROWD: Final = 1.8
"""Bins that hold so many times what nine of ten hold are cut off."""
_DOWNWARDS: Final[tuple[Kind, ...]] = ("503", "wrong", "other", "unanswered")
_NAMES: Final[dict[Kind, str]] = {
    "right": "right", "503": "503", "wrong": "wrong answer", "other": "other error", "unanswered": "no answer",
}  # fmt: skip


class _Shown(NamedTuple):
    each: Faulted
    found: Outage
    binned: Bins


def draw(recorded: Recorded, styles: Mapping[str, Style]) -> Iterator[tuple[Canvas, str]]:
    """Draw a chart per fault that was carried out, each with what it says for those who cannot see it."""
    faulted = outage_listing.faulted(recorded.run)
    texts = list(dict.fromkeys(each.fault.text for each in faulted))
    for text, name in zip(texts, distinct(map(file_name, texts)), strict=True):
        shown = [
            _Shown(each, found, bins(table, window_s=each.trial.window_s))
            for each in faulted
            if each.fault.text == text
            and (found := each.trial.outage) is not None
            and (table := tables.read_requests(recorded.folder, each.trial.number)) is not None
        ]
        if shown:
            yield _chart(recorded.run, name, shown, styles), _described(text, shown)


def _chart(run: Run, name: str, shown: Sequence[_Shown], styles: Mapping[str, Style]) -> Canvas:
    deep = _HEAD + _ANSWERS + _GAP + _LATENCY + _APART
    kinds: list[Kind] = [
        "right",
        *(kind for kind in _DOWNWARDS if any(each.binned.counts[kind].any() for each in shown)),
    ]
    rows = [kinds[place : place + 4] for place in range(0, len(kinds), 4)]
    on = Canvas(
        f"fault-{name}",
        _title(shown[0].each.fault),
        [_about(run, shown[0].each.trial), *view.caption(run)],
        len(shown) * deep + _FOOT + _LINE * len(rows),
    )
    limits_ms = _limits(shown)
    ends = _reach([_below(each.binned) for each in shown]), _reach([each.binned.counts["right"] for each in shown])
    width = WIDTH - _LEFT - _RIGHT
    for place, each in enumerate(shown):
        top, style = place * deep, styles[each.each.variant]
        on.instead(each.each.variant, canvas.MARGIN, top + 10)
        with on.of(each.each.variant):
            _heading(on, run, each, top)
            upper = on.axes(_LEFT, top + _HEAD, width, _ANSWERS)
            lower = on.axes(_LEFT, top + _HEAD + _ANSWERS + _GAP, width, _LATENCY)
            _answers(upper, each.binned, style, ends)
            _latency(lower, each.binned, style, limits_ms)
            for axes in (upper, lower):
                axes.set_xlim(0, each.each.trial.window_s)
                _moments(axes, each)
                canvas.linear_axis(axes.xaxis, 5, highest=each.each.trial.window_s)
                axes.tick_params(labelbottom=axes is lower)
            _stages(on, each, upper, lower)
            on.text(canvas.MARGIN, top + _HEAD - 3, "answers/100 ms", color=MUTED)
            on.text(canvas.MARGIN, top + _HEAD + _ANSWERS + _GAP - 3, "slowest, ms", color=MUTED)
    under = len(shown) * deep
    on.text(WIDTH / 2, under + 8, "s since the window began", color=MUTED, ha="center")
    for row, line in enumerate(rows):
        _legend(on, under + _FOOT + row * _LINE - 4, line, styles[shown[0].each.variant])
    return on


def _about(run: Run, trial: Trial) -> str:
    told = trial.load or run.plan.load
    return f"A trial of its own for each variant: {view.load(told)}, a window of {units.seconds(trial.window_s)}."


def _title(fault: Fault) -> str:
    done = {
        "freeze": "The store frozen", "kill": "The store killed", "restart-empty": "The store killed and emptied",
        "slow": f"The store slower by {units.significant(fault.slow_ms or 0)} ms",
    }  # fmt: skip
    return f"{done[fault.kind]} after {units.seconds(fault.at_s)}, for {units.seconds(fault.for_s)}"


def _heading(on: Canvas, run: Run, each: _Shown, top: float) -> None:
    """Write whose panel it is, what is the matter with it, and what came of the fault."""
    state = each.each.trial.verdict.state
    mark = "" if state == "VALID" else state
    right = WIDTH - canvas.MARGIN
    room = right - canvas.MARGIN - (canvas.measure(mark, SMALL, bold=True) + 6)
    name = canvas.fit(struck.called(run, each.each.variant), room, canvas.NAME, bold=True)
    on.text(canvas.MARGIN, top + 10, name, size=canvas.NAME, weight="bold")
    on.text(right, top + 10, mark, color=MUTED if state == "SUSPECT" else ALARM, weight="bold", ha="right")
    said = _said(each.found)
    start = canvas.MARGIN + canvas.measure("answers/100 ms", SMALL) + 10
    on.text(right, top + _HEAD - 3, canvas.fit(said, right - start, SMALL), color=MUTED, ha="right")


def _said(found: Outage) -> str:
    took = outage_listing.recovery(found)
    parts = [f"recovered in {took} ms" if found.recovery_ms is not None else "not seen to recover"]
    if failed := errors(found.stages):
        parts.append(listed(failed))
    if (gone := outage_listing.lost(found)) != "nothing":
        parts.append(f"{gone} lost")
    return " · ".join(parts)


def _below(binned: Bins) -> Any:
    return sum(binned.counts[kind] for kind in _DOWNWARDS)


def _limits(shown: Sequence[_Shown]) -> tuple[float, float]:
    times = np.concatenate([each for one in shown for each in (one.binned.slowest_ms, one.binned.sessionless_ms)])
    times = times[~np.isnan(times) & (times > 0)]
    return (float(times.min()) * 0.8, float(times.max()) * 1.3) if len(times) else (1.0, 10.0)


def _reach(counts: Sequence[Any]) -> float:
    """Return how far the scale must go; what was held up and comes all at once does not make the rest small."""
    seen = np.concatenate(counts)
    if not seen.any():
        return 0.0
    usual = float(np.percentile(seen[seen > 0], 90))
    return float(min(seen.max(), usual * _CROWD))


def _answers(axes: Axes, binned: Bins, style: Style, ends: tuple[float, float]) -> None:
    """Draw right answers upwards and stack the others downwards."""
    low, high = -ends[0] * 1.1, ends[1] * 1.1 or 1.0
    axes.set_ylim(low, high)
    right, down = binned.counts["right"], _below(binned)
    axes.stairs(right, binned.edges_s, fill=True, **_fill("right", style))
    base = np.zeros(len(right))
    for kind in _DOWNWARDS:
        top = base - binned.counts[kind]
        if (top < base).any():
            axes.stairs(
                np.where(top < base, top, np.nan), binned.edges_s, baseline=base, fill=True, **_fill(kind, style)
            )
        base = top
    axes.axhline(0, color=MUTED, linewidth=0.7)
    middle = (binned.edges_s[:-1] + binned.edges_s[1:]) / 2
    for counts, end, sign in ((right, high, 1), (down, low, -1)):
        beyond = np.flatnonzero(counts > abs(end))
        for group in np.split(beyond, np.flatnonzero(np.diff(beyond) > 1) + 1) if len(beyond) else ():
            # Beyond the scale: cut off, with the numbers of neighbours beside the last of them.
            said = ", ".join(f"{counts[each]:,}" for each in group)
            axes.text(
                middle[group[-1]] + 0.1, end - sign * abs(high - low) * 0.01, said,
                size=SMALL - 1.5, color=INK, va="top" if sign > 0 else "bottom", clip_on=True,
            )  # fmt: skip
    names = {0.0: "0", ends[1]: f"{ends[1]:,.0f}"}
    if ends[0] > (high - low) * 0.2:
        names[-ends[0]] = f"{ends[0]:,.0f}"
    canvas.named_axis(axes.yaxis, names)


def _fill(kind: Kind, style: Style) -> dict[str, Any]:
    """Return how answers of a kind are filled: told apart by place and pattern, not by hue alone."""
    if kind == "right":
        return {"facecolor": style.light, "edgecolor": style.light, "linewidth": 0, "alpha": 0.6}
    if kind == "503":
        return {"facecolor": MUTED, "edgecolor": MUTED, "linewidth": 0, "alpha": 0.5}
    if kind == "wrong":
        return {"facecolor": PAPER, "edgecolor": MUTED, "linewidth": 0.6, "hatch": "xxxx"}
    if kind == "other":
        return {"facecolor": PAPER, "edgecolor": ALARM, "linewidth": 0.6, "hatch": "////"}
    return {"facecolor": INK, "edgecolor": INK, "linewidth": 0.6}


def _latency(axes: Axes, binned: Bins, style: Style, limits_ms: tuple[float, float]) -> None:
    axes.set_yscale("log")
    axes.set_ylim(*limits_ms)
    canvas.log_axis(axes.yaxis, *limits_ms)
    axes.grid(axis="y", color=GRID)
    middle = (binned.edges_s[:-1] + binned.edges_s[1:]) / 2
    axes.stairs(binned.slowest_ms, binned.edges_s, baseline=None, color=style.light, linewidth=1.1)
    known = ~np.isnan(binned.sessionless_ms)
    axes.plot(middle[known], binned.sessionless_ms[known], color=INK, linewidth=0.8, dashes=(3, 1.6))
    if binned.lost.any():
        axes.plot(
            middle[binned.lost], binned.slowest_ms[binned.lost],
            color=ALARM, linestyle="none", marker="^", markersize=3.2, markeredgewidth=0,
        )  # fmt: skip


def _moments(axes: Axes, each: _Shown) -> None:
    """Shade the time without a store, and draw a line where it was let go, answered, and was in use again."""
    found, end_us = each.found, each.each.trial.window_s * 1e6
    away_us = end_us if found.answered_us is None else min(found.answered_us, end_us)
    axes.axvspan(found.began_us / 1e6, away_us / 1e6, color=SHADE, linewidth=0, zorder=0)
    axes.axvline(found.began_us / 1e6, color=MUTED, linewidth=0.8, zorder=0.5)
    axes.axvline(found.lifted_us / 1e6, color=MUTED, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=0.5)
    if found.answered_us is not None:
        axes.axvline(found.answered_us / 1e6, color=MUTED, linewidth=0.8, zorder=0.5)
    if found.recovered_us is not None and found.recovery_ms:
        axes.axvline(found.recovered_us / 1e6, color=INK, linewidth=0.9, linestyle=(0, (4, 1.5)), zorder=0.5)


def _stages(on: Canvas, each: _Shown, upper: Axes, lower: Axes) -> None:
    """Lay over each stage what is told of it: above, what was answered and lost, below, how long that took."""
    for axes, told in ((upper, _answered), (lower, _took)):
        for stage in each.found.stages:
            with on.of(each.each.variant, *told(each, stage)):
                axes.axvspan(stage.from_us / 1e6, stage.to_us / 1e6, facecolor="none", linewidth=0)


def _answered(each: _Shown, stage: Stage) -> Iterator[Mark]:
    yield _mark(each, f"right answers {stage.name} the fault", units.per_second(stage.goodput_per_s), "/s")
    if stage.name == "after":
        for word, count in outage_listing.losses(each.found).items():
            yield _mark(each, f"{word}s lost", units.count(count), "")


def _took(each: _Shown, stage: Stage) -> Iterator[Mark]:
    if stage.longest_us is not None:
        longest = units.at_least(units.ms(stage.longest_us), bounded="longest_us" in stage.at_least)
        yield _mark(each, f"slowest {stage.name} the fault", longest, "ms")
    first, status = outage_listing.first_error(each.found)
    if stage.name == "during" and first != MISSING:
        yield _mark(each, "first error", first, "ms", status)
    took = outage_listing.recovery(each.found)
    if stage.name == "after" and took != MISSING:
        yield _mark(each, "recovery", took, "" if each.found.recovery_ms is None else "ms")


def _mark(each: _Shown, what: str, figure: str, unit: str, note: str = "") -> Mark:
    state = each.each.trial.verdict.state
    notes = [note, "" if state == "VALID" else state]
    return Mark(each.each.variant, what, figure, unit, note=", ".join(filter(None, notes)))


def _legend(on: Canvas, y: float, kinds: Sequence[Kind], style: Style) -> None:
    x = canvas.MARGIN
    for kind in kinds:
        axes = on.axes(x, y - 8, 14, 9)
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.stairs([1.0], [0.0, 1.0], fill=True, **_fill(kind, style))
        on.text(x + 18, y, _NAMES[kind], color=MUTED)
        x += canvas.measure(_NAMES[kind], SMALL) + 30


def _described(text: str, shown: Sequence[_Shown]) -> str:
    """Put a chart into words."""
    said = (
        f"{each.each.variant} {each.each.trial.verdict.state}, {_said(each.found)}, "
        f"{units.per_second(each.found.stages[0].goodput_per_s)} right answers a second before"
        for each in shown
        if each.found.stages
    )
    return f"Answers and latency through {text}: {'; '.join(said)}."
