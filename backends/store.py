"""The store contract, written once: what every session backend promises, and nothing of HTTP."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class StoreUnavailable(Exception):  # noqa: N818 - the name says what the caller must answer
    """The store refused, hung or dropped us; the only exception that a store raises."""


class Refused(Enum):
    """Why an update was not carried out."""

    GONE = "gone"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Record:
    """A live session as its store keeps it.

    `version` is 1 at creation and grows with every update: by one wherever the store is asked to detect
    conflicts. `expires_at` is in Unix seconds. A `token` that differs from the presented one must be sent to
    the client.
    """

    token: str
    data: bytes
    version: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Traits:
    """What a backend can and cannot do, so that nobody has to ask for its name.

    `keeps` says where sessions live: "nothing", "process", "client" or "server"; only "server" does I/O.
    `durability` is what an acknowledged write survives: "none", "process restart", "power loss within N ms" with N
    filled in, or "every acknowledged write". `max_bytes` bounds one session's data.
    """

    keeps: Literal["nothing", "process", "client", "server"]
    revocable: bool
    compare_and_set: bool
    shared_between_workers: bool
    durability: str
    max_bytes: int


class Options(BaseModel):
    """The options of every backend; a backend's own `Options` adds to them. Times are in the unit of their name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Literal["json", "msgspec", "orjson", "pickle"] = Field("json", description="how session data becomes bytes")
    idle_s: float = Field(3600, ge=0.1, le=31_536_000, description="a session unused for so long is over")
    absolute_s: float = Field(86_400, ge=0.1, le=31_536_000, description="a session is over then, used or not")
    deadline_ms: int = Field(1000, ge=20, le=60_000, description="a request's longest wait for its store, then 503")
    secure: bool = Field(False, description="the cookie's Secure attribute")
    read: Literal["eager", "lazy"] = Field("eager", description="load the session before the route, or on first use")
    write: Literal["changed", "always"] = Field(
        "changed", description="save when the bytes differ, or on every request"
    )
    slide: Literal["never", "always", "threshold"] = Field("threshold", description="when use extends idle expiry")
    slide_at: float = Field(0.5, gt=0, le=1, description="slide=threshold extends below this share of idle_s left")
    conflict: Literal["last-wins", "reject", "retry"] = Field("last-wins", description="two writers, one session")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says to a store.

    `url` is the store's, `key` the secret (32 bytes or more), `namespace` begins every key, table and collection;
    `sample` is one session as the application would save it.
    """

    url: str
    key: bytes
    namespace: str
    sample: bytes


class Store(Protocol):
    """A place to keep sessions.

    A missing, expired, revoked or tampered token is always None: the caller learns nothing more. Every method raises
    `StoreUnavailable`, and nothing else, when the store cannot answer.
    """

    traits: Traits
    driver: str | None
    """The distribution that talks to the server, such as "asyncpg"."""

    async def open(self) -> None:
        """Connect, and create what the store needs inside the namespace; may be called again after it failed."""

    async def close(self) -> None:
        """Let go of every connection; fine for a store that was never open."""

    async def ping(self) -> None:
        """Ask the store whether it answers."""

    async def get(self, token: str) -> Record | None:
        """Return the live session of this token."""

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:
        """Keep a new session under a new token; the one it replaces is dead first, or atomically."""

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Replace the data of a live session; never creates one. CONFLICT when it is no longer at `if_version`."""

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Move the expiry of a live session, leave its data and version; never revives one."""

    async def delete(self, token: str) -> None:
        """Revoke the session; what is absent is fine."""

    async def sweep(self) -> int:
        """Remove expired sessions from the namespace and say how many."""

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """Load live sessions in bulk, each as data and Unix expiry, under tokens that nobody learns."""

    async def count(self) -> int:
        """Say how many records the namespace holds, expired ones included."""


def mint() -> str:
    """Return a new unguessable token of 256 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes | None:
    """Return the key under which a server keeps this token (32 bytes), or None for a token that we never minted.

    A leaked store thus leaks no token (OWASP Session Management Cheat Sheet).
    """
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None
