"""What this package can tell of itself: its source and versions, its backends and subjects, what a variant means."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backends
from backends import discovery
from backends.errors import ConfigurationError, MissingModule
from backends.manager import SessionManager
from backends.store import Settings
from backends.subjects.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from backends.store import Store

PACKAGES = ("fastapi", "starlette", "uvicorn", "pydantic", "uvloop", "httptools")


@cache
def source() -> dict[str, str]:
    """Return the running package's folder and a SHA-256 over its Python files, paths and contents."""
    folder = Path(backends.__path__[0]).resolve()
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return {"path": str(folder), "digest": digest.hexdigest()}


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the installed version of each package that is installed."""
    known = {}
    for package in packages:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return known


def driver(store: Store | Subject) -> dict[str, str] | None:
    """Return name and version of the distribution that talks to the server, or that is the subject, or None."""
    name = store.driver
    return None if name is None else {"name": name, "version": metadata.version(name)}


async def describe(variants: Sequence[str]) -> dict[str, Any]:
    """Describe these variants and what they are of, or without any every backend and subject with its defaults.

    A missing driver hurts only its own. What is not asked about is not imported: that takes a second for all drivers.
    """
    known = {**discovery.found(), **discovery.subjects()}
    asked = {text.partition(":")[0] for text in variants} or known.keys()
    told = {name: await _backend(backend) for name, backend in known.items() if name in asked}
    return {
        "contract": backends.CONTRACT,
        "source": source(),
        "python": platform.python_version(),
        "packages": versions(),
        "backends": {name: said for name, said in told.items() if not known[name].is_subject},
        "subjects": {name: said for name, said in told.items() if known[name].is_subject},
        "variants": {text: await _variant(text) for text in variants},
    }


async def _backend(backend: discovery.Backend) -> dict[str, Any]:
    said: dict[str, Any] = {
        "summary": backend.summary,
        "server": backend.server,
        "server_options": None,
        "options": None,
        "traits": None,
        "driver": None,
        "missing": None,
    }
    try:
        module = backend.module()
        said["server_options"] = sorted(module.SERVER_OPTIONS)
        said["options"] = module.Options.model_json_schema()
        said |= await _ask(backend.variant({}, backend.name))
    except MissingModule as error:
        said["missing"] = _missing(error)
    return said


async def _variant(text: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": text,
        "backend": text.partition(":")[0],
        "options": None,
        "server_options": {},
        "traits": None,
        "driver": None,
        "server": None,
        "missing": None,
        "error": None,
    }
    try:
        if backend := (discovery.subjects() | discovery.found()).get(said["backend"]):
            said["server"] = backend.server
        variant = discovery.parse(text)
        said["name"] = variant.name
        said["options"] = variant.options.model_dump(mode="json")
        said["server_options"] = variant.server_options
        said |= await _ask(variant)
    except MissingModule as error:
        said["missing"] = _missing(error)
    except ConfigurationError as error:
        said["error"] = {"text": str(error)}
    return said


def _missing(error: MissingModule) -> dict[str, str | None]:
    return {"module": error.module, "extra": error.extra, "install": error.install}


async def _ask(variant: discovery.Variant) -> dict[str, Any]:
    """Make the variant's store or subject to ask it about itself; it is never opened."""
    made = variant.make(Settings(url="", key=bytes(32), namespace="description", sample=b""))
    try:
        if not isinstance(made, Subject):
            SessionManager(made, variant.options)
        return {"server": variant.server, "traits": asdict(made.traits), "driver": driver(made)}
    finally:
        await made.close()
