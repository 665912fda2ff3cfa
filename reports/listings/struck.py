"""Which variants an audit takes out of the choice, and how that is said beside their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.listings.listing import Struck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.format import Run
    from reports.record.audited import Check

FAILS: Final = "FAILS"
WHY: Final = (
    "Struck through: the variant fails a check without which users would see each other's data, or none of their own. "
    "That takes it out of the choice, however good its figures are."
)
_NAMED: Final = 2
"""Numbers of checks that have room in a mark."""


def checks(run: Run) -> dict[str, list[Check]]:
    """Return by variant the failed checks that strike it; variants that nothing strikes are absent."""
    found: dict[str, list[Check]] = {}
    for audit in run.audits:
        if audit.strikes:
            found.setdefault(audit.variant, []).extend(audit.strikes)
    return found


def named(run: Run, name: str) -> str:
    """Return a variant's name, `Struck` where its audit takes it out of the choice."""
    return Struck(name) if name in checks(run) else name


def called(run: Run, name: str) -> str:
    """Return a variant's name for a line of plain text, which nothing can be struck through in."""
    return f"{name} (fails its audit)" if name in checks(run) else name


def mark(failed: Sequence[Check]) -> str:
    """Return what stands beside the name, such as "FAILS 3, 5"; nothing for nothing."""
    if not failed:
        return ""
    if len(failed) > _NAMED:
        return f"{FAILS} {len(failed)} checks"
    return f"{FAILS} {', '.join(str(check.number) for check in failed)}"


def reason(failed: Sequence[Check]) -> str:
    """Return why, in a footnote: what was found where it is one check, else the names of them all."""
    names = ", ".join(f"{check.number} {check.name}" for check in failed)
    if len(failed) > 1:
        return f"{names}; the audit says what was found"
    return f"{names}: {failed[0].found}"
