"""A recorded run in memory: the run itself at once, its tables when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from reports import stats
from reports.files import read_run, read_trials
from reports.judging import told
from reports.record import tables
from reports.tidy import frames
from reports.tidy.frames import documented
from reports.trials import outline as outlines

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from reports.format import Run, Trial
    from reports.trials.outline import Outline


@dataclass
class Recorded:
    """A run and its folder, with tidy pandas frames of all that it holds, each made once and when it is asked for.

    `variants`, `summaries`, `trials`, `steps`, `sizes`, `capacities`, `told`, `comparisons`, `audits`, `correctness`,
    `counts`, `outages` and `distances` come from `run`; `requests()` and `resources()` read the trials' files each
    time. A frame has all its columns even where the run has no row for it; units are in their names.
    `help(Recorded.trials)`, as of every other, lists the columns, and so does docs/tables.md.
    """

    folder: Path
    run: Run
    _outlines: dict[tuple[int, int], Outline | None] = field(default_factory=dict, repr=False)

    @cached_property
    @documented("variants")
    def variants(self) -> pd.DataFrame:  # noqa: D102 - documented by its table, as all below
        return frames.frame(self.run, "variants")

    @cached_property
    @documented("summaries")
    def summaries(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "summaries")

    @cached_property
    @documented("trials")
    def trials(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "trials")

    @cached_property
    @documented("steps")
    def steps(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "steps")

    @cached_property
    @documented("sizes")
    def sizes(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "sizes")

    @cached_property
    @documented("capacities")
    def capacities(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "capacities")

    @cached_property
    @documented("told")
    def told(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "told")

    @cached_property
    @documented("comparisons")
    def comparisons(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "comparisons")

    @cached_property
    @documented("audits")
    def audits(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "audits")

    @cached_property
    @documented("correctness")
    def correctness(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "correctness")

    @cached_property
    @documented("counts")
    def counts(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "counts")

    @cached_property
    @documented("outages")
    def outages(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "outages")

    @cached_property
    @documented("distances")
    def distances(self) -> pd.DataFrame:  # noqa: D102
        return frames.frame(self.run, "distances")

    @documented("requests")
    def requests(self, trial: int | None = None, variant: str | None = None) -> pd.DataFrame:
        """Of one trial or one variant, or of all: those of a large run together may be larger than memory.

        Raises KeyError for a trial or a variant that the run does not have, and RunUnreadable for a damaged file.
        """
        return frames.requests(self.folder, self.run, trial, variant)

    @documented("resources")
    def resources(self, trial: int | None = None, variant: str | None = None) -> pd.DataFrame:
        """Of one trial or one variant, or of all; `variant` is missing where several arms share the process.

        Raises KeyError for a trial or a variant that the run does not have, and RunUnreadable for a damaged file.
        """
        return frames.resources(self.folder, self.run, trial, variant)

    def outline(self, trial: Trial, arm: int) -> Outline | None:
        """Return what charts draw of an arm of a trial, or None when it has no requests.

        Its table is read once and not kept: a run's tables together may be larger than memory.
        """
        key = trial.number, arm
        if key not in self._outlines:
            table = tables.read_requests(self.folder, trial.number)
            self._outlines[key] = None if table is None else outlines.outline(table, trial, arm)
        return self._outlines[key]


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
