"""judgement.json: a judgement for machines, with every block's values and the seed; versioned by itself."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from reports.format import Plan, Run  # noqa: TC001 - pydantic reads annotations at run time
from reports.listings import advice, sentences
from reports.record.environment import Environment  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.judgement import Comparison, CountChange, Judgement, Revision, State

# History of the format:
# 1  first light.
SCHEMA_VERSION: Final = 1


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Document(_Data):
    """A regression check: what was found, in what it was found, and how to find it again.

    Changes are shares of the base: 0.05 is 5 % more, which is worse. Values of blocks are in the metric's unit.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    verdict: State
    exit_code: int
    headline: str
    """The verdict in a line, for people."""
    reasons: list[str]
    next_steps: list[str]
    seed: int
    started_at: str
    finished_at: str | None
    harness_version: str
    base: Revision
    head: Revision
    differences: list[str]
    """Installed versions that differ."""
    alpha: float
    looks: list[int]
    """Blocks at which the data might have been looked at."""
    spent: list[float]
    """What each look may spend of alpha."""
    look: int | None
    """The look at which it ended, from 1."""
    fail_on: Literal["any", "delta"]
    comparisons: list[Comparison]
    """Every pair, with base and head of every block."""
    sentinel: Comparison | None
    counted: list[str]
    counts: list[CountChange]
    counts_known: bool
    plan: Plan
    environment: Environment


def document(run: Run, judgement: Judgement) -> Document:
    """Return what judgement.json holds."""
    return Document(
        verdict=judgement.state,
        headline=sentences.headline(judgement, run.comparisons),
        reasons=sentences.reasons(judgement, run.comparisons),
        next_steps=advice.steps(run, judgement),
        seed=run.plan.seed,
        comparisons=run.comparisons,
        plan=run.plan,
        environment=run.environment,
        **{name: getattr(run, name) for name in ("started_at", "finished_at", "harness_version")},
        **{name: getattr(judgement, name) for name in Judgement.model_fields if name not in {"state", "reasons"}},
    )


def render(run: Run, judgement: Judgement) -> str:
    """Return judgement.json."""
    return document(run, judgement).model_dump_json(indent=2) + "\n"
