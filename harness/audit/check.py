"""What a check is: one function, the property that it tries, and who says that it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.probe import Probe
    from reports.record.audited import State

    Tried = Callable[[Probe], str]


class Ended(Exception):  # noqa: N818 - what a check ended with, and most often no error
    """A check ended otherwise than with PASS; the message says what was found, in a sentence."""

    state: State

    @property
    def found(self) -> str:
        """What was found."""
        return str(self.args[0])


class Failed(Ended):
    """The property does not hold."""

    state = "FAIL"


class Inexcusable(Failed):
    """The property does not hold, and in a way that no kind of backend and no policy excuses."""


class Skipped(Ended):
    """It could not be tried, and why."""

    state = "SKIPPED"


@dataclass(frozen=True)
class Check:
    """A property of SEMANTICS.md and the function that tries it.

    The function returns what it found when the property holds, raises Failed when it does not, and Skipped when it
    cannot be tried. What the kind of backend or a policy excuses is not its business: see `harness.audit.excuses`.
    """

    number: int
    name: str
    claim: str
    source: str
    quick: bool
    tried: Tried


CHECKS: Final[dict[int, Check]] = {}
"""By number; the modules of `harness.audit.checks` fill it as they are imported."""


def check(number: int, name: str, claim: str, *, source: str, quick: bool = False) -> Callable[[Tried], Tried]:
    """Make a function a check; `quick` ones are made before every run, and take a fraction of a second."""

    def register(tried: Tried) -> Tried:
        if number in CHECKS:
            raise ValueError(f"There are two checks with the number {number}: {CHECKS[number].name} and {name}.")
        CHECKS[number] = Check(number, name, claim, source, quick, tried)
        return tried

    return register
