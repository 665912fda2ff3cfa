"""Finds the backends in this folder, a file each; reads variants such as `redis:codec=msgspec,pool=50`."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

import backends
from backends import codecs
from backends.errors import ConfigurationError, MissingModule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from backends import store


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend as its source tells it, before anything is imported.

    `server` is the kind of server that it needs, or None. Its mark is a module-level name SERVER.
    """

    name: str
    summary: str
    server: str | None

    def module(self) -> ModuleType:
        """Import it; raises MissingModule when its driver is not installed."""
        try:
            return importlib.import_module(f"{backends.__name__}.{self.name}")
        except ModuleNotFoundError as error:
            raise _missing(self.name, error) from None

    def variant(self, options: dict[str, Any], text: str) -> Variant:
        """Return this backend with options, checked; `text` is how the user wrote it."""
        module = self.module()
        fields = module.Options.model_fields
        for key in options:
            if key not in fields:
                raise ConfigurationError(
                    f"{text}: {self.name} has no option {key!r}{_hint(key, fields)} "
                    f"(its options are {', '.join(sorted(fields))})."
                )
        try:
            return Variant(self, module.Options.model_validate(options))
        except ValidationError as error:
            raise ConfigurationError(f"{text}: {_first(error)}.") from None


@dataclass(frozen=True, slots=True)
class Variant:
    """A backend with all of its options."""

    backend: Backend
    options: store.Options

    @property
    def name(self) -> str:
        """The canonical name: the options that differ from their defaults, sorted."""
        fields = type(self.options).model_fields
        changed = {
            key: value for key, value in self.options if value != fields[key].get_default(call_default_factory=True)
        }
        listed = ",".join(f"{key}={_spelled(changed[key])}" for key in sorted(changed))
        return f"{self.backend.name}:{listed}" if listed else self.backend.name

    @property
    def server_options(self) -> dict[str, Any]:
        """The options that are the server's, with their values."""
        names: frozenset[str] = self.backend.module().SERVER_OPTIONS
        return {key: value for key, value in self.options.model_dump(mode="json").items() if key in names}

    def make_store(self, settings: store.Settings) -> store.Store:
        """Make the store, which connects when it is opened.

        Raises MissingModule for a driver or codec that is not installed, ConfigurationError for settings that
        the store cannot use.
        """
        codecs.load(self.options.codec)
        try:
            made: store.Store = self.backend.module().Store(self.options, settings)
        except ModuleNotFoundError as error:
            raise _missing(self.name, error) from None
        except ValueError as error:
            raise ConfigurationError(f"{self.name}: {error}") from None
        return made


@cache
def found() -> dict[str, Backend]:
    """Return every backend by name; reads the source files and imports none."""
    known = {}
    for module in pkgutil.iter_modules(backends.__path__):
        spec = importlib.util.find_spec(f"{backends.__name__}.{module.name}")
        if module.ispkg or module.name.startswith("_") or spec is None or spec.origin is None:
            continue
        source = ast.parse(Path(spec.origin).read_bytes())
        for statement in source.body:
            match statement:
                case ast.Assign(targets=[ast.Name("SERVER")], value=value):
                    server = ast.literal_eval(value)
                case ast.AnnAssign(target=ast.Name("SERVER"), value=ast.expr() as value):
                    server = ast.literal_eval(value)
                case _:
                    continue
            summary = (ast.get_docstring(source) or module.name).splitlines()[0]
            known[module.name] = Backend(module.name, summary, server)
    return known


def parse(text: str) -> Variant:
    """Read a variant: a backend's name, then perhaps `:key=value,key=value`."""
    name, colon, listed = text.partition(":")
    known = found()
    if name not in known:
        raise ConfigurationError(
            f"There is no backend {name!r}{_hint(name, known)} (the backends are {', '.join(sorted(known))})."
        )
    options: dict[str, Any] = {}
    for item in listed.split(",") if colon else ():
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise ConfigurationError(f"{text}: options are written key=value with commas between them, not {item!r}.")
        if key in options:
            raise ConfigurationError(f"{text}: the option {key} is given twice.")
        options[key] = value
    return known[name].variant(options, text)


def _missing(needed_by: str, error: ModuleNotFoundError) -> ModuleNotFoundError | MissingModule:
    """Blame the driver; a module of ours that is missing is our own mistake, and stays what it is."""
    top = (error.name or "").partition(".")[0]
    return error if top in {"", backends.__name__} else MissingModule(needed_by, top)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ": ".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        # A backend's own check has words of its own.
        return f"{where}: {first['ctx']['error']}".removeprefix(": ")
    return f"{where}: {first['msg']}, not {first['input']!r}"


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
