"""The figures of what is not one table of variants: distance, a regression check, two runs, a history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports import charts, html
from reports.data import Recorded
from reports.files import write_run
from reports.judgement import Tolerance
from tests.reports import synthetic_distance, synthetic_judged
from tests.reports.numbers import check

if TYPE_CHECKING:
    from pathlib import Path

    from reports.canvas import Chart
    from reports.format import Run


def drawn(run: Run, folder: Path) -> list[Chart]:
    """Return the charts that a run has without the tables of its trials."""
    write_run(folder, run)
    return list(charts.draw(Recorded(folder, run)))


# A dozen blocks bear intervals, fewer only their extremes.
@pytest.mark.parametrize("blocks", [4, 12])
def test_every_figure_of_distance_is_in_the_data(blocks: int, tmp_path: Path) -> None:
    run = synthetic_distance.run(rtts=(0.0, 1.0, 20.0), blocks=blocks)
    for trial in run.trials:
        # Not the same in every block, so that what is shown of them is no block's.
        for name, value in trial.relayed or ():
            if isinstance(value, float) and name != "rtt_ms":
                setattr(trial.relayed, name, value * (1 + trial.block / 50))
    page = check(run, html.render(run, drawn(run, tmp_path)), least=300)
    assert {"distance", "relay", "distance-data", "capacity-data"} <= page.tables.keys()


@pytest.mark.parametrize("kind", ["regressed", "counts", "inconclusive"])
def test_every_figure_of_a_check_is_in_its_data(kind: str, tmp_path: Path) -> None:
    run = synthetic_judged.check(kind, ("redis", "memory"))
    judgement = run.judgement
    assert judgement is not None
    page = check(run, html.judged(run, judgement, drawn(run, tmp_path)), least=500)
    assert {
        "changes",
        "values",
        "trials",
        "forest-data",
        "blocks-redis-data",
        "blocks-memory-data",
    } <= page.tables.keys()
    assert ("counts" in page.tables) == (kind == "counts")


@pytest.mark.parametrize("name", ["head", "smallest_seen", "tolerance"])
def test_a_figure_of_a_check_that_is_made_up_is_found_out(name: str) -> None:
    run = synthetic_judged.check("regressed")
    judgement = run.judgement
    assert judgement is not None
    other = run.model_copy(deep=True)
    judged = other.comparisons[0].metrics[0]
    made_up = {
        "head": [each * 1.001 for each in judged.head],
        "smallest_seen": 0.0123,
        "tolerance": Tolerance(share=0.04),
    }
    setattr(judged, name, made_up[name])
    check(run, html.judged(run, judgement, []), least=200)
    with pytest.raises(AssertionError):
        check(run, html.judged(other, judgement, []), least=1)
