"""Exact counts on real servers: true, repeatable, and quick to notice one command more."""

from __future__ import annotations

import http.server
import itertools
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from harness import counts_file, exact, provision, variants
from harness.errors import MeasurementError
from harness.hand import Hand
from harness.provision import Entrant
from reports.record.counts import STEPS, Counts, StepCounts, changes, is_more
from reports.record.judgement import CountChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.processes import Processes
    from tests.conftest import Servers

OWN_FILE = Path(__file__).parents[2] / counts_file.NAME
SESSION_BYTES = 1000
COOKIE_BYTES = len("sid=") + 43

# A login writes; a read reads; a write reads and writes; a logout reads, as sessions are loaded eagerly, and deletes.
STORED = {"login": 1, "read": 1, "write": 2, "logout": 2, "ping": 0}

# Put in the place of the app's own, in a folder that the app is started from.
MORE = """
import asyncio
from backends import app, redis

get, delete, tasks = redis.Store.get, redis.Store.delete, set()

async def twice(self, token):
    await get(self, token)
    return await get(self, token)

async def later(self):
    for _ in range(3):
        await asyncio.sleep(0)
    await self._client.ping()
    await self._client.ping()

async def and_later(self, token):
    await delete(self, token)
    tasks.add(asyncio.create_task(later(self)))

redis.Store.get, redis.Store.delete = twice, and_later
create_app = app.create_app
"""
UNSTEADY = """
import itertools
from backends import app, redis

get, numbers = redis.Store.get, itertools.count()

async def with_noise(self, token):
    await self._client.echo("x" * (10 + next(numbers) % 4))
    return await get(self, token)

async def forget_to(self, token):
    pass

redis.Store.get = with_noise
redis.Store.delete = forget_to
create_app = app.create_app
"""
RESTLESS = """
import asyncio
from backends import app, redis

opened, tasks = redis.Store.open, set()

async def forever(self):
    while True:
        await self._client.ping()

async def and_restless(self):
    await opened(self)
    tasks.add(asyncio.create_task(forever(self)))

redis.Store.open = and_restless
create_app = app.create_app
"""
ELSEWHERE = """
import os
from backends import app

os.environ["SESSION_APP_BACKEND"] = "memory"
create_app = app.create_app
"""


@dataclass
class Bench:
    """Measures variants, each in a folder and a namespace of its own."""

    processes: Processes
    servers: Servers
    folder: Path
    known: dict[str, Counts]

    def __post_init__(self) -> None:
        self._numbers = itertools.count(9)  # from one digit to two

    def entrant(self, name: str, source: str = "") -> Entrant:
        """Return a variant that takes part; with a source its app is started from that."""
        (wanted,) = variants.resolve([name], {})
        record = provision.record(wanted)
        environment = {"SESSION_APP_KEY": "k" * 64, "SESSION_APP_NAMESPACE": f"test_{next(self._numbers)}"}
        running = self.servers.get(wanted.server, wanted.server_options) if wanted.server else None
        if running is not None:
            record.server = running.record
            environment["SESSION_APP_STORE_URL"] = running.url
        arm = replace(wanted.arm, environment=environment)
        if source:
            (self.folder / "planted.py").write_text(source)
            arm = replace(arm, target="planted:create_app", cwd=self.folder)
        return Entrant(record, arm, running)

    def count(self, entrant: Entrant) -> Counts:
        return exact.measure(self.processes, entrant, cpus=None, folder=self.folder)

    def measure(self, name: str, source: str = "") -> Counts:
        return self.count(self.entrant(name, source))

    def usual(self, name: str) -> Counts:
        """Return a variant's counts, which are measured once for all tests."""
        if name not in self.known:
            self.known[name] = self.measure(name)
        return self.known[name]


@pytest.fixture(scope="module")
def known() -> dict[str, Counts]:
    return {}


@pytest.fixture
def bench(processes: Processes, servers: Servers, tmp_path: Path, known: dict[str, Counts]) -> Bench:
    return Bench(processes, servers, tmp_path, known)


@pytest.mark.parametrize("name", ["none", "memory", "cookie"])
def test_what_has_no_server_asks_nothing_of_one(bench: Bench, name: str) -> None:
    counts = bench.usual(name)
    assert list(counts.steps) == list(STEPS)
    for step in counts.steps.values():
        assert (step.commands, step.round_trips, step.to_store_bytes, step.from_store_bytes) == (0, 0, 0, 0)
    assert counts.notes == []


def test_a_cookie_carries_the_session(bench: Bench) -> None:
    steps = bench.usual("cookie").steps
    held = {name: step.cookie_bytes or 0 for name, step in steps.items()}
    answered = {name: step.response_bytes or 0 for name, step in steps.items()}
    assert SESSION_BYTES * 4 / 3 < held["login"] == held["read"] < held["write"] == held["ping"]
    assert held["logout"] == 0
    assert answered["read"] < held["login"] < answered["login"]


@pytest.mark.parametrize("name", ["redis", "mongodb", "mongodb:driver=pymongo", "postgres", "http"])
def test_a_store_is_asked_once_for_what_is_done_once_and_always_alike(bench: Bench, name: str) -> None:
    counts = bench.usual(name)
    assert {step: each.commands for step, each in counts.steps.items()} == STORED
    assert {step: each.round_trips for step, each in counts.steps.items()} == STORED
    assert {step: each.cookie_bytes for step, each in counts.steps.items()} == {
        step: 0 if step == "logout" else COOKIE_BYTES for step in STEPS
    }
    sent = {step: each.to_store_bytes or 0 for step, each in counts.steps.items()}
    back = {step: each.from_store_bytes or 0 for step, each in counts.steps.items()}
    # What is kept comes and goes whole, and little beside it.
    assert SESSION_BYTES < sent["login"] < SESSION_BYTES + 500 > sent["read"]
    assert SESSION_BYTES < back["read"] < SESSION_BYTES + 500
    assert sent["read"] < 300 > back["login"]
    assert sent["read"] + SESSION_BYTES < sent["write"]
    assert back["read"] < back["write"]
    assert (sent["ping"], back["ping"]) == (0, 0)
    assert counts.notes == []
    assert counts.driver.split()[0] in {"redis", "motor", "pymongo", "asyncpg", "httpx"}
    assert counts.server
    # Another process, another namespace, another relay; and elsewhere, when the file was made.
    assert bench.measure(name) == counts
    changed, _ = counts_file.check(OWN_FILE, [counts])
    # What the app answers is the framework's too, whose version is not the file's to know.
    assert [change for change in changed if change.count != "response_bytes"] == []


def test_the_bytes_are_those_of_the_protocol(bench: Bench) -> None:
    counts = bench.usual("redis")
    key = 15 + 1 + 64  # namespace, colon, digest
    get = len(f"*2\r\n$3\r\nGET\r\n${key}\r\n\r\n") + key
    assert counts.steps["read"].to_store_bytes == get
    assert counts.steps["logout"].to_store_bytes == 2 * get  # DEL is as long as GET
    assert counts.steps["login"].from_store_bytes == len("+OK\r\n")


def test_one_command_more_is_named_also_when_it_comes_after_the_answer(bench: Bench) -> None:
    before, now = bench.usual("redis"), bench.measure("redis", MORE)
    found = changes(before, now, against="base")
    assert CountChange(variant="redis", step="read", count="commands", before=1, now=2, against="base") in found
    # One GET more wherever there was one, and behind a logout's answer two PINGs.
    for count in ("commands", "round_trips"):
        more = {change.step: (change.before, change.now) for change in found if change.count == count}
        assert more == {"read": (1, 2), "write": (2, 3), "logout": (2, 5)}
    assert {change.count for change in found} == {"commands", "round_trips", "to_store_bytes", "from_store_bytes"}
    assert all(is_more(change) for change in found)
    assert not any(is_more(change) for change in changes(now, before, against="base"))


def test_a_count_that_differs_each_time_is_none_and_said(bench: Bench) -> None:
    entrant = bench.entrant("redis", UNSTEADY)
    counts = bench.count(entrant)
    read = counts.steps["read"]
    assert (read.commands, read.round_trips) == (2, 2)
    assert (read.to_store_bytes, read.from_store_bytes) == (None, None)
    assert any("to_store_bytes of read is not exact" in note for note in counts.notes)
    assert counts.steps["login"].to_store_bytes is not None
    # This app never deletes a session: what it leaves goes with the namespace.
    assert entrant.server is not None
    with redis.Redis.from_url(entrant.server.url) as client:
        assert not list(client.scan_iter("sbx*"))


def test_an_app_that_never_rests_cannot_be_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_REST_S", 0.5)
    with pytest.raises(MeasurementError, match="redis did not come to rest"):
        bench.measure("redis", RESTLESS)


def test_traffic_that_passes_the_relay_by_is_not_taken_for_none(bench: Bench) -> None:
    counts = bench.measure("redis", ELSEWHERE)
    assert {step.commands for step in counts.steps.values()} == {None}
    assert counts.steps["read"].response_bytes is not None
    assert any("does not go by SESSION_APP_STORE_URL" in note for note in counts.notes)


def test_a_way_without_a_relay_is_counted_at_the_client_alone(bench: Bench) -> None:
    entrant = bench.entrant("redis")
    assert entrant.server is not None
    entrant.server.record.settings["replica set"] = "rs"  # as a MongoDB says of itself
    try:
        counts = bench.count(entrant)
    finally:
        del entrant.server.record.settings["replica set"]
    step = counts.steps["login"]
    assert (step.commands, step.from_store_bytes, step.cookie_bytes) == (None, None, COOKIE_BYTES)
    assert "replica set" in counts.notes[0]


def test_an_app_that_answers_otherwise_is_not_counted(bench: Bench) -> None:
    entrant = bench.entrant("redis")
    unreachable = {**entrant.arm.environment, "SESSION_APP_STORE_URL": "redis://:s3cret@127.0.0.1:1/0"}
    broken = Entrant(entrant.record, replace(entrant.arm, environment=unreachable), entrant.server)
    with pytest.raises(MeasurementError, match="POST /login of redis was answered with status 503") as told:
        bench.count(broken)
    assert "s3cret" not in str(told.value)
    assert "s3cret" not in (bench.folder / "app.log").read_text()


class Cookies(http.server.BaseHTTPRequestHandler):
    """Sets what the path says, percent-decoded by nobody."""

    protocol_version = "HTTP/1.1"
    lines: dict[str, list[str]]

    def do_GET(self) -> None:
        self.send_response_only(200)
        for line in self.lines.get(self.path, []):
            self.send_header("Set-Cookie", line)
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[Callable[[dict[str, list[str]]], Hand]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cookies) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def visit(lines: dict[str, list[str]]) -> Hand:
            Cookies.lines = lines
            return Hand(server.server_port)

        yield visit
        server.shutdown()
        thread.join()


def test_the_hand_keeps_cookies_as_a_browser_does(site: Callable[[dict[str, list[str]]], Hand]) -> None:
    lines = {
        "/both": ["a=1; Path=/; HttpOnly", "b=2; Max-Age=60"],
        "/change": ["a=longer", "c=3; expires=Thu, 01 Jan 1970 00:00:00 GMT"],
        "/clear": ["a=; Max-Age=0", "b=x; Expires=Thu, 01 Jan 2015 00:00:00 GMT"],
    }
    visits = {"/both": "a=1; b=2", "/change": "a=longer; b=2", "/last": "a=longer; b=2", "/clear": ""}
    with site(lines) as hand:
        for path, cookie in visits.items():
            answer = hand.ask("GET", path, None)
            assert (answer.status, hand.cookie) == (200, cookie)
    headers = "".join(f"Set-Cookie: {line}\r\n" for line in lines["/clear"])
    assert answer.size == len(f"HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\n\r\nok")


def test_a_step_that_is_missing_is_a_change() -> None:
    step = StepCounts(commands=1, round_trips=1, to_store_bytes=1, from_store_bytes=1, response_bytes=1, cookie_bytes=1)
    full = Counts(variant="v", driver="", server="", steps={"read": step, "own": step})
    less = Counts(variant="v", driver="", server="", steps={"read": step})
    found = changes(full, less, against="base")
    assert {(change.step, change.before, change.now) for change in found} == {("own", 1, None)}
    assert not any(is_more(change) for change in found)
    assert changes(full, full, against="base") == []
