"""What an audit holds: for a variant every check that was made, how it ended, and the evidence."""

from __future__ import annotations

from typing import Final, Literal

from reports.record.model import Data

State = Literal["PASS", "FAIL", "WAIVED", "CANNOT", "SKIPPED"]
STATES: Final[tuple[State, ...]] = ("PASS", "FAIL", "WAIVED", "CANNOT", "SKIPPED")
MATTERS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 16})
"""Numbers of the checks whose FAIL strikes a variant: users would see each other's data, or none of their own."""


class Exchange(Data):
    """What was sent and what came back; equal exchanges are written once, with how often they were made."""

    sent: str
    """Such as "GET /profile with the cookie from before the logout"."""
    came: str
    """Such as '401 {"error": "no_session"}'; what is long is cut in the middle."""
    times: int = 1


class Check(Data):
    """One of SEMANTICS.md's properties, tried on one variant."""

    number: int
    name: str
    """One word or two for files, links and tables, such as "revocation"."""
    claim: str
    """What must hold, in a sentence."""
    source: str
    """Who says so: a standard, or a known defect of somebody's."""
    state: State
    found: str
    """What was seen, or why nothing was, in a sentence."""
    evidence: list[Exchange] = []
    figures: dict[str, float] = {}
    """What was counted or timed, with units in the names, such as lost_updates, slack_ms."""
    seconds: float = 0.0

    @property
    def strikes(self) -> bool:
        """Whether it takes the variant out of the choice."""
        return self.state == "FAIL" and self.number in MATTERS


class Audit(Data):
    """One variant's checks, in the order of their numbers."""

    variant: str
    quick: bool = False
    """Whether it was the quick set that goes before a run."""
    checks: list[Check] = []
    error: str | None = None
    """Why the variant could not be audited; null when it could."""

    @property
    def strikes(self) -> list[Check]:
        """The failed checks that matter."""
        return [check for check in self.checks if check.strikes]

    @property
    def failed(self) -> list[Check]:
        """Every failed check."""
        return [check for check in self.checks if check.state == "FAIL"]


class Checked(Data):
    """Answers of a trial that were checked for one property, such as isolation."""

    checked: int
    wrong: int
