"""What the chart of a fault draws of a trial's requests: bins of a tenth of a second, and what each held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from reports.record.columns import CENSORED, NULL, RIGHT, among, ints, one_of, outcomes, start_us
from reports.trials.outages import SESSIONLESS

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from reports.record.columns import Ints, Mask

    Floats = npt.NDArray[np.float64]

BIN_S: Final = 0.1
Kind = Literal["right", "503", "wrong", "other", "unanswered"]
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Bins:
    """One arm's window in bins; times are ms, and NaN where a bin holds no request."""

    edges_s: Floats
    counts: dict[Kind, Ints]
    """Requests with a session by the bin in which they were answered; what never was, by when it was meant to start."""
    slowest_ms: Floats
    """Of those that were meant to start in the bin, from then on, whatever came."""
    lost: Mask
    """Whether one of them was never answered: its time is a lower bound."""
    sessionless_ms: Floats
    """The slowest request without a session of those sent in the bin, from its sending."""


def bins(requests: pa.Table, *, window_s: float, arm: int = 0) -> Bins:
    """Sort the requests of one arm's window into bins; `requests` are as in `reports.record.tables`."""
    count = max(1, int(np.ceil(window_s / BIN_S - 1e-6)))
    mine = (ints(requests, "arm") == arm) & ~among(requests, "phase", ("closed",))
    bare = among(requests, "name", SESSIONLESS)
    start, response, kinds = start_us(requests), ints(requests, "response_us"), outcomes(requests)
    sent, service, status = (ints(requests, name) for name in ("sent_us", "service_us", "status"))
    asked = mine & ~bare & (start != NULL) & (response != NULL)
    refused = one_of({"http_error"})[kinds] & (status == _UNAVAILABLE)
    unended = one_of(CENSORED)[kinds]
    of: dict[Kind, Mask] = {
        "right": one_of(RIGHT)[kinds],
        "503": refused,
        "wrong": one_of({"wrong_answer"})[kinds],
        "other": one_of({"http_error", "transport_error"})[kinds] & ~refused,
        "unanswered": unended,
    }
    when = np.where(unended, start, start + response)
    quick = mine & bare & (sent != NULL) & (service != NULL)
    return Bins(
        edges_s=np.arange(count + 1, dtype=np.float64) * BIN_S,
        counts={
            kind: np.bincount(_places(when[asked & rows], count), minlength=count + 1)[:-1] for kind, rows in of.items()
        },
        slowest_ms=_slowest(start[asked], response[asked], count),
        lost=np.bincount(_places(start[asked & unended], count), minlength=count + 1)[:-1] > 0,
        sessionless_ms=_slowest(sent[quick], service[quick], count),
    )


def _places(moments_us: Ints, count: int) -> Ints:
    """Return the bin of each moment, and for what lies outside of them all the one behind the last."""
    places = moments_us // round(BIN_S * 1e6)
    return np.where((places >= 0) & (places < count), places, count)


def _slowest(moments_us: Ints, took_us: Ints, count: int) -> Floats:
    most = np.full(count + 1, -1, dtype=np.int64)
    np.maximum.at(most, _places(moments_us, count), took_us)
    return np.where(most[:-1] < 0, np.nan, most[:-1] / 1e3)
