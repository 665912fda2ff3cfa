"""What makes two runs comparable: everything that gave the figures, but for the code that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.words import units
from reports.words.units import MISSING, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reports.format import Plan, Run, Variant
    from reports.record.environment import Environment

_GENERATOR: Final = ("locust", "gevent", "geventhttpclient", "httptools")
"""Distributions that send the requests and read the answers; the others serve the app, and the baseline with it."""
_OURSELVES: Final = "session-bench"


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact in which two runs differ, with both values as they are written; a dash where a run has none."""

    what: str
    a: str
    b: str


def of(run: Run, variants: Iterable[str] | None = None) -> dict[str, str]:
    """Return every fact that a run's figures rest on, by its plain name, such as "CPU" or "driver of redis".

    Of its variants only those of these names are told, where names are given.
    Runs that agree in all of them may be set side by side, though never a gate upon it. The kernel counts with its
    patch, since mitigations come with one. What is not here is the code under test, and what `beside` returns.
    """
    found = _of_run(run)
    for name in [each.name for each in run.variants] if variants is None else variants:
        found |= _of_variant(run.variant(name))
    return found


def differences(a: Run, b: Run, variants: Iterable[str]) -> list[Difference]:
    """Return what forbids to compare these variants of two runs, both of which have them; empty: nothing does."""
    first, second = _of_run(a), _of_run(b)
    for name in variants:
        first |= _of_variant(a.variant(name))
        second |= _of_variant(b.variant(name))
    return apart(first, second)


def beside(a: Run, b: Run, variants: Iterable[str]) -> list[Difference]:
    """Return what else differs and does not forbid it, but must be known to whoever reads the comparison."""
    first, second = _mentioned(a), _mentioned(b)
    for name in variants:
        for run, facts in ((a, first), (b, second)):
            if digest := run.variant(name).source.get("digest"):
                facts[f"code of {name}"] = digest[:12]
    return apart(first, second)


def apart(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """Return the facts in which two sets of them differ."""
    pairs = ((what, a.get(what, MISSING), b.get(what, MISSING)) for what in dict.fromkeys([*a, *b]))
    return [Difference(what, one, other) for what, one, other in pairs if one != other]


def _of_run(run: Run) -> dict[str, str]:
    return {**_of_machine(run.environment), _OURSELVES: run.harness_version, **_of_plan(run.plan)}


def _of_machine(environment: Environment) -> dict[str, str]:
    pinned = "; ".join(
        f"{role} on CPU {'+'.join(map(str, cpus))}" for role, cpus in sorted(environment.cpus.items())
    )  # fmt: skip
    facts = {
        "CPU": environment.cpu,
        "number of CPUs": str(environment.cores),
        "kernel": environment.kernel,
        "operating system": environment.system,
        "virtualization": environment.virtualization,
        "clock": environment.clock,
        "file system of the stores": environment.data_folder_filesystem,
        "CPU pinning": pinned or environment.pinning,
        "Python": environment.python,
        **{name: environment.packages.get(name, "") for name in _GENERATOR},
    }
    return {what: text or MISSING for what, text in facts.items()}


def _of_plan(plan: Plan) -> dict[str, str]:
    load = plan.load
    is_open = load.kind == "open"
    warmup = units.seconds(plan.warmup_s)
    if plan.warmup_most_s > plan.warmup_s:
        warmup += f" to {units.seconds(plan.warmup_most_s)}, until steady"
    closed = f"{units.seconds(plan.closed_s)} of {plural(plan.closed_users, 'user')}" if plan.closed_s else MISSING
    return {
        "scenario": plan.scenario,
        **{f"parameter {name}": str(value) for name, value in sorted(plan.parameters.items())},
        "load": load.kind,
        "rate": MISSING if load.rate_per_s is None else f"{load.rate_per_s:g} arrivals/s",
        "spacing of arrivals": load.arrivals if is_open else MISSING,
        "users": f"{load.users:,}",
        "closed phase": closed if is_open else MISSING,
        "warm-up": warmup,
        "window": units.seconds(plan.window_s),
        "sessions in the store": f"{plan.sessions:,}",
        "client": plan.client,
        "processes of the generator": str(plan.processes),
    }


def _of_variant(variant: Variant) -> dict[str, str]:
    name, server = variant.name, variant.server
    facts = {
        f"backend of {name}": variant.backend,
        **{f"option {option} of {name}": str(value) for option, value in sorted(variant.options.items())},
        f"workers of {name}": str(variant.workers),
        f"round-trip time of {name}": "" if variant.rtt_ms is None else f"{variant.rtt_ms:g} ms by a relay",
        f"driver of {name}": variant.driver,
        f"Python of {name}": variant.python,
        f"durability of {name}": variant.durability,
    }
    if server is not None:
        # A port says nothing, but another host is another machine.
        host = server.address.rpartition(":")[0] if server.source == "url" else ""
        facts |= {
            f"store of {name}": f"{server.product} {server.version}",
            f"build of {name}'s store": server.build,
            f"origin of {name}'s store": " ".join(filter(None, (server.source, host))),
            f"durability of {name}'s store": server.durability,
            **{f"setting {each} of {name}'s store": value for each, value in sorted(server.settings.items())},
        }
    return {what: text or MISSING for what, text in facts.items()}


def _mentioned(run: Run) -> dict[str, str]:
    environment = run.environment
    served = {
        name: version
        for name, version in sorted(environment.packages.items())
        if name not in _GENERATOR and name != _OURSELVES
    }
    fsync = environment.fsync_p50_us
    return {
        "memory": f"{environment.memory_bytes / 2**30:.0f} GiB",
        "fsync, p50": MISSING if fsync is None else f"{units.ms(fsync)} ms",
        **served,
        "blocks": str(run.plan.blocks),
    }
