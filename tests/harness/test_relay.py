"""The relay passes on every byte in order, each end as it comes, and shows what it passes."""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from harness.relay import Relay
from harness.servers.wheel import free_port
from tests.harness import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 20
LONG = hashlib.shake_128(b"").digest(3_000_000)


class Seen:
    """What the relay showed of one connection."""

    def __init__(self) -> None:
        self.to = bytearray()
        self.back = bytearray()
        self.over = threading.Event()

    def to_store(self, data: bytes) -> None:
        self.to += data

    def from_store(self, data: bytes) -> None:
        self.back += data

    def closed(self) -> None:
        self.over.set()


class Store(served.Store):
    """A store, and a relay in front of it."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.seen: list[Seen] = []
        super().__init__(serve)
        self.relay = Relay("127.0.0.1", self.port, self._listen)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.relay.port), WAIT_S)

    def _listen(self) -> Seen:
        self.seen.append(Seen())
        return self.seen[-1]


def everything(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def echo(connection: socket.socket) -> None:
    while piece := connection.recv(65536):
        connection.sendall(piece)


def answer_the_end(connection: socket.socket) -> None:
    """Answer only when the client has said all, which a half-closed connection tells."""
    connection.sendall(everything(connection)[::-1])


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with closing(Store(request.param)) as one, one.relay:
        yield one


@pytest.mark.parametrize("store", [echo], indirect=True)
def test_it_shows_at_once_what_it_passes_on(store: Store) -> None:
    with store.connect() as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        client.sendall(b"two")
        assert client.recv(10) == b"two"
        store.relay.catch_up()
        (seen,) = store.seen
        assert (bytes(seen.to), bytes(seen.back)) == (b"onetwo", b"onetwo")
        assert not seen.over.is_set()
    assert seen.over.wait(WAIT_S)


@pytest.mark.parametrize("store", [answer_the_end], indirect=True)
def test_the_end_of_one_direction_leaves_the_other_open(store: Store) -> None:
    with store.connect() as client:
        client.sendall(LONG)
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == LONG[::-1]
    (seen,) = store.seen
    assert seen.over.wait(WAIT_S)
    assert (bytes(seen.to), bytes(seen.back)) == (LONG, LONG[::-1])


@pytest.mark.parametrize("store", [echo], indirect=True)
def test_connections_are_shown_apart(store: Store) -> None:
    with store.connect() as first, store.connect() as second:
        first.sendall(b"first")
        assert first.recv(10) == b"first"
        second.sendall(b"second")
        assert second.recv(10) == b"second"
    assert sorted(bytes(seen.to) for seen in store.seen) == [b"first", b"second"]


@pytest.mark.parametrize("store", [lambda connection: connection.sendall(LONG)], indirect=True)
def test_a_store_that_leaves_is_seen_to_leave_after_its_last_byte(store: Store) -> None:
    with store.connect() as client:
        assert everything(client) == LONG


@pytest.mark.parametrize("store", [echo], indirect=True)
def test_what_was_sent_before_is_seen_after_catching_up(store: Store) -> None:
    for number in range(50):
        with store.connect() as client:
            client.sendall(b"x")
            store.relay.catch_up()
            assert bytes(store.seen[number].to) == b"x"


def test_a_store_that_is_not_there_closes_the_connection() -> None:
    with (
        Relay("127.0.0.1", free_port(), Seen) as relay,
        socket.create_connection(("127.0.0.1", relay.port), WAIT_S) as client,
    ):
        assert client.recv(1) == b""


def test_its_port_has_five_digits() -> None:
    with Relay("127.0.0.1", 9, Seen) as relay:
        assert 10_000 <= relay.port <= 65_535


@pytest.mark.parametrize("store", [echo], indirect=True)
def test_leaving_it_ends_every_connection(store: Store) -> None:
    with store.connect() as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        with Relay("127.0.0.1", store.relay.port, Seen) as outer:
            other = socket.create_connection(("127.0.0.1", outer.port), WAIT_S)
            other.sendall(b"y")
            assert other.recv(1) == b"y"
        with other:
            assert other.recv(1) == b""
