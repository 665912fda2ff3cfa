"""What every reader of a protocol does, and how the right one is found."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from harness import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Unreadable(Exception):  # noqa: N818 - what the reader found
    """These bytes are not the protocol's, or are encrypted; the message is a clause."""


class Seen(NamedTuple):
    """What a piece of a stream brought to its end; the bytes are those of whole messages that belong to requests."""

    commands: int = 0
    size: int = 0


class Reader(Protocol):
    """Reads both directions of one connection, in pieces of any size; raises Unreadable once and for all."""

    unanswered: int
    """Requests whose answer is not complete yet, a driver's own monitoring left out."""

    def to_store(self, data: bytes) -> Seen:
        """Take in what the app sent."""

    def from_store(self, data: bytes) -> Seen:
        """Take in what the store sent."""


@dataclass(frozen=True)
class Speech:
    """How a URL's scheme is spoken."""

    reader: Callable[[], Reader]
    port: int
    """Where the scheme's servers listen when the URL does not say."""


def speech_of(scheme: str) -> Speech | None:
    """Return how this scheme is spoken, or None where nobody here can read it.

    Every module of this package that defines SCHEMES and READER takes part.
    """
    for each in pkgutil.iter_modules(wire.__path__):
        module = importlib.import_module(f"{wire.__name__}.{each.name}")
        if scheme in getattr(module, "SCHEMES", {}):
            return Speech(module.READER, module.SCHEMES[scheme])
    return None


def messages(buffer: bytearray, length: Callable[[bytearray], int | None]) -> Iterator[bytes]:
    """Take whole messages off a buffer; `length` tells the first one's, or None while it cannot."""
    while (size := length(buffer)) is not None and size <= len(buffer):
        message = bytes(buffer[:size])
        del buffer[:size]
        yield message
