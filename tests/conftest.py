"""What every test may use: real servers, one of each kind and setting for the whole session."""

from __future__ import annotations

import secrets
import signal
from typing import TYPE_CHECKING, Any

import pytest

from harness.processes import Processes
from harness.servers.server import provide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.servers.kind import Running


# A shell that starts this in the background has all its children ignore Ctrl-C, and nohup more: what is tested here
# would not end.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL), (signal.SIGQUIT, signal.SIG_DFL),
):  # fmt: skip
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


class Servers:
    """Starts a server when it is first asked for. Tests share it, each in a namespace of its own."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._running: dict[tuple[str, str], Running] = {}

    def get(self, kind: str, options: dict[str, Any] | None = None) -> Running:
        """Return the server of this kind with these options of its own; not from inside an event loop."""
        key = kind, repr(sorted((options or {}).items()))
        if key not in self._running:
            self._running[key] = provide(
                kind, options=options or {}, mode="auto", processes=self._processes, durable_ok_on_tmpfs=True
            )
        return self._running[key]


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Give a place to start processes that do not outlive the session."""
    with Processes() as started:
        yield started


@pytest.fixture(scope="session")
def servers(processes: Processes) -> Servers:
    return Servers(processes)


@pytest.fixture
def namespace() -> str:
    return f"test_{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run `pytest.mark.anyio` tests on asyncio's own event loop."""
    return "asyncio"
