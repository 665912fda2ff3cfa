"""What must not be concluded is said when it holds, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.format import Load
from tests.reports import synthetic_audits, synthetic_choice
from tests.reports.synthetic_choice import APART
from tests.reports.test_decision import decided

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.format import Run


def parted(run: Run, rtt_ms: float) -> None:
    for each in run.variants:
        each.rtt_ms = rtt_ms


CAUTIONS: Mapping[str, tuple[Callable[[Run], None], str]] = {
    "tmpfs": (lambda run: setattr(run.environment, "data_folder_filesystem", "tmpfs"), "lay in memory (tmpfs)"),
    "suspect": (lambda run: setattr(run.trials[0].verdict, "state", "SUSPECT"), "1 of 9 trials, of redis"),
    "invalid": (lambda run: setattr(run.trials[0].verdict, "state", "INVALID"), "1 of 9 trials"),
    "unfinished": (lambda run: setattr(run, "status", "interrupted"), "was interrupted"),
    "closed": (lambda run: setattr(run.plan, "load", Load(users=16)), "16 users wait for their answers"),
    "distance": (lambda run: parted(run, 1.0), "1 ms to round trips"),
}


@pytest.mark.parametrize("key", CAUTIONS)
def test_what_must_not_be_concluded_is_said_when_it_holds(key: str) -> None:
    calm, run = (synthetic_choice.run(APART) for _ in range(2))
    calm.environment, run.environment = (each.environment.model_copy() for each in (calm, run))
    change, said = CAUTIONS[key]
    change(run)
    assert key not in {each.key for each in decided(calm).cautions}
    assert said in {each.key: each.text for each in decided(run).cautions}[key]
    always = {"audit", "blocks", "host", "machine", "version"}
    assert always <= {each.key for each in decided(run).cautions}


def test_audits_are_missed_as_far_as_they_were_not_made() -> None:
    run = synthetic_choice.run(APART)

    def said() -> str | None:
        return {each.key: each.text for each in decided(run).cautions}.get("audit")

    assert said() == "No audit was made: nobody tried whether the fast ones are right."
    run.audits = [synthetic_audits.audit("redis", numbers=sorted(synthetic_audits.QUICK))]
    assert said() == "Not audited: postgres, mongodb. Nobody tried whether their sessions are right."
    run.audits += [synthetic_audits.audit(name) for name in ("postgres", "mongodb")]
    assert said() is None
    run.audits[0].quick = True
    assert said() == "The audit was the quick set: 18 of 18 checks. The others were not tried."
