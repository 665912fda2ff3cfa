"""A fault that a plan asks for: what is done to the store, when, and for how long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reports.record.model import Data

FaultKind = Literal["freeze", "kill", "restart-empty", "slow"]

SLOW_MS = 300.0
"""By so much answers come later under `slow` that says nothing else."""


class Fault(Data):
    """Harm to the store of a trial; its times are seconds after the measured window began."""

    kind: FaultKind
    at_s: float = Field(ge=0)
    for_s: float = Field(gt=0)
    slow_ms: float | None = Field(None, gt=0)
    """By how much later answers come, where the kind is `slow`; null for every other."""

    @property
    def text(self) -> str:
        """The fault as one writes it: `freeze@3+2`, `slow:150@3+2`."""
        slowness = "" if self.slow_ms in (None, SLOW_MS) else f":{_number(self.slow_ms)}"
        return f"{self.kind}{slowness}@{_number(self.at_s)}+{_number(self.for_s)}"

    @property
    def until_s(self) -> float:
        """When it is lifted, in seconds after the measured window began."""
        return self.at_s + self.for_s


def _number(value: float | None) -> str:
    return f"{value:.12g}"
