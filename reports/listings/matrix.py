"""The audits of a run in one table, variants down and checks across, and what is to be said under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from reports.listings import evidence, struck, view
from reports.listings.listing import Struck
from reports.words.text import plain
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.format import Run
    from reports.record.audited import Audit, Check

SIGNS: Final = {"PASS": "✓", "FAIL": "✗", "WAIVED": "w", "CANNOT": "c", "SKIPPED": "s"}
"""A sign for each state, which tells them apart without a colour."""
STYLES: Final = {"PASS": "green", "FAIL": "bold red", "WAIVED": "yellow", "CANNOT": "magenta", "SKIPPED": "dim"}
_MEANINGS: Final = {
    "WAIVED": "given up by choice of a policy", "CANNOT": "its kind of backend cannot", "SKIPPED": "not tried, and why",
}  # fmt: skip
ALL: Final = range(1, 19)
"""The numbers of all checks there are."""
ERROR: Final = "ERROR"
_NAMED: Final = 3
"""So many checks that ended alike are said by name, more of them by number."""
_NAME: Final = 17


@dataclass(frozen=True, slots=True)
class Line:
    """One variant's audit: its checks by number, and where the evidence of each is."""

    name: str
    """`Struck` where a failed check takes it out of the choice."""
    audit: Audit
    checks: dict[int, Check]
    anchors: dict[int, str]

    def state(self, number: int) -> str:
        """Return how a check ended; nothing where it was not made."""
        return self.checks[number].state if number in self.checks else ""


@dataclass(frozen=True, slots=True)
class Item:
    """What one or more checks of a variant found, alike: all but PASS; or that there is nothing of the kind."""

    state: str
    label: str
    text: str = ""
    anchor: str = ""
    """Where the evidence of the first of them is."""

    @property
    def alarming(self) -> bool:
        """Whether nobody may overlook it."""
        return self.state in {"FAIL", ERROR}


@dataclass(frozen=True, slots=True)
class Said:
    """Variants of which the same is to be said."""

    names: list[str]
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it; `checks` are numbers and names."""

    title: str
    checks: dict[int, str]
    lines: list[Line]
    said: list[Said]
    quick: str
    """What the quick set leaves out, and how to have it; empty where there was none."""

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """Every state that occurs: its sign, its name, and its meaning where the name does not say it."""
        seen = {line.state(number) for line in self.lines for number in self.checks}
        known = [(sign, state, _MEANINGS.get(state, "")) for state, sign in SIGNS.items() if state in seen]
        return [*known, *([("blank", "", "not made")] if "" in seen else [])]

    @property
    def names(self) -> list[str]:
        """Number and name of every check."""
        return [f"{number} {name}" for number, name in self.checks.items()]


def matrix(run: Run) -> Matrix | None:
    """Return the audits of a run; None where there are none."""
    if not run.audits:
        return None
    order = {variant.name: place for place, variant in enumerate(view.ordered(run))}
    audits = sorted(
        zip(run.audits, evidence.slugs(run), strict=True), key=lambda each: order.get(each[0].variant, len(order))
    )
    lines = [
        Line(
            Struck(audit.variant) if audit.strikes else audit.variant,
            audit,
            {check.number: check for check in audit.checks},
            {check.number: evidence.anchor(slug, check) for check in audit.checks},
        )
        for audit, slug in audits
    ]
    names = {check.number: check.name for audit, _ in audits for check in audit.checks}
    quick = _quick([audit for audit, _ in audits if audit.quick])
    title = "Audits: the quick set" if all(audit.quick for audit, _ in audits) else "Audits"
    return Matrix(title, dict(sorted(names.items())), lines, _said(lines), quick)


def headline(run: Run) -> str:
    """Return what all audits come to, in a phrase behind how many variants there were."""
    said = []
    if out := struck.checks(run):
        who = ", ".join(f"{name} ({_label(failed)})" for name, failed in out.items())
        said.append(f"{len(out)} must not be chosen: {who}")
    lesser = [audit.variant for audit in run.audits if audit.failed and not audit.strikes]
    if lesser:
        said.append(f"{', '.join(lesser)} {'fail' if len(lesser) > 1 else 'fails'} lesser checks")
    if errors := sum(audit.error is not None for audit in run.audits) + len(missing(run)):
        said.append(f"{errors} could not be audited")
    if not run.audits:
        said = ["nothing was audited"]
    if view.only_audited(run) and run.status != "finished":
        said.append(f"it {'was interrupted' if run.status == 'interrupted' else 'is still under way'}")
    return "; ".join(said) or "no check fails"


def missing(run: Run) -> list[tuple[str, str]]:
    """Return the variants that there is no audit of, and why: they could not take part, or it ended before."""
    audited = {audit.variant for audit in run.audits}
    late = view.only_audited(run)
    return [
        (each.name, each.error or "the audit ended before its turn")
        for each in run.variants
        if each.name not in audited and (late or each.error is not None)
    ]


def line(check: Check) -> Table:
    """Return a check as it is shown when it ends: number, name, state, and what was found, which may take lines."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", width=3)
    table.add_column(width=_NAME, overflow="fold")
    table.add_column(width=max(map(len, SIGNS)))
    table.add_column(overflow="fold")
    table.add_row(
        str(check.number), Text(plain(check.name)), Text(check.state, style=STYLES[check.state]),
        Text(plain(check.found)),
    )  # fmt: skip
    return table


def _quick(audits: Sequence[Audit]) -> str:
    if not audits:
        return ""
    made = {check.number for audit in audits for check in audit.checks}
    left = [number for number in ALL if number not in made]
    who = "VARIANT" if len(audits) > 1 else audits[0].variant
    return (
        f"Before the run the quick set was made: {plural(len(made), 'check')}. It leaves {_ranges(left)} to "
        f"session-bench audit {who}."
    )


def _said(lines: Iterable[Line]) -> list[Said]:
    """Return what is to be said of each audit; variants of which the same is to be said stand together."""
    found: dict[tuple[tuple[str, str, str], ...], Said] = {}
    for each in lines:
        items = _items(each)
        key = tuple((item.state, item.label, item.text) for item in items)
        found.setdefault(key, Said([], items)).names.append(each.name)
    return sorted(found.values(), key=lambda said: said.items[0].state == "PASS")


def _items(each: Line) -> list[Item]:
    alike: dict[tuple[str, str], list[Check]] = {}
    for check in each.checks.values():
        if check.state != "PASS":
            alike.setdefault((check.state, check.found), []).append(check)
    items = [
        Item(state, _label(checks), found, each.anchors[checks[0].number])
        for (state, found), checks in sorted(alike.items(), key=lambda item: list(SIGNS).index(item[0][0]))
    ]
    if each.audit.error is not None:
        return [Item(ERROR, "could not be audited", each.audit.error), *items]
    if not each.checks:
        return [Item(ERROR, "no check was made")]
    return items or [Item("PASS", f"all {len(each.checks)} checks" if len(each.checks) > 1 else "the one check made")]


def _label(checks: Sequence[Check]) -> str:
    if len(checks) > _NAMED:
        return _ranges([check.number for check in checks])
    return ", ".join(f"{check.number} {check.name}" for check in checks)


def _ranges(numbers: Sequence[int]) -> str:
    """Return numbers in a few characters, such as 1–4, 7, 8."""  # noqa: RUF002 - a range
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    few = 2
    said = ([f"{run[0]}–{run[-1]}"] if len(run) > few else map(str, run) for run in runs)  # noqa: RUF001 - a range
    return ", ".join(each for run in said for each in run)
