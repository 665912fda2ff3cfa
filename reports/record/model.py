"""What every recorded model rests on: data that refuse what they do not know, and an interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Data(BaseModel):
    """Recorded data: unknown keys are refused, so that a misspelt field cannot vanish silently.

    So are infinities and NaN, which JSON does not have and no chart can draw.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Interval(Data):
    """An estimate over paired blocks: Hodges-Lehmann, with the ordered Walsh averages around it.

    `level` is null where there are too few blocks for an interval: `low` and `high` are the extremes then.
    """

    estimate: float
    low: float
    high: float
    level: float | None
    blocks: int
