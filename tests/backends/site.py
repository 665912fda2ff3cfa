"""A site of the tests' own behind the middleware, on stores that can be watched, slowed and broken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backends import memory
from backends.manager import SessionManager
from backends.middleware import SessionMiddleware
from backends.store import Options, Settings, StoreUnavailable
from tests.backends.apps import client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from starlette.requests import Request

    from backends.session import Session
    from backends.store import Record, Refused, Store

    Action = Callable[[Session], Awaitable[Any]]

SETTINGS = Settings("", bytes(32), "test", b"")


class Watched(memory.Store):
    """The memory store with a list of what it was asked; it fails or hangs where it is told to."""

    def __init__(self, *, networked: bool = False) -> None:
        super().__init__(memory.Options(), SETTINGS)
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.takes_s: dict[str, float] = {}
        if networked:
            self.traits = replace(self.traits, keeps="server")

    async def _asked(self, call: str) -> None:
        self.calls.append(call)
        if call in self.fails:
            raise StoreUnavailable("broken on purpose")
        if call in self.takes_s:
            await asyncio.sleep(self.takes_s[call])

    async def open(self) -> None:
        await self._asked("open")

    async def ping(self) -> None:
        await self._asked("ping")

    async def get(self, token: str) -> Record | None:
        await self._asked("get")
        return await super().get(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        await self._asked("create")
        return await super().create(data, expires_at, replaces=replaces)

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        await self._asked("update")
        return await super().update(token, data, expires_at, if_version=if_version)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        await self._asked("touch")
        return await super().touch(token, expires_at)

    async def delete(self, token: str) -> None:
        await self._asked("delete")
        await super().delete(token)

    @property
    def only(self) -> Record:
        (record,) = self._records.values()
        return record


class Site:
    """One app with one route, whose action is given with each request."""

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        self.store: Any = store or Watched()
        self.manager = SessionManager(self.store, Options.model_validate(options))
        self.actions: dict[str, Action] = {}
        self.runs = 0
        routes = [Route("/exempt", self._exempt), Route("/", self._route, methods=["GET", "POST"])]
        middleware = [Middleware(SessionMiddleware, manager=self.manager, exempt=["/exempt"])]
        self.client = client(Starlette(routes=routes, middleware=middleware))

    async def do(self, action: Action, **request: Any) -> httpx.Response:
        """Send a request whose route does this with its session."""
        name = str(len(self.actions))
        self.actions[name] = action
        headers = {"x-action": name, **request.pop("headers", {})}
        return await self.client.request("POST", "/", headers=headers, **request)

    async def log_in(self, **data: Any) -> httpx.Response:
        """Make a session with this in it and forget what the store was asked for it."""
        answer = await self.do(putting(**(data or {"n": 0})))
        if isinstance(self.store, Watched):
            self.store.calls.clear()
        return answer

    @property
    def cookie(self) -> str | None:
        return self.client.cookies.get("sid")

    async def _route(self, request: Request) -> Response:
        self.runs += 1
        answer = await self.actions[request.headers["x-action"]](request.scope["session"])
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    async def _exempt(self, request: Request) -> Response:
        return JSONResponse("session" in request.scope)


def putting(**data: Any) -> Action:
    async def put(session: Session) -> None:
        await session.load()
        session.update(data)

    return put


async def reading(session: Session) -> dict[str, Any]:
    await session.load()
    return {key: session[key] for key in session}


async def counting(session: Session) -> int:
    await session.load()
    n: int = session["n"] + 1
    session["n"] = n
    return n


async def revoking(session: Session) -> None:
    session.revoke()


async def nothing(_: Session) -> None:
    return None


def headers_of(answer: httpx.Response) -> tuple[str | None, str | None, str | None]:
    return answer.headers.get("set-cookie"), answer.headers.get("cache-control"), answer.headers.get("vary")


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"] == "store_unavailable"
    assert answer.headers["vary"] == "Cookie"
    assert "set-cookie" not in answer.headers
