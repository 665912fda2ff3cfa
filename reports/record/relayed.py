"""What a relay between app and store saw of a trial's window, and what it took itself."""

from __future__ import annotations

from reports.record.model import Data


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


class Addition(Data):
    """By how much a round trip became longer than the `rtt_ms` asked for; of so many pairs of round trips."""

    rtt_ms: float
    p50_us: float
    p99_us: float
    pairs: int


class RelayCost(Data):
    """A relay's own cost on this machine, for requests of 200 bytes and answers of 1 kB.

    `direct_us` and `relayed_us` are the medians of one connection's round trips, without and with a relay that delays
    nothing, taken in turns; `added_us` is the median of the differences, pair by pair. `most_per_s` are the round trips
    a second of 16 connections that ask again as soon as they are answered, the most of some turns; the relay used
    `busy_share` of a core for them, and `cpu_us` for each. The same client without it came to `direct_most_per_s`. As
    long as `busy_share` is below one, client, server or other programs held it back, and the relay carries more.
    """

    direct_us: float
    relayed_us: float
    added_us: float
    most_per_s: float
    direct_most_per_s: float
    busy_share: float
    cpu_us: float
    additions: list[Addition]
