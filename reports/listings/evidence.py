"""What an audit leaves behind: where each check's evidence is to be found, its figures with units, what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.words import units
from reports.words.text import distinct

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.format import Run
    from reports.record.audited import Check

_UNITS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "_per_s": ("/s", units.per_second), "_ms": ("ms", units.significant), "_us": ("µs", units.significant),
    "_s": ("s", units.significant), "_bytes": ("bytes", units.significant), "_bits": ("bits", units.significant),
}  # fmt: skip
"""The unit that a figure's name ends with, and how it is written."""


def slugs(run: Run) -> list[str]:
    """Return for each audit of a run what the links to its evidence begin with, none of them twice."""
    known = {variant.name: variant.slug for variant in run.variants}
    return [f"audit-{each}" for each in distinct(known.get(audit.variant, audit.variant) for audit in run.audits)]


def anchors(run: Run, name: str, failed: list[Check]) -> list[str]:
    """Return where the evidence of a variant's checks is."""
    return [
        anchor(slug, check)
        for slug, audit in zip(slugs(run), run.audits, strict=True)
        if audit.variant == name
        for check in audit.checks
        if check in failed
    ]


def anchor(slug: str, check: Check) -> str:
    """Return the id of a check's evidence."""
    return f"{slug}-{check.number}"


def figures(check: Check) -> str:
    """Return what was counted and timed, such as "lost updates 12; slack 40.2 ms"."""
    return "; ".join(_figure(name, value) for name, value in check.figures.items())


def _figure(name: str, value: float) -> str:
    if name.endswith("_share"):
        return f"{_words(name.removesuffix('_share'))} {units.percent(value)}"
    for ending, (unit, write) in _UNITS.items():
        if name.endswith(ending):
            return f"{_words(name.removesuffix(ending))} {_whole(value, write)} {unit}"
    return f"{_words(name)} {_whole(value, units.significant)}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _whole(value: float, write: Callable[[float], str]) -> str:
    """Write what was counted to its last digit."""
    return f"{int(value):,}" if value.is_integer() else write(value)


def exchanges(check: Check) -> list[str]:
    """Return what was sent and what came back, a line each."""
    return [
        f"{each.sent} → {each.came}" + ("" if each.times == 1 else f" ({each.times:,} times)")
        for each in check.evidence
    ]
