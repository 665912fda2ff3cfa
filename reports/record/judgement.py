"""What a judgement holds: the part of a recorded run's schema that is about pairs of variants."""

from __future__ import annotations

from typing import Literal

from reports.record.model import Data, Interval

State = Literal["PASS", "REGRESSED", "INCONCLUSIVE", "INVALID"]


class Tolerance(Data):
    """How much slower still counts as the same: a share of the base, and at least so much in the metric's own unit."""

    share: float
    floor: float = 0.0


class Judged(Data):
    """One metric of a pair over its blocks: what was seen, tested and said.

    Changes are shares of the base: +0.05 is 5 % more, which is worse. p-values are one-sided and exact.
    """

    metric: str
    decides: bool
    """Whether the verdict rests on it; the others are shown."""
    tolerance: Tolerance
    base: list[float]
    head: list[float]
    """One value a block each, in the order of blocks."""
    change: Interval | None = None
    """Estimate and 95 % interval; null where nothing was measured."""
    p_slower: float | None = None
    """Of "the head is not slower"."""
    p_slower_adjusted: float | None = None
    """The same over the whole family (Holm); null where it does not decide."""
    p_within: float | None = None
    """Of "the head is slower by the tolerance or more"."""
    p_faster: float | None = None
    p_faster_adjusted: float | None = None
    smallest_seen: float | None = None
    """The smallest change that this many blocks would have shown, four times of five; a share."""
    state: Literal["within", "slower", "faster", "unclear"] = "unclear"
    """`within` the tolerance (a change may be real all the same: see `p_slower`), or what is shown beyond doubt."""


class CountChange(Data):
    """An exact count that is not what it was: one step's commands, round trips or bytes."""

    variant: str
    step: str
    count: str
    """commands, round_trips, to_store_bytes, from_store_bytes, response_bytes or cookie_bytes."""
    before: int | None
    now: int | None
    against: Literal["base", "file"]
    """Whether it was counted in this run's base, or stands in the committed file."""


class Comparison(Data):
    """A pair of variants over the blocks of one run, judged."""

    name: str
    """What the pair is called: the variant of which base and head are two revisions, or both names."""
    base: str
    head: str
    """Names of variants of the run."""
    blocks: int
    state: State
    reasons: list[str] = []
    metrics: list[Judged] = []


class Told(Data):
    """Two variants of a run that compares backends: whether they are told apart in one metric.

    `b` over `a`, as a share of `a`; the interval is simultaneous over all pairs and metrics told.
    """

    a: str
    b: str
    metric: str
    change: Interval
    state: Literal["differ", "tied", "not told apart", "too few blocks"]


class Revision(Data):
    """A tree or an environment that a regression check built."""

    label: str
    """As the user named it: HEAD~1, this tree, redis==7.1."""
    commit: str = ""
    dirty: bool = False
    python: str = ""
    packages: dict[str, str] = {}
    """Installed distributions and their versions."""
    source: dict[str, str] = {}


class Judgement(Data):
    """What a regression check found: the gravest of its comparisons and counts, and what it rests on."""

    state: State
    exit_code: int
    reasons: list[str] = []
    base: Revision
    head: Revision
    differences: list[str] = []
    """Installed versions that differ, in words."""
    looks: list[int]
    """Blocks at which the data were looked at, and might have been."""
    spent: list[float]
    """What each look may spend of alpha."""
    alpha: float
    fail_on: Literal["any", "delta"]
    look: int | None = None
    """The look at which it ended, from 1."""
    sentinel: Comparison | None = None
    """An A/A pair spread over the run: what it shows is not the subject's."""
    counted: list[str] = []
    """Names of the pairs whose steps were counted exactly, in base and head."""
    counts: list[CountChange] = []
    counts_known: bool = False
    """Whether a committed file of counts was there to be checked against."""
