"""What a run says to who must choose, for machines: decision.json, which `run --json` and `report --json` hold too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from reports.choice.decision import decision
from reports.choice.needs import State  # noqa: TC001 - pydantic reads it at run time

if TYPE_CHECKING:
    from reports.format import Run

# History of the format:
# 1  first light.
VERSION: Final = 1


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, from_attributes=True)


class Figure(_Data):
    """A candidate's figure in its recorded unit: µs, µs per request, bytes, requests or arrivals per second."""

    variant: str
    value: float
    low: float
    high: float
    """What low and high are, `ranges` says; of a capacity they are the ends of its interval."""
    text: str
    """As it is written in reports, with its unit and its range."""
    at_least: bool
    """Whether it is only a lower bound."""


class Answer(_Data):
    """What the run says to one need."""

    key: str
    need: str
    state: State
    best: list[str]
    """The variants that are the answer: one where there is a winner, all that share the place where there is none."""
    said: str
    """The answer in a sentence or two."""
    figures: list[Figure]
    """Of every candidate that has one, the best first."""


class Aside(_Data):
    """Variants that are no answer to anything, and why."""

    names: list[str]
    reason: str


class Caution(_Data):
    """What must not be concluded."""

    key: str
    text: str


class Lack(_Data):
    """What the run does not hold, and the command that adds it."""

    key: str
    what: str
    command: str


class Document(_Data):
    """The first screen of a report."""

    version: int = VERSION
    question: str
    trouble: str
    """Why nothing, or less than it seems, can be answered; empty where all is well."""
    answers: list[Answer]
    ranges: str
    """What low and high of a figure are; empty where no figure has a range."""
    aside: list[Aside]
    cautions: list[Caution]
    lacks: list[Lack]


def document(run: Run) -> Document | None:
    """Return the decision; None of a run that asks something else: a regression, an audit."""
    found = decision(run)
    return None if found is None else Document.model_validate(found)
