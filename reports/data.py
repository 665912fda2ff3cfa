"""A recorded run in memory: the run itself at once, its tables when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reports import outline as outlines
from reports import stats, tables, told
from reports.files import read_run, read_trials

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from reports.format import Run, Trial
    from reports.outline import Outline


@dataclass
class Recorded:
    """A run and its folder. The properties are tidy pandas frames; each reads its files once."""

    folder: Path
    run: Run
    _outlines: dict[tuple[int, int], Outline | None] = field(default_factory=dict, repr=False)

    @cached_property
    def requests(self) -> pd.DataFrame:
        """Every request of every trial: `trial`, `block`, `purpose`, `variant` and `state`, then the file's columns."""
        return self._frame(tables.read_requests)

    @cached_property
    def resources(self) -> pd.DataFrame:
        """Every resource sample, likewise; `variant` is missing where the arms share the process."""
        return self._frame(tables.read_resources)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial and arm, with the metrics of `stats.METRICS`."""
        import pandas as pd  # noqa: PLC0415 - a table in the terminal need not wait for it

        return pd.DataFrame(
            {
                "trial": trial.number,
                "block": trial.block,
                "attempt": trial.attempt,
                "purpose": trial.purpose,
                "rate_per_s": (trial.load or self.run.plan.load).rate_per_s,
                "variant": arm.variant,
                "state": trial.verdict.state,
                **(stats.metrics(arm.figures, arm.closed) if arm.figures else {}),
            }
            for trial in self.run.trials
            for arm in trial.arms
        )

    @cached_property
    def summaries(self) -> pd.DataFrame:
        """One row per variant and metric: `median`, `min`, `max`, `trials`."""
        import pandas as pd  # noqa: PLC0415 - as above

        return pd.DataFrame(
            {"variant": summary.variant, "metric": metric, **spread.model_dump()}
            for summary in self.run.summaries
            for metric, spread in summary.metrics.items()
        )

    def outline(self, trial: Trial, arm: int) -> Outline | None:
        """Return what charts draw of an arm of a trial, or None when it has no requests.

        Its table is read once and not kept: a run's tables together may be larger than memory.
        """
        key = trial.number, arm
        if key not in self._outlines:
            table = tables.read_requests(self.folder, trial.number)
            self._outlines[key] = None if table is None else outlines.outline(table, trial, arm)
        return self._outlines[key]

    def _frame(self, read: Any) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415 - as above

        frames = []
        for trial in self.run.trials:
            table: pa.Table | None = read(self.folder, trial.number)
            if table is None:
                continue
            frame = table.to_pandas()
            names = {place: arm.variant for place, arm in enumerate(trial.arms)}
            about = {
                "trial": trial.number,
                "block": trial.block,
                "purpose": trial.purpose,
                "variant": frame["arm"].map(names),
                "state": trial.verdict.state,
            }
            for place, (name, value) in enumerate(about.items()):
                frame.insert(place, name, value)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def load(folder: Path) -> Recorded:
    """Read a recorded run, as `reports.load` does."""
    run = read_run(folder)
    if run.status != "finished":
        # run.json may be a trial behind its folder, and its summaries further.
        known = {trial.number for trial in run.trials}
        run.trials += [trial for trial in read_trials(folder) if trial.number not in known]
        run.summaries = stats.summaries(run.trials, run.baseline)
        run.told = told.told(run.trials, [variant.name for variant in run.variants])
    return Recorded(folder, run)
