"""A session app that misbehaves in one way, under our scenarios; prints what their checks counted, and the truth.

A process of its own: Locust patches the one that imports it. Every case of the standard input is played step by step,
without arrivals, so that each run is the same.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import socket
import sys
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pywsgi import WSGIServer
from locust.env import Environment

from harness.load import client
from scenarios.login_profile import Visitor
from scenarios.shared_session import Tab
from scenarios.steps import CHECKS, SessionUser

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = 300
EVERY = 7
"""So many requests of the kind that is to be harmed, and one is."""
TABS = 4
OK, REFUSED, CONFLICT, BROKEN = "200 OK", "401 Unauthorized", "409 Conflict", "503 Service Unavailable"


class Prompt(WSGIServer):  # type: ignore[misc] # gevent leaves it untyped
    """Sends each piece of an answer at once, rather than when the piece before it was acknowledged."""

    def handle(self, connection: Any, address: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(connection, address)


class App:
    """Answers rightly, but for one `fault`; `harmed` counts the answers that were not right."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._sessions: dict[str, dict[str, Any]] = {}
        self._turns = 0
        self.harmed = 0
        self.connections: set[str] = set()
        self._server = Prompt(("127.0.0.1", 0), self._serve, log=None)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.stop(0)

    def _harms(self, fault: str) -> bool:
        """Return whether it is this answer that is to be wrong."""
        if fault != self._fault:
            return False
        self._turns += 1
        self.harmed += (harms := self._turns % EVERY == 0)
        return harms

    def _serve(self, asked: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.connections.add(asked["REMOTE_PORT"])
        sent = SimpleCookie(asked.get("HTTP_COOKIE", ""))
        token = sent["sid"].value if "sid" in sent else ""
        body = json.loads(asked["wsgi.input"].read() or "null")
        status, answer, cookie = self._answer(asked["REQUEST_METHOD"], asked["PATH_INFO"], token, body)
        content = b"<p>" if "user" in answer and self._harms("well_formed") else json.dumps(answer).encode()
        headers = [("Content-Length", str(len(content)))]
        start(status, [*headers, *([("Set-Cookie", f"sid={cookie}; Path=/")] if cookie else [])])
        return [content]

    def _answer(self, method: str, path: str, token: str, body: Any) -> tuple[str, Any, str]:
        if path == "/login":
            token = secrets.token_urlsafe(8)
            self._sessions[token] = {"user": body["user"], "updates": 0, "payload_bytes": body["payload_bytes"]}
            return OK, self._sessions[token], token
        if path == "/logout" and self._fault != "revocation":
            self._sessions.pop(token, None)
            return OK, {}, "x; Max-Age=0"
        if path == "/logout":
            # The browser has another cookie now, and the old one still opens the session.
            return OK, {}, "nobody"
        if path == "/ping":
            return OK, {}, ""
        session = self._sessions.get(token)
        if session is None or self._harms("session_kept"):
            return REFUSED, {}, ""
        return self._written(session) if method == "POST" else self._read(session)

    def _read(self, session: dict[str, Any]) -> tuple[str, Any, str]:
        answer = dict(session)
        if session["updates"] and self._harms("read_your_writes"):
            answer["updates"] -= 1
        if self._harms("lost_updates: more"):
            answer["updates"] += 1
        if self._harms("payload"):
            answer["payload_bytes"] = 1
        if self._harms("isolation"):
            answer["user"] = "somebody else"
        return OK, answer, ""

    def _written(self, session: dict[str, Any]) -> tuple[str, Any, str]:
        before = session["updates"]
        if self._fault in {"last-wins", "reject"}:
            gevent.sleep(0.001)  # others come between the read and the write
            if self._fault == "reject" and session["updates"] != before:
                self.harmed += 1
                return CONFLICT, {}, ""
            self.harmed += session["updates"] - before
        if self._harms("unanswered"):
            return BROKEN, {}, ""
        session["updates"] = before if self._harms("lost_updates") else before + 1
        if self._harms("twice"):
            session["updates"] += 1
        return OK, dict(session), ""


def played(fault: str, *, shared: bool = False, traits: dict[str, bool] | None = None) -> dict[str, Any]:
    """Play one fault; `traits` are what the app was said to be able to, as SessionUser's attributes."""
    app = App(fault)
    for tally in CHECKS.values():
        tally[:] = 0, 0
    for name, value in {"keeps_state": True, "revocable": True, "loses_updates": True, **(traits or {})}.items():
        setattr(SessionUser, name, value)
    SessionUser._numbers = iter(range(1000))  # type: ignore[assignment] # noqa: SLF001 - as in a new process
    options = argparse.Namespace(tabs=TABS, rounds=10)
    Visitor.host = Tab.host = app.url
    environment = Environment(host=app.url, parsed_options=options)
    said: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda **event: said.append(event))
    if shared:
        Tab.browsers.clear()
        tabs = [Tab(environment) for _ in range(2 * TABS)]
        gevent.joinall([gevent.spawn(_tab, tab, number) for number, tab in enumerate(tabs)], raise_error=True)
    else:
        _visit(Visitor(environment))
    app.stop()
    exceptions = [event["exception"] for event in said if event["exception"] is not None]
    return {
        "checks": CHECKS,
        "harmed": app.harmed,
        "broken": [getattr(exception, "breaks", str(exception)) for exception in exceptions],
        "refused": [event["name"] for event in said if event["context"].get("outcome") == "refused"],
        "named": [event["name"] for event in said],
        "connections": len(app.connections),
    }


def _visit(user: Visitor) -> None:
    rng = random.Random(1)  # noqa: S311 - no secret
    steps = [*[user.read] * 5, user.write, user.write, user.logout, user.ping, user.reconnect]
    for _ in range(STEPS):
        rng.choice(steps)()


def _tab(tab: Tab, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - no secret
    for _ in range(STEPS // TABS):
        rng.choice([tab.read, tab.write])()


if __name__ == "__main__":
    if sys.argv[1] == "lean":
        for user_class in (Visitor, Tab):
            client.equip(user_class)
    json.dump([json.loads(json.dumps(played(**case))) for case in json.load(sys.stdin)], sys.stdout)
