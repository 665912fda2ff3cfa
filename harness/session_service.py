"""The reference HTTP session service: `python -m harness.session_service --port P`.

Sessions live in the process, keyed by the client's digest inside a namespace, and are gone when they expire.
Versions are ETags in all but name: `if-match` and `if-none-match` mean what RFC 9110 says. Imports nothing of
ours.

    GET    /v1/{namespace}/sessions/{key}    200 data, x-session-version, x-session-expires-at | 404
    PUT    …    if-none-match: *             201, and x-session-replaces: {key} revokes the old one | 412
                if-match: * or "{version}"   200 | 404 | 412
    PATCH  …                                 200 like GET, with the new x-session-expires-at | 404
    DELETE …                                 204
    POST   /v1/{namespace}/seed              repeated (uint32 length, float64 expiry, data), big-endian; 204
    POST   /v1/{namespace}/sweep             {"removed": N}
    GET    /v1/{namespace}                   {"records": N}, expired ones included
    DELETE /v1/{namespace}                   204
    GET    /v1                               {"product", "version", "pid", "requests"}

The last is what was asked of sessions since the start, by method; a service need not have it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import secrets
import struct
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VERSION = "1.0"
MAX_BYTES = 64 * 2**20
"""Largest body: a batch of seeds, or a session."""

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEY = re.compile(r"[0-9a-f]{64}")
_OF_A_NAMESPACE = 2
"""The slashes of a path that leads to a namespace; what lies deeper are its sessions."""
_SEED = struct.Struct(">Id")

Headers = dict[bytes, bytes]
Answer = tuple[int, Headers, bytes]


class Refused(Exception):  # noqa: N818 - what the client is told
    """The request is answered with this status and reason."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {name.encode(): value.encode() for name, value in headers.items()}


@dataclass(slots=True)
class Session:
    """What is kept under a key."""

    data: bytes
    version: int
    expires_at: float

    def answer(self, status: int = 200, *, body: bool = True) -> Answer:
        """Describe it to the client."""
        headers = {
            b"content-type": b"application/octet-stream",
            b"x-session-version": b"%d" % self.version,
            b"x-session-expires-at": repr(self.expires_at).encode(),
        }
        return status, headers, self.data if body else b""


class SessionService:
    """The ASGI application. One event loop, no await between reading and writing: every request is atomic."""

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Session]] = {}
        self._requests = dict.fromkeys(("GET", "PUT", "PATCH", "DELETE", "POST"), 0)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        try:
            body = await _body(receive)
            status, headers, content = self._route(scope["method"], scope["path"], dict(scope["headers"]), body)
        except Refused as refused:
            status, headers, content = _json({"error": str(refused)}, refused.status)
            headers |= refused.headers
        if status != 204:  # noqa: PLR2004 - No Content, which has no length either (RFC 9110, 8.6)
            headers[b"content-length"] = b"%d" % len(content)
        await send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": content})

    def _route(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        match path.split("/"):
            case ["", "v1"]:
                actions = {"GET": self._about}
            case ["", "v1", namespace] if _NAMESPACE.fullmatch(namespace):
                actions = {"GET": lambda: self._count(namespace), "DELETE": lambda: self._drop(namespace)}
            case ["", "v1", namespace, "seed"] if _NAMESPACE.fullmatch(namespace):
                actions = {"POST": lambda: self._seed(namespace, body)}
            case ["", "v1", namespace, "sweep"] if _NAMESPACE.fullmatch(namespace):
                actions = {"POST": lambda: self._sweep(namespace)}
            case ["", "v1", namespace, "sessions", key] if _NAMESPACE.fullmatch(namespace) and _KEY.fullmatch(key):
                actions = {
                    "GET": lambda: self._live(namespace, key).answer(),
                    "PUT": lambda: self._put(namespace, key, headers, body),
                    "PATCH": lambda: self._touch(namespace, key, headers),
                    "DELETE": lambda: self._delete(namespace, key),
                }
            case _:
                raise Refused(404, "there is nothing of this name")
        if method not in actions:
            raise Refused(405, "this cannot be done here", allow=", ".join(actions))
        if path.count("/") > _OF_A_NAMESPACE:
            self._requests[method] += 1
        return actions[method]()

    def _live(self, namespace: str, key: str) -> Session:
        session = self._namespaces.get(namespace, {}).get(key)
        if session is None or session.expires_at <= time.time():
            raise Refused(404, "no session")
        return session

    def _put(self, namespace: str, key: str, headers: Headers, body: bytes) -> Answer:
        expires_at = _expiry(headers)
        if headers.get(b"if-none-match") == b"*":
            return self._create(namespace, key, Session(body, 1, expires_at), headers)
        expected = headers.get(b"if-match")
        if expected is None:
            raise Refused(428, "say if-none-match: * to create, if-match to update")
        session = self._live(namespace, key)
        if expected not in (b"*", b'"%d"' % session.version):
            raise Refused(412, "the session is at another version")
        session.data, session.expires_at = body, expires_at
        session.version += 1
        return session.answer(body=False)

    def _create(self, namespace: str, key: str, session: Session, headers: Headers) -> Answer:
        sessions = self._namespaces.setdefault(namespace, {})
        if key in sessions and sessions[key].expires_at > time.time():
            raise Refused(412, "the session exists")
        sessions.pop(headers.get(b"x-session-replaces", b"").decode("latin-1"), None)
        sessions[key] = session
        return session.answer(201, body=False)

    def _touch(self, namespace: str, key: str, headers: Headers) -> Answer:
        session = self._live(namespace, key)
        session.expires_at = _expiry(headers)
        return session.answer()

    def _delete(self, namespace: str, key: str) -> Answer:
        self._namespaces.get(namespace, {}).pop(key, None)
        return 204, {}, b""

    def _seed(self, namespace: str, body: bytes) -> Answer:
        seeds: dict[str, Session] = {}
        rest = memoryview(body)
        while rest:
            if len(rest) < _SEED.size:
                raise Refused(400, "the seeds end inside a header")
            length, expires_at = _SEED.unpack_from(rest)
            data, rest = bytes(rest[_SEED.size : _SEED.size + length]), rest[_SEED.size + length :]
            if len(data) < length or not math.isfinite(expires_at):
                raise Refused(400, "the seeds end inside a session, or one has no expiry")
            seeds[secrets.token_hex(32)] = Session(data, 1, expires_at)
        self._namespaces.setdefault(namespace, {}).update(seeds)
        return 204, {}, b""

    def _sweep(self, namespace: str) -> Answer:
        now = time.time()
        sessions = self._namespaces.get(namespace, {})
        expired = [key for key, session in sessions.items() if session.expires_at <= now]
        for key in expired:
            del sessions[key]
        return _json({"removed": len(expired)})

    def _count(self, namespace: str) -> Answer:
        return _json({"records": len(self._namespaces.get(namespace, {}))})

    def _drop(self, namespace: str) -> Answer:
        self._namespaces.pop(namespace, None)
        return 204, {}, b""

    def _about(self) -> Answer:
        return _json({"product": "session service", "version": VERSION, "pid": os.getpid(), "requests": self._requests})


def _expiry(headers: Headers) -> float:
    try:
        expires_at = float(headers[b"x-session-expires-at"])
    except (KeyError, ValueError):
        expires_at = math.nan
    if not math.isfinite(expires_at):
        raise Refused(400, "x-session-expires-at must be a Unix time in seconds")
    return expires_at


def _json(content: dict[str, Any], status: int = 200) -> Answer:
    return status, {b"content-type": b"application/json"}, json.dumps(content).encode()


async def _body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client left before its request ended")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BYTES:
            raise Refused(413, f"a body has at most {MAX_BYTES} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


def main() -> None:
    """Serve on 127.0.0.1 until SIGTERM."""
    import uvicorn  # noqa: PLC0415 - whoever wants the version alone need not wait for it

    parser = argparse.ArgumentParser(description="The reference HTTP session service.")
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(
        SessionService(),
        host="127.0.0.1",
        port=parser.parse_args().port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
