"""A server that freezes once, and what a load must see of it.

The server answers after DELAY_S. From time b on it does nothing for FREEZE_S, then reads what has come meanwhile. With
a user free for every arrival, one that came at a time a

- in [b - DELAY_S, b) is answered at b + FREEZE_S: its answer was due in the freeze;
- in [b, b + FREEZE_S) is answered at b + FREEZE_S + DELAY_S: it is read behind the freeze.

So the longest response is FREEZE_S + DELAY_S. The responses above x, for x between DELAY_S and FREEZE_S, are those of
the arrivals in a span of FREEZE_S + 2 DELAY_S - x. At the 99th percentile that span holds a hundredth of the window's
arrivals, and as they come evenly, it is a hundredth of the window: p99 = FREEZE_S + 2 DELAY_S - window / 100.

Closed loops stop asking. Each of N users sees the freeze once, and sends (window - FREEZE_S) / DELAY_S other requests:
where N is below a hundredth of all, the 99th percentile is the delay itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.instrument import known

if TYPE_CHECKING:
    from harness.processes import Processes
    from reports.format import Load

RATE_PER_S: Final = 200
DELAY_S: Final = 0.02
FREEZE_S: Final = 1.0
MAX_US: Final = (FREEZE_S + DELAY_S) * 1e6
OPEN: Final = known.arriving(RATE_PER_S, users=300, arrivals="constant")
"""Above RATE_PER_S (FREEZE_S + 2 DELAY_S) users, so that no arrival has to wait for one."""
CLOSED: Final = known.closed(round(RATE_PER_S * DELAY_S))
"""So many loops send at the same rate, while nothing is frozen."""
_WARMUP_S: Final = 1.0
_FREEZE_AT: Final = 0.3


def open_p99_us(window_s: float) -> float:
    """Return what the 99th percentile must be under open load."""
    return (FREEZE_S + 2 * DELAY_S - window_s / 100) * 1e6


def trial(processes: Processes, load: Load, window_s: float, drain_s: float = 2.0) -> known.Trial:
    """Load a server that freezes at about 0.3 of the window; raises RuntimeError when it froze outside."""
    freeze_after_s = _WARMUP_S + _FREEZE_AT * window_s
    arguments = (f"--delay-ms={DELAY_S * 1000}", f"--freeze-after-s={freeze_after_s}", f"--freeze-s={FREEZE_S}")
    found = known.trial(processes, load, "stall", *arguments, window_s=window_s, warmup_s=_WARMUP_S, drain_s=drain_s)
    begun_ns, ended_ns = found.served.frozen_ns or (0, 0)
    if not found.t0_ns < begun_ns < ended_ns < found.t0_ns + (window_s - DELAY_S) * 1e9:
        raise RuntimeError("the server did not freeze within the window")
    return found
