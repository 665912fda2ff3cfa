"""The report as CSV files, one per tidy table of `reports.tidy.frame_columns`, with the units in the names of columns.

Texts are whole, so that a name here is the name in run.json. But for one thing: spreadsheets take a text that begins
with =, +, -, @, a tab or a line's end for a formula, or may, and run it. An apostrophe goes before such a text, which
is what they take for "this is text" (OWASP, CSV Injection). Numbers are none of it, and no name of ours begins so.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from reports.tidy import rows
from reports.tidy.frame_columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.format import Run

_FORMULA: Final = tuple(
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""What a spreadsheet may take for a formula's begin, also behind blanks."""


def table(run: Run, name: str) -> str:
    """Return one of the tables; columns of audits and of pairs are there where the run has such."""
    had = {"": True, "audits": bool(run.audits), "pairs": run.judgement is not None}
    columns = [column.name for column in TABLES[name].columns if had[column.only]]
    return write(columns, rows.OF[name](run))


def every(run: Run) -> dict[str, str]:
    """Return every table that has a row, and those of variants and trials in any case, by the names of files.

    What is there anyway is not there in long form besides.
    """
    found = {name: table(run, name) for name in rows.OF if name != "summaries"}
    return {
        f"{name}.csv": text for name, text in found.items() if name in {"variants", "trials"} or text.count("\n") > 1
    }


def variants(run: Run) -> str:
    """Return one row per variant: its metrics over its trials, its costs over the baseline, its capacity, its audit."""
    return table(run, "variants")


def trials(run: Run) -> str:
    """Return one row per trial and arm, INVALID ones and every purpose included: `state` and `purpose` say so."""
    return table(run, "trials")


def told(run: Run) -> str:
    """Return one row per two variants and metric: by what share the second takes more than the first."""
    return table(run, "told")


def audits(run: Run) -> str:
    """Return one row per variant and check; the state of what could not be audited at all is ERROR."""
    return table(run, "audits")


def answers(run: Run) -> str:
    """Return one row per variant and property that was checked under load."""
    return table(run, "correctness")


def outages(run: Run) -> str:
    """Return one row per trial with a fault: what was done, and what came of it."""
    return table(run, "outages")


def distances(run: Run) -> str:
    """Return one row per variant with a round-trip time, in series."""
    return table(run, "distances")


def write(columns: Sequence[str], rows_: Iterable[dict[str, Any]]) -> str:
    """Write rows under a fixed header; what a row does not know stays empty."""
    lines = _Lines()
    writer = csv.DictWriter(lines, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows_)
    return "".join(lines)


class _Lines(list[str]):
    """Rows as they are written: they end in a line feed, and what holds a carriage return is quoted all the same.

    Up to Python 3.12 the writer quotes only those line ends that it writes itself.
    """

    def write(self, row: str) -> None:
        self.append(row.removesuffix("\r\n") + "\n")


def _cell(value: Any) -> Any:
    """Return a number as it was measured, and a text that no spreadsheet calculates."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return rows.exact(value)
