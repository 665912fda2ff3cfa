"""Watches a trial's warm-up as it goes on, and says when load and latency are steady."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.load import spool
from reports.trials import stationarity

if TYPE_CHECKING:
    from harness.plan import Phases

_BIN_NS = round(stationarity.BIN_S * 1e9)


class Warmup:
    """The answers of one trial in bins of 0.25 s, up to the moment in which they are steady."""

    def __init__(self, phases: Phases) -> None:
        self._watching = phases.warmup_most_s > phases.warmup_s
        self._longest_ns = round(max(phases.warmup_s, phases.warmup_most_s) * 1e9)
        self.over_ns: int | None = None
        """When it ends, as far as can be told from outside, to some ms; None before the first answer."""
        self._ended_ns: list[np.ndarray[Any, Any]] = []
        self._service_us: list[np.ndarray[Any, Any]] = []

    def steady(self, rows: np.ndarray[Any, Any]) -> bool:
        """Take in the requests that ended since the last call, as rows of the spool; True once, when all is steady.

        Never for a warm-up of fixed length.
        """
        if self.over_ns is None and len(rows):
            self.over_ns = int(_started_ns(rows).min()) + self._longest_ns
        if not self._watching:
            return False
        self._ended_ns.append(rows["sent_ns"] + rows["service_ns"])
        self._service_us.append(rows["service_ns"] / 1000)
        throughput, latency_us = self._bins()
        if not stationarity.steady(throughput, latency_us):
            return False
        self._watching = False
        self.over_ns = monotonic_ns()
        return True

    def _bins(self) -> tuple[list[float], list[float]]:
        """Return answers and their median latency in every whole bin; the generator keeps the newest rows a while."""
        ended_ns, service_us = np.concatenate(self._ended_ns), np.concatenate(self._service_us)
        if not len(ended_ns):
            return [], []
        first_ns = ended_ns.min()
        whole = int(monotonic_ns() - first_ns) // _BIN_NS - 1
        place = (ended_ns - first_ns) // _BIN_NS
        parts = [service_us[place == number] for number in range(whole)]
        return [float(len(part)) for part in parts], [float(np.median(part)) if len(part) else np.nan for part in parts]


def _started_ns(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(rows["scheduled_ns"] != spool.NONE, rows["scheduled_ns"], rows["sent_ns"])
