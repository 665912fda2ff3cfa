"""Our own app with one thing wrong: what the checks of the audit are proved on.

The app is `tests.audit.broken:create_app`; the environment variable TEST_FLAW names a class of `tests.audit.flaws`
as `module:Class`, and nothing is wrong without it.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from backends import environment
from backends.app import build
from backends.discovery import Variant
from tests.audit import flaws

if TYPE_CHECKING:
    from fastapi import FastAPI

    from backends.environment import Environment
    from backends.store import Settings, Store

TARGET = f"{__name__}:create_app"


class Flaw:
    """One thing that is wrong; everything else is as it should be.

    A subclass says which check it `breaks`, on which `variant` and with how many `workers` it is served, and
    overrides what it needs.
    """

    breaks: ClassVar[int]
    variant: ClassVar[str] = "memory"
    workers: ClassVar[int] = 1

    def configure(self, configured: Environment) -> Environment:
        """Return what the app is to be told."""
        return configured

    def store(self, store: Store) -> Any:
        """Return the store that the app is to use; `Around` helps."""
        return store

    def app(self, app: FastAPI) -> None:
        """Change the app. `add_middleware` puts a middleware around the sessions', `user_middleware.append` inside."""

    @classmethod
    def spelled(cls) -> str:
        """Return what TEST_FLAW says to mean this flaw."""
        return f"{cls.__module__}:{cls.__qualname__}"


class Around:
    """A store that does as another one does, but for what a subclass changes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True)
class _Broken(Variant):
    flaw: Flaw

    def make_store(self, settings: Settings) -> Any:
        return self.flaw.store(super().make_store(settings))


def create_app() -> FastAPI:
    """Return the app that the environment asks for, with the flaw that it names."""
    configured = environment.read(os.environ)
    module, _, name = os.environ.get("TEST_FLAW", "").partition(":")
    if not module:
        return build(configured)
    flaw: Flaw = getattr(importlib.import_module(module), name)()
    configured = flaw.configure(configured)
    variant = _Broken(configured.variant.backend, configured.variant.options, flaw)
    app = build(replace(configured, variant=variant))
    flaw.app(app)
    return app


def all_flaws() -> list[type[Flaw]]:
    """Return every flaw that there is, by the number of the check that it breaks."""
    for module in pkgutil.iter_modules(flaws.__path__):
        importlib.import_module(f"{flaws.__name__}.{module.name}")
    return sorted(_below(Flaw), key=lambda flaw: (flaw.breaks, flaw.spelled()))


def _below(flaw: type[Flaw]) -> list[type[Flaw]]:
    """Return the flaws that are derived from one, and have a number of their own or inherited."""
    return [
        found
        for each in flaw.__subclasses__()
        for found in [*([each] if hasattr(each, "breaks") else []), *_below(each)]
    ]
