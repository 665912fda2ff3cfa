"""Runs whose steps were counted, made up from numbers that a real run had: some are null, some could not be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.record.counts import COUNTS, STEPS, Counts, StepCounts
from tests.reports import synthetic_choice

if TYPE_CHECKING:
    from reports.format import Run

NOTHING = (0, 0, 0, 0)
AT_STORE = {
    "redis": ((1, 1, 1219, 5), (1, 1, 100, 1089), (2, 2, 1353, 1094), (2, 2, 200, 1119), NOTHING),
    "postgres": ((1, 1, 1170, 27), (1, 1, 86, 1115), (3, 2, 1282, 1150), (2, 2, 172, 1166), NOTHING),
    "mongodb": ((1, 1, 1347, 45), (2, 2, 490, 2570), (3, 3, 1955, 2722), (2, 2, 501, 1356), NOTHING),
}
"""Commands, round trips, bytes there and back of login, read, write, logout and ping."""
ANSWERS = (246, 149, 128, 190, 86)
COOKIES = {"cookie": ((1681, 149, 1715, 190, 86), (1482, 1482, 1516, 0, 1516))}
ENCRYPTED = "What the store is asked could not be counted: it is encrypted, and nobody can read along."
UNSTEADY = "to_store_bytes of read is not exact: it differed between repetitions of the same requests."
NO_APP = "Nothing could be counted: the app of http did not start: no such luck."


def counts(name: str) -> Counts:
    """Return what a variant's steps take."""
    stored = AT_STORE.get(name, (NOTHING,) * len(STEPS))
    answers, cookies = COOKIES.get(name, (ANSWERS, (47, 47, 47, 0, 47)))
    steps = {
        step: StepCounts.model_validate(dict(zip(COUNTS, (*at_store, answer, cookie), strict=True)))
        for step, at_store, answer, cookie in zip(STEPS, stored, answers, cookies, strict=True)
    }
    record = synthetic_choice.variant(name)
    server = f"{record.server.product} {record.server.version}" if record.server else ""
    return Counts(variant=name, driver="a driver 1.0" if server else "", server=server, steps=steps)


def run(*names: str, troubled: bool = True) -> Run:
    """Return a run of these variants in which what goes over an encrypted connection, and an app, were not counted."""
    made = synthetic_choice.run(dict.fromkeys(names or ("none", "memory", "cookie", *AT_STORE), (1.0, 1.1, 1.2)))
    made.plan.counts = True
    made.counts = [counts(variant.name) for variant in made.variants]
    if troubled:
        made.variants += [synthetic_choice.variant(name) for name in ("redis:pool=4", "http")]
        blind = counts("memory").model_copy(update={"variant": "redis:pool=4", "notes": [ENCRYPTED]})
        for step in blind.steps.values():
            for name in COUNTS[:4]:
                setattr(step, name, None)
        made.counts += [blind, Counts(variant="http", driver="", server="", steps={}, notes=[NO_APP])]
        known = {each.variant: each for each in made.counts}["postgres"]
        known.steps["read"].to_store_bytes = None
        known.notes.append(UNSTEADY)
    return made
