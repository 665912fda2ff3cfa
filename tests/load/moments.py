"""Lives through the awkward moments of a connection, one function each, and prints what was seen.

A process of its own: Locust, which the client needs, patches the one that imports it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import random
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event
import locust.log
from gevent.server import StreamServer
from locust import FastHttpUser, task
from locust.env import Environment
from locust.event import EventHook, Events
from locust.exception import LocustError, StopUser

from harness.load import answer, client
from harness.load.client import LeanSession
from harness.load.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT_S = 0.5
"""Of the requests that are to run into it."""
PATIENT_S = 60.0
"""Of all others: a busy machine may take its time."""
ENOUGH_TURNS = 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class User:
    """Whom the client asks for a context."""

    def context(self) -> dict[str, Any]:
        return {}


class App:
    """Answers with the path that was asked for; some paths ask for more."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.opened = 0
        self.closed = gevent.event.Event()
        self.may_go_on = gevent.event.Event()
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.address = ("127.0.0.1", self.server.server_port)

    def _serve(self, connection: Any, _: Any) -> None:
        self.opened += 1
        with contextlib.suppress(OSError):
            while request := connection.recv(65536):
                if not request.startswith((b"GET ", b"POST ")):
                    continue  # the rest of an upload
                path = request.split(b" ", 2)[1].decode()
                self.requests.append(path)
                if path == "/silence":
                    self.may_go_on.wait()
                elif path == "/later":
                    gevent.sleep(0.1)
                elif path == "/too-large":
                    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                    self.may_go_on.wait()
                    return
                elif path == "/upload":
                    head, _, body = request.partition(b"\r\n\r\n")
                    left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
                    while left:
                        gevent.sleep(0)
                        left -= len(connection.recv(65536))
                connection.sendall(HEAD % len(path) + path.encode())
                if path == "/leave":
                    break
                if path == "/chatter":
                    gevent.sleep(0.02)
                    connection.sendall(HEAD % 5 + b"stale")
        connection.close()
        self.closed.set()


@contextlib.contextmanager
def loaded(timeout_s: float = PATIENT_S) -> Iterator[tuple[App, LeanSession, list[dict[str, Any]]]]:
    app = App()
    event: Any = EventHook()
    events: list[dict[str, Any]] = []
    event.add_listener(lambda **said: events.append(said))
    user: Any = User()
    yield app, LeanSession(app.url, event, user, timeout_s=timeout_s), events
    app.may_go_on.set()
    app.server.stop(timeout=0.1)


def killed() -> dict[str, Any]:
    """Kill a greenlet that waits for an answer, then ask again; the late answer must reach nobody."""
    with loaded() as (app, session, events):
        waiting = gevent.spawn(session.get, "/silence")
        while not app.requests:
            gevent.sleep(0.001)
        waiting.kill()
        after = session.get("/after").text
        app.may_go_on.set()
        seen = {"after": after, "again": session.get("/again").text, "opened": app.opened, "events": len(events)}
        return {**seen, "closed": app.closed.wait(PATIENT_S), "requests": app.requests}


def given_up() -> dict[str, Any]:
    """Let a scenario's own gevent.Timeout end a request."""
    with loaded() as (app, session, events):
        with gevent.Timeout(0.05, False):
            session.get("/silence")
        return {"after": session.get("/after").text, "opened": app.opened, "events": len(events)}


def left() -> dict[str, Any]:
    """Have the app close the connection while nothing is asked; the next request must not pay for it."""
    with loaded() as (app, session, _):
        first = session.get("/leave").text
        app.closed.wait(PATIENT_S)
        gevent.sleep(0.02)
        return {"first": first, "after": session.get("/after").text, "opened": app.opened}


def chattered() -> dict[str, Any]:
    """Have the app send an answer that nobody asked for; it must not be taken for the next one."""
    with loaded() as (app, session, _):
        first = session.get("/chatter").text
        gevent.sleep(0.06)
        return {"first": first, "after": session.get("/after").text, "opened": app.opened}


def together() -> dict[str, Any]:
    """Ask in three greenlets at once over one session."""
    with loaded() as (app, session, _):
        asking = [gevent.spawn(session.get, path) for path in ("/later", "/silence", "/quick")]
        gevent.sleep(0.2)
        app.may_go_on.set()
        gevent.joinall(asking)
        return {"texts": [asked.value.text for asked in asking], "opened": app.opened}


def dropped() -> dict[str, Any]:
    """Drop a session; its connection must go with it."""
    with loaded() as (app, session, events):
        session.get("/x")
        user: Any = User()
        other = LeanSession(app.url, EventHook(), user, timeout_s=PATIENT_S)
        other.get("/y")
        user.client = other
        open_before = not app.closed.is_set()
        del other, user
        gc.collect()
        return {"open_before": open_before, "closed": app.closed.wait(PATIENT_S), "events": len(events)}


def answered_early() -> dict[str, Any]:
    """Be answered 413 in the middle of an upload that the app does not read."""
    with loaded() as (app, session, _):
        response = session.post("/too-large", data=b"x" * 30_000_000)
        return {"status": response.status_code, "after": session.get("/after").text, "n": app.opened}


def uploaded() -> dict[str, Any]:
    """Upload more than the kernel takes at once."""
    with loaded() as (app, session, _):
        response = session.post("/upload", data=b"x" * 8_000_000)
        return {"text": response.text, "after": session.get("/after").text, "opened": app.opened}


def stuck() -> dict[str, Any]:
    """Upload to an app that reads nothing and says nothing."""
    with loaded(TIMEOUT_S) as (app, session, events):
        begun = perf_counter()
        response = session.post("/silence", data=b"x" * 30_000_000)
        took_s = perf_counter() - begun
        outcome = getattr(events[0]["exception"], "outcome", None)
        return {"status": response.status_code, "outcome": outcome, "took_s": took_s, "n": app.opened}


def timed() -> dict[str, Any]:
    """Ask many times over more than a timeout, then wait for an answer that does not come."""
    timeout_s = 2 * TIMEOUT_S
    with loaded(timeout_s) as (app, session, _):
        texts = {session.get("/later").text for _ in range(12)}
        begun = perf_counter()
        status = session.get("/silence").status_code
        took_s = perf_counter() - begun
        gevent.sleep(timeout_s * 1.2)
        return {"texts": sorted(texts), "status": status, "took_s": took_s, "opened": app.opened}


def refused() -> dict[str, Any]:
    """Ask where nobody listens."""
    with loaded() as (app, _, __):
        app.server.stop(timeout=0.1)
        event: Any = EventHook()
        events: list[dict[str, Any]] = []
        event.add_listener(lambda **said: events.append(said))
        user: Any = User()
        session = LeanSession(app.url, event, user, timeout_s=PATIENT_S)
        statuses = [session.get("/x").status_code for _ in range(3)]
        return {"statuses": statuses, "outcomes": [getattr(said["exception"], "outcome", None) for said in events]}


def cookied() -> dict[str, Any]:
    """See the Cookie header follow every change, though requests are kept as they were written."""
    with loaded() as (_, session, __):
        seen: list[str] = []
        session.cookies.take(b"a=1; Path=/", "/")
        for header in (None, b"b=2; Path=/; Max-Age=2", b"a=3; Path=/", b"a=; Path=/; Max-Age=0", "wait"):
            if header == "wait":
                gevent.sleep(2.1)
            elif isinstance(header, bytes):
                session.cookies.take(header, "/")
            session.get("/x")
            request = session.cookies.written["GET", "/x"].decode()  # as the last request began
            seen.append(request.partition("Cookie: ")[2].partition("\r\n")[0])
        return {"seen": seen}


def quoted() -> dict[str, Any]:
    """Ask for what an address cannot hold as it is, and for what is not on this host."""
    with loaded() as (app, session, _):
        for path in ("/a b?q=ü%20x&r=<1>", app.url + "/whole", app.url, "?only=1"):
            session.get(path)
        refused = []
        for url in ("http://elsewhere/x", "x"):
            try:
                session.get(url)
            except LocustError as error:
                refused.append(str(error))
        return {"requests": app.requests, "refused": len(refused)}


def told() -> dict[str, Any]:
    """Have listeners fail, leave and stop the user, told by us and by Locust's own `fire`."""
    ways = []
    for is_ours in (True, False):
        with loaded() as (_, session, events):
            hook: Any = EventHook()
            heard: list[str] = []

            def fails(**_: Any) -> None:
                raise ValueError("a listener's")

            def leaves(hook: Any = hook, heard: list[str] = heard, **_: Any) -> None:
                heard.append("left")
                hook.remove_listener(hook.leaving)

            def stays(heard: list[str] = heard, **said: Any) -> None:
                heard.append(f"{said['name']} {sorted(said)}")
                if said["name"] == "/stop":
                    raise StopUser

            hook.leaving = leaves
            for listener in (fails, leaves, stays):
                hook.add_listener(listener)
            user: Any = User()
            if not is_ours:
                hook.fire = lambda hook=hook, **said: EventHook.fire(hook, **said)
            locust.log.unhandled_greenlet_exception = False
            own = LeanSession(session.base_url, hook, user, timeout_s=PATIENT_S)
            own.get("/x")
            try:
                own.get("/stop")
            except StopUser:
                heard.append("stopped")
            ways.append([*heard, locust.log.unhandled_greenlet_exception, len(events)])
    return {"ours": ways[0], "locusts": ways[1]}


def rested() -> dict[str, Any]:
    """Run users whose tasks send nothing, or reach nobody, without a wait between them; others must get a turn."""
    turns = {}
    for url in ("", "http://127.0.0.1:9"):

        class Busy(FastHttpUser):
            host = "http://127.0.0.1:9"

            @task
            def work(self) -> None:
                if url:  # noqa: B023 - runs within the loop
                    self.client.get("/")

        client.equip(Busy)
        environment = Environment(user_classes=[Busy], events=Events())
        runner = environment.create_local_runner()
        runner.start(2, 2)
        turns[url] = 0
        end = perf_counter() + PATIENT_S
        while turns[url] <= ENOUGH_TURNS and perf_counter() < end:
            gevent.sleep(0)
            turns[url] += 1
        runner.quit()
    return {"least": min(turns.values())}


def compared() -> dict[str, Any]:
    """Hold the short way against the parser: the same bytes, with and without known heads, must come to the same."""
    rng = random.Random(20261122)  # noqa: S311 - a fuzzer's
    sent = [b""]

    def serve(connection: Any, _: Any) -> None:
        with contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(sent[0])
        connection.close()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    address = ("127.0.0.1", server.server_port)

    def outcome(*, bodiless: bool) -> Any:
        connection = Connection(address, PATIENT_S)
        try:
            head, body = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", perf_counter(), bodiless=bodiless)
        except Exception as error:  # noqa: BLE001 - its kind is what is compared
            return type(error).__name__
        return *head, body.decode("latin-1")

    different, known, short = [], {}, 0
    for number in range(1500):
        whole = made(rng)
        head, end, body = whole.partition(b"\r\n\r\n")
        # Make the head known by an answer that it fits, where there can be one; then send what may not fit.
        sent[0] = whole
        outcome(bodiless=False)
        known.update(answer.known)
        bodies = [body, body[:-1], body + b"x", body + b"\r\n", body + whole, body[::-1], b""]
        sent[0] = head + end + bodies[number % len(bodies)]
        bodiless = number % 11 == 0
        answer.known.update(known)
        short += head + end in answer.known
        warm = outcome(bodiless=bodiless)
        answer.known.clear()
        cold = outcome(bodiless=bodiless)
        if warm != cold:
            different.append([sent[0].decode("latin-1"), str(warm), str(cold)])
    server.stop()
    return {"different": different, "short": short}


def made(rng: random.Random) -> bytes:
    """Make an answer, often a good one, and often one with a fault or an oddity."""
    body = b"x" * rng.choice([0, 1, 4, 15, 400])
    lines = [
        rng.choice(
            [b"HTTP/1.1 200 OK"] * 4 + [b"HTTP/1.1 200", b"HTTP/1.1 404 No", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No"]
        ),
        b"%s:%s%d"
        % (
            rng.choice([b"Content-Length"] * 4 + [b"content-length", b"CONTENT-LENGTH", b"Content-Length "]),
            rng.choice([b" "] * 4 + [b"", b"\t", b" +", b" 0"]),
            len(body) + rng.choice([0] * 8 + [1, -1]),
        ),
    ]
    odd = [b"X: y", b"Date: now", b"Connection: close", b"Connection: keep-alive", b"Set-Cookie: a=b", b"X:", b"X : y"]
    odd += [b"Transfer-Encoding: chunked", b"Content-Length: 4", b" folded", b"\xff: \xff", b"X: \x00", b"X: a\rb", b""]
    lines[1:1] = rng.sample(odd, rng.choice([0, 0, 1, 2]))
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    if rng.random() < 0.2:
        place = rng.randrange(len(whole))
        whole = (
            whole[:place] + bytes([rng.randrange(256)]) * rng.choice([0, 1, 2]) + whole[place + rng.choice([0, 1]) :]
        )
    return whole


MOMENTS: list[Callable[[], dict[str, Any]]] = [
    killed, given_up, left, chattered, together, dropped, answered_early, uploaded, stuck, timed, refused, cookied,
    quoted, told, rested, compared,
]  # fmt: skip

if __name__ == "__main__":
    chosen = sys.argv[1:]
    json.dump({moment.__name__: moment() for moment in MOMENTS if not chosen or moment.__name__ in chosen}, sys.stdout)
