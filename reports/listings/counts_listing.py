"""What each step takes, counted exactly: the short table beside the others, the long one, and who takes most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports.listings import struck, view
from reports.listings.listing import Head, Listing
from reports.record.counts import COUNTS, PAYLOAD_BYTES, Counts, in_order
from reports.words import units
from reports.words.units import MISSING, Written, plural, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.format import Run

_TITLE: Final = "What each step takes"
_ASKING: Final = ("login", "read", "write", "logout")
"""Steps that may ask the store."""
_NAMED: Final = 3
"""Names that have room in a sentence."""


def found(run: Run) -> list[Counts]:
    """Return what was counted, in the order of the variants; those of which nothing could be are among them."""
    known = {each.variant: each for each in run.counts}
    return [known[variant.name] for variant in view.ordered(run) if variant.name in known]


def cookie(counts: Counts) -> int | None:
    """Return the most bytes of cookie that its client sends with a request."""
    return max(
        (each for step in counts.steps if (each := _count(counts, step, "cookie_bytes")) is not None), default=None
    )


def stored(counts: Counts, step: str) -> int | None:
    """Return the bytes that a step sends to the store and gets from it, together."""
    there, back = (_count(counts, step, name) for name in ("to_store_bytes", "from_store_bytes"))
    return None if there is None or back is None else there + back


def answered(counts: Counts, step: str) -> int | None:
    """Return the bytes of the app's answer."""
    return _count(counts, step, "response_bytes")


def asked(counts: Counts) -> int | None:
    """Return the round trips to the store of a login, a read, a write and a logout; None where one is not known."""
    trips = [_count(counts, step, "round_trips") for step in _ASKING]
    return None if None in trips else sum(each for each in trips if each is not None)


def listing(run: Run) -> Listing | None:
    """Return a row per variant that could be counted, as short as may be, else why none could be.

    None where nothing was to be counted.
    """
    every = found(run)
    if not any(each.steps for each in every):
        why = [[each.variant, " ".join(each.notes)] for each in every]
        heads = [Head("variant", words=True), Head("why", words=True)]
        return Listing("counts", _TITLE, heads, why) if why else None
    heads = [
        Head("variant", words=True), Head("cookie", "B"), *(Head(step, "trips") for step in _ASKING),
        *(Head("store", f"B/{step}") for step in ("read", "write")), Head("answer", "B/write"),
    ]  # fmt: skip
    rows = [
        [
            each.variant, _cell(cookie(each)), *(_cell(_count(each, step, "round_trips")) for step in _ASKING),
            *(_cell(stored(each, step)) for step in ("read", "write")), _cell(answered(each, "write")),
        ]
        for each in every
        if each.steps
    ]  # fmt: skip
    remark = [*sentences(run), _HOW, _MORE, *notes(run)]
    return Listing("counts", _TITLE, heads, rows, " ".join(remark)).without_empty_columns()


_HOW: Final = (
    "Counted, not measured, one request at a time on warm connections with a session of "
    f"{units.size(PAYLOAD_BYTES)}: the same on every machine. cookie: the most that a client sends with each request; "
    "trips: round trips to the store; store: bytes to it and from it; answer: head and body."
)
_MORE: Final = "The details and counts.csv have every step."


def steps(run: Run) -> Listing | None:
    """Return every count of every step; None where nothing could be counted."""
    rows = [
        [each.variant, step, *(_cell(_count(each, step, count)) for count in COUNTS)]
        for each in found(run)
        for step in in_order(each.steps)
    ]
    if not rows:
        return None
    heads = [
        Head("variant", words=True), Head("step", words=True), Head("commands"), Head("round trips"),
        Head("to store", "B"), Head("from store", "B"), Head("answer", "B"), Head("cookie", "B"),
    ]  # fmt: skip
    remark = (
        "commands: what the store was asked; a pipeline of several is one round trip. Bytes are those of the "
        "protocols, without TCP's own; cookie: what the client holds after the step, and sends with each request."
    )
    return Listing("counts-by-step", "Every step, counted exactly", heads, rows, remark)


def sentences(run: Run) -> list[str]:
    """Say who sends most with each request, and who asks most of its store."""
    every = found(run)
    said = []
    if len(sent := _known(every, cookie)) > 1:
        most, least = max(sent.values()), min(sent.values())
        if most == least:
            said.append(f"With each request every variant's client sends {units.size(most)} of cookie.")
        else:
            said.append(
                f"The largest cookie goes with each request of {_who(run, sent, most)}: {units.size(most)}; the "
                f"smallest is {units.size(least)}."
            )
    trips = {name: count for name, count in _known(every, asked).items() if count}
    if len(trips) > 1:
        most, least = max(trips.values()), min(trips.values())
        what = f"{plural(most, 'round trip')} for a login, a read, a write and a logout"
        if most == least:
            said.append(f"Every store is asked as often: {what}.")
        else:
            said.append(f"The store is asked most often by {_who(run, trips, most)}: {what}; the fewest are {least:,}.")
    moved = {name: count for name, count in _known(every, lambda each: stored(each, "read")).items() if count}
    if len(moved) > 1 and (most := max(moved.values())) != (least := min(moved.values())):
        said.append(
            f"A read moves most between app and store with {_who(run, moved, most)}, {units.size(most)}, and least "
            f"with {_who(run, moved, least)}, {units.size(least)}."
        )
    return said


def notes(run: Run) -> list[str]:
    """Say what could not be counted, and why; variants of which the same is to be said stand together."""
    whose: dict[str, list[str]] = {}
    for each in found(run):
        for note in each.notes:
            whose.setdefault(note, []).append(struck.called(run, each.variant))
    return [f"{', '.join(names)}: {note}" for note, names in whose.items()]


def _known(every: list[Counts], of: Callable[[Counts], int | None]) -> dict[str, int]:
    return {each.variant: count for each in every if (count := of(each)) is not None}


def _who(run: Run, counts: Mapping[str, int], value: int) -> str:
    names = [struck.called(run, name) for name, count in counts.items() if count == value]
    if len(names) > _NAMED:
        names[_NAMED - 1 :] = [plural(len(names) - _NAMED + 1, "other")]
    return together(names)


def _count(counts: Counts, step: str, name: str) -> int | None:
    value: int | None = getattr(counts.steps[step], name) if step in counts.steps else None
    return value


def _cell(count: int | None) -> str:
    return MISSING if count is None else Written(f"{count:,}", count)
