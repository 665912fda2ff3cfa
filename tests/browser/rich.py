"""A run with open load, every kind of trial and verdict, audits and names that would do harm if they were believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.files import write_run
from reports.format import Run
from tests.reports import synthetic_audits, synthetic_open
from tests.reports.synthetic import EVIL

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = {"redis": f"redis:{EVIL}", "cookie": "cookie:</bdi></table><h1>no</h1>"}
"""What the variants are called."""
SCENARIO = f"login</h1><img src=x onerror=alert(3)>{EVIL}"


def record(folder: Path) -> Run:
    """Write the run and return it."""
    # A copy of everything: variants and their servers are those of all made-up runs.
    made = synthetic_open.record(folder, blocks=2, ladder_per_s=(150.0, 600.0)).model_copy(deep=True)
    names = {variant.name for variant in made.variants}
    made.audits = [audit for audit in synthetic_audits.every_state() if audit.variant in names]
    made.plan.scenario = SCENARIO
    for variant in made.variants:
        if variant.server is not None:
            variant.server.version = EVIL
    run = Run.model_validate(_renamed(made.model_dump(by_alias=True)))
    write_run(folder, run)
    return run


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {HOSTILE.get(key, key): each if key == "kind" else _renamed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    return HOSTILE.get(value, value) if isinstance(value, str) else value
