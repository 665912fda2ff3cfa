"""What a relay between app and store saw of a trial's window, and what it took itself."""

from __future__ import annotations

from reports.record import Data


class Relayed(Data):
    """Traffic through the relay, and how well it kept the distance that it was told."""

    rtt_ms: float
    """What it adds to every round trip."""
    round_trips: int
    round_trips_per_request: float | None
    to_store_bytes_per_request: float | None
    from_store_bytes_per_request: float | None
    cpu_share: float
    """Its own CPU seconds per second of the window: near 1 it is itself what is measured."""
    late_p50_us: float | None
    late_p99_us: float | None
    """How much later than told it passed answers on; null without a delay."""
    connections: int
    """Open at the window's end."""
