"""Runs over payload sizes made up so that every median and every cliff is known: figures only, no requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import stats
from reports.format import Arm, Figures, Load, Plan, Run, Trial, Verdict
from tests.reports import synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZES = (100, 1000, 2000, 2500, 3000, 4000, 10_000, 100_000)
MOST: dict[str, int | None] = {"memory": None, "cookie": 2500, "cookie:encrypted=true": 2500, "redis": None}
"""The largest payload that a variant keeps, None where it keeps all."""
BASE_US = {"memory": 900.0, "cookie": 1000.0, "cookie:encrypted=true": 1100.0, "redis": 1400.0}
REQUESTS = {"GET /profile": 72, "POST /profile": 18, "POST /login": 12, "POST /logout": 9}
REFUSALS = 400
"""Who is refused has no session, and logs in again and again."""


def p50_us(variant: str, step: str, payload_bytes: int) -> float:
    """Return what a request takes in the middle one of three blocks: writes are dearer, and so are large sessions."""
    dearer = 1.0 if step.startswith("GET") else 1.5
    return BASE_US.get(variant, 1_000.0) * dearer + payload_bytes / 100


def run(
    most: Mapping[str, int | None] = MOST, sizes: Sequence[int] = SIZES, *, blocks: int = 3, spread: float = 0.1
) -> Run:
    """Return a run of variants that keep so many bytes; blocks differ evenly, by `spread` at most to either side."""
    names = list(most)
    made = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:09:00Z",
        status="finished", environment=synthetic.ENVIRONMENT, variants=[synthetic.variant(name) for name in names],
        plan=Plan(
            name="synthetic", profile="quick", scenario="big_session",
            parameters={"sizes": ",".join(map(str, sizes)), "reads": 8, "writes": 2, "logouts": 1},
            load=Load(kind="open", users=64, rate_per_s=300), closed_s=0, blocks=blocks, warmup_s=0.5, window_s=3.0,
            drain_s=1.0, sessions=10_000, seed=7, order=[names] * blocks,
        ),
    )  # fmt: skip
    for block in range(blocks):
        share = 1 + spread * (2 * block / max(blocks - 1, 1) - 1)
        for name, largest in most.items():
            steps: dict[str, Figures] = {}
            for size in sizes:
                steps |= _steps(name, size, share, kept=largest is None or size <= largest)
            made.trials.append(_trial(made, name, block, steps))
    made.summaries = stats.summaries(made.trials)
    return made


def _steps(name: str, size: int, share: float, *, kept: bool) -> dict[str, Figures]:
    """Return the requests of a size as a recorder counts them: a refusal is answered and timed too."""
    if not kept:
        return {f"POST /login {size} B": figures(700 * share, REFUSALS, "refused")}
    return {f"{step} {size} B": figures(p50_us(name, step, size) * share, count) for step, count in REQUESTS.items()}


def _trial(made: Run, name: str, block: int, steps: dict[str, Figures]) -> Trial:
    whole = figures(1_000 + block, sum(each.requests for each in steps.values()))
    whole.steps = steps
    return Trial(
        number=len(made.trials) + 1, block=block, started_at="2026-05-04T10:00:00Z", warmup_s=0.5, window_s=3.0,
        verdict=Verdict(state="VALID"), arms=[Arm(variant=name, figures=whole)],
    )  # fmt: skip


def figures(p50_us: float, requests: int, outcome: str = "ok") -> Figures:
    """Return the figures of so many requests that all came out alike."""
    return Figures.model_validate(
        {
            "requests": requests, "outcomes": {outcome: requests}, "window_s": 3.0, "requests_per_s": requests / 3,
            "mean_us": p50_us * 1.1, "p50_us": p50_us, "p95_us": p50_us * 2, "p99_us": p50_us * 3,
            "max_us": p50_us * 5, "error_share": 0.0, "cpu_us_per_request": {}, "rss_bytes": {}, "pss_bytes": {},
            "cpu_share": {}, "queue_growth": 0.0,
        }
    )  # fmt: skip
