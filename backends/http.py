"""A session service behind HTTP, through httpx."""

from __future__ import annotations

import asyncio
import struct
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import httpx
from pydantic import Field

from backends.network import BATCH, BULK_STEP_S, NetworkOptions, NetworkStore, bulk_step, request
from backends.store import Record, Refused, digest, mint

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from backends.store import Settings

_N = TypeVar("_N", int, float)

SERVER: str | None = "http"
SERVER_OPTIONS: frozenset[str] = frozenset()

_SEED = struct.Struct(">Id")
"""Ahead of each seeded session: the length of its data, and its Unix expiry."""


class Options(NetworkOptions):
    """How the service is spoken to."""

    tuning: Literal["well", "stock"] = Field(
        "well",
        description="stock: httpx's 100 connections, 20 of them kept alive, and 5 s timeouts: "
        "only the app bounds the wait for a frozen service",
    )


class _UnexpectedAnswer(Exception):  # noqa: N818 - what happened, not what to do
    """The service answered, but not what its protocol knows."""


class Store(NetworkStore):
    """Sessions at `/v1/namespace/sessions/SHA-256(token)`; their expiry is the service's to enforce."""

    driver: str | None = "httpx"

    def __init__(self, options: Options, settings: Settings) -> None:
        super().__init__(options, settings, schemes=("http", "https"), durability="none")
        self._namespace = f"/v1/{settings.namespace}"
        self._client = self._connect(options)
        self._turns: AbstractAsyncContextManager[Any] = (
            asyncio.Semaphore(options.pool) if options.tuning == "well" else nullcontext()
        )

    def is_trouble(self, error: Exception) -> bool:
        """Go by httpx's classes: what it raises for the way there and back."""
        return isinstance(error, OSError | httpx.TransportError | httpx.DecodingError | _UnexpectedAnswer)

    @request
    async def open(self) -> None:
        """Ask who is there."""
        about = _json(await self._send("GET", "/v1", expect={200}))
        self.server_version = f"{about.get('product')} {about.get('version')}"

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    @request
    async def ping(self) -> None:
        """GET the service's own description."""
        await self._send("GET", "/v1", expect={200})

    @request
    async def get(self, token: str) -> Record | None:
        """GET."""
        path = self._path(token)
        return None if path is None else _record(token, await self._send("GET", path, expect={200, 404}))

    @request
    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """PUT If-None-Match; the service drops what it replaces in the same step."""
        token = mint()
        headers = {"if-none-match": "*", "x-session-expires-at": repr(expires_at)}
        old = digest(replaces) if replaces is not None else None
        if old is not None:
            headers["x-session-replaces"] = old.hex()
        await self._send("PUT", self._path(token) or "", headers=headers, content=data, expect={201})
        return Record(token, data, 1, expires_at)

    @request
    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """PUT If-Match."""
        path = self._path(token)
        if path is None:
            return Refused.GONE
        match = "*" if if_version is None else f'"{if_version}"'
        headers = {"if-match": match, "x-session-expires-at": repr(expires_at)}
        answer = await self._send("PUT", path, headers=headers, content=data, expect={200, 404, 412})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return Refused.GONE
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            return Refused.CONFLICT
        return Record(token, data, _number(answer, "x-session-version", int), expires_at)

    @request
    async def touch(self, token: str, expires_at: float) -> Record | None:
        """PATCH."""
        path = self._path(token)
        if path is None:
            return None
        headers = {"x-session-expires-at": repr(expires_at)}
        return _record(token, await self._send("PATCH", path, headers=headers, expect={200, 404}))

    @request
    async def delete(self, token: str) -> None:
        """DELETE."""
        path = self._path(token)
        if path is not None:
            await self._send("DELETE", path, expect={204})

    @bulk_step
    async def sweep(self) -> int:
        """Have the service sweep."""
        answer = await self._send("POST", f"{self._namespace}/sweep", expect={200}, timeout=BULK_STEP_S)
        return int(_json(answer)["removed"])

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """POST in batches."""
        for start in range(0, len(sessions), BATCH):
            await self._seed_batch(sessions[start : start + BATCH])

    @bulk_step
    async def _seed_batch(self, sessions: list[tuple[bytes, float]]) -> None:
        body = b"".join(_SEED.pack(len(data), expires_at) + data for data, expires_at in sessions)
        await self._send("POST", f"{self._namespace}/seed", content=body, expect={204}, timeout=BULK_STEP_S)

    @bulk_step
    async def count(self) -> int:
        """Have the service count."""
        return int(_json(await self._send("GET", self._namespace, expect={200}, timeout=BULK_STEP_S))["records"])

    def _connect(self, options: Options) -> httpx.AsyncClient:
        """Return a client, which connects on first use; the password leaves the URL, which errors quote."""
        url = httpx.URL(self._url)
        care: dict[str, Any] = {}
        if options.tuning == "well":
            care["limits"] = httpx.Limits(max_connections=options.pool, max_keepalive_connections=options.pool)
            care["timeout"] = self.wait_s
        # The environment's proxy is for the way to the Internet.
        return httpx.AsyncClient(
            base_url=url.copy_with(userinfo=b""),
            auth=httpx.BasicAuth(url.username, url.password) if url.userinfo else None,
            trust_env=False,
            **care,
        )

    def _path(self, token: str) -> str | None:
        key = digest(token)
        return None if key is None else f"{self._namespace}/sessions/{key.hex()}"

    async def _send(self, method: str, path: str, *, expect: set[int], **request: Any) -> httpx.Response:
        """Send a request in its turn: httpcore goes through all that wait for a connection whenever one comes free."""
        async with self._turns:
            answer = await self._client.request(method, path, **request)
        if answer.status_code not in expect:
            raise _UnexpectedAnswer(f"{answer.status_code} {answer.reason_phrase} to {method}")
        return answer


def _record(token: str, answer: httpx.Response) -> Record | None:
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    version, expires_at = (
        _number(answer, "x-session-version", int),
        _number(answer, "x-session-expires-at", float),
    )
    return Record(token, answer.content, version, expires_at)


def _number(answer: httpx.Response, name: str, kind: Callable[[str], _N]) -> _N:
    """Return a header that is a number."""
    try:
        return kind(answer.headers[name])
    except (KeyError, ValueError) as error:
        raise _UnexpectedAnswer(f"{answer.status_code} without a valid {name}") from error


def _json(answer: httpx.Response) -> dict[str, Any]:
    """Return a body that is a JSON object."""
    try:
        body: dict[str, Any] = answer.json()
        body.keys()
    except (ValueError, AttributeError) as error:
        raise _UnexpectedAnswer("a body that is not a JSON object") from error
    return body
