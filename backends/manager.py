"""Between a session and its store: codec, envelope, expiry, policies, deadline; knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, TypeVar

from backends import codecs, envelope
from backends.errors import ConfigurationError
from backends.store import Refused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from backends.session import Session
    from backends.store import Options, Record, Store

T = TypeVar("T")

CLEAR = ""
"""What `commit` returns for a cookie that the client is to forget."""
_OPEN_S = 10.0
_CLOSE_S = 5.0
_CLOCK_SLACK_S = 0.01
"""Stores keep an expiry to the millisecond at best, so one this close to the deadline has reached it."""


class SessionRefused(Exception):  # noqa: N818 - not an error of the app
    """The store answered, and the session cannot be saved."""


class SessionGone(SessionRefused):
    """It expired or was revoked while the request ran, and a save never brings one back."""


class SessionConflict(SessionRefused):
    """Somebody else saved it since this request read it, and the conflict policy minds."""


class SessionTooLarge(SessionRefused):
    """Its bytes are more than the store takes."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"the session has {size} bytes and its store takes {limit}")


class SessionManager:
    """Loads and saves the sessions of one app under one set of options.

    Raises ConfigurationError for options that the store cannot honour. `deadline_s` is a request's longest
    wait for its store; infinite for stores that do no I/O, which thus pay nothing for it.
    """

    def __init__(self, store: Store, options: Options) -> None:
        codec = codecs.load(options.codec)
        traits = store.traits
        if codec.trusting and traits.keeps == "client":
            raise ConfigurationError(
                f"codec={options.codec} runs code that its bytes name, and this backend keeps them with the "
                "client: one leaked key would give away the server. Choose json, msgspec or orjson."
            )
        if options.conflict != "last-wins" and not traits.compare_and_set:
            raise ConfigurationError(
                f"conflict={options.conflict} needs a store that can compare and set, and this backend's "
                "cannot. Leave the option at last-wins."
            )
        self.store = store
        self.eager = options.read == "eager"
        self.replays = options.conflict == "retry"
        self.deadline_s = options.deadline_ms / 1000 if traits.keeps == "server" else math.inf
        self._encode, self._decode = codec.encode, codec.decode
        self._idle_s = options.idle_s
        self._absolute_s = options.absolute_s
        self._always_write = options.write == "always"
        self._slides = options.slide != "never"
        self._touch_to_read = options.slide == "always"
        # Below this share of its idle time left a session is extended; at no time under the other policies.
        self._slide_below_s = options.idle_s * options.slide_at if options.slide == "threshold" else -math.inf
        self._compares = options.conflict != "last-wins"
        self._ready = False
        self._opening: asyncio.Task[None] | None = None

    async def load(self, session: Session) -> None:
        """Fill a session from its store; what is unknown, over or not ours leaves it empty."""
        token = session.token
        if token is None:
            session.data = {}
            return
        now = time.time()
        if self._touch_to_read:
            # One round trip reads and extends. The envelope alone knows the absolute deadline.
            record = await self._ask(session, self.store.touch, token, now + self._idle_s)
        elif self._ready and self.deadline_s == math.inf:
            record = await self.store.get(token)
        else:
            record = await self._ask(session, self.store.get, token)
        opened = None if record is None else envelope.unpack(record.data)
        data = None if opened is None or now >= opened[0] else self._decoded(opened[1])
        if record is None or opened is None or data is None:
            session.data = {}
            return
        session.deadline = deadline = opened[0]
        if record.expires_at > deadline + _CLOCK_SLACK_S and self._touch_to_read:
            # This happens in the last idle_s of a session's life.
            record = await self._ask(session, self.store.touch, record.token, deadline) or record
        session.record = record
        if record.token != token:
            session.cookie = record.token
        session.due = self._always_write or (
            record.expires_at - now < self._slide_below_s and record.expires_at < deadline - _CLOCK_SLACK_S
        )
        session.data = data

    async def commit(self, session: Session) -> str | None:
        """Save what the request did to its session.

        Returns the token that the client must be given, CLEAR when it must forget its own, None when it
        keeps it. Raises SessionRefused or StoreUnavailable when nothing was saved.
        """
        data, record = session.data, session.record
        if not data:
            return await self._discard(session)
        if record is None or session.rotated or session.revoked:
            return await self._create(session, data, replaces=record)
        saved = None
        if self._always_write or session.assigned or session.handed_out:
            encoded = envelope.repack(record.data, self._encode(data))
            if self._always_write or self._differs(session, record, encoded):
                saved = await self._update(session, record, encoded)
        if saved is None and session.due:
            # None means that it was revoked meanwhile: the answer was true when it was read.
            saved = await self._ask(session, self.store.touch, record.token, self._expiry(session.deadline))
        if saved is not None and saved.token != session.token:
            return saved.token
        return session.cookie

    async def ping(self) -> None:
        """Ask the store whether it answers, within a request's deadline."""

        async def answer() -> None:
            await self.open()
            await self.store.ping()

        await self._within(self.deadline_s, answer)

    async def open(self) -> None:
        """Open the store unless it is open; who comes meanwhile waits for the same attempt."""
        if self._ready:
            return
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            # An attempt that outlives everyone who waited for it has nobody left to tell.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Close the store, without waiting long for one that does not answer."""
        if self._opening is not None:
            self._opening.cancel()
        self._ready = False
        try:
            await self._within(_CLOSE_S, self.store.close)
        except StoreUnavailable:
            return

    async def _open(self) -> None:
        await self._within(_OPEN_S, self.store.open)
        self._ready = True

    def _decoded(self, payload: bytes) -> dict[str, Any] | None:
        try:
            data = self._decode(payload)
        except Exception:  # noqa: BLE001 - bytes that nobody here wrote can make a codec raise anything
            return None
        return data if isinstance(data, dict) else None

    def _differs(self, session: Session, record: Record, encoded: bytes) -> bool:
        """Tell a change from another spelling of the same: a read must never write over somebody's write.

        Bytes that another codec library or another version of it wrote may differ though nothing changed.
        """
        if session.assigned or encoded == record.data:
            return encoded != record.data
        again = self._decoded(record.data[envelope.HEADER_BYTES :])
        return again is None or encoded != envelope.repack(record.data, self._encode(again))

    def _expiry(self, deadline: float) -> float:
        return min(time.time() + self._idle_s, deadline)

    async def _discard(self, session: Session) -> str | None:
        token = session.record.token if session.record is not None else session.token
        if token is not None and (session.record is not None or session.revoked):
            await self._ask(session, self.store.delete, token)
            return CLEAR
        return CLEAR if session.revoked else None

    async def _create(self, session: Session, data: dict[str, Any], *, replaces: Record | None) -> str:
        deadline = time.time() + self._absolute_s
        encoded = self._bounded(envelope.pack(deadline, self._encode(data)))
        replaced = replaces.token if replaces is not None else session.token if session.revoked else None
        made = await self._ask(session, self.store.create, encoded, self._expiry(deadline), replaces=replaced)
        return made.token

    async def _update(self, session: Session, record: Record, encoded: bytes) -> Record:
        expires_at = self._expiry(session.deadline) if self._slides else record.expires_at
        version = record.version if self._compares else None
        saved = await self._ask(
            session, self.store.update, record.token, self._bounded(encoded), expires_at, if_version=version
        )
        if saved is Refused.GONE:
            raise SessionGone
        if saved is Refused.CONFLICT:
            raise SessionConflict
        return saved

    def _bounded(self, encoded: bytes) -> bytes:
        limit = self.store.traits.max_bytes
        if len(encoded) > limit:
            raise SessionTooLarge(len(encoded), limit)
        return encoded

    async def _ask(self, session: Session, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Call the store, opened if need be, within what is left of the request's deadline."""
        if self._ready and self.deadline_s == math.inf:
            return await call(*arguments, **options)
        started = time.monotonic()
        left_s = self.deadline_s - session.waited_s
        try:
            if not self._ready:
                await self._within(left_s, self.open)
                left_s -= time.monotonic() - started
            return await self._within(left_s, call, *arguments, **options)
        finally:
            session.waited_s += time.monotonic() - started

    @staticmethod
    async def _within(limit_s: float, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Call the store; a TimeoutError, our own or its driver's, means that it did not answer."""
        if limit_s == math.inf:
            return await call(*arguments, **options)
        try:
            async with asyncio.timeout(limit_s):
                return await call(*arguments, **options)
        except TimeoutError:
            raise StoreUnavailable(f"no answer within {limit_s * 1000:.0f} ms") from None
