"""A service-level objective: read from `--slo`, and held against a trial's figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from harness.config import nearest
from harness.errors import UsageError
from reports.format import Objective
from reports.verdict import ACHIEVED_LIMIT, ERROR_SHARE_LIMIT, growth_limit

if TYPE_CHECKING:
    from reports.format import Figures

NAMES: Final = {
    "p50": "p50_us", "p95": "p95_us", "p99": "p99_us", "mean": "mean_us", "max": "max_us", "errors": "error_share",
}  # fmt: skip
"""What can be limited: as it is written, and as `Figures` calls it."""
UNITS_US: Final = {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
"""Units of time, in µs."""

_ERRORS: Final = NAMES["errors"]
_GREEK_MU: Final = "\N{GREEK SMALL LETTER MU}"
_LIMIT: Final = re.compile(r"([\w.]+)\s*<=?\s*(\d+(?:\.\d*)?|\.\d+)\s*([^\W\d_]*|%)")
_MOST_US: Final = 3600e6


def parse(text: str) -> Objective:
    """Read limits such as "p99<20ms, errors<=0.1%": `<` and `<=` both mean "at most", and spaces do not count.

    Times take us, µs, ms or s, errors take %. Where errors are not limited, 0.1 % are. Raises UsageError that says
    which limit is wrong and what is valid there.
    """
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, limit = _read(part.strip(), text)
        if NAMES[name] in limits:
            raise _wrong(text, f"it limits {name} twice", "Leave one of the two out.")
        limits[NAMES[name]] = limit
    return Objective(text=text.strip(), limits={_ERRORS: ERROR_SHARE_LIMIT, **limits})


def kept(figures: Figures | None, objective: Objective, state: str) -> bool | None:
    """Say whether a trial with these figures and this verdict kept the objective; None when it says nothing.

    An INVALID trial says nothing, nor does one without a figure that is limited: there were too few requests for it.
    An OVERLOADED one did not keep it, whatever its latency: its queue grew, or arrivals went unanswered. Nor did a
    FAILED one, unless by no more errors than the objective allows. A figure that is only a lower bound cannot be said
    to hold.
    """
    if state == "INVALID" or figures is None:
        return None
    if state == "OVERLOADED" or (state == "FAILED" and not _allowed(figures, objective)):
        return False
    values = {name: getattr(figures, name) for name in objective.limits}
    known = {name: value for name, value in values.items() if value is not None}
    if any(value > objective.limits[name] or name in figures.at_least for name, value in known.items()):
        return False
    return True if len(known) == len(values) else None


def _allowed(figures: Figures, objective: Objective) -> bool:
    """Say whether a trial FAILED only by errors that this objective, laxer than the verdict, allows."""
    achieved = 1.0 if figures.achieved_share is None else figures.achieved_share
    overloaded = achieved < ACHIEVED_LIMIT or (figures.queue_growth or 0.0) > growth_limit(figures)
    if overloaded or figures.outcomes.get("wrong_answer", 0):
        return False
    return ERROR_SHARE_LIMIT < figures.error_share <= objective.limits.get(_ERRORS, ERROR_SHARE_LIMIT)


def _read(part: str, text: str) -> tuple[str, float]:
    """Read one limit: its name as it is written, and a value in µs or a share."""
    found = _LIMIT.fullmatch(part.lower().replace(_GREEK_MU, "µ"))
    if found is None:
        raise _wrong(text, f"{part!r} is not a limit" if part else "a limit is missing", "Write NAME<NUMBER UNIT.")
    name, number, unit = found.groups()
    if name not in NAMES:
        raise _wrong(text, f"{name!r} cannot be limited", f"{nearest(name, NAMES).capitalize()}.")
    share = NAMES[name] == _ERRORS
    units = {"%": 0.01} if share else UNITS_US
    if unit not in units:
        has = f"has the unit {unit!r}" if unit else "has no unit"
        raise _wrong(text, f"{part!r} {has}", f"{name.capitalize()} takes {' or '.join(units)}.")
    limit = float(number) * units[unit]
    if not 0 < limit < (1 if share else _MOST_US):
        between = "more than 0 and less than 100 %" if share else "more than 0 and less than an hour"
        raise _wrong(text, f"{part!r} can tell no rates apart", f"{name.capitalize()} takes {between}.")
    return name, limit


def _wrong(text: str, what: str, mend: str) -> UsageError:
    example = "Limits are joined by commas: --slo 'p99<20ms,errors<0.1%'"
    return UsageError(f"The objective {text!r} is not valid: {what}. {mend} {example}.")
