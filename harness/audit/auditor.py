"""Makes the checks of an audit on one subject, and notes down how each ended."""

from __future__ import annotations

import importlib
import pkgutil
from time import monotonic
from typing import TYPE_CHECKING

from harness.audit import checks
from harness.audit.check import CHECKS, Ended, Inexcusable
from harness.audit.excuses import excuse
from harness.audit.probe import Probe
from harness.errors import BenchError
from reports.record import audited
from reports.record.audited import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.audit.check import Check
    from harness.audit.excuses import Excuse
    from harness.audit.subject import Subject


def all_checks() -> list[Check]:
    """Return every check there is, by number."""
    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    return [CHECKS[number] for number in sorted(CHECKS)]


def audit(
    subject: Subject,
    *,
    quick: bool = False,
    only: Iterable[int] | None = None,
    told: Callable[[audited.Check], None] = lambda _: None,
) -> Audit:
    """Make the checks, those of the quick set or of some numbers only, and say each as it ends.

    Raises ComponentError for a subject that does not even start; one that dies later has failed a check.
    """
    wanted = set(only) if only is not None else None
    chosen = [each for each in all_checks() if (wanted is None or each.number in wanted) and (each.quick or not quick)]
    made = Audit(variant=subject.name, quick=quick)
    with subject.running():
        subject.ask_about()
        excuses = {each: excuse(each.number, subject.traits, {**subject.stated, **subject.options}) for each in chosen}
        if any(excused is None or excused.state != "SKIPPED" for excused in excuses.values()):
            _ = subject.url  # its start is no part of the first check
        for each, excused in excuses.items():
            ended = _made(each, subject, excused, quick=quick)
            made.checks.append(ended)
            told(ended)
    return made


def _made(check: Check, subject: Subject, excused: Excuse | None, *, quick: bool) -> audited.Check:
    begun = monotonic()
    state: audited.State = "PASS"
    with Probe(subject, quick=quick) as probe:
        if excused is not None and excused.state == "SKIPPED":
            state, found = excused.state, excused.why
        else:
            try:
                found = check.tried(probe)
            except Ended as ended:
                state, found = ended.state, ended.found
                excused = None if isinstance(ended, Inexcusable) else excused
            except BenchError as error:
                # A store or an app that does not come back is itself a finding, which nothing excuses.
                state, found, excused = "FAIL", str(error), None
            if state == "FAIL":
                subject.recover()
            if state == "FAIL" and excused is not None:
                state, found = excused.state, f"{excused.why} {found}"
    return audited.Check(
        number=check.number,
        name=check.name,
        claim=check.claim,
        source=check.source,
        state=state,
        found=found,
        evidence=probe.trail.exchanges(),
        figures=probe.figures,
        seconds=round(monotonic() - begun, 3),
    )
