"""The figures of two arms in a trial of a pair: of a duet, and of each arm's solo slices taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import stats
from reports.record.columns import ANSWERED, NULL, among, ints, one_of, outcomes
from reports.trials import openload
from reports.trials.usage import Usage

if TYPE_CHECKING:
    import pyarrow as pa

    from reports.format import Figures, Load, Role

_OWN: tuple[Role, ...] = ("app", "store")


def figures(
    requests: pa.Table, resources: pa.Table, *, arm: int, from_s: float, window_s: float, load: Load
) -> Figures:
    """Return one arm's figures in a duet that begins at `from_s`; tables as in `reports.record.tables`.

    CPU per request is what the arm's processes used between the first and the last sweep inside the duet, over the
    requests answered between the same two times: in a few seconds, interpolation alone would be half a percent out.
    What is asked of open load (achieved share, lag, growth, arrivals) is asked of the first duet, at 0.
    """
    whole = stats.part_figures(requests, resources, arm=arm, from_s=from_s, window_s=window_s)
    if from_s == 0:
        openload.add(whole, requests, arm=arm, window_s=window_s, load=load)
    usage = Usage(resources)
    from_us, to_us = round(from_s * 1e6), round((from_s + window_s) * 1e6)
    for role in _OWN:
        used = usage.between_sweeps(role, arm, from_us, to_us)
        if used is not None:
            cpu_ns, first_us, last_us = used
            answered = _answered(requests, arm, first_us, last_us)
            whole.cpu_us_per_request[role] = cpu_ns / 1e3 / answered if answered else None
    return whole


def slices(requests: pa.Table, *, arm: int, seconds: float) -> Figures | None:
    """Return the figures of one arm's slices, `seconds` in all; None where it had none. Resources are not among them.

    A request belongs to the slice in which it was meant to start.
    """
    mine = (ints(requests, "arm") == arm) & among(requests, "phase", ("slice",))
    return stats.figures_of(requests, mine, seconds) if mine.any() else None


def _answered(requests: pa.Table, arm: int, from_us: int, to_us: int) -> int:
    """Count the arm's requests whose answer came in an interval, of any phase."""
    sent, service = ints(requests, "sent_us"), ints(requests, "service_us")
    ended = sent + service
    kept = (ints(requests, "arm") == arm) & (sent != NULL) & (service != NULL) & (ended > from_us) & (ended <= to_us)
    return int((kept & one_of(ANSWERED)[outcomes(requests)]).sum())
