"""A trial with a fault: who asks without a session beside the rest, when the harm is done, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from harness.faults import Harm
from reports.trials import outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from harness.provision import Entrant
    from harness.way import Way
    from reports.format import Plan, Trial
    from reports.record.faulted import Fault

_PINGS = "pings"
_SHARE = 0.1
"""So many of the steps ask a route without a session, where the scenario can: it must not suffer with the store."""


def with_pings(plan: Plan) -> Plan:
    """Return the plan with requests that need no session among its scenario's, unless they have a weight already."""
    weights = [value for name, value in plan.parameters.items() if name.endswith("s") and isinstance(value, int)]
    if plan.parameters.get(_PINGS) != 0:
        return plan
    pings = max(1, round(sum(weights) * _SHARE))
    return plan.model_copy(update={"parameters": {**plan.parameters, _PINGS: pings}})


class Ordeal:
    """A fault on its way through a trial; a context that ends the harm whatever happens."""

    def __init__(self, fault: Fault, entrant: Entrant, way: Way) -> None:
        assert entrant.server is not None  # noqa: S101 - the plan has faults for variants with a store only
        self._harm = Harm(fault, entrant.server, way.link)
        self._way = way
        self._entrant = entrant
        self._before: int | None = None
        self._after: int | None = None

    def __enter__(self) -> Self:
        self._harm.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._harm.__exit__(kind, *rest)

    def step(self, t0_ns: int | None, pids: Sequence[int]) -> float:
        """Do what is due, and return how long there will be nothing to do, in seconds."""
        if self._harm.began_ns is None:
            self._before = self._way.connections(pids)
        elif self._harm.answered_ns is not None:
            self._after = self._way.connections(pids)
        self._harm.step(t0_ns)
        return self._harm.wait_s(t0_ns)

    def record(self, trial: Trial, requests: pa.Table, t0_ns: int) -> None:
        """Write down what the requests saw of the fault, and judge the trial by it."""
        harm = self._harm
        if harm.began_ns is None or harm.lifted_ns is None:
            return
        variant = self._entrant.record
        deadline_ms = variant.options.get("deadline_ms")
        trial.outage = outages.outage(
            requests,
            through=harm.through,
            began_us=(harm.began_ns - t0_ns) // 1000,
            lifted_us=(harm.lifted_ns - t0_ns) // 1000,
            answered_us=None if harm.answered_ns is None else (harm.answered_ns - t0_ns) // 1000,
            window_s=trial.window_s,
            deadline_ms=deadline_ms,
            connections_before=self._before,
            connections_after=self._after,
        )
        trial.verdict = outages.judged(
            trial.outage,
            fault=harm.fault,
            deadline_ms=deadline_ms,
            durability=variant.durability,
            checked=trial.checked,
            pooled=variant.workers * int(variant.options.get("pool") or 0),
        )
