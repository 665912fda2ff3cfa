"""What a store does when its server refuses, freezes or dies: an error within the deadline, and no scar."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil
import pytest
import uvloop

from backends import discovery
from backends.store import Record, Refused, Store, StoreUnavailable, Traits, mint
from harness.servers.server import discover
from harness.servers.wheel import free_port
from tests.backends.records import soon
from tests.backends.variants import has_server, is_bounded, make, on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from harness.processes import Processes
    from harness.servers.kind import Running

Answer = TypeVar("Answer")
DEADLINE_MS = 300
# Where no deadline holds, drivers give up after 5 s at the earliest; a busy machine may take what is between.
LIMIT_S = 4.0
# Where a server works, somebody who asks again is served in the end, however busy the machine.
PATIENCE_S = 60.0
POOL = 4
# Connections over which a driver may watch its server, besides the pool.
WATCHERS = 2
SECRET = "s3cr3t/pa:ss"
ESCAPED = "s3cr3t%2Fpa%3Ass"


def is_as_durable_as_by_default(variant: discovery.Variant, traits: Traits) -> bool:
    """Leave the others out: how durably a server keeps what it has changes nothing in how it is reached and lost."""
    _, default = make(variant.backend.name)
    return traits.durability == default.traits.durability


class Server:
    """A server of our own, to freeze, to kill and to start again, empty, at the same address."""

    def __init__(self, name: str, processes: Processes) -> None:
        variant = discovery.parse(name)
        self._kind = discover()[str(variant.backend.server)]
        self._options = variant.server_options
        self._processes = processes
        self._running: Running | None = None
        self._foreign: set[int] = set()
        self.port = free_port()
        self.url = self._kind.definition.url(self.port)

    def start(self) -> None:
        self._running = self._kind.start(
            "wheel",
            options=self._options,
            processes=self._processes,
            port=self.port,
            durable_ok_on_tmpfs=True,
        )
        # The harness asked the server who it is from this process, and some drivers are slow to leave.
        self._foreign = self._local_ports()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        assert self._running is not None
        self._running.suspend()
        try:
            patience = time.monotonic() + PATIENCE_S
            while not all(stopped(pid) for pid in self._running.pids()):
                assert time.monotonic() < patience
                time.sleep(0.001)
            yield
        finally:
            self._running.resume()

    def kill(self) -> None:
        """End it as a crash would, in the middle of whatever it does."""
        assert self._running is not None
        for pid in self._running.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def connections(self) -> int:
        """Count the store's connections to it."""
        return len(self._local_ports() - self._foreign)

    def _local_ports(self) -> set[int]:
        return {
            each.laddr.port
            for each in psutil.Process().net_connections("tcp")
            if each.raddr and each.raddr.port == self.port
        }


def stopped(pid: int) -> bool:
    """Tell whether every thread of a process has come to a stop; the signal alone is only the request.

    Who had ended just before is a zombie until its parent, which is stopped too, looks after it.
    """
    states = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            states.add(path.read_text().rpartition(")")[2].split()[0])
    return states <= {"T", "Z", "X"}


@pytest.fixture
def server(name: str, processes: Processes) -> Iterator[Server]:
    ours = Server(name, processes)
    yield ours
    ours.stop()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Give the event loop that serves the app, which stands still while servers come and go."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as ours:
        yield ours


@pytest.fixture
def store(name: str, server: Server, namespace: str, runner: asyncio.Runner) -> Iterator[Store]:
    """Give a store that is not open yet; once closed it must have left neither a connection nor a task."""
    _, ours = make(name, url=server.url, namespace=namespace, deadline_ms=DEADLINE_MS, pool=POOL)
    yield ours

    async def close() -> None:
        await ours.close()
        patience = time.monotonic() + PATIENCE_S
        while server.connections() or len(asyncio.all_tasks()) > 1:
            assert time.monotonic() < patience
            await asyncio.sleep(0.01)

    runner.run(close())


def requests(store: Store, token: str) -> list[Callable[[], Awaitable[object]]]:
    """Return one request of each kind."""
    return [
        store.ping,
        lambda: store.get(token),
        lambda: store.create(b"data", soon()),
        lambda: store.create(b"data", soon(), replaces=mint()),
        lambda: store.update(token, b"data", soon()),
        lambda: store.update(token, b"data", soon(), if_version=1),
        lambda: store.touch(token, soon()),
        lambda: store.delete(mint()),
    ]


async def unavailable(request: Callable[[], Awaitable[object]]) -> None:
    """Check that a request ends in StoreUnavailable within the deadline, and tells why."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await request()
    assert time.monotonic() - started < LIMIT_S
    assert caught.value.__cause__ is not None


async def whole(store: Store, server: Server) -> None:
    """Check that the store works on all of its connections, and on no more."""
    made = await store.create(b"made", soon())
    found = await asyncio.gather(*(store.get(made.token) for _ in range(5 * POOL)))
    assert {record and record.data for record in found} == {b"made"}
    assert isinstance(await store.update(made.token, b"updated", soon()), Record)
    assert server.connections() <= POOL + WATCHERS


async def recover(store: Store, server: Server) -> None:
    """Ask until the store is whole again, which it must be soon after its server."""
    started = time.monotonic()
    while True:
        try:
            await whole(store, server)
        except StoreUnavailable:
            assert time.monotonic() - started < PATIENCE_S
            await asyncio.sleep(0.01)
        else:
            return


async def asked(request: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until the server answers within the deadline, which a busy machine may let pass."""
    started = time.monotonic()
    while True:
        try:
            return await request()
        except StoreUnavailable:
            assert time.monotonic() - started < PATIENCE_S
            await asyncio.sleep(0.01)


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_refused_until_the_server_is_there(store: Store, server: Server, runner: asyncio.Runner) -> None:
    async def refused() -> None:
        await unavailable(store.open)
        for request in requests(store, mint()):
            await unavailable(request)
        await unavailable(store.count)
        await unavailable(lambda: store.seed([(b"data", soon())]))

    async def there() -> None:
        await recover(store, server)
        await asked(store.open)

    runner.run(refused())
    server.start()
    runner.run(there())


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_frozen_for_a_while(store: Store, server: Server, runner: asyncio.Runner) -> None:
    async def outage() -> None:
        await asked(store.open)
        await recover(store, server)
        kept = await asked(partial(store.create, b"kept", soon()))
        with server.frozen():
            # More than the pool has connections: the wait for one counts too.
            await asyncio.gather(*(unavailable(lambda: store.get(kept.token)) for _ in range(2 * POOL)))
            for request in requests(store, kept.token):
                await unavailable(request)
        await recover(store, server)
        assert await asked(partial(store.get, kept.token)) is not None

    server.start()
    runner.run(outage())


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_frozen_before_it_is_opened(store: Store, server: Server, runner: asyncio.Runner) -> None:
    async def outage() -> None:
        with server.frozen():
            await unavailable(store.open)
            await unavailable(lambda: store.create(b"data", soon()))
        await recover(store, server)
        await asked(store.open)

    server.start()
    runner.run(outage())


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_killed_in_the_middle_of_a_request_and_restarted_empty(
    store: Store, server: Server, runner: asyncio.Runner
) -> None:
    async def killed() -> str:
        await asked(store.open)
        await recover(store, server)
        lost = await asked(partial(store.create, b"lost", soon()))
        with server.frozen():
            killer = threading.Timer(DEADLINE_MS / 3000, server.kill)  # beside a loop that may be blocked
            killer.start()
            await asyncio.gather(*(unavailable(lambda: store.get(lost.token)) for _ in range(POOL)))
            killer.join()
        await unavailable(lambda: store.get(lost.token))
        return lost.token

    async def restarted(lost: str) -> None:
        await recover(store, server)
        assert await asked(partial(store.get, lost)) is None
        assert await asked(partial(store.update, lost, b"back", soon())) is Refused.GONE

    server.start()
    lost = runner.run(killed())
    server.stop()
    server.start()
    runner.run(restarted(lost))


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_connections_that_died_idle_cost_nobody_an_error_once_the_server_is_back(
    store: Store, server: Server, runner: asyncio.Runner
) -> None:
    async def fill_the_pool() -> None:
        await asked(store.open)
        await recover(store, server)
        for _ in range(3):
            await asyncio.gather(*(asked(partial(store.get, mint())) for _ in range(2 * POOL)))

    async def fail() -> None:
        await unavailable(lambda: store.get(mint()))

    async def work() -> None:
        assert await asked(partial(store.get, mint())) is None
        for _ in range(3):
            assert await asyncio.gather(*(store.get(mint()) for _ in range(2 * POOL))) == [None] * 2 * POOL

    server.start()
    runner.run(fill_the_pool())
    server.kill()
    runner.run(fail())
    server.stop()
    server.start()
    runner.run(work())


@on(has_server, is_bounded, is_as_durable_as_by_default)
def test_a_request_given_up_spoils_none_that_follows(store: Store, server: Server, runner: asyncio.Runner) -> None:
    async def give_up() -> None:
        await asked(store.open)
        await recover(store, server)
        kept = [await asked(partial(store.create, b"%d" % number, soon())) for number in range(POOL)]
        with server.frozen():
            for record in kept:
                # A client that blocks the event loop cannot be interrupted; it keeps to the deadline.
                with pytest.raises((TimeoutError, StoreUnavailable)):
                    await asyncio.wait_for(store.get(record.token), DEADLINE_MS / 6000)
        await recover(store, server)
        for _ in range(5):
            found = await asyncio.gather(*(asked(partial(store.get, record.token)) for record in kept))
            assert [record and record.data for record in found] == [record.data for record in kept]

    server.start()
    runner.run(give_up())


@on(has_server, is_bounded, is_as_durable_as_by_default)
@pytest.mark.parametrize("listening", [True, False])
def test_no_error_holds_the_password(
    name: str, server: Server, namespace: str, runner: asyncio.Runner, *, listening: bool
) -> None:
    scheme, _, rest = server.url.partition("://")
    url = f"{scheme}://bench:{ESCAPED}@{rest.rpartition('@')[2]}"
    _, store = make(name, url=url, namespace=namespace, deadline_ms=DEADLINE_MS)

    async def fail() -> str:
        try:
            await store.open()
        except StoreUnavailable as error:
            return "".join(traceback.format_exception(error))
        finally:
            await store.close()
        return f":{server.port}"  # a server that asks for no password

    if listening:
        server.start()
    said = runner.run(fail())
    assert f":{server.port}" in said
    assert SECRET not in said
    assert ESCAPED not in said
