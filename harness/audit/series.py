"""Audits the variants of a run one after another, each on the server and in the namespace that it has there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit import auditor
from harness.audit.subject import Subject
from harness.errors import ComponentError
from reports.record.audited import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from harness.processes import Processes
    from harness.provision import Entrant
    from harness.variants import Wanted
    from reports.record.audited import Check

    Told = Callable[[str, Check], None]


def audit(
    processes: Processes,
    wanted: Wanted,
    entrant: Entrant,
    *,
    folder: Path,
    cpus: Sequence[int] | None,
    quick: bool = False,
    only: Iterable[int] | None = None,
    told: Told = lambda _variant, _check: None,
) -> Audit:
    """Audit a variant; what keeps it from being audited is said in the audit's `error`."""
    if entrant.record.error is not None:
        return Audit(variant=wanted.name, quick=quick, error=entrant.record.error)
    folder.mkdir(parents=True, exist_ok=True)
    subject = Subject(
        name=wanted.name,
        arm=None if entrant.arm.url else entrant.arm,
        processes=processes,
        folder=folder,
        target=entrant.arm.url,
        options=wanted.options,
        traits=wanted.traits,
        store=entrant.server,
        namespace=entrant.namespace,
        cpus=cpus,
    )
    try:
        return auditor.audit(subject, quick=quick, only=only, told=lambda check: told(wanted.name, check))
    except ComponentError as error:
        return Audit(variant=wanted.name, quick=quick, error=str(error))
