"""A slowdown of a known size in one arm, to try the judge on: `SESSION_PLANT` says what, around the same app.

Run by an arm as its app's factory (`harness.plant:create_app`), in its own process. `cpu=0.03` burns 3 % of what the
app itself uses, a part of it in every request; `cpu=0,0.03,0.1` does so by the part of the duet, which the file
SESSION_PLANT_PART names. `tail=0.01:20` lets one request in a hundred wait for 20 ms.
"""

from __future__ import annotations

import asyncio
import importlib
import mmap
import os
import random
from time import process_time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

_MOST_NS = 50_000_000
"""So much is burnt in one request at most: what start-up or a pause left is not paid back at once."""


def create_app() -> Asgi:
    """Return the ordinary app with what SESSION_PLANT plants in it; without it, with nothing."""
    app: Asgi = importlib.import_module("backends.app").create_app()
    kind, _, text = os.environ.get("SESSION_PLANT", "cpu=0").partition("=")
    if kind == "tail":
        share, _, wait_ms = text.partition(":")
        return tail(app, float(share), float(wait_ms) / 1000)
    return cpu(app, [float(share) for share in text.split(",")], os.environ.get("SESSION_PLANT_PART"))


def cpu(app: Asgi, shares: list[float], part_file: str | None = None) -> Asgi:
    """Burn a share of the CPU that the process uses without it, whichever part it is, before each answer.

    It is burnt behind the app's own work: before it, it would only wake up the CPU for that work, which costs about
    a percent less then, and a planted 3 % is measured as 2.
    """
    burnt = Burnt(shares)

    async def planted(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def pay_and_send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                burnt.part = _part(part_file, burnt)
                burnt.pay()
            await send(message)

        await app(scope, receive, pay_and_send)

    return planted


def tail(app: Asgi, share: float, wait_s: float) -> Asgi:
    """Let a share of the requests, drawn at random, wait."""
    draw = random.Random(1).random  # noqa: S311 - a slowdown is no secret

    async def planted(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and draw() < share:
            await asyncio.sleep(wait_s)
        await app(scope, receive, send)

    return planted


class Burnt:
    """Keeps account: what was burnt is always the share of what the process used for itself since the part began."""

    def __init__(self, shares: list[float]) -> None:
        self.part = 0
        self.map: mmap.mmap | None = None
        self._shares = shares
        self._counted = -1
        self._from_ns = 0
        self._planted_ns = 0

    def pay(self) -> None:
        """Burn what is owed."""
        now_ns = process_time_ns()
        if self.part != self._counted:
            self._counted, self._from_ns, self._planted_ns = self.part, now_ns, 0
        share = self._shares[self.part] if self.part < len(self._shares) else 0.0
        own_ns = now_ns - self._from_ns - self._planted_ns
        owed_ns = min(int(own_ns * share) - self._planted_ns, _MOST_NS)
        if owed_ns <= 0:
            return
        until_ns = now_ns + owed_ns
        while (at_ns := process_time_ns()) < until_ns:
            pass
        self._planted_ns += at_ns - now_ns


def _part(file: str | None, burnt: Burnt) -> int:
    """Read which part it is; the generator makes the file when it is ready, which may be after the first request."""
    if file is None:
        return 0
    if burnt.map is None:
        try:
            with open(file, "rb") as opened:  # noqa: PTH123 - pathlib is one import more in the measured process
                burnt.map = mmap.mmap(opened.fileno(), 1, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # not there, or still empty
            return 0
    return burnt.map[0]
