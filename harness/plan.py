"""A plan: every decision before the first trial, and what it will take."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from reports.format import Load, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.config import Settings
    from harness.scenarios import Parameters, Scenario
    from harness.variants import Wanted

RANKING_BLOCKS = 12
"""Blocks from which a ranking means something (STATS: the pair of launches is the sample)."""

_TRIAL_OVERHEAD_S = 2.5
_SERVER_START_S = 2.0
_SEEDS_PER_S = 10_000
_CLOSED_RATE = 1500
_ROW_BYTES = 14
_SESSION_BYTES = 1500


def make(settings: Settings, variants: Sequence[Wanted], scenario: Scenario, parameters: Parameters) -> Plan:
    """Draw the order of trials: every variant once a block, each block in a fresh seeded random order."""
    rng = random.Random(settings.seed)  # noqa: S311 - an order of trials is no secret
    names = [variant.name for variant in variants]
    return Plan(
        name=settings.profile,
        profile=settings.profile,
        scenario=scenario.name,
        parameters=parameters,
        load=Load(users=settings.users),
        blocks=settings.blocks,
        warmup_s=settings.warmup_s,
        window_s=settings.window_s,
        drain_s=settings.drain_s,
        sessions=settings.sessions,
        seed=settings.seed,
        servers=settings.servers,
        client=settings.client,
        order=[rng.sample(names, len(names)) for _ in range(settings.blocks)],
        ranking=settings.blocks >= RANKING_BLOCKS,
    )


def trials(plan: Plan) -> list[tuple[int, int, str]]:
    """List the plan's trials as (number, block, variant), both counted from 1."""
    flat = [(block, name) for block, names in enumerate(plan.order, 1) for name in names]
    return [(number, block, name) for number, (block, name) in enumerate(flat, 1)]


def estimate_s(plan: Plan, trials_left: int, stores: int) -> float:
    """Estimate a run's seconds, installation apart."""
    trial_s = plan.warmup_s + plan.window_s + _TRIAL_OVERHEAD_S
    return trials_left * trial_s + stores * (_SERVER_START_S + plan.sessions / _SEEDS_PER_S)


def estimate_disk_bytes(plan: Plan, stores: int) -> tuple[int, int]:
    """Estimate what a run leaves under results/, and what its stores need meanwhile, in bytes."""
    requests = len(trials(plan)) * (plan.warmup_s + plan.window_s) * _CLOSED_RATE
    return round(requests * _ROW_BYTES), stores * plan.sessions * _SESSION_BYTES
