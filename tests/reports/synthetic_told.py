"""Benches of eight variants made up from a seed, in figures alone, told apart by the program's own arithmetic."""

from __future__ import annotations

import math
import random

from reports import stats
from reports.format import Arm, Figures, Load, Plan, Run, Trial, Verdict
from reports.judging import told
from tests.reports import synthetic

P50 = {"memory": 1_010, "cookie": 1_012, "redis": 1_700, "mongodb": 2_300, "mongodb:driver=pymongo": 2_290}


def bench(blocks: int = 16, *, closed: bool = False) -> Run:
    """Return a bench of eight variants: some alike, some not, one that is too noisy to be told."""
    dice = random.Random(5)  # noqa: S311 - a simulation
    variants = [subject.variant.model_copy(deep=True) for subject in synthetic.EIGHT]
    names = [variant.name for variant in variants]
    load = Load(users=16) if closed else Load(kind="open", users=64, rate_per_s=300)
    run = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:40:00Z",
        status="finished",
        plan=Plan(
            name="told", profile="standard" if blocks > 3 else "quick", scenario="login_profile", load=load,
            blocks=blocks, warmup_s=3.0, window_s=10.0, drain_s=1.0, sessions=10_000, seed=5,
            order=[names for _ in range(blocks)], ranking=blocks > 3,
        ),
        environment=synthetic.ENVIRONMENT, variants=variants,
    )  # fmt: skip
    for block in range(blocks):
        pace = math.exp(dice.gauss(0, 0.04))
        for subject in synthetic.EIGHT:
            name, noise = subject.variant.name, 0.12 if subject.variant.name == "http" else 0.012
            p50_us = P50.get(name, subject.p50_us / 4) * pace * math.exp(dice.gauss(0, noise))
            figures = Figures(
                requests=3_000, outcomes={"ok": 3_000}, window_s=10.0, requests_per_s=300.0, mean_us=p50_us * 1.1,
                p50_us=p50_us, p95_us=p50_us * 2, p99_us=p50_us * 4, max_us=p50_us * 9, error_share=0.0,
                cpu_us_per_request={"app": subject.app_us * pace * math.exp(dice.gauss(0, 0.01))},
                rss_bytes={}, pss_bytes={}, cpu_share={}, queue_growth=None if closed else 0.0,
            )  # fmt: skip
            run.trials.append(
                Trial(
                    number=len(run.trials) + 1,
                    block=block,
                    arms=[Arm(variant=name, figures=figures)],
                    started_at="2026-05-04T10:00:00Z",
                    warmup_s=3.0,
                    window_s=10.0,
                    verdict=Verdict(state="VALID"),
                )
            )
    run.summaries = stats.summaries(run.trials, run.baseline)
    run.told = told.told(run.trials, names)
    return run
