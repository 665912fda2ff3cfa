"""Gives every variant its server, its namespace and its seeded sessions; takes all of it away again."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from harness import arms
from harness.errors import ComponentError
from harness.link import Unrelayable
from harness.servers import server
from harness.wire.route import Unroutable, route
from reports.format import Plan, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.processes import Processes
    from harness.servers.server import Running
    from harness.variants import Wanted

_EXPIRING_SHARE = 0.05
"""Of the seeded sessions so many expire during the run, so that stores expire things as they do in production."""


@dataclass
class Entrant:
    """A variant as it takes part in a run: `server` is None where it needs none, or could not be had.

    `namespace` is where its sessions lie in the server.
    """

    record: Variant
    arm: arms.Arm
    server: Running | None = None
    namespace: str = ""


class Provisions:
    """The servers of a run, one for each kind and set of server-side options; variants share it, a namespace each."""

    def __init__(
        self,
        processes: Processes,
        plan: Plan,
        *,
        cpus: Sequence[int] | None,
        allow_tmpfs: bool,
        run_s: float,
        complain: Callable[[str], None],
    ) -> None:
        self._processes = processes
        self._plan = plan
        self._cpus = cpus
        self._allow_tmpfs = allow_tmpfs
        self._run_s = run_s
        self._complain = complain
        self._servers: dict[tuple[Any, ...], Running | ComponentError] = {}
        self._cleanup = ExitStack()
        self._namespaces = 0
        self._stamp = f"sb{secrets.token_hex(4)}"
        self._key = secrets.token_hex(32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def entrant(self, wanted: Wanted, record: Variant, *, store: int = 0) -> Entrant:
        """Start what a variant needs and seed it; one that cannot take part has the reason in its record's `error`.

        `store` tells servers of the same kind and options apart, where each arm is to have its own.
        """
        entrant = Entrant(record, wanted.arm)
        self._namespaces += 1
        try:
            # Equally long for all: it is part of every key, and of every app's environment.
            self._provide(entrant, wanted, f"{self._stamp}_{self._namespaces:03d}", store)
        except ComponentError as error:
            record.error = str(error)
        return entrant

    def _provide(self, entrant: Entrant, wanted: Wanted, namespace: str, store: int) -> None:
        if wanted.missing:
            raise ComponentError(f"{wanted.name} cannot run: {wanted.missing}.")
        environment = {"SESSION_APP_KEY": self._key, "SESSION_APP_NAMESPACE": namespace}
        if wanted.server:
            running = self._server(wanted, store)
            entrant.server = running
            entrant.namespace = namespace
            entrant.record.server = running.record
            environment["SESSION_APP_STORE_URL"] = running.url
            if wanted.rtt_ms is not None:
                _refuse_unrelayable(running.url)
            if not running.ours:  # the data of ours go with it
                self._cleanup.callback(self._drop, running, namespace)
        if wanted.traits.get("keeps") == "process":
            environment["SESSION_APP_SESSIONS"] = str(self._plan.sessions)
        entrant.arm = replace(wanted.arm, environment=environment)
        if wanted.traits.get("keeps") == "server" and self._plan.sessions:
            seeded = arms.seed(
                self._processes,
                entrant.arm,
                self._plan.sessions,
                expiring_share=_EXPIRING_SHARE,
                expiring_within_s=self._run_s,
            )
            entrant.record.bytes_per_session = seeded["bytes_per_session"]

    def _drop(self, running: Running, namespace: str) -> None:
        """Leave nothing of ours on a server of the user's; when that fails, it is said and the run goes on."""
        try:
            running.drop(namespace)
        except ComponentError as error:
            self._complain(str(error))

    def _server(self, wanted: Wanted, store: int) -> Running:
        """Return the server of this kind and these options, started once; a failure is remembered too."""
        assert wanted.server is not None  # noqa: S101 - the caller asked
        key = (wanted.server, wanted.url, tuple(sorted(wanted.server_options.items())), store)
        if key not in self._servers:
            try:
                self._servers[key] = server.provide(
                    wanted.server,
                    options=wanted.server_options,
                    mode=self._plan.servers,
                    url=wanted.url,
                    processes=self._processes,
                    cpus=self._cpus,
                    durable_ok_on_tmpfs=self._allow_tmpfs,
                )
            except ComponentError as error:
                self._servers[key] = error
        found = self._servers[key]
        if isinstance(found, ComponentError):
            raise found
        return found

    @contextmanager
    def only(self, *entrants: Entrant) -> Iterator[None]:
        """Freeze every server that this trial does not use: an idle mongod burns CPU all the same."""
        used = [entrant.server for entrant in entrants]
        idle = [running for running in self._servers.values() if not isinstance(running, ComponentError)]
        idle = [running for running in idle if running.children and running not in used]
        try:
            for running in idle:
                running.suspend()
            yield
        finally:
            for running in idle:
                running.resume()


def _refuse_unrelayable(url: str) -> None:
    """Refuse a round-trip time where no relay can stand: its figures would be those of another distance."""
    try:
        route(url)
    except Unroutable as error:
        raise Unrelayable(str(error)) from None


def stores_of(variants: Sequence[Wanted]) -> int:
    """Count the variants that keep sessions in a server."""
    return sum(wanted.server is not None for wanted in variants)


def record(wanted: Wanted) -> Variant:
    """Say what a variant is, before anything of it runs."""
    return Variant(
        name=wanted.name,
        slug=wanted.slug,
        backend=wanted.backend,
        options=wanted.options,
        workers=wanted.arm.workers,
        rtt_ms=wanted.rtt_ms,
        driver=wanted.driver,
        traits=wanted.traits,
        durability=wanted.traits.get("durability", "unknown"),
        source=wanted.source,
        python=wanted.python,
    )
