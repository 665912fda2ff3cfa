"""Which variants meet which: two revisions of each, or one against another; resolved, provisioned and seeded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness import provision, variants
from harness.errors import UsageError
from harness.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.config import VariantTable
    from harness.provision import Entrant, Provisions
    from harness.variants import Place, Wanted
    from reports.format import Variant

SENTINEL = "sentinel"
_SENTINEL_VARIANT = "memory"


@dataclass(frozen=True)
class Opponents:
    """A pair before it is provisioned: `name` is what it is called, `own` where its apps must come from."""

    name: str
    base: Wanted
    head: Wanted
    own: tuple[Path | None, Path | None] = (None, None)

    @property
    def both(self) -> tuple[Wanted, Wanted]:
        """Base and head."""
        return self.base, self.head


@dataclass(frozen=True)
class Met:
    """A pair as it takes part in a check: one store for both arms, or one each, which they exchange."""

    name: str
    records: tuple[Variant, Variant]
    sides: list[tuple[Entrant, Entrant]]
    own: tuple[Path | None, Path | None]

    def pair(self, *, flip: bool) -> Pair:
        """Return the pair for one block; where each arm has a store, `flip` gives it the other's.

        So no store stays with an arm: what one process is slower by than another would never average out.
        """
        first, second = (self.sides[-1], self.sides[0]) if flip else (self.sides[0], self.sides[-1])
        return Pair(self.name, first[0], second[1], self.own)

    @property
    def error(self) -> str | None:
        """Why it cannot take part."""
        return next((record.error for record in self.records if record.error), None)


def revisions(
    names: Sequence[str],
    tables: dict[str, VariantTable],
    base: Place,
    head: Place,
    say: Callable[[str], None],
) -> list[Opponents]:
    """Let each variant meet itself as base and head serve it; raises UsageError when nothing is left to compare."""
    heads = variants.resolve(names, tables, head)
    found = []
    for name, wanted in zip(names, heads, strict=True):
        try:
            (before,) = variants.resolve([name], tables, base)
        except UsageError as error:
            say(f"{name} is not compared: the base does not know it. There: {error}")
            continue
        if wanted.missing or before.missing:
            which, missing = ("head", wanted.missing) if wanted.missing else ("base", before.missing)
            say(f"{name} is not compared: in the {which}, {missing}.")
            continue
        found.append(_opponents(wanted.name, before, wanted, (base[1], head[1])))
    if not found:
        raise UsageError(
            f"Of {', '.join(names)} nothing can be compared: base and head have none of them both. "
            "Name a variant that the base knows, or another base with --base."
        )
    return found


def against(names: Sequence[str], other: str, tables: dict[str, VariantTable]) -> list[Opponents]:
    """Let each variant meet another one of this tree, which is the base."""
    base, *heads = variants.resolve([other, *names], tables)
    keeping = {wanted.name: wanted.traits.get("keeps") == "nothing" for wanted in (base, *heads)}
    if len(set(keeping.values())) > 1:
        nothing = next(name for name, none in keeping.items() if none)
        raise UsageError(
            f"{nothing} keeps nothing, so its answers cannot be checked as the other's can. "
            "What a backend costs over it is in the table of `session-bench run`."
        )
    return [Opponents(f"{head.name} against {base.name}", base, head) for head in heads]


def sentinel(tables: dict[str, VariantTable], place: Place | None) -> Opponents:
    """Let the same app meet itself: what is found then is not the subject's."""
    (wanted,) = variants.resolve([_SENTINEL_VARIANT], tables, place)
    own = place[1] if place else None
    found = _opponents(wanted.name, wanted, wanted, (own, own))
    named = tuple(replace(each, name=f"{SENTINEL} {each.name}") for each in found.both)
    return replace(found, name=SENTINEL, base=named[0], head=named[1])


def provided(provisions: Provisions, opponents: Opponents, *, own_stores: bool) -> Met:
    """Start what a pair needs, and seed it for both arms."""
    records = tuple(provision.record(wanted) for wanted in opponents.both)
    stores = range(2 if own_stores and opponents.base.server and not opponents.base.url else 1)
    sides = []
    for store in stores:
        entrants = [
            provisions.entrant(wanted, record, store=store)
            for wanted, record in zip(opponents.both, records, strict=True)
        ]
        sides.append((entrants[0], entrants[1]))
    return Met(opponents.name, (records[0], records[1]), sides, opponents.own)


def _opponents(name: str, base: Wanted, head: Wanted, own: tuple[Path | None, Path | None]) -> Opponents:
    return Opponents(name, replace(base, name=f"{name}@base"), replace(head, name=f"{name}@head"), own)
