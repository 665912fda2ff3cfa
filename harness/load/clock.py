"""Sleeping to the nanosecond's neighbourhood."""

from __future__ import annotations

from time import monotonic_ns

import gevent


def sleep_until(end_ns: int) -> None:
    """Sleep until a time; a single sleep would count from a clock that gevent read before it was busy."""
    while (left_ns := end_ns - monotonic_ns()) > 0:
        gevent.sleep(left_ns / 1e9)
