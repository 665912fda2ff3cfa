"""What a team chooses by: the question, an answer per need, and what must not be concluded; laid out by exporters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.choice import lacks, needs, needs_cautions, needs_classes, needs_contest
from reports.listings import view
from reports.words.units import plural

if TYPE_CHECKING:
    from reports.choice.lacks import Lack
    from reports.choice.needs import Answer, Aside
    from reports.choice.needs_cautions import Caution
    from reports.format import Run


@dataclass(frozen=True, slots=True)
class Decision:
    """The first screen of a report, as data. Every text may hold names of variants: foreign text, to be escaped."""

    question: str
    trouble: str
    """Why nothing, or less than it seems, can be answered; empty where all is well."""
    answers: list[Answer]
    """In the order in which they are asked; none where nobody may be an answer."""
    ranges: str
    """What stands in brackets behind a figure, in a sentence; empty where there is none."""
    aside: list[Aside]
    """Who is no answer, and why."""
    cautions: list[Caution]
    """What must not be concluded."""
    lacks: list[Lack]
    """What the run lacks, each with the command that would add it."""


def decision(run: Run) -> Decision | None:
    """Return what a run says to who must choose; None of a run that asks something else: a regression, an audit."""
    if run.judgement is not None or view.only_audited(run):
        return None
    who = needs.candidates(run)
    answers = [*needs_contest.answers(run, who), *needs_classes.answers(run, who)] if who.variants else []
    return Decision(
        question=question(run, who),
        trouble=_trouble(run, who),
        answers=answers,
        ranges=needs_contest.ranges(run) if answers else "",
        aside=who.aside,
        cautions=needs_cautions.cautions(run, who),
        lacks=lacks.lacks(run),
    )


def question(run: Run, who: needs.Candidates) -> str:
    """Return what the run was made to answer, in a sentence."""
    asked = [variant for variant in run.variants if variant.name != run.baseline]
    load = run.plan.load
    if load.kind == "open":
        at = f"at {view.arrivals(load)} of {run.plan.scenario}"
    else:
        at = f"for {run.plan.scenario}, {plural(load.users, 'user')} in closed loops"
    if who.rtt_ms is not None:
        at += f", {who.rtt_ms:g} ms from its store"
    if not asked:
        return f"What does the app cost without sessions {at}?"
    if len(asked) == 1:
        return f"How does {asked[0].name} do {at}?"
    kind = "backends" if len({variant.backend for variant in asked}) == len(asked) else "variants"
    return f"Which of {len(asked)} {kind} {at}?"


def _trouble(run: Run, who: needs.Candidates) -> str:
    trials = view.latency_trials(run)
    counted = [trial for trial in trials if trial.verdict.state != "INVALID"]
    if not trials:
        return "Nothing was measured yet, so nothing can be chosen from it."
    if not counted:
        was = f"All {plural(len(trials), 'trial')} are" if len(trials) > 1 else "The only trial is"
        return (
            f"{was} INVALID: the machine or the generator was at fault. Nothing can be chosen from this run; "
            "session-bench doctor says what disturbs it."
        )
    if not who.variants:
        return "No variant can be recommended: none that keeps sessions has figures that are to be trusted."
    blocks = len({trial.block for trial in counted})
    if blocks == 1:
        return "One block says nothing of chance: no figure here has a spread, and nobody is a winner by it."
    if len(who.variants) == 1:
        return f"Only {who.names[0]} has figures that are to be trusted: it is compared with nobody."
    return ""
