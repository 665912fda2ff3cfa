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
        """Return (fd, events) of what is ready, or nothing of theirs at this time of CLOCK_MONOTONIC; 0: never."""


class _Epoll:
    """Waits for sockets, and until a time of CLOCK_MONOTONIC, by a timerfd (Linux)."""

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
        """Look for these events, for which 0 is none."""
        if not now:
            self._epoll.unregister(fd)
        elif before:
            self._epoll.modify(fd, now)
        else:
            self._epoll.register(fd, now)

    def wait(self, due_ns: int) -> list[tuple[int, int]]:
        """Return (fd, events) of what is ready, or nothing of ours when it is time; 0: never."""
        if due_ns != self._armed_ns:
            _SPEC.pack_into(self._spec, 0, 0, 0, *divmod(due_ns, _SECOND_NS))
            self._libc.timerfd_settime(self._timer, _ABSOLUTE, self._spec, None)
            self._armed_ns = due_ns
        return self._epoll.poll(-1, _EVENTS)


class _Select:
    """The same by select, wherever there is no epoll."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def watch(self, fd: int, _before: int, now: int) -> None:
        """Look for these events, for which 0 is none."""
        if now:
            self._masks[fd] = now
        else:
            self._masks.pop(fd)

    def wait(self, due_ns: int) -> list[tuple[int, int]]:
        """Return (fd, events) of what is ready, or nothing when it is time; 0: never."""
        readers, writers = ([fd for fd, mask in self._masks.items() if mask & bit] for bit in (IN, OUT))
        timeout_s = max(0, due_ns - monotonic_ns()) / _SECOND_NS if due_ns else None
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        return [*((fd, IN) for fd in readable), *((fd, OUT) for fd in writable)]


def waiter(*, plain: bool = False) -> Waiter:
    """Return the most precise one that this system has; `plain`: the one that every system has."""
    return _Epoll() if sys.platform == "linux" and not plain else _Select()
