"""Exact counts of what a step costs beyond time: commands, round trips, bytes; and how two of them differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from reports.record.judgement import CountChange

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = ("login", "read", "write", "logout", "ping")
"""As the scenarios name them, in the order in which they are shown."""
PAYLOAD_BYTES = 1000
"""Of the session that the steps are counted with."""
COUNTS = ("commands", "round_trips", "to_store_bytes", "from_store_bytes", "response_bytes", "cookie_bytes")


class StepCounts(BaseModel):
    """One step on a warm connection; null where a count cannot be had exactly, which the notes beside it explain."""

    model_config = ConfigDict(extra="forbid")

    commands: int | None
    """What the store was asked: RESP arrays, Execute and Query messages, OP_MSG commands, HTTP requests."""
    round_trips: int | None
    """How often something was sent to the store and then something received; a pipeline is one."""
    to_store_bytes: int | None
    from_store_bytes: int | None
    response_bytes: int | None
    """The app's answer, head and body."""
    cookie_bytes: int | None
    """`name=value` of the cookies that the client holds afterwards, and sends with each request."""


class Counts(BaseModel):
    """A variant's counts by step; they hold for this driver and this server."""

    model_config = ConfigDict(extra="forbid")

    variant: str
    driver: str
    """Name and version, such as "redis 8.1.0"; empty where there is none."""
    server: str
    """Product and version, such as "Valkey 9.1.2"; empty where there is none."""
    steps: dict[str, StepCounts]
    notes: list[str] = []
    """Why counts are null, in sentences."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What must be the same for two to be compared as one variant's."""
        return self.variant, self.driver, self.server


def changes(before: Counts, now: Counts, *, against: Literal["base", "file"]) -> list[CountChange]:
    """Return every count that is not what it was, by step; what is null on both sides has not changed.

    Driver and server may differ: that a new driver asks more of its store is what one wants to know.
    """
    found = []
    for step in in_order({**before.steps, **now.steps}):
        for count in COUNTS:
            was, is_now = _count(before, step, count), _count(now, step, count)
            if was != is_now:
                found.append(
                    CountChange(variant=now.variant, step=step, count=count, before=was, now=is_now, against=against)
                )
    return found


def is_more(change: CountChange) -> bool:
    """Whether it is worse than before; a count that is missing on one side is neither more nor less."""
    return change.before is not None and change.now is not None and change.now > change.before


def in_order(steps: Iterable[str]) -> list[str]:
    """Return names of steps in the order in which they are shown, those that we do not know at the end."""
    names = set(steps)
    return [*(step for step in STEPS if step in names), *sorted(names - set(STEPS))]


def _count(counts: Counts, step: str, count: str) -> int | None:
    found = counts.steps.get(step)
    value: int | None = None if found is None else getattr(found, count)
    return value
