"""Serves the answers that it reads as JSON from its standard input to the lean client, and prints what came of each.

A process of its own: Locust, which the client needs, patches the one that imports it.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

import gevent
from gevent.server import StreamServer
from locust.event import EventHook

from harness.load.client import LeanSession

PATIENT_S = 60.0
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class User:
    """Whom the client asks for a context."""

    def context(self) -> dict[str, Any]:
        return {"user": 7}


def tried(pieces: list[str], *, stays: bool, timeout_s: float, method: str = "POST") -> dict[str, Any]:
    """Answer the first connection with these pieces, all later ones well; `stays` leaves the first one open.

    The first request has `timeout_s`, the later ones have all the time that a busy machine may take.
    """
    connections = []
    requests = []

    def serve(connection: Any, _: Any) -> None:
        connections.append(connection)
        if len(connections) == 1:
            requests.append(connection.recv(65536))
            for piece in pieces:
                if piece.startswith("sleep "):
                    gevent.sleep(float(piece[6:]))
                    continue
                try:
                    connection.sendall(piece.encode("latin-1"))
                except OSError:
                    return
            if not stays:
                return
        while request := connection.recv(65536):
            requests.append(request)
            connection.sendall(GOOD)

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    event: Any = EventHook()
    events: list[dict[str, Any]] = []
    event.add_listener(lambda **said: events.append(said))
    client = LeanSession(f"http://127.0.0.1:{server.server_port}", event, User(), timeout_s=timeout_s)  # type: ignore[arg-type]
    begun = perf_counter()
    body: dict[str, Any] = {"json": {"a": 1}} if method == "POST" else {}
    first = client.request(method, "/x?y=1", name="first", **body)
    took_s = perf_counter() - begun
    client._timeout_s = PATIENT_S  # noqa: SLF001 - no scenario changes it between two requests
    second = client.get("/again")
    if not stays and not second.content:  # a connection that was closed behind our back costs one request
        second = client.get("/again")
    client.close()
    server.stop()
    said = events[0]
    return {
        "status": first.status_code,
        "content": first.content.decode("latin-1"),
        "headers": first.headers,
        "outcome": getattr(said["exception"], "outcome", None if said["exception"] is None else "http_error"),
        "name": said["name"],
        "context": said["context"],
        "length": said["response_length"],
        "told_s": said["response_time"] / 1000,
        "took_s": took_s,
        "connections": len(connections),
        "second": second.content.decode(),
        "request": requests[0].decode("latin-1"),
        "said": sorted(said),
        "events": len(events),
        "is_the_response": said["response"] is first,
    }


if __name__ == "__main__":
    json.dump([tried(**case) for case in json.load(sys.stdin)], sys.stdout)
