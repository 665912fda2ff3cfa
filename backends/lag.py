"""How late an event loop wakes: its delay behind a timer of the kernel, fifty times a second."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Late = Callable[[float], None]

_EVERY_S = 0.02
_EVERY_NS = round(_EVERY_S * 1e9)


@asynccontextmanager
async def watched(late: Late) -> AsyncIterator[None]:
    """Call `late` with each delay in seconds while the context lasts.

    Every tick that a busy loop missed counts with its own delay: one that sleeps through a stall and sees its
    end once would make the stall look rare. On Linux the loop watches a timerfd, because uvloop rounds its
    own timers to a millisecond and an idle loop would seem late by half of one; elsewhere it sleeps.
    """
    first_ns = time.monotonic_ns() + _EVERY_NS
    timer = _timer(first_ns)
    if timer is None:
        task = asyncio.create_task(_sleep(late))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(timer, _Ticks(timer, first_ns, late).read)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


class _Ticks:
    """The ticks of a timer, told when the loop comes to read them."""

    def __init__(self, timer: int, first_ns: int, late: Late) -> None:
        self._timer = timer
        self._due_ns = first_ns
        self._late = late

    def read(self) -> None:
        now_ns = time.monotonic_ns()
        try:
            missed = int.from_bytes(os.read(self._timer, 8), sys.byteorder)
        except BlockingIOError:  # epoll may wake without reason
            return
        for _ in range(missed):
            self._late(max(0, now_ns - self._due_ns) / 1e9)
            self._due_ns += _EVERY_NS


async def _sleep(late: Late) -> None:
    due = time.monotonic()
    while True:
        due += _EVERY_S
        await asyncio.sleep(due - time.monotonic())
        late(max(0.0, time.monotonic() - due))


class _Span(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Ringing(ctypes.Structure):
    _fields_ = (("every", _Span), ("first", _Span))


def _timer(first_ns: int) -> int | None:
    """Return a timerfd that ticks from this time of CLOCK_MONOTONIC on, or None where there is none to be had.

    Python itself has it only from 3.13 on.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if timer < 0:
        return None
    ringing = _Ringing(_Span(0, _EVERY_NS), _Span(*divmod(first_ns, 10**9)))
    absolute = 1
    if libc.timerfd_settime(timer, absolute, ctypes.byref(ringing), None) < 0:
        os.close(timer)
        return None
    return timer
