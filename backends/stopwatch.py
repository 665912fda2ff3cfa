"""Where one request's time goes: a stopwatch with a hand for each layer, one hand running at a time."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMEWORK: Final = 0
"""FastAPI and the routes, inside the session middleware and outside of it, and the server's parsing and sending."""
SESSION: Final = 1
"""The session middleware and its manager."""
STORE: Final = 2
"""A store operation, with all its waiting."""


class Stopwatch:
    """The time of one request, each moment of it in one layer.

    Layers announce that they take over, and to whom they hand back; nobody asks who was before, so that two
    tasks of one request cannot leave the wrong hand running. Times are seconds of `time.monotonic`.

    `received` says when the server had the request's first bytes and when it had parsed them. From then on to
    the start of this stopwatch the event loop was busy with others, which belongs to no layer. Where the server
    says nothing, the request begins here.
    """

    __slots__ = ("_came", "_layer", "_since", "_spent_s", "counted", "operations", "status", "took_s")

    def __init__(self, received: Sequence[float] | None = None) -> None:
        self._layer = FRAMEWORK
        self._since = time.monotonic()
        came, parsed = received or (self._since, self._since)
        self._came = came
        self._spent_s = [parsed - came, 0.0, 0.0]
        self.status = 0
        self.took_s: tuple[float, float, float, float] | None = None
        """The whole request, framework, session and store; None while there is no last byte."""
        self.operations: list[tuple[str, float, bool]] = []
        """Store operations: the name, the seconds, whether it failed. They are counted with the request."""
        self.counted = False
        """Whether the request is in the counters, so that whoever outlives it must count for himself."""

    def enter(self, layer: int) -> float:
        """Let the time from now on be this layer's; returns now."""
        now = time.monotonic()
        self._spent_s[self._layer] += now - self._since
        self._since = now
        self._layer = layer
        return now

    def stop(self) -> None:
        """End the request: its last byte was given to the transport."""
        now = self.enter(FRAMEWORK)
        framework, session, store = self._spent_s
        self.took_s = now - self._came, framework, session, store


running: ContextVar[Stopwatch | None] = ContextVar("running", default=None)
"""The stopwatch of the request that this task serves. Threads and tasks that serve it too inherit it."""
