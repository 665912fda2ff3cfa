"""Turns the variants that a user names into arms: what they mean is asked of the interpreter that will serve them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness import arms
from harness.config import VariantTable
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_WORKERS = 256
_MOST_RTT_MS = 10_000


@dataclass(frozen=True)
class Wanted:
    """A variant as it was asked for, and what its interpreter says it is.

    `name` is canonical: a table's own name, or the options that differ from their defaults, sorted, `workers` and `rtt`
    among them. `missing` says in words what this interpreter lacks to run it, or is None. Of an app that is not served
    from our package nothing is known beforehand: `traits`, `options` and `source` are empty. `rtt_ms` is what a relay
    adds to every round trip to the store; None is no relay.
    """

    name: str
    backend: str
    arm: arms.Arm
    server: str | None
    server_options: dict[str, Any]
    url: str | None
    options: dict[str, Any]
    traits: dict[str, Any]
    driver: str
    source: dict[str, str]
    python: str
    missing: str | None = None
    rtt_ms: float | None = None

    @property
    def slug(self) -> str:
        """The name as files and links can carry it."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-")


Place = tuple[str, "Path | None"]
"""An interpreter, and the folder that it imports the app from (None: ours)."""


@dataclass
class _Request:
    """One variant before it is described: `text` is what goes to the interpreter at `place`."""

    text: str
    table: VariantTable
    workers: int
    named: str | None = None
    rtt_ms: float | None = None
    place: Place = field(init=False)

    @property
    def stranger(self) -> bool:
        """Whether its app is none of our package's, so that nobody can be asked what it means."""
        return self.table.backend is None

    def __post_init__(self) -> None:
        python = self.table.python
        self.place = (str(python) if python else sys.executable, self.table.cwd and self.table.cwd.resolve())


def resolve(names: Sequence[str], tables: dict[str, VariantTable], place: Place | None = None) -> list[Wanted]:
    """Resolve variants in the given order, each once; raises UsageError for the first that makes no sense.

    With a `place` all of them are served from there, and none may have a place of its own.
    """
    requests = [_request(name, tables) for name in names]
    for request in requests if place else ():
        if request.table.target or request.table.python or request.table.cwd:
            raise UsageError(
                f"{request.named} has a target, an interpreter or a folder of its own, so no revision of this tree "
                "changes it. Name another variant, or compare it with --against."
            )
        request.place = place  # type: ignore[assignment] # there is one
    described: dict[tuple[str, Path | None], dict[str, Any]] = {}
    known = [request for request in requests if not request.stranger]
    for python, cwd in {request.place for request in known}:
        texts = [request.text for request in known if request.place == (python, cwd)]
        described[python, cwd] = arms.describe(texts, python=python, cwd=cwd)
    wanted: dict[str, Wanted] = {}
    for request in requests:
        variant = _stranger(request) if request.stranger else _wanted(request, described[request.place])
        if variant.name in wanted:
            raise UsageError(f"{variant.name} is asked for twice; name each variant once.")
        wanted[variant.name] = variant
    slugs = [variant.slug for variant in wanted.values()]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise UsageError(f"Two variants would share the file name {slug}; rename one in session-bench.toml.")
    return list(wanted.values())


def over_distances(names: Sequence[str], rtt_ms: Sequence[float], tables: dict[str, VariantTable]) -> list[str]:
    """Return the variants once for each round-trip time; those without a store, which no distance parts, once."""
    if not rtt_ms:
        return list(names)
    spread = []
    for name, resolved in zip(names, resolve(names, tables), strict=True):
        if resolved.server is None:
            spread.append(name)
        elif name in tables or resolved.rtt_ms is not None:
            raise UsageError(
                f"--rtt cannot be had for {name}, which is a table of session-bench.toml or has an rtt already. "
                f"Name the backend itself, such as {resolved.backend}, or give the table its rtt."
            )
        else:
            spread += [_with(resolved.name, {"rtt": f"{each:g}"}) for each in rtt_ms]
    return spread


def _request(name: str, tables: dict[str, VariantTable]) -> _Request:
    """Part what the harness keeps for itself (`workers`, `rtt`) from what the backend is asked."""
    if name in tables:
        table = tables[name]
        _refuse_contradictions(name, table)
        options = ",".join(f"{key}={_spell(value)}" for key, value in table.options.items())
        text = f"{table.backend or name}:{options}".rstrip(":")
        return _Request(text, table, table.workers, named=name, rtt_ms=table.rtt)
    backend, _, text = name.partition(":")
    kept, workers, rtt_ms = [], 1, None
    for option in filter(None, text.split(",")):
        key, _, value = option.partition("=")
        if key == "rtt":
            rtt_ms = _milliseconds(name, value)
        elif key == "workers":
            if not value.isdecimal() or not 1 <= int(value) <= _MOST_WORKERS:
                raise UsageError(f"{name}: workers takes a whole number from 1 to {_MOST_WORKERS}, not {value!r}.")
            workers = int(value)
        else:
            kept.append(option)
    text = f"{backend}:{','.join(kept)}".rstrip(":")
    return _Request(text, VariantTable.model_validate({"backend": backend}), workers, rtt_ms=rtt_ms)


def _milliseconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MOST_RTT_MS:
        raise UsageError(f"{name}: rtt takes milliseconds from 0 to {_MOST_RTT_MS:,}, not {text!r}.")
    return value


def _refuse_contradictions(name: str, table: VariantTable) -> None:
    """Refuse a table that says nothing, or too much, of where its app comes from."""
    own_app = table.app != VariantTable.model_fields["app"].default
    if table.target is not None:
        parts = urlsplit(table.target)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f"[variants.{name}] target is the URL of an app, http://host:port, not {table.target!r}.")
        given = {"backend": table.backend, "python": table.python, "cwd": table.cwd, "url": table.url, "rtt": table.rtt}
        extra = [key for key, value in given.items() if value is not None] + ["app"] * own_app
        if extra or table.options or table.workers != 1:
            raise UsageError(
                f"[variants.{name}] has a target, an app that already runs: it cannot be given "
                f"{extra[0] if extra else 'options' if table.options else 'workers'} too. Leave that out."
            )
    elif table.backend is None and not own_app:
        raise UsageError(
            f"[variants.{name}] names neither a backend, nor an app (module:factory), nor a target (a URL). Set one."
        )
    elif table.backend is None and (table.options or table.url or table.rtt is not None):
        raise UsageError(
            f"[variants.{name}] has an app of its own and no backend, so its options, url and rtt mean nothing. Name "
            "the backend that its store is of, or leave them out."
        )


def _stranger(request: _Request) -> Wanted:
    """Return a variant whose app is somebody else's, of which nothing is known before it is asked."""
    table, (python, cwd) = request.table, request.place
    return Wanted(
        name=str(request.named),
        backend="app" if table.target is None else "target",
        arm=arms.Arm(str(request.named), table.app, python, cwd, request.workers, url=table.target),
        server=None,
        server_options={},
        url=None,
        options={},
        traits={},
        driver="",
        source={},
        python="",
    )


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wanted(request: _Request, described: dict[str, Any]) -> Wanted:
    said = described["variants"][request.text]
    if said["error"]:
        text = said["error"]["text"]
        raise UsageError(text if request.text in text else f"{request.text}: {text}")
    reserved = {"workers": str(request.workers)} if request.workers > 1 else {}
    if request.rtt_ms is not None:
        reserved["rtt"] = f"{request.rtt_ms:g}"
        if said["server"] is None:
            raise UsageError(f"{request.text} has no store, so there is no round trip for rtt to lengthen.")
    name = request.named or _with(said["name"], reserved)
    traits = said["traits"] or {}
    if said["options"] and said["options"].get("secure"):
        raise UsageError(
            f"{name}: a Secure cookie is never sent over plain HTTP, which the harness loads, so every session would "
            "be lost. Leave secure=true to production."
        )
    missing = said["missing"]
    driver = said["driver"]
    python, cwd = request.place
    return Wanted(
        name=name,
        backend=said["backend"],
        arm=arms.Arm(request.text, request.table.app, python, cwd, request.workers),
        server=said["server"],
        server_options=said["server_options"],
        url=request.table.url,
        options=said["options"] or {},
        traits=traits,
        driver=f"{driver['name']} {driver['version']}" if driver else "",
        source=described["source"],
        python=described["python"],
        missing=missing and f"{missing['module']} is not installed there; {missing['install']} brings it",
        rtt_ms=request.rtt_ms,
    )


def _with(name: str, more: dict[str, str]) -> str:
    """Return a canonical name with more options in it."""
    if not more:
        return name
    backend, _, options = name.partition(":")
    listed = [*filter(None, options.split(",")), *(f"{key}={value}" for key, value in more.items())]
    return f"{backend}:{','.join(sorted(listed))}"
