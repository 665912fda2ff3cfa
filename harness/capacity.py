"""Searches every variant's capacity, variant by variant in turn, with trials of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness import objective
from harness import plan as plans
from harness.plan import Planned
from harness.search import Search
from reports.format import Capacity
from reports.trials import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Objective, Plan, Run, Trial

_OF_THROUGHPUT: Final = 0.6
"""Where a search begins: the share of a variant's throughput under closed load that it may keep within an objective."""

_FEWEST_REQUESTS: Final = 150
"""In a trial of a search: a p99 takes a hundred, and arrivals come by chance."""


def search(plan: Plan, run: Run, carry_out: Callable[[Planned], Trial]) -> None:
    """Search the capacity of every variant that can take part under the plan's objective, and put it into the run.

    Searches take turns, one trial each, so that a bad minute of the machine is shared. Trials that an earlier session
    carried out are told first.
    """
    wanted = plan.objective
    assert wanted is not None  # noqa: S101 - the caller asked
    lowest_per_s = _FEWEST_REQUESTS / plans.phases(plan, "capacity", plan.load).window_s
    searches = {
        variant.name: Search(_first_guess(run, variant.name), lowest_per_s=lowest_per_s)
        for variant in run.variants
        if not variant.error
    }
    for trial in run.trials:
        name = trial.arms[0].variant
        if trial.purpose == "capacity" and name in searches:
            _tell(searches[name], trial, wanted)
    while turn := {name: rate for name, each in searches.items() if (rate := each.next_rate()) is not None}:
        for name, rate in turn.items():
            each = searches[name]
            load = plan.load.model_copy(update={"kind": "open", "rate_per_s": rate})
            attempt = 1 + sum(told == (rate, None) for told in each.told)
            planned = Planned(len(each.told) + 1, name, "capacity", load, attempt)
            _tell(each, carry_out(planned), wanted)
    run.capacities = [_capacity(run, name, each, wanted) for name, each in searches.items()]


def _first_guess(run: Run, name: str) -> float:
    """Guess from the variant's throughput under closed load, or else from the common rate."""
    summary = next((each for each in run.summaries if each.variant == name), None)
    throughput = summary.metrics.get("throughput_per_s") if summary else None
    return throughput.median * _OF_THROUGHPUT if throughput else run.plan.load.rate_per_s or 100.0


def _tell(search: Search, trial: Trial, wanted: Objective) -> None:
    tried = _tried(trial, wanted)
    search.tell(tried.rate_per_s, tried.kept)


def _capacity(run: Run, name: str, search: Search, wanted: Objective) -> Capacity:
    """Return what a search found, with the resource that gave out."""
    lower, upper = search.bounds()
    trials = [trial for trial in run.trials if trial.purpose == "capacity" and trial.arms[0].variant == name]
    limit, why = limits.limiting(
        [_tried(trial, wanted) for trial in trials],
        workers=run.variant(name).workers,
        cpus=run.environment.cpus,
        generator_processes=run.plan.processes,
    )
    numbers = [trial.number for trial in trials]
    return Capacity(variant=name, lower_per_s=lower, upper_per_s=upper, limit=limit, why=why, trials=numbers)


def _tried(trial: Trial, wanted: Objective) -> limits.Tried:
    load, figures = trial.load, trial.arms[0].figures
    assert load is not None  # noqa: S101 - every trial of a search has a load of its own
    assert load.rate_per_s is not None  # noqa: S101 - and it is open
    waiting_share = trial.instrument.waiting_share if trial.instrument else None
    return limits.Tried(load.rate_per_s, objective.kept(figures, wanted, trial.verdict.state), figures, waiting_share)
