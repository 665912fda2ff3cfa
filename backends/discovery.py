"""Finds the backends and the subjects, a file each; reads variants such as `redis:codec=msgspec,pool=50`."""

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
import backends.subjects
from backends import codecs
from backends.errors import ConfigurationError, MissingModule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from backends import store
    from backends.subjects.subject import Subject


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend or a subject as its source tells it, before anything is imported.

    `server` is the kind of server that it needs, or None; some of a subject's variants may do without. Its mark
    is a module-level name SERVER.
    """

    name: str
    summary: str
    server: str | None
    package: str = backends.__name__

    @property
    def is_subject(self) -> bool:
        """Whether a library keeps the sessions that is not ours."""
        return self.package != backends.__name__

    def module(self) -> ModuleType:
        """Import it; raises MissingModule when its driver is not installed."""
        try:
            return importlib.import_module(f"{self.package}.{self.name}")
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
    """A backend or a subject with all of its options, which are an instance of its module's `Options`."""

    backend: Backend
    options: Any

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
    def server(self) -> str | None:
        """The kind of server that it needs, or None."""
        needed: str | None = self.options.server if self.backend.is_subject else self.backend.server
        return needed

    @property
    def server_options(self) -> dict[str, Any]:
        """The options that are the server's, with their values."""
        names: frozenset[str] = self.backend.module().SERVER_OPTIONS
        return {key: value for key, value in self.options.model_dump(mode="json").items() if key in names}

    def make(self, settings: store.Settings) -> store.Store | Subject:
        """Make whichever of the two it is."""
        return self.make_subject(settings) if self.backend.is_subject else self.make_store(settings)

    def make_store(self, settings: store.Settings) -> store.Store:
        """Make the store, which connects when it is opened.

        Raises MissingModule for a driver or codec that is not installed, ConfigurationError for settings that
        the store cannot use.
        """
        codecs.load(self.options.codec)
        made: store.Store = self._made("Store", settings)
        return made

    def make_subject(self, settings: store.Settings) -> Subject:
        """Make the subject, which connects when it is opened; raises as `make_store` does."""
        made: Subject = self._made("Subject", settings)
        return made

    def _made(self, kind: str, settings: store.Settings) -> Any:
        try:
            return getattr(self.backend.module(), kind)(self.options, settings)
        except ModuleNotFoundError as error:
            raise _missing(self.name, error) from None
        except ValueError as error:
            raise ConfigurationError(f"{self.name}: {error}") from None


@cache
def found() -> dict[str, Backend]:
    """Return every backend by name; reads the source files and imports none."""
    return _marked(backends)


@cache
def subjects() -> dict[str, Backend]:
    """Return every subject by name, likewise."""
    return _marked(backends.subjects)


def _marked(package: ModuleType) -> dict[str, Backend]:
    known = {}
    for module in pkgutil.iter_modules(package.__path__):
        spec = importlib.util.find_spec(f"{package.__name__}.{module.name}")
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
            known[module.name] = Backend(module.name, summary, server, package.__name__)
    return known


def parse(text: str) -> Variant:
    """Read a variant: the name of a backend or a subject, then perhaps `:key=value,key=value`."""
    name, colon, listed = text.partition(":")
    known = subjects() | found()
    if name not in known:
        raise ConfigurationError(
            f"There is no backend {name!r}{_hint(name, known)} (the backends are {', '.join(sorted(found()))}, "
            f"the subjects {', '.join(sorted(subjects()))})."
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
