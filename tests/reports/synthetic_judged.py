"""Regression checks made up from a seed, in every state, judged by the judge."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from reports.files import write_run, write_trial
from reports.format import Arm, Figures, Load, Plan, Run, Trial, Variant, Verdict
from reports.judging import judge
from reports.judging.judge import Pair
from reports.record.judgement import CountChange, Judgement, Revision
from tests.reports import synthetic

if TYPE_CHECKING:
    from pathlib import Path

METRICS = ("app_cpu_us_per_request", "p50_us", "p95_us", "p99_us", "store_cpu_us_per_request")
TYPICAL = {
    "app_cpu_us_per_request": 420.0, "store_cpu_us_per_request": 61.0, "p50_us": 1_310.0, "p95_us": 3_900.0,
    "p99_us": 8_800.0,
}  # fmt: skip
NOISE = {
    "app_cpu_us_per_request": 0.03, "store_cpu_us_per_request": 0.04, "p50_us": 0.035, "p95_us": 0.09, "p99_us": 0.17,
}  # fmt: skip
FIVE = ("memory", "cookie", "redis", "mongodb", "postgres")

BASE = Revision(
    label="HEAD~1", commit="4dce7ab0c1d2e3f405162738495a6b7c8d9e0f10", python="3.11.9", packages={"redis": "7.1.0"}
)
HEAD = Revision(
    label="this tree", commit="981bcf7a0b1c2d3e4f5061728394a5b6c7d8e9f0", dirty=True, python="3.11.9",
    packages={"redis": "8.0.1"},
)  # fmt: skip
DIFFERENCES = ["redis 7.1.0 → 8.0.1"]
COUNTS = [
    CountChange(variant="redis", step="POST /login", count="round_trips", before=2, now=3, against="file"),
    CountChange(
        variant="redis", step="GET /profile", count="from_store_bytes", before=1_204, now=1_188, against="file"
    ),
    CountChange(variant="redis", step="POST /nested", count="commands", before=None, now=2, against="base"),
]


def pair(name: str, changes: dict[str, float], dice: random.Random, *, blocks: int, noise: float) -> Pair:
    """Return a pair whose head is dearer by `changes`, in blocks as noisy as real ones times `noise`."""
    values = {}
    for metric in METRICS:
        if metric == "store_cpu_us_per_request" and name.partition(":")[0] in {"memory", "cookie", "sentinel"}:
            continue
        base = [TYPICAL[metric] * math.exp(dice.gauss(0, 0.05)) for _ in range(blocks)]
        factor, spread = 1 + changes.get(metric, 0.0), NOISE[metric] * noise
        values[metric] = (base, [value * factor * math.exp(dice.gauss(0, spread)) for value in base])
    return Pair(name, f"{name}@base", f"{name}@head", values)


SLOWER = {"app_cpu_us_per_request": 0.108, "p50_us": 0.089, "p95_us": 0.12, "p99_us": 0.1}
KINDS = ("pass", "regressed", "inconclusive", "invalid", "nothing", "counts", "answers", "component", "sentinel")


def check(kind: str = "pass", names: tuple[str, ...] = ("redis",), *, blocks: int = 12, seed: int = 7) -> Run:
    """Return a judged run of one of `KINDS`; its first pair is the one that matters."""
    dice = random.Random(seed)  # noqa: S311 - a simulation
    noise = 4.0 if kind == "inconclusive" else 0.35 if kind != "regressed" else 1.0
    shift = {"regressed": SLOWER, "inconclusive": {"app_cpu_us_per_request": 0.02}}.get(kind, {})
    pairs = [
        pair(name, shift if place == 0 else {}, dice, blocks=blocks, noise=noise if place == 0 else 0.35)
        for place, name in enumerate(names)
    ]
    if kind == "invalid":
        pairs[0].invalid = ["the arms' median dispatch lags are 0.31 ms apart, more than a third of what is tolerated"]
    elif kind == "answers":
        pairs[0].head_only_errors = ["head answered 14 of 18,000 requests wrongly, base none"]
    reasons: list[str] = []
    if kind == "nothing":
        pairs, reasons = [], ["nothing was measured: no pair has a block"]
    elif kind == "component":
        pairs, reasons = pairs[1:], [f"{names[0]}@base could not be started"]
    comparisons = judge.judge(pairs, look=1)
    state = judge.whole(comparisons, counts_more=kind == "counts")
    if kind == "component":
        state = "INVALID"
    watch = pair("sentinel", {"p50_us": 0.2} if kind == "sentinel" else {}, dice, blocks=8, noise=0.35)
    watch.base, watch.head = "memory@base", "memory@head"
    if kind == "sentinel":
        state, reasons = "INVALID", [str(judge.sentinel_out(watch))]
    code = {"PASS": 0, "REGRESSED": 1, "INCONCLUSIVE": 3, "INVALID": 4 if kind == "component" else 5}[state]
    run = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:13:00Z",
        status="finished",
        plan=Plan(
            name="regress", profile="regress", scenario="login_profile",
            load=Load(kind="open", users=64, rate_per_s=300),
            blocks=36, warmup_s=1.5, window_s=5.0, drain_s=1.0, sessions=10_000, seed=seed, order=[], ranking=True,
        ),
        environment=synthetic.ENVIRONMENT,
        variants=[arm for name in names for arm in arms(name)],
        comparisons=comparisons,
        judgement=Judgement(
            state=state, exit_code=code, reasons=reasons, base=BASE.model_copy(deep=True),
            head=HEAD.model_copy(deep=True), differences=DIFFERENCES if kind in {"regressed", "counts"} else [],
            looks=[12, 18, 26, 36],
            spent=[0.15, 0.20, 0.30, 0.35], alpha=0.05, fail_on="any", look=1 if pairs else None,
            sentinel=judge.sentinel(watch) if pairs else None, counts=[*COUNTS] if kind == "counts" else [],
            counted=[each.name for each in pairs],
            counts_known=kind == "counts",
        ),
    )  # fmt: skip
    if kind == "component":
        run.variants[0].error = "its store could not be reached: connection refused. Start it, or leave it out."
    run.trials = _trials(run)
    return run


def arms(name: str) -> list[Variant]:
    """Return the two revisions of a variant."""
    backend = name.partition(":")[0]
    server = {"redis": synthetic.VALKEY, "mongodb": synthetic.MONGOD, "postgres": synthetic.POSTGRES}.get(backend)
    return [
        Variant(
            name=f"{name}@{side}", slug=f"{backend}-{side}", backend=backend, python="3.11.9",
            server=server and server.model_copy(update={"address": f"127.0.0.1:4{place}001"}),
        )
        for place, side in enumerate(("base", "head"))
    ]  # fmt: skip


def _trials(run: Run) -> list[Trial]:
    """Return a trial per block and pair whose figures are the values that were judged."""
    trials: list[Trial] = []
    for block in range(max((each.blocks for each in run.comparisons), default=0)):
        for pair in run.comparisons:
            values = {each.metric: (each.base[block], each.head[block]) for each in pair.metrics}
            at = len(trials) * 14
            trials.append(
                Trial(
                    number=len(trials) + 1,
                    block=block,
                    purpose="pair",
                    arms=[
                        Arm(variant=name, figures=_figures(values, side), slices=_figures(values, side))
                        for side, name in enumerate((pair.base, pair.head))
                    ],
                    started_at=f"2026-05-04T{10 + at // 3600}:{at // 60 % 60:02d}:{at % 60:02d}Z",
                    t0_monotonic_ns=(1 + len(trials)) * 10**12,
                    warmup_s=1.5,
                    window_s=5.0,
                    verdict=Verdict(state="VALID"),
                )
            )
    return trials


def _figures(values: dict[str, tuple[float, float]], side: int) -> Figures:
    times = {name: value[side] for name, value in values.items() if "cpu" not in name}
    cpu = {name: value[side] for name, value in values.items() if "cpu" in name}
    return Figures(
        requests=750, outcomes={"ok": 750}, window_s=5.0, requests_per_s=150.0, mean_us=times["p50_us"] * 1.2,
        max_us=times["p99_us"] * 1.6, error_share=0.0, **times,
        cpu_us_per_request={
            "app": cpu["app_cpu_us_per_request"], "store": cpu.get("store_cpu_us_per_request"), "generator": 160.0,
        },
        rss_bytes={}, pss_bytes={}, cpu_share={},
    )  # fmt: skip


def record(folder: Path, run: Run) -> Run:
    """Write a judged run's folder."""
    write_run(folder, run)
    for trial in run.trials:
        write_trial(folder, trial)
    return run


def hostile() -> Run:
    """Return a run that regressed, its names and reasons made to do harm."""
    evil = synthetic.EVIL
    run = check("answers", (f"redis:{evil}", "redis:" + "W" * 70))
    assert run.judgement is not None
    run.judgement.base.label = f"{evil}==1"
    run.judgement.base.commit = ""
    run.judgement.differences = [f"{evil} 1 → 2", "</details>"]
    run.judgement.reasons = [f"{evil}\n</table><h1>no</h1>"]
    run.judgement.counts = [
        CountChange(variant=f"redis:{evil}", step="</td>|", count="commands", before=1, now=2, against="file")
    ]
    return run
