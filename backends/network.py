"""What stores behind a network share: options, the deadline, and one exception for all their trouble."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationInfo, field_validator

from backends.store import Options, StoreUnavailable, Traits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from backends.store import Settings

MAX_BYTES = 16_000_000
"""MongoDB's limit of a document less room for our fields; the others could keep more, none is favoured."""
BULK_STEP_S = 60.0
"""Sweeping, seeding and counting are nobody's request: each of their steps may take so long."""
BATCH = 1000
_REASON_CHARACTERS = 300

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound="NetworkStore")


class NetworkOptions(Options):
    """What every store behind a network lets one choose."""

    pool: int = Field(32, ge=1, le=1000, description="most connections of one process to the store")
    tuning: Literal["well", "stock"] = Field("well", description="set up with care, or the driver as it comes")

    @field_validator("tuning")
    @classmethod
    def _stock_keeps_its_own_pool(cls, tuning: str, others: ValidationInfo) -> str:
        if tuning == "stock" and others.data.get("pool") != cls.model_fields["pool"].default:
            raise ValueError("stock means the driver's own pool; leave out one of pool and tuning")
        return tuning


class NetworkStore:
    """Base of the stores behind a network; a subclass tells which of its driver's errors mean trouble.

    `server_version` is the server's product and version, once `open` has seen it. `deadline_s` is None under
    tuning=stock, where the driver's own timeouts are all there is. Elsewhere the driver's waits end at `wait_s`,
    a little before the deadline, as it knows better than we do what it waited for. Raises ValueError for a URL
    of another kind.
    """

    def __init__(
        self, options: NetworkOptions, settings: Settings, *, schemes: tuple[str, ...], durability: str
    ) -> None:
        self.traits = Traits(
            keeps="server",
            revocable=True,
            compare_and_set=True,
            shared_between_workers=True,
            durability=durability,
            max_bytes=MAX_BYTES,
        )
        self.server_version: str | None = None
        self.deadline_s = options.deadline_ms / 1000 if options.tuning == "well" else None
        self.wait_s = 0.9 * options.deadline_ms / 1000
        # Without a URL a store can still describe itself.
        self._url = settings.url or f"{schemes[0]}://localhost"
        self._address, self._password = _address_and_password(self._url, schemes)

    def is_trouble(self, error: Exception) -> bool:
        """Tell an error of a store that cannot answer from one of ours, who asked wrongly."""
        raise NotImplementedError

    def unavailable(self, error: Exception) -> StoreUnavailable:
        """Return what the caller sees of a driver's error: where and why, never the password."""
        reason = f"{type(error).__name__}: {error}".rstrip(": ")[:_REASON_CHARACTERS]
        if self._password:
            reason = reason.replace(self._password, "***").replace(unquote(self._password), "***")
        return StoreUnavailable(f"the store at {self._address} did not answer ({reason})")


def request(
    method: Callable[Concatenate[_S, _P], Awaitable[_R]],
) -> Callable[Concatenate[_S, _P], Coroutine[None, None, _R]]:
    """Bound a request by the deadline: a free connection, connecting and the answer in all.

    Whatever keeps the store from answering becomes `StoreUnavailable`; a mistake of ours stays what it is.
    """

    @functools.wraps(method)
    async def bounded(store: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await _answer(store.deadline_s, method, store, *args, **kwargs)

    return bounded


def bulk_step(
    method: Callable[Concatenate[_S, _P], Awaitable[_R]],
) -> Callable[Concatenate[_S, _P], Coroutine[None, None, _R]]:
    """Do for a step of bulk work what `request` does for a request, bounded by `BULK_STEP_S`."""

    @functools.wraps(method)
    async def bounded(store: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await _answer(BULK_STEP_S, method, store, *args, **kwargs)

    return bounded


async def _answer(
    limit_s: float | None,
    method: Callable[Concatenate[_S, _P], Awaitable[_R]],
    store: _S,
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _R:
    try:
        async with asyncio.timeout(limit_s):
            return await method(store, *args, **kwargs)
    except Exception as error:
        if isinstance(error, TimeoutError) or store.is_trouble(error):
            raise store.unavailable(error) from error
        raise


def _address_and_password(url: str, schemes: tuple[str, ...]) -> tuple[str, str]:
    """Return the hosts and ports of a store's URL, and its password.

    Raises ValueError for what is not such a URL; it quotes nothing of it, as a driver's own error might.
    """
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in schemes:
        raise ValueError(f"the store's URL must begin with {' or '.join(f'{each}://' for each in schemes)}")
    for host in hosts.split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not port.isdecimal():
            raise ValueError(
                "the store's URL has a port that is no number; a password's / : @ ? # must be percent-encoded"
            )
    return hosts or "a local socket", userinfo.partition(":")[2]
