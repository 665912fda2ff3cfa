"""A history made from a seed: runs of many days, machines that move, a variant that gets slower, another store."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from reports.files import write_run
from tests.reports.two_runs import NONE, POSTGRES, REDIS, changed, interleaved, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reports.format import Run, Variant

SLOWER_FROM = 9
NEW_STORE_FROM = 15


def days(
    count: int = 18, *, few: int = 3, seed: int = 5, variants: Sequence[Variant] = (NONE, REDIS, POSTGRES)
) -> Iterator[Run]:
    """Yield a run per day; the first `few` have three blocks, the others twelve, and the last has another kernel.

    From a day on the second variant is slower by 9 %, and later the third has another store.
    """
    dice = random.Random(seed)  # noqa: S311 - a simulation
    names = [each.name for each in variants]
    for day in range(count):
        machine = 1 + dice.uniform(-0.1, 0.1)
        slower = 1.09 if day >= SLOWER_FROM else 1.0
        costs = dict(zip(names, ((800, 300), (1_000 * slower, 400 * slower), (1_200, 480)), strict=True))
        values = {
            name: [
                (p50 * machine * (1 + dice.gauss(0, 0.03)), app * machine * (1 + dice.gauss(0, 0.02)))
                for _ in range(3 if day < few else 12)
            ]
            for name, (p50, app) in costs.items()
        }
        made = on(run(interleaved(values), variants), day)
        if day >= SLOWER_FROM:
            made = changed(made, "environment.packages.fastapi", "0.121.0")
        if day >= NEW_STORE_FROM:
            made = changed(made, f"variants.{names[2]}.server.version", "18.7")
        if day == count - 1:
            made = changed(made, "environment.kernel", "6.2.0")
        yield made


def on(made: Run, day: int) -> Run:
    """Return a run as of another day of May 2026."""
    moment = f"2026-05-{day + 1:02d}T10:00:00Z"
    trials = [trial.model_copy(update={"started_at": moment}) for trial in made.trials]
    return made.model_copy(update={"started_at": moment, "trials": trials})


def record(folder: Path, **facts: Any) -> None:
    """Write the runs below a folder, and one that nobody can read."""
    for day, made in enumerate(days(**facts)):
        write_run(folder / f"run{day + 1:02d}", made)
    broken = folder / "broken"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
