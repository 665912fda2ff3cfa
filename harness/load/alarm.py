"""A timer that gevent's hub watches: precise to tens of µs where gevent's own are late by a millisecond."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

from gevent import get_hub

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_READABLE: Final = 1
_FIRST: Final = 2
"""libev serves watchers of a higher priority first (its EV_MAXPRI)."""
_SPEC: Final = struct.Struct("@llll")


class Alarm(Protocol):
    """Rings once at each time that it is set to; a callback that runs in the hub, which must not block it."""

    def at(self, due_ns: int) -> None:
        """Set it to a time of CLOCK_MONOTONIC, at once if that is past; an earlier setting is forgotten."""

    def close(self) -> None:
        """Never ring again."""


class _Timerfd:
    """A timerfd with absolute times (Linux): the kernel wakes epoll itself, with no rounding to milliseconds."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = ctypes.create_string_buffer(_SPEC.size)
        self._ring = ring
        self._watcher = get_hub().loop.io(self._fd, _READABLE)
        self._watcher.priority = _FIRST
        self._watcher.start(self._rung)

    def at(self, due_ns: int) -> None:
        _SPEC.pack_into(self._spec, 0, 0, 0, *divmod(due_ns, 1_000_000_000))
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, self._spec, None)

    def close(self) -> None:
        if self._fd >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1

    def _rung(self) -> None:
        os.read(self._fd, 8)
        self._ring()


class _Timer:
    """What libev offers elsewhere: rounded to milliseconds, and its lag is recorded like any other."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: Any = None

    def at(self, due_ns: int) -> None:
        self.close()
        self._timer = get_hub().loop.timer(max(0.0, (due_ns - monotonic_ns()) / 1e9), priority=_FIRST)
        self._timer.start(self._ring, update=True)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def alarm(ring: Callable[[], None]) -> Alarm:
    """Return the most precise alarm that this system has."""
    return (_Timerfd if sys.platform == "linux" else _Timer)(ring)
