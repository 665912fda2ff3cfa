"""Who survives what, can be revoked, serves several workers, bears a fault: and which of those is fastest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.choice.needs import Answer, Figure, listed
from reports.choice.needs_contest import contest, in_words
from reports.choice.needs_metrics import speed
from reports.listings import outage_listing
from reports.record.outage import errors
from reports.words.units import plural, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.choice.needs import Candidates, State
    from reports.format import Run, Variant
    from reports.listings.outage_listing import Faulted


@dataclass(frozen=True, slots=True)
class _Trait:
    """What a variant says of itself, and the number of the check that tries it."""

    key: str
    need: str
    name: str
    number: int


_TRAITS: Final = (
    _Trait("revocation", "can be revoked on the server", "revocable", 3),
    _Trait("workers", "works with several workers", "shared_between_workers", 16),
)
_EVERY: Final = "every acknowledged write"
_WITHIN: Final = "power loss within "


def answers(run: Run, who: Candidates) -> list[Answer]:
    """Return the answers to what a variant is, and to how it bore a fault where one was tried."""
    said = _durability(run, who)
    for trait in _TRAITS:
        # Of an app that is not ours nothing is known beforehand.
        if any(trait.name in variant.traits for variant in who.variants):
            said.append(_by_trait(run, who, trait))
    return [*said, *_faults(run, who)]


def _durability(run: Run, who: Candidates) -> list[Answer]:
    every = [variant for variant in who.variants if variant.durability == _EVERY]
    nearly = [variant for variant in who.variants if variant.durability.startswith(_WITHIN)]
    others = [variant for variant in who.variants if variant.durability == "process restart"]
    need = "survives a power loss"
    if not every and not nearly:
        said = [Answer("power-loss", need, "nobody", [], f"Nobody: {_none(who, 'what was acknowledged')}.")]
    else:
        parts = []
        if every:
            parts.append(f"Every acknowledged write: {listed([each.name for each in every])}.")
        for within in dict.fromkeys(each.durability.removeprefix(_WITHIN) for each in nearly):
            names = [each.name for each in nearly if each.durability.endswith(f" {within}")]
            parts.append(f"But for the last {within}: {listed(names)}.")
        state, best, fastest = _fastest(run, every or nearly)
        said = [Answer("power-loss", need, state, best, " ".join([*parts, *fastest]))]
    if others:
        both = [*every, *nearly, *others]
        state, best, fastest = _fastest(run, both)
        also = listed([each.name for each in others])
        also = f"Those, and {also}." if every or nearly else f"{also}."
        said.append(Answer("restart", "survives a restart of the store", state, best, " ".join([also, *fastest])))
    return said


def _none(who: Candidates, what: str) -> str:
    return f"{what} may be lost with all {len(who.variants)}" if len(who.variants) > 1 else f"{what} may be lost"


def _by_trait(run: Run, who: Candidates, trait: _Trait) -> Answer:
    """Answer by what the variants say of themselves, and say of how many the audit says so too."""
    able = [variant for variant in who.variants if variant.traits.get(trait.name) is True]
    unknown = [variant.name for variant in who.variants if trait.name not in variant.traits]
    beside = f" Not known of {listed(unknown)}." if unknown else ""
    if not able:
        return Answer(trait.key, trait.need, "nobody", [], f"Nobody.{beside}")
    passed = {
        audit.variant
        for audit in run.audits
        for check in audit.checks
        if (check.number, check.state) == (trait.number, "PASS")
    }
    proved = [variant.name for variant in able if variant.name in passed]
    if len(proved) == len(able):
        tried = f" (check {trait.number} of the audit passed)"
    elif proved:
        tried = f" (check {trait.number} of the audit passed by {listed(proved)}; the others by their own account)"
    else:
        tried = " (by their own account: no audit tried it)" if len(able) > 1 else " (by its own account, not audited)"
    whole = len(able) == len(who.variants) > 1
    names = "All candidates" if whole else listed([variant.name for variant in able])
    state, best, fastest = _fastest(run, able)
    return Answer(
        trait.key, trait.need, state, best, " ".join([f"{names}{tried}.", *([] if whole else fastest)]) + beside
    )


def _fastest(run: Run, variants: Sequence[Variant]) -> tuple[State, list[str], list[str]]:
    """Return how these stand to each other in speed, and that in words."""
    metric = speed(run)
    found = contest(run, variants, metric)
    if found.state == "unknown":
        return "only" if len(variants) == 1 else "not told apart", [variant.name for variant in variants], []
    by = "p99" if metric.key == "p99" else "requests/s"
    before = f"fastest of these by {by}" if found.state == "best" else f"by {by}"
    said = in_words(run, variants, metric, before=before, known=found.best, next_too=False, found=found, brief=True)
    return found.state, found.best, [said]


def _faults(run: Run, who: Candidates) -> list[Answer]:
    """Say of every fault who came back from it as an app should, the soonest first; one trial each is no race."""
    shown = [each for each in outage_listing.faulted(run) if each.variant in who.names]
    alike = outage_listing.shown_alike(shown)
    found: dict[str, list[Faulted]] = {}
    for each in shown:
        found.setdefault(each.fault.text, []).append(each)
    said = []
    for text, trials in found.items():
        name = outage_listing.named(trials[0].fault, alike=alike)
        bore = sorted((each for each in trials if each.trial.verdict.state == "VALID"), key=_recovery_ms)
        failed = [each for each in trials if each.trial.verdict.state == "FAILED"]
        rest = [each.variant for each in trials if each not in bore and each not in failed]
        back = "Came back by itself" if len(bore) == 1 else "Came back by themselves"
        parts = [f"{back}: {'; '.join(map(_bore, bore))}." if bore else "Nobody as it should."]
        if failed:
            reasons = (f"{each.variant} ({_why(each)})" for each in failed)
            parts.append(f"Not as it should: {', '.join(reasons)}.")
        if rest:
            parts.append(f"Not to be said of {listed(rest)}.")
        if without := [each.name for each in who.variants if each.server is None]:
            parts.append(f"No store that could fail: {listed(without)}.")
        parts.append("One trial each: it says who came back, and ranks nobody.")
        state: State = "not told apart" if len(bore) > 1 else "nobody" if not bore else "best" if failed else "only"
        key = f"fault-{text.partition('@')[0].replace(':', '-')}"
        figures = [
            Figure(each.variant, after, after, after, _back(after))
            for each in bore
            if (after := _recovery_ms(each)) < math.inf
        ]
        best = [each.variant for each in bore]
        said.append(Answer(key, f"through its store's {name}", state, best, " ".join(parts), figures))
    return said


def _recovery_ms(each: Faulted) -> float:
    """Return how long after its store it was back; without end where that is not known."""
    found = each.trial.outage
    return math.inf if found is None or found.recovery_ms is None else found.recovery_ms


def _back(recovery_ms: float) -> str:
    return f"{significant(recovery_ms)} ms after its store" if recovery_ms else "at once"


def _bore(each: Faulted) -> str:
    """Return who came back, how soon, and what failed meanwhile."""
    found, back = each.trial.outage, _recovery_ms(each)
    said = each.variant if back == math.inf else f"{each.variant} {_back(back)}"
    if found is None:
        return said
    failed = sum(errors(found.stages).values())
    return f"{said}, {plural(failed, 'error') if failed else 'no error'}"


def _why(each: Faulted) -> str:
    reasons = each.trial.verdict.reasons
    return reasons[0].rstrip(".") if reasons else str(each.trial.error or "no reason was recorded")
