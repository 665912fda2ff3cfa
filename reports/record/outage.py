"""What a trial with a fault showed: how the app failed, how soon it recovered, and what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from reports.record.model import Data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SLACK_MS: Final = 250.0
"""What an app may add to its deadline: its loop has other answers to write, and those of all users come due at once."""


class Stage(Data):
    """One stretch of an open-load trial: before the fault, while the store was away, or from when it answers again.

    With a session, a request belongs to a stage by its intended start, and its time counts from there. Without one it
    belongs there by its sending, and its time is service time: it may have waited for a user whom the others held up,
    which is none of the app's doing.
    """

    name: Literal["before", "during", "after"]
    from_us: int
    to_us: int
    """Times from t0."""
    arrivals: int
    goodput_per_s: float
    """Right answers that came in the stage, by its seconds; refusals that were planned count as right."""
    p50_us: float | None
    p99_us: float | None
    """Over all of them, errors included: what a user waited, whatever came. Null for a p99 under 100 requests."""
    longest_us: float | None
    at_least: list[str] = []
    """Names of the times above that are only lower bounds: a request they rest on was never answered."""
    errors: dict[str, int] = {}
    """By kind: a status such as "503", or "timeout", "transport_error", "cut", "unsent"; no wrong answers."""


class Outage(Data):
    """A fault in a trial, as the requests saw it. Times are µs from t0 unless their names say otherwise.

    Spoilt is a request that ended after the fault began and failed for want of a store: with a status of 500 or more,
    or without an answer.
    """

    through: Literal["process", "relay"]
    began_us: int
    lifted_us: int
    """When the store was let go on, or its new process was started."""
    answered_us: int | None
    """When the store answered the harness again; null: it never did."""
    stages: list[Stage]
    """Of requests with a session, and of arrivals that never got a user."""
    sessionless: list[Stage] = []
    """Of requests that need no session and no store."""
    failed_before: int = 0
    """Requests that had failed before the fault began, wrong answers included."""
    first_error_us: int | None = None
    """When the first request that the fault spoilt was answered; null: none was."""
    first_error_status: int | None = None
    """Its status; null where it had none."""
    slowest_error_us: float | None = None
    """The longest that a spoilt request took from being sent until it was answered or given up."""
    refused: int = 0
    """Spoilt requests that were answered with 503."""
    refused_late: int = 0
    """Those that were, from being sent, later than the deadline and `SLACK_MS`."""
    hung: int = 0
    """Requests that were never answered: timeouts, and what the drain had to cut."""
    recovered_us: int | None = None
    """From here on no request failed for want of a store any more, `strays` left out; null: they did to the end."""
    recovery_ms: float | None = None
    """From the store's answer to there: 0 when the app was back first."""
    failed_after: int = 0
    """Requests that failed for want of a store behind its answer, until there."""
    strays: int = 0
    """Requests that failed later, so few and so late that they are no part of the recovery."""
    sessions_lost: int = 0
    """Times that users found themselves logged out."""
    updates_lost: int = 0
    """Answers that did not know of an acknowledged write."""
    connections_before: int | None = None
    connections_after: int | None = None
    """Open connections of the app, before the fault and at the window's end; null where they could not be counted."""


def stage(stages: Iterable[Stage], name: str) -> Stage | None:
    """Return the stage of this name; None where there is none."""
    return next((each for each in stages if each.name == name), None)


def errors(stages: Iterable[Stage]) -> dict[str, int]:
    """Return the errors of all these stages together, the most frequent first."""
    counts: dict[str, int] = {}
    for each in stages:
        for kind, count in each.errors.items():
            counts[kind] = counts.get(kind, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def listed(counts: Mapping[str, int]) -> str:
    """Return errors by kind, such as "412×503, 3×timeout"."""  # noqa: RUF002 - times
    return ", ".join(f"{count:,}×{kind}" for kind, count in counts.items())  # noqa: RUF001 - times
