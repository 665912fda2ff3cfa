"""Turns the variants that a user names into arms: what they mean is asked of the interpreter that will serve them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import arms
from harness.config import VariantTable
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_WORKERS = 256


@dataclass(frozen=True)
class Wanted:
    """A variant as it was asked for, and what its interpreter says it is.

    `name` is canonical: a table's own name, or the options that differ from their defaults, sorted, `workers` among
    them. `missing` says in words what this interpreter lacks to run it, or is None.
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
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        python = self.table.python
        self.place = (str(python) if python else sys.executable, self.table.cwd and self.table.cwd.resolve())


def resolve(names: Sequence[str], tables: dict[str, VariantTable], place: Place | None = None) -> list[Wanted]:
    """Resolve variants in the given order, each once; raises UsageError for the first that makes no sense.

    With a `place` all of them are served from there, and none may have a place of its own.
    """
    requests = [_request(name, tables) for name in names]
    for request in requests if place else ():
        if request.table.python or request.table.cwd:
            raise UsageError(
                f"{request.named} has an interpreter or a folder of its own, so no revision of this tree changes it. "
                "Name another variant, or compare it with --against."
            )
        request.place = place  # type: ignore[assignment] # there is one
    described: dict[tuple[str, Path | None], dict[str, Any]] = {}
    for python, cwd in {request.place for request in requests}:
        texts = [request.text for request in requests if request.place == (python, cwd)]
        described[python, cwd] = arms.describe(texts, python=python, cwd=cwd)
    wanted: dict[str, Wanted] = {}
    for request in requests:
        variant = _wanted(request, described[request.place])
        if variant.name in wanted:
            raise UsageError(f"{variant.name} is asked for twice; name each variant once.")
        wanted[variant.name] = variant
    slugs = [variant.slug for variant in wanted.values()]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise UsageError(f"Two variants would share the file name {slug}; rename one in session-bench.toml.")
    return list(wanted.values())


def _request(name: str, tables: dict[str, VariantTable]) -> _Request:
    """Part what the harness keeps for itself (`workers`, `rtt`) from what the backend is asked."""
    if name in tables:
        table = tables[name]
        options = ",".join(f"{key}={_spell(value)}" for key, value in table.options.items())
        return _Request(f"{table.backend}:{options}".rstrip(":"), table, table.workers, named=name)
    backend, _, text = name.partition(":")
    kept, workers = [], 1
    for option in filter(None, text.split(",")):
        key, _, value = option.partition("=")
        if key == "rtt":
            raise UsageError(
                f"{name}: rtt needs the relay between app and store, which this version does not have yet."
            )
        if key == "workers":
            if not value.isdecimal() or not 1 <= int(value) <= _MOST_WORKERS:
                raise UsageError(f"{name}: workers takes a whole number from 1 to {_MOST_WORKERS}, not {value!r}.")
            workers = int(value)
        else:
            kept.append(option)
    text = f"{backend}:{','.join(kept)}".rstrip(":")
    return _Request(text, VariantTable.model_validate({"backend": backend}), workers)


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wanted(request: _Request, described: dict[str, Any]) -> Wanted:
    said = described["variants"][request.text]
    if said["error"]:
        text = said["error"]["text"]
        raise UsageError(text if request.text in text else f"{request.text}: {text}")
    name = request.named or _with_workers(said["name"], request.workers)
    traits = said["traits"] or {}
    if request.workers > 1 and traits.get("keeps") == "process":
        raise UsageError(
            f"{name}: sessions kept in a process are not shared between workers, so half the answers would be "
            "wrong. Run it with one worker."
        )
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
    )


def _with_workers(name: str, workers: int) -> str:
    if workers == 1:
        return name
    backend, _, options = name.partition(":")
    return f"{backend}:{','.join(sorted([*filter(None, options.split(',')), f'workers={workers}']))}"
