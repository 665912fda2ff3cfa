"""Loads live sessions straight into a store: an empty one fits every cache."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends import envelope
from backends.content import new_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.codecs import Codec
    from backends.store import Store

_BATCH = 1000
_LIVE_S = 7 * 86_400
"""Nobody uses the seeded sessions, so those that must stay alive get more time than any run takes."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was loaded; `data_bytes` counts the data alone, not what the store adds to it."""

    sessions: int
    data_bytes: int

    @property
    def bytes_per_session(self) -> float:
        """The mean size of a session's data."""
        return self.data_bytes / self.sessions if self.sessions else 0.0


async def seed(
    store: Store, codec: Codec, sessions: int, *, expiring_share: float = 0.0, expiring_within_s: float = 0.0
) -> Seeded:
    """Load sessions as the application would save them; a share of them expires within the coming seconds."""
    data_bytes = 0
    made = _made(codec, sessions, expiring_share, expiring_within_s)
    while batch := list(itertools.islice(made, _BATCH)):
        data_bytes += sum(len(data) for data, _ in batch)
        await store.seed(batch)
    return Seeded(sessions, data_bytes)


def _made(codec: Codec, sessions: int, share: float, within_s: float) -> Iterator[tuple[bytes, float]]:
    chance = random.Random(sessions)  # noqa: S311 - which session expires when is no secret
    now = time.time()
    for number in range(sessions):
        deadline = now + _LIVE_S
        expires_at = now + chance.uniform(0, within_s) if chance.random() < share else deadline
        yield envelope.pack(deadline, codec.encode(new_session(f"seeded-{number}"))), expires_at
