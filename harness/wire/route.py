"""How a store's URL leads through a relay, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

from harness.wire.reader import speech_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.wire.reader import Reader

_ENCRYPTED = "the connection to it is encrypted"
_SCHEMES = {
    "rediss": _ENCRYPTED,
    "https": _ENCRYPTED,
    "mongodb+srv": "its hosts are looked up in DNS, and the connections to them encrypted",
    "unix": "it is reached through a Unix socket",
}
_YES = {"true", "1", "yes"}
_TLS_MODES = {"require", "verify-ca", "verify-full"}


class Unroutable(Exception):  # noqa: N818 - what was found of a URL
    """No relay can stand on this way; the message is a clause that quotes nothing of the URL but its scheme."""


@dataclass(frozen=True)
class Route:
    """The way to a store, whose password is inside: for no log."""

    host: str
    port: int
    reader: Callable[[], Reader]
    _parts: SplitResult = field(repr=False)

    def through(self, port: int) -> str:
        """Return the URL by which the store is reached through a relay on this port of 127.0.0.1."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


def route(url: str) -> Route:
    """Return where a store's URL leads; raises Unroutable where a relay would be passed by, or see nothing."""
    parts = urlsplit(url)
    speech = speech_of(parts.scheme)
    if speech is None:
        raise Unroutable(_SCHEMES.get(parts.scheme, f"the relay cannot read what follows {parts.scheme}://"))
    hosts = parts.netloc.rpartition("@")[2]
    query = {name.lower(): values[-1].lower() for name, values in parse_qs(parts.query).items()}
    if "," in hosts or "replicaset" in query:
        raise Unroutable("its URL names several servers, which the driver would reach past the relay")
    if hosts.lower().startswith("%2f") or query.get("host", "").startswith("/"):
        raise Unroutable(_SCHEMES["unix"])
    if "host" in query:
        raise Unroutable("its URL names the host among its parameters, where the relay does not look")
    if {query.get("tls"), query.get("ssl")} & _YES or query.get("sslmode") in _TLS_MODES:
        raise Unroutable(_ENCRYPTED)
    return Route(parts.hostname or "127.0.0.1", parts.port or speech.port, speech.reader, parts)
