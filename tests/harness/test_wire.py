"""The readers of the stores' protocols: what they count, wherever a stream is cut, and whatever comes instead."""

from __future__ import annotations

import contextlib
import itertools
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wire.http import Http
from harness.wire.mongodb import MongoDB
from harness.wire.postgres import Postgres
from harness.wire.reader import Seen, Unreadable, speech_of
from harness.wire.resp import Resp
from harness.wire.route import Unroutable, route
from harness.wire.tally import Tally, Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.wire.reader import Reader

patient = settings(deadline=None)  # a busy machine takes its time
Cuts = st.lists(st.integers(0, 2000), max_size=30)
Damage = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3)
"""Places, and the bytes to be written there."""


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream at these places."""
    ends = sorted({cut for cut in cuts if cut < len(stream)} | {0, len(stream)})
    return [stream[begin:end] for begin, end in itertools.pairwise(ends)]


def total(read: Callable[[bytes], Seen], stream: list[bytes]) -> Seen:
    seen = [read(piece) for piece in stream]
    return Seen(sum(each.commands for each in seen), sum(each.size for each in seen))


def resp(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def pg(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", 4 + len(body)) + body


def document(name: bytes) -> bytes:
    element = b"\x10" + name + b"\0" + struct.pack("<i", 1)
    return struct.pack("<i", 4 + len(element) + 1) + element + b"\0"


def op(kind: int, number: int, answers: int, content: bytes) -> bytes:
    return struct.pack("<iiii", 16 + len(content), number, answers, kind) + content


def msg(number: int, name: bytes, *, answers: int = 0, flags: int = 0, before: bytes = b"") -> bytes:
    return op(2013, number, answers, struct.pack("<I", flags) + before + b"\0" + document(name))


SEQUENCE = b"\x01" + struct.pack("<i", 4 + 10 + len(document(b"_id"))) + b"documents\0" + document(b"_id")
OLD_HELLO = op(2004, 1, 0, struct.pack("<i", 4) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + document(b"isMaster"))

REQUESTS = b"".join(
    [
        resp(b"GET", b"key"),
        resp(b"SET", b"key", b"a\r\n*3\r\n$3", b"PXAT", b"1795368402123"),
        b"PING\r\n",
        resp(b"MULTI"),
        resp(b"DEL", b""),
        resp(b"EXEC"),
    ]
)
ANSWERS = b"".join(
    [
        b"$-1\r\n",
        b">3\r\n+invalidate\r\n:1\r\n*1\r\n$1\r\nk\r\n",
        b"+OK\r\n",
        b"|1\r\n+ttl\r\n:3600\r\n",
        b"*2\r\n|1\r\n+a\r\n:1\r\n%1\r\n+x\r\n*0\r\n$10\r\n+1\r\n+2\r\n+3\r\n",
        b"-ERR no\r\n",
        b"_\r\n",
        b"*-1\r\n",
    ]
)

STARTUP = struct.pack("!II", 8, 80877103) + struct.pack("!II", 8 + 12, 3 << 16) + b"user\0bench\0\0"
SESSION = STARTUP + b"".join(
    [
        pg(b"P", b"s\0SELECT 1\0\0\0"), pg(b"D", b"Ss\0"), pg(b"H"),
        pg(b"B", b"\0s\0" + bytes(6)), pg(b"E", b"\0" + bytes(4)), pg(b"S"),
        pg(b"Q", b"BEGIN\0"), pg(b"X"),
    ]
)  # fmt: skip
SERVED = b"N" + b"".join(
    [
        pg(b"R", bytes(4)), pg(b"Z", b"I"),
        pg(b"1"), pg(b"t", bytes(2)), pg(b"T", bytes(2)),
        pg(b"2"), pg(b"D", bytes(300)), pg(b"C", b"SELECT 1\0"), pg(b"Z", b"I"),
        pg(b"C", b"BEGIN\0"), pg(b"Z", b"T"),
    ]
)  # fmt: skip

FOUND = [msg(2, b"find"), msg(4, b"insert", before=SEQUENCE), op(2012, 5, 0, bytes(40))]
ASKED = OLD_HELLO + FOUND[0] + msg(3, b"hello", flags=1 << 16) + FOUND[1] + FOUND[2] + msg(6, b"endSessions")
REPLIED = [msg(92, b"cursor", answers=2), msg(96, b"ok", answers=4), msg(97, b"ok", answers=5)]
BACKGROUND_REPLIES = [
    op(1, 90, 1, bytes(60)),
    msg(93, b"helloOk", answers=3, flags=2),
    msg(94, b"helloOk", answers=93, flags=2),
    msg(95, b"helloOk", answers=94),
]
REPLIES = (
    BACKGROUND_REPLIES[0] + REPLIED[0] + BACKGROUND_REPLIES[1] + BACKGROUND_REPLIES[2] + REPLIED[1]
    + BACKGROUND_REPLIES[3] + REPLIED[2]
)  # fmt: skip

PUT = b"PUT /v1/n/sessions/k HTTP/1.1\r\nHost: a\r\nx-session-expires-at: 1795368402.5\r\nContent-Length: 4\r\n\r\nPUT "
GET = b"GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nx-at: 1795368402.1234567\r\n\r\n"

STREAMS: dict[str, tuple[type[Reader], bytes, bytes, Seen, int]] = {
    "resp": (Resp, REQUESTS, ANSWERS, Seen(6, len(REQUESTS)), len(ANSWERS)),
    "postgres": (Postgres, SESSION, SERVED, Seen(2, len(SESSION)), len(SERVED)),
    "mongodb": (MongoDB, ASKED, REPLIES, Seen(3, sum(map(len, FOUND))), sum(map(len, REPLIED))),
    "http": (
        Http,
        PUT + GET + GET,
        CONTINUE + CREATED + CHUNKED + NO_CONTENT,
        Seen(3, len(PUT + GET + GET) + len("1795368402.1234567") - len("1795368402.5")),
        len(CONTINUE + CREATED + CHUNKED + NO_CONTENT),
    ),
}
READERS: list[type[Reader]] = [Resp, Postgres, MongoDB, Http]


@pytest.mark.parametrize("name", STREAMS)
@patient
@given(cuts=Cuts, cuts_back=Cuts)
def test_it_counts_the_same_wherever_a_stream_is_cut(name: str, cuts: list[int], cuts_back: list[int]) -> None:
    make, asked, answered, counted, size_back = STREAMS[name]
    reader = make()
    assert total(reader.to_store, pieces(asked, cuts)) == counted
    assert reader.unanswered > 0
    assert total(reader.from_store, pieces(answered, cuts_back)) == Seen(0, size_back)
    assert reader.unanswered == 0


@pytest.mark.parametrize("make", READERS)
@patient
@given(garbage=st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=6))
def test_garbage_is_unreadable_at_worst(make: type[Reader], garbage: list[tuple[bool, bytes]]) -> None:
    reader = make()
    with contextlib.suppress(Unreadable):
        for asked, data in garbage:
            seen = reader.to_store(data) if asked else reader.from_store(data)
            assert seen.commands >= 0
            assert seen.size >= 0
    assert reader.unanswered >= 0


@pytest.mark.parametrize("name", STREAMS)
@patient
@given(
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3), back=st.booleans()
)
def test_a_damaged_stream_is_unreadable_at_worst(name: str, damage: list[tuple[int, int]], *, back: bool) -> None:
    make, asked, answered, *_ = STREAMS[name]
    stream = bytearray(answered if back else asked)
    for place, byte in damage:
        stream[place % len(stream)] = byte
    reader = make()
    if back:
        reader.to_store(asked)
    with contextlib.suppress(Unreadable):
        (reader.from_store if back else reader.to_store)(bytes(stream))
    assert reader.unanswered >= 0


@pytest.mark.parametrize("make", READERS)
def test_tls_is_unreadable(make: type[Reader]) -> None:
    with pytest.raises(Unreadable):
        make().to_store(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)) + b"\r\n\r\n")


def test_a_bulk_string_is_not_read_as_resp() -> None:
    reader = Resp()
    reader.to_store(resp(b"SET", b"key", resp(b"GET", b"other")))
    assert reader.unanswered == 1


def test_a_half_received_answer_is_none() -> None:
    reader = Resp()
    reader.to_store(resp(b"MGET", b"a", b"b"))
    reader.from_store(b"*2\r\n$1\r\nx\r\n")
    assert reader.unanswered == 1
    reader.from_store(b"$-1\r\n")
    assert reader.unanswered == 0


@pytest.mark.parametrize(
    ("reader", "stream"),
    [
        (Resp(), b"*" + b"9" * 70_000),
        (Resp(), b"*1\r\n" * 300),
        (Resp(), b"*1\r\n$99999999999999999999\r\n"),
        (Resp(), b"*x\r\n"),
        (Postgres(), STARTUP + pg(b"?")),
        (Postgres(), STARTUP + b"Q\0\0\0\0"),
        (MongoDB(), op(77, 1, 0, bytes(30))),
    ],
)
def test_what_no_client_sends_is_unreadable(reader: Reader, stream: bytes) -> None:
    with pytest.raises(Unreadable):
        reader.to_store(stream)


def test_postgres_that_agrees_to_encrypt_is_unreadable() -> None:
    reader = Postgres()
    reader.to_store(STARTUP[:8])
    with pytest.raises(Unreadable, match="encrypted"):
        reader.from_store(b"S")


def test_a_write_that_wants_no_answer_is_not_waited_for() -> None:
    reader = MongoDB()
    assert reader.to_store(msg(1, b"insert", flags=2)).commands == 1
    assert reader.unanswered == 0


class TestTally:
    def test_a_pipeline_is_one_round_trip(self) -> None:
        tally = Tally(Resp)
        line = tally.listen()
        for _ in range(3):
            line.to_store(resp(b"GET", b"k"))
        line.from_store(b"+a\r\n")
        line.from_store(b"+a\r\n+a\r\n")
        assert tally.totals() == Totals(3, 1, 3 * len(resp(b"GET", b"k")), 12)

    def test_connections_are_added_up(self) -> None:
        tally = Tally(Resp)
        first, second = tally.listen(), tally.listen()
        first.to_store(resp(b"PING"))
        second.to_store(resp(b"PING"))
        first.from_store(b"+PONG\r\n")
        assert not tally.wait_answered(0)
        second.from_store(b"+PONG\r\n")
        assert tally.wait_answered(0)
        assert tally.totals()[:2] == (2, 2)

    def test_monitoring_is_no_part_of_a_round_trip(self) -> None:
        tally = Tally(MongoDB)
        line = tally.listen()
        line.to_store(msg(1, b"hello"))
        assert tally.wait_answered(0)
        line.from_store(msg(2, b"ok", answers=1))
        assert tally.totals() == Totals()

    def test_a_connection_that_ended_is_not_waited_for(self) -> None:
        tally = Tally(Resp)
        line = tally.listen()
        line.to_store(resp(b"PING"))
        assert not tally.wait_answered(0)
        line.closed()
        assert tally.wait_answered(0)

    def test_what_cannot_be_read_is_said_and_ends_the_count(self) -> None:
        tally = Tally(Resp)
        line = tally.listen()
        line.to_store(resp(b"PING"))
        line.from_store(b"HTTP/1.1 400\r\n")
        line.to_store(resp(b"PING"))
        assert tally.unreadable == "it is not RESP"
        assert tally.totals().commands == 1
        assert tally.wait_answered(0)


@pytest.mark.parametrize(
    ("url", "host", "port", "through"),
    [
        ("redis://:s%2F@cache:7000/2?protocol=3", "cache", 7000, "redis://:s%2F@127.0.0.1:10/2?protocol=3"),
        ("redis://localhost", "localhost", 6379, "redis://127.0.0.1:10"),
        ("redis://[::1]:7000", "::1", 7000, "redis://127.0.0.1:10"),
        ("postgresql://b@db/x?sslmode=disable", "db", 5432, "postgresql://b@127.0.0.1:10/x?sslmode=disable"),
        ("postgres://b@db:1/x", "db", 1, "postgres://b@127.0.0.1:10/x"),
        (
            "mongodb://u:p@m/d?directConnection=true",
            "m",
            27017,
            "mongodb://u:p@127.0.0.1:10/d?directConnection=true",
        ),
        ("http://u:p@service/base/", "service", 80, "http://u:p@127.0.0.1:10/base/"),
    ],
)
def test_a_url_leads_through_the_relay_and_keeps_all_else(url: str, host: str, port: int, through: str) -> None:
    way = route(url)
    assert (way.host, way.port, way.through(10)) == (host, port, through)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rediss://:secret@h", "encrypted"),
        ("https://u:secret@h", "encrypted"),
        ("mongodb://u:secret@h/?tls=true", "encrypted"),
        ("postgresql://u:secret@h/d?sslmode=require", "encrypted"),
        ("unix:///run/secret.sock", "Unix socket"),
        ("mongodb://%2Frun%2Fsecret.sock", "Unix socket"),
        ("postgresql:///d?host=/run/secret", "Unix socket"),
        ("postgresql:///d?host=secret", "parameters"),
        ("mongodb+srv://u:secret@h", "DNS"),
        ("mongodb://u:secret@a,b/", "several"),
        ("mongodb://u:secret@a/?replicaSet=rs", "several"),
        ("mysql://u:secret@h", "cannot read"),
    ],
)
def test_a_way_that_no_relay_can_watch_is_told_without_the_url(url: str, reason: str) -> None:
    with pytest.raises(Unroutable, match=reason) as told:
        route(url)
    assert "secret" not in str(told.value)


def test_a_route_does_not_show_its_password() -> None:
    assert "secret" not in repr(route("redis://u:secret@h"))


def test_every_scheme_has_its_reader() -> None:
    known = {scheme: speech_of(scheme) for scheme in ("redis", "postgres", "postgresql", "mongodb", "http")}
    assert all(known.values())
    assert speech_of("ftp") is None
