"""Waits for sockets, or until it is time: by epoll and a timerfd, and by select where those are not."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
from time import monotonic_ns
from typing import Final, Protocol

IN, OUT = 1, 4  # as epoll numbers them
_EVENTS: Final = 64
_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_SPEC: Final = struct.Struct("@llll")
_SECOND_NS: Final = 1_000_000_000


class Waiter(Protocol):
    """Watches sockets and the clock for one thread."""

    def watch(self, fd: int, before: int, now: int) -> None:
        """Look for these events instead of those before; 0: for none."""

    def wait(self, due_ns: int) -> list[tuple[int, int]]:
        """Return (fd, events) of what is ready, or none of those at this time of CLOCK_MONOTONIC; 0: never.

        A timer's own may be among them.
        """

    def close(self) -> None:
        """Watch nothing any more."""


class _Epoll:
    """A timerfd has the kernel wake epoll at an absolute time, with no rounding (Linux)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        # Edge-triggered: it wakes once and need not be read.
        self._epoll.register(self._timer, select.EPOLLIN | select.EPOLLET)
        self._spec = ctypes.create_string_buffer(_SPEC.size)
        self._armed_ns = 0

    def watch(self, fd: int, before: int, now: int) -> None:
        if not now:
            self._epoll.unregister(fd)
        elif before:
            self._epoll.modify(fd, now)
        else:
            self._epoll.register(fd, now)

    def wait(self, due_ns: int) -> list[tuple[int, int]]:
        if due_ns != self._armed_ns:
            _SPEC.pack_into(self._spec, 0, 0, 0, *divmod(due_ns, _SECOND_NS))
            self._libc.timerfd_settime(self._timer, _ABSOLUTE, self._spec, None)
            self._armed_ns = due_ns
        return self._epoll.poll(-1, _EVENTS)

    def close(self) -> None:
        self._epoll.close()
        os.close(self._timer)


class _Select:
    """What there is everywhere."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def watch(self, fd: int, _before: int, now: int) -> None:
        if now:
            self._masks[fd] = now
        else:
            self._masks.pop(fd)

    def wait(self, due_ns: int) -> list[tuple[int, int]]:
        readers, writers = ([fd for fd, mask in self._masks.items() if mask & bit] for bit in (IN, OUT))
        timeout_s = max(0, due_ns - monotonic_ns()) / _SECOND_NS if due_ns else None
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        return [*((fd, IN) for fd in readable), *((fd, OUT) for fd in writable)]

    def close(self) -> None:
        self._masks.clear()


def waiter(*, plain: bool = False) -> Waiter:
    """Return the most precise one that this system has; `plain`: the one that every system has."""
    return _Epoll() if sys.platform == "linux" and not plain else _Select()
