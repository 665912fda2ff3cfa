"""A relay in a process of its own: every byte in order and late enough, bounded memory, counts, and outages."""

from __future__ import annotations

import hashlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from harness.errors import ComponentError
from harness.link import Link, Statistics, Unrelayable, between, relayed
from harness.passage import Passage
from harness.servers.wheel import free_port
from harness.wakeups import waiter
from tests.harness import served
from tests.harness.served import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.processes import Processes
    from tests.conftest import Servers

    Linked = Callable[..., Link]

LONG = hashlib.shake_128(b"").digest(3_000_000)
PIECE = 65536
MORE = 64 * 2**20
"""More than a direction and all the kernel's buffers on its way take."""
HARNESS = """
import sys, time
from harness.link import Link
from harness.processes import Processes

with Processes() as processes, Link(processes, "127.0.0.1", int(sys.argv[1]), log=processes.folder / "log") as link:
    print(processes.folder, link.child.pid, link.port, flush=True)
    time.sleep(600)
"""


class Store(served.Store):
    """A store whose connections may be reset: that is what outages do."""

    forgiven = (ConnectionError,)


def everything(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(PIECE):
        pieces.append(piece)
    return b"".join(pieces)


def exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        assert piece
        received += piece
    return received


def echo(connection: socket.socket) -> None:
    while piece := connection.recv(PIECE):
        connection.sendall(piece)


def answer_the_end(connection: socket.socket) -> None:
    """Answer only when the client has said all, which a half-closed connection tells."""
    connection.sendall(everything(connection)[::-1])


def say_and_reset(connection: socket.socket) -> None:
    connection.sendall(b"goodbye")
    connection.recv(1)
    reset(connection)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def linked(processes: Processes) -> Iterator[Linked]:
    """Put a relay before a store that serves like this."""
    with ExitStack() as stack:

        def put(serve: Callable[[socket.socket], None], *, rtt_ms: float = 0.0, plain: bool = False) -> Link:
            store = stack.enter_context(closing(Store(serve)))
            log = processes.folder / "relay.log"
            return stack.enter_context(Link(processes, "127.0.0.1", store.port, rtt_ms=rtt_ms, log=log, plain=plain))

        yield put


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), PATIENCE_S)


def asked_ms(client: socket.socket) -> float:
    """Return how long one byte takes to come back."""
    begun = time.monotonic()
    client.sendall(b"x")
    assert client.recv(10) == b"x"
    return (time.monotonic() - begun) * 1000


def silent(client: socket.socket) -> bool:
    """Tell that nothing comes for a while."""
    return not select.select([client], [], [], 0.1)[0]


def until(link: Link, true: Callable[[Statistics], bool]) -> Statistics:
    begun = time.monotonic()
    while not true(seen := link.statistics()):
        assert time.monotonic() - begun < PATIENCE_S, seen
    return seen


every_way = pytest.mark.parametrize(
    ("rtt_ms", "plain"),
    [(0.0, False), (0.5, False), (4.0, False), (0.0, True), (4.0, True)],
)


@every_way
def test_every_byte_is_passed_on_in_order(linked: Linked, rtt_ms: float, plain: bool) -> None:  # noqa: FBT001 - a parameter
    link = linked(echo, rtt_ms=rtt_ms, plain=plain)
    with connect(link) as client:
        writer = threading.Thread(target=client.sendall, args=(LONG,))
        writer.start()
        assert exactly(client, len(LONG)) == LONG
        writer.join()
    seen = until(link, lambda seen: seen.connections == 0)
    assert (seen.to_store_bytes, seen.from_store_bytes) == (len(LONG), len(LONG))


@every_way
def test_the_end_of_one_direction_leaves_the_other_open(linked: Linked, rtt_ms: float, plain: bool) -> None:  # noqa: FBT001 - a parameter
    link = linked(answer_the_end, rtt_ms=rtt_ms, plain=plain)
    with connect(link) as client:
        client.sendall(LONG)
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == LONG[::-1]
    until(link, lambda seen: seen.connections == 0)


@pytest.mark.parametrize("rtt_ms", [0.0, 1.0])
def test_a_slow_reader_slows_the_writer_down(linked: Linked, rtt_ms: float) -> None:
    def pour(connection: socket.socket) -> None:
        left = MORE
        connection.setblocking(False)
        while select.select([], [connection], [], 0.5)[1]:
            left -= connection.send(bytes(PIECE))
        unsent.put(left)
        resumed.wait(PATIENCE_S)
        connection.setblocking(True)
        connection.sendall(bytes(left))

    unsent: Queue[int] = Queue()
    resumed = threading.Event()
    link = linked(pour, rtt_ms=rtt_ms)
    relay = psutil.Process(link.child.pid)
    before = relay.memory_info().rss
    with connect(link) as client:
        assert unsent.get(timeout=PATIENCE_S) > MORE / 2
        assert relay.memory_info().rss - before < 8 * 2**20
        resumed.set()
        assert len(everything(client)) == MORE


def test_a_store_that_reads_slowly_slows_the_app_down(linked: Linked) -> None:
    def wait_and_count(connection: socket.socket) -> None:
        go.wait(PATIENCE_S)
        counted = 0
        while piece := connection.recv(PIECE):
            counted += len(piece)
        connection.sendall(b"%d" % counted)

    go = threading.Event()
    link = linked(wait_and_count)
    with connect(link) as client:
        sent = 0
        while select.select([], [client], [], 0.5)[1]:
            sent += client.send(bytes(PIECE))
            assert sent < MORE
        go.set()
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b"%d" % sent


@pytest.mark.parametrize("plain", [False, True])
def test_answers_come_no_sooner_than_the_round_trip_time(linked: Linked, plain: bool) -> None:  # noqa: FBT001 - a parameter
    link = linked(echo, rtt_ms=15, plain=plain)
    begun = time.monotonic()
    with connect(link) as client:
        asked_ms(client)
        assert (time.monotonic() - begun) * 1000 >= 30  # a handshake, and a question
        assert min(asked_ms(client) for _ in range(5)) >= 15
        late = link.statistics()
        assert late.late_chunks == 6
        assert late.late_p50_us is not None
        assert late.late_p99_us is not None
        assert late.late_max_us is not None
        assert 0 <= late.late_p50_us <= late.late_p99_us <= late.late_max_us
        again = link.statistics()
        assert (again.late_chunks, again.late_p50_us, again.late_max_us) == (0, None, None)
        link.rtt(30)
        assert asked_ms(client) >= 30
        link.slow(25)
        assert asked_ms(client) >= 55


def test_the_store_says_the_first_word(linked: Linked) -> None:
    link = linked(lambda connection: connection.sendall(b"hello"), rtt_ms=15)
    begun = time.monotonic()
    with connect(link) as client:
        assert everything(client) == b"hello"
    assert (time.monotonic() - begun) * 1000 >= 30
    assert link.statistics().round_trips == 0  # nobody had asked


def test_a_delay_that_ends_lets_go_what_waits_in_order(linked: Linked) -> None:
    link = linked(echo)
    link.slow(3_600_000)
    with connect(link) as client:
        client.sendall(b"one")
        until(link, lambda seen: seen.from_store_bytes == 3)
        client.sendall(b"two")
        until(link, lambda seen: seen.from_store_bytes == 6)
        assert silent(client)
        link.slow(0)
        assert exactly(client, 6) == b"onetwo"
        seen = link.statistics()
        assert seen.late_max_us is not None
        assert seen.late_max_us < PATIENCE_S * 1e6


def test_statistics_of_an_exchange(linked: Linked) -> None:
    link = linked(echo)
    before = link.statistics()
    with connect(link) as first, connect(link) as second:
        for client, sizes in ((first, (100, 200)), (second, (1, 2, 3)), (first, (5,))):
            for size in sizes:
                client.sendall(bytes(size))
                exactly(client, size)
        seen = link.statistics()
    assert (seen.connections, seen.accepted) == (2, 2)
    assert (seen.to_store_bytes, seen.from_store_bytes, seen.round_trips) == (311, 311, 6)
    assert seen.late_chunks == 0
    assert seen.monotonic_ns > before.monotonic_ns
    assert seen.cpu_ns > before.cpu_ns
    after = until(link, lambda seen: seen.connections == 0)
    assert (after.accepted, after.round_trips) == (2, 6)


def test_frozen_it_says_nothing_and_forgets_nothing(linked: Linked) -> None:
    link = linked(echo, rtt_ms=1)
    with connect(link) as client:
        asked_ms(client)
        link.freeze()
        client.sendall(b"one")
        with connect(link) as other:
            other.sendall(b"two")
            assert silent(client)
            assert silent(other)
            link.thaw()
            assert client.recv(10) == b"one"
            assert other.recv(10) == b"two"


@pytest.mark.parametrize("rtt_ms", [0.0, 4.0])
def test_cut_and_mended(linked: Linked, rtt_ms: float) -> None:
    def wait_for_the_end(connection: socket.socket) -> None:
        connection.sendall(b"x")
        try:
            connection.recv(1)
        except ConnectionResetError:
            was_reset.set()

    was_reset = threading.Event()
    link = linked(wait_for_the_end, rtt_ms=rtt_ms)
    for _ in range(2):
        was_reset.clear()
        with connect(link) as client:
            assert client.recv(1) == b"x"
            link.cut()
            link.cut()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert was_reset.wait(PATIENCE_S)
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                connect(link)
        assert link.statistics().connections == 0
        link.mend()
        link.mend()


@pytest.mark.parametrize("rtt_ms", [0.0, 4.0])
def test_what_a_store_said_before_it_was_lost_is_heard(linked: Linked, rtt_ms: float) -> None:
    link = linked(say_and_reset, rtt_ms=rtt_ms)
    with connect(link) as client:
        client.sendall(b"x")
        assert exactly(client, 7) == b"goodbye"
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    until(link, lambda seen: seen.connections == 0)


@pytest.mark.parametrize("rtt_ms", [0.0, 4.0])
def test_an_app_that_is_lost_takes_its_store_connection_along(linked: Linked, rtt_ms: float) -> None:
    link = linked(echo, rtt_ms=rtt_ms)
    for _ in range(20):
        client = connect(link)
        client.sendall(LONG[:1000])
        reset(client)
    until(link, lambda seen: seen.accepted == 20 and seen.connections == 0)
    with connect(link) as client:
        asked_ms(client)


@pytest.mark.parametrize("rtt_ms", [0.0, 4.0])
def test_a_store_that_is_not_there(processes: Processes, rtt_ms: float) -> None:
    log = processes.folder / "relay.log"
    with Link(processes, "127.0.0.1", free_port(), rtt_ms=rtt_ms, log=log) as link, connect(link) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert link.statistics().connections == 0


def test_a_host_of_several_addresses_is_reached_at_the_one_that_listens() -> None:
    ours, client = socket.socketpair()
    with closing(Store(echo)) as store, closing(waiter()) as poller, client:
        ports = free_port(), store.port
        passage = Passage([(socket.AF_INET, ("127.0.0.1", port)) for port in ports], poller)
        passage.begin(ours, time.monotonic_ns())
        client.sendall(b"x")
        while not select.select([client], [], [], 0)[0]:
            for fd, events in poller.wait(time.monotonic_ns() + 10**9):
                if fd in passage.ends:
                    passage.happened(passage.ends[fd], events, time.monotonic_ns())
        assert client.recv(10) == b"x"
        passage.reset()


def test_its_port_has_five_digits(linked: Linked) -> None:
    assert 10_000 <= linked(echo).port <= 65_535


@pytest.mark.parametrize("ms", [-1, float("nan"), float("inf")])
def test_a_delay_that_is_none(linked: Linked, ms: float) -> None:
    link = linked(echo)
    with pytest.raises(ValueError, match="is no command here"):
        link.slow(ms)
    assert link.statistics().accepted == 0


def test_it_ends_with_its_standard_input(processes: Processes) -> None:
    with Link(processes, "127.0.0.1", 9, log=processes.folder / "relay.log") as link:
        assert link.child.poll() is None
    assert link.child.poll() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(link)


def test_a_relay_that_is_gone_is_told(linked: Linked) -> None:
    link = linked(echo)
    os.kill(link.child.pid, signal.SIGKILL)
    with pytest.raises(ComponentError, match="ended with status -9 when it was to statistics"):
        link.statistics()


def test_a_host_that_nobody_knows_is_told(processes: Processes) -> None:
    log = processes.folder / "nowhere.log"
    with (
        pytest.raises(ComponentError, match=r"nowhere\.invalid is not known"),
        Link(processes, "nowhere.invalid", 9, log=log),
    ):
        raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_killed_harness_leaves_no_relay(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HARNESS, "9"], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        folder, pid, port = harness.stdout.readline().split()
        relay = psutil.Process(int(pid))
        harness.send_signal(number)
    _, alive = psutil.wait_procs([relay], PATIENCE_S)
    assert not alive
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))
    begun = time.monotonic()
    while os.path.exists(folder):  # noqa: PTH110 - a name, that of a folder which should go
        assert time.monotonic() - begun < PATIENCE_S


def test_redis_through_it(processes: Processes, servers: Servers, namespace: str) -> None:
    url = servers.get("redis").url
    log = processes.folder / "relay.log"
    with between(processes, url, rtt_ms=4, log=log) as (link, through), redis.Redis.from_url(through) as client:
        assert str(link.port) in through
        client.ping()
        before = link.statistics()
        begun = time.monotonic()
        for number in range(10):
            client.set(f"{namespace}:{number}", LONG[:number])
            assert client.get(f"{namespace}:{number}") == LONG[:number]
        assert (time.monotonic() - begun) * 1000 >= 20 * 4
        with client.pipeline(transaction=False) as pipeline:
            for number in range(10):
                pipeline.delete(f"{namespace}:{number}")
            assert pipeline.execute() == [1] * 10
        found = relayed(before, link.statistics(), rtt_ms=4, requests=3)
        assert (found.round_trips, found.round_trips_per_request, found.connections) == (21, 7, 1)
        link.cut()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        link.mend()
        client.ping()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rediss://u:secret@h:1", "encrypted"),
        ("postgresql://u:secret@h/d?sslmode=require", "encrypted"),
        ("mongodb://u:secret@a,b/d", "several servers"),
    ],
)
def test_where_none_can_stand(processes: Processes, url: str, reason: str) -> None:
    with (
        pytest.raises(Unrelayable, match=r"^No relay can stand .*\.$") as raised,
        between(processes, url, rtt_ms=1, log=processes.folder / "relay.log"),
    ):
        raise AssertionError
    assert reason in raised.value.reason
    assert "secret" not in str(raised.value)


def test_its_own_cost_is_printed() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "relay_cost.py"
    command = [sys.executable, str(script), "--pairs=20", "--seconds=0.2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    carried = r"one connection +\d+ +\d+ .*\n.*\n16 connections +[\d,]+ +[\d,]+ +\d+% .*\n"
    delayed = r".*\n0\.5 .* 20 pairs\n1 .* 20 pairs\n4 .* 20 pairs\n20 .* 20 pairs"
    assert re.search(carried + delayed, done.stdout), done.stdout


def test_what_passed_in_a_window() -> None:
    before = Statistics(10**9, 2, 5, 100, 1000, 2000, 10**8, 9, 1, 2, 3)
    after = Statistics(3 * 10**9, 3, 7, 300, 5000, 42_000, 3 * 10**8, 200, 60, 200, 900)
    found = relayed(before, after, rtt_ms=4, requests=100)
    assert found.model_dump() == {
        "rtt_ms": 4,
        "round_trips": 200,
        "round_trips_per_request": 2,
        "to_store_bytes_per_request": 40,
        "from_store_bytes_per_request": 400,
        "cpu_share": 0.1,
        "late_p50_us": 60,
        "late_p99_us": 200,
        "connections": 3,
    }
    assert relayed(before, after, rtt_ms=4, requests=0).round_trips_per_request is None
