"""What gave out first where a variant's capacity ends, from the figures of its trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.format import ROLES
from reports.trials.doubts import GENERATOR_SUSPECT, WAITING_SUSPECT
from reports.words.units import ms, per_second, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.format import Figures, Role

FULL: Final = 0.90
"""Share of the cores that a role can use: beyond it, little is left for what comes in bursts."""
GREW: Final = 3.0
"""Store operations that take so many times as long, while no CPU is full, wait for something else than a CPU."""

_COUNTED: Final = 20
_NOTHING_US: Final = 200.0


@dataclass(frozen=True)
class Tried:
    """A trial of a capacity search: its rate, whether it kept the objective (None: it says nothing), its figures.

    `waiting_share` is that of its `Instrument`.
    """

    rate_per_s: float
    kept: bool | None
    figures: Figures | None
    waiting_share: float | None = None


def limiting(
    tried: Sequence[Tried],
    *,
    workers: int = 1,
    cpus: Mapping[str, Sequence[int]] | None = None,
    generator_processes: int = 1,
) -> tuple[str, str]:
    """Name the resource that gave out first, and the evidence for it in a sentence.

    `cpus` are those that each role was pinned to, as in `Environment.cpus`. Of the trials that missed the objective,
    the one at the lowest rate in which anything was full decides: beyond it more will be. The name is "app CPU",
    "store CPU", "CPU 1, shared by store and generator", "generator", "store waiting" or "unknown".
    """
    ordered = sorted(tried, key=lambda one: one.rate_per_s)
    missed = [one for one in ordered if one.kept is False and one.figures]
    kept = [one for one in ordered if one.kept and one.figures]
    roles = _Roles(workers, cpus or {}, generator_processes)
    for one in missed:
        if full := sorted(roles.full(one), reverse=True):
            return full[0][1], f"At {per_second(one.rate_per_s)}/s {' and '.join(words for _, _, words in full)}."
    if missed:
        return _waiting(kept, missed) or ("unknown", f"Nothing of ours was full: {_seen(missed[-1])}{_others(missed)}.")
    silent = [one for one in ordered if one.kept is None]
    if silent and (not kept or silent[-1].rate_per_s > kept[-1].rate_per_s):
        return "generator", f"At {per_second(silent[0].rate_per_s)}/s the trials were not valid, and below none failed."
    if kept:
        return "unknown", f"Nothing gave out: every trial up to {per_second(kept[-1].rate_per_s)}/s kept the objective."
    return "unknown", "No trial says anything."


@dataclass(frozen=True)
class _Roles:
    """Who runs where, and how much of it each can use."""

    workers: int
    cpus: Mapping[str, Sequence[int]]
    generator_processes: int

    def full(self, one: Tried) -> Iterator[tuple[float, str, str]]:
        """Yield what was full in a trial: its share, its name, and a clause with the numbers."""
        shares = {role: share for role, share in one.figures.cpu_share.items() if share} if one.figures else {}
        alone = {role for role in shares if shares[role] / self._cores(role) >= FULL}
        for role in alone:
            busy = shares[role] / self._cores(role)
            yield busy, _name(role), f"the {role} used {percent(busy)} of {self._where(role)}"
        for where in {tuple(own) for role in ROLES if (own := self.cpus.get(role))}:
            together = [role for role in shares if tuple(self.cpus.get(role, ())) == where]
            busy = sum(shares[role] for role in together) / len(where)
            if len(together) > 1 and busy >= FULL and not alone.intersection(together):
                parts = ", ".join(f"{role} {percent(shares[role] / len(where))}" for role in together)
                name = f"{_cpu(where)}, shared by {' and '.join(together)}"
                yield busy, name, f"{_cpu(where)} was {percent(busy)} full ({parts})"
                alone.update(together)
        busy = shares.get("generator", 0.0) / self._cores("generator")
        if busy > GENERATOR_SUSPECT and "generator" not in alone:
            yield busy, "generator", f"the generator used {percent(busy)} of {self._where('generator')}"

    def _cores(self, role: Role) -> int:
        """Return how many cores a role can use; unpinned, a store is taken to be as most are, of one thread."""
        own = len(self.cpus.get(role, ()))
        if role == "store":
            return own or 1
        processes = self.workers if role == "app" else self.generator_processes
        return min(own or processes, processes)

    def _where(self, role: Role) -> str:
        own, cores = self.cpus.get(role, ()), self._cores(role)
        return _cpu(own) if len(own) == cores else "a core" if cores == 1 else f"{cores} cores"


def _waiting(kept: Sequence[Tried], missed: Sequence[Tried]) -> tuple[str, str] | None:
    """Find the store operation that took many times as long where the objective was missed as where it was kept."""
    if not kept:
        return None
    before, after = kept[0], missed[-1]
    grown = []
    for name, then in (before.figures.store_ops if before.figures else {}).items():
        now = after.figures.store_ops.get(name) if after.figures else None
        often = now is not None and min(then.count, now.count) >= _COUNTED
        if now and often and now.mean_us - then.mean_us >= _NOTHING_US and then.mean_us:
            grown.append((now.mean_us / then.mean_us, name, then.mean_us, now.mean_us))
    times, name, then_us, now_us = max(grown, default=(0.0, "", 0.0, 0.0))
    if times < GREW:
        return None
    why = (
        f"No CPU was full ({_seen(after)}), but the store's {name} took {ms(now_us)} ms on average at "
        f"{per_second(after.rate_per_s)}/s, and {ms(then_us)} ms at {per_second(before.rate_per_s)}/s: operations wait "
        "for a connection of the pool, for a lock, or for the disk."
    )
    return "store waiting", why


def _others(missed: Sequence[Tried]) -> str:
    """Say when the generator had to wait for its CPU, though its neighbours there left time."""
    waited = max(one.waiting_share or 0.0 for one in missed)
    if waited <= WAITING_SUSPECT:
        return ""
    return f"; but the generator waited up to {percent(waited)} of the time for its CPU: something else runs here"


def _seen(one: Tried) -> str:
    shares = one.figures.cpu_share if one.figures else {}
    known = [f"{role} {percent(share)}" for role in ROLES if (share := shares.get(role)) is not None]
    return f"CPU at {per_second(one.rate_per_s)}/s: {', '.join(known) or 'not known'}"


def _name(role: Role) -> str:
    return role if role == "generator" else f"{role} CPU"


def _cpu(numbers: Sequence[int]) -> str:
    return f"CPU {'+'.join(map(str, numbers))}"
