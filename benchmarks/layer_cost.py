"""What session handling adds to a FastAPI route, in µs of CPU: ours beside starsessions, paired in one run.

`python benchmarks/layer_cost.py` calls three apps in this process, without sockets: a bare route, the same
answer from our app's GET /profile on the memory backend, and the same from starsessions (InMemoryStore,
autoload). A round gives each app a burst of requests in random order; the figures are medians over rounds
with their quartiles, and a layer's cost is the difference within a round, so that whatever slows the machine
down for a while slows all three.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware

from backends import app as ours
from backends import environment
from backends.content import new_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Scope

_TARGET = 0.4
_CONTENT = new_session("somebody")
_ANSWER = {"user": "somebody", "updates": 0, "payload_bytes": len(_CONTENT["payload"])}


class Client:
    """Calls an app as a server would, keeps its cookie, and checks what it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"python"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"accept", b"*/*"),
            (b"connection", b"keep-alive"),
        ]
        self._sent: list[Message] = []

    async def log_in(self) -> None:
        """Log in and take the cookie."""
        body = json.dumps({"user": "somebody"}).encode()
        await self._call("POST", "/login", [(b"content-type", b"application/json")], body)
        headers = dict(self._sent[0]["headers"])
        self._headers.append((b"cookie", headers[b"set-cookie"].partition(b";")[0]))

    async def burst(self, requests: int) -> float:
        """Read the profile so many times; returns the CPU time of one in µs."""
        began = time.process_time_ns()
        for _ in range(requests):
            await self._call("GET", "/profile")
        ended = time.process_time_ns()
        answer = json.loads(self._sent[1]["body"])
        if answer != _ANSWER:
            raise SystemExit(f"a wrong answer cannot be timed: {answer}")
        return (ended - began) / requests / 1000

    async def _call(
        self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> None:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "method": method,
            "root_path": "",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [*self._headers, *headers],
            "state": {},
        }
        self._sent = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            self._sent.append(message)

        await self._app(scope, receive, send)


def bare() -> FastAPI:
    """Return the app that has no session."""
    app = FastAPI(openapi_url=None)

    @app.get("/profile")
    async def profile(request: Request) -> JSONResponse:  # noqa: ARG001 - the other two need it
        return JSONResponse(
            {
                "user": _CONTENT["user"],
                "updates": _CONTENT["updates"],
                "payload_bytes": len(_CONTENT["payload"]),
            }
        )

    return app


def starsessions() -> FastAPI:
    """Return the app on starsessions, set up as its documentation does."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(SessionAutoloadMiddleware)
    app.add_middleware(SessionMiddleware, store=InMemoryStore(), cookie_https_only=False)

    @app.get("/profile")
    async def profile(request: Request) -> JSONResponse:
        session = request.session
        return JSONResponse(
            {"user": session["user"], "updates": session["updates"], "payload_bytes": len(session["payload"])}
        )

    @app.post("/login")
    async def login(request: Request) -> JSONResponse:
        request.session.update(_CONTENT)
        return JSONResponse({})

    return app


def memory(variant: str) -> FastAPI:
    """Return our app."""
    return ours.build(environment.read({"SESSION_APP_BACKEND": variant, "SESSION_APP_KEY": "0" * 32}))


async def measure(variant: str, rounds: int, requests: int, seed: int) -> dict[str, list[float]]:
    """Return CPU-µs per request, round by round, for each app."""
    clients = {
        "bare": Client(bare()),
        "ours": Client(memory(variant)),
        "starsessions": Client(starsessions()),
    }
    await clients["ours"].log_in()
    await clients["starsessions"].log_in()
    for client in clients.values():
        await client.burst(requests * 5)
    # What was built so far is not garbage; collections during the rounds are part of a request's price.
    gc.collect()
    gc.freeze()
    taken: dict[str, list[float]] = {name: [] for name in clients}
    shuffle = random.Random(seed).shuffle  # noqa: S311 - an order, no secret
    for _ in range(rounds):
        order = list(clients)
        shuffle(order)
        for name in order:
            taken[name].append(await clients[name].burst(requests))
    return taken


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write a median with its quartiles."""
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:6.{digits}f}   ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", default="memory", help="of ours (default: memory)")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--requests", type=int, default=100, help="in a burst")
    parser.add_argument("--seed", type=int, default=1)
    arguments: Any = parser.parse_args()
    taken = asyncio.run(measure(arguments.variant, arguments.rounds, arguments.requests, arguments.seed))
    added = {
        name: [layer - alone for layer, alone in zip(taken[name], taken["bare"], strict=True)]
        for name in ("ours", "starsessions")
    }
    ratios = [mine / theirs for mine, theirs in zip(added["ours"], added["starsessions"], strict=True)]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("fastapi", "starlette", "starsessions"))
    print(f"CPU-µs per GET /profile: medians (quartiles) of {arguments.rounds} rounds; {versions}")
    for name, values in taken.items():
        print(f"  {name:<22}{spread(values)}")
    for name, values in added.items():
        print(f"  {name + ' adds':<22}{spread(values)}")
    verdict = "at most" if statistics.median(ratios) <= _TARGET else "MORE than"
    print(f"  {'ratio of the two':<22}{spread(ratios, 2)}   {verdict} the target of {_TARGET}")


if __name__ == "__main__":
    main()
