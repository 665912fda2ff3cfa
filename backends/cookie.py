"""The client's own cookie, signed or encrypted: no store to ask, and nothing to revoke a session with."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from backends import cookies, store
from backends.store import Record, Refused, Traits

if TYPE_CHECKING:
    from backends.store import Settings

SERVER: str | None = None
SERVER_OPTIONS: frozenset[str] = frozenset()

_HEADER = struct.Struct(">Id")
"""What is sealed in front of the data: version and expiry (Unix s)."""
_VERSIONS = 2**32
_MAC_BYTES = hashlib.sha256().digest_size
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Options(store.Options):
    """How the cookie is sealed."""

    encrypted: bool = Field(False, description="AES-256-GCM, so that the client cannot read it, instead of HMAC-SHA256")


class _Seal(Protocol):
    """Makes bytes that only the holder of the key can have made."""

    overhead_bytes: int

    def close(self, content: bytes) -> bytes: ...

    def open(self, sealed: bytes) -> bytes | None: ...


class _Signed:
    overhead_bytes = _MAC_BYTES

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, content: bytes) -> bytes:
        return content + hmac.digest(self._key, content, "sha256")

    def open(self, sealed: bytes) -> bytes | None:
        content, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        return content if hmac.compare_digest(hmac.digest(self._key, content, "sha256"), mac) else None


class _Encrypted:
    overhead_bytes = _NONCE_BYTES + _TAG_BYTES

    def __init__(self, key: bytes) -> None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only this variant needs the library
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the same

        self._invalid = InvalidTag
        self._cipher = AESGCM(key)

    def close(self, content: bytes) -> bytes:
        # Random nonces are good for 2**32 cookies under one key (NIST SP 800-38D, section 8.3).
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, None)

    def open(self, sealed: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except self._invalid:
            return None


class Store:
    """The token is the session itself; each change makes another, and the former stay good until they expire.

    The seal's key is derived from the app's for this purpose and namespace, so that nothing else that was
    signed or encrypted with it, and no other namespace's cookie, can be mistaken for a session.
    """

    def __init__(self, options: Options, settings: Settings) -> None:
        purpose = "encrypted" if options.encrypted else "signed"
        key = derive(settings.key, f"session-bench {purpose} cookie 1 {settings.namespace}".encode())
        self._seal: _Seal = _Encrypted(key) if options.encrypted else _Signed(key)
        self._overhead_bytes = _HEADER.size + self._seal.overhead_bytes
        self.driver: str | None = "cryptography" if options.encrypted else None
        self.traits = Traits(
            keeps="client",
            revocable=False,
            compare_and_set=False,
            shared_between_workers=True,
            durability="every acknowledged write",
            # Four characters of base64 without padding carry three bytes.
            max_bytes=cookies.MAX_VALUE_BYTES * 3 // 4 - self._overhead_bytes,
        )

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """Answer at once."""

    async def get(self, token: str) -> Record | None:
        """Open the seal."""
        return self._read(token)

    async def create(self, data: bytes, expires_at: float, *, replaces: str | None = None) -> Record:  # noqa: ARG002 - nobody can take a cookie back
        """Seal it."""
        return self._write(data, 1, expires_at)

    async def update(
        self, token: str, data: bytes, expires_at: float, *, if_version: int | None = None
    ) -> Record | Refused:
        """Seal it again; the version tells this token's own history, of which there may be several."""
        former = self._read(token)
        if former is None:
            return Refused.GONE
        if if_version is not None and former.version != if_version:
            return Refused.CONFLICT
        return self._write(data, (former.version + 1) % _VERSIONS, expires_at)

    async def touch(self, token: str, expires_at: float) -> Record | None:
        """Seal it again with another expiry."""
        former = self._read(token)
        return None if former is None else self._write(former.data, former.version, expires_at)

    async def delete(self, token: str) -> None:
        """Impossible: whoever kept the cookie still has it."""

    async def sweep(self) -> int:
        """Nothing to sweep."""
        return 0

    async def seed(self, sessions: list[tuple[bytes, float]]) -> None:
        """There is no place to put them."""

    async def count(self) -> int:
        """There is no place that holds records."""
        return 0

    def _write(self, data: bytes, version: int, expires_at: float) -> Record:
        sealed = self._seal.close(_HEADER.pack(version, expires_at) + data)
        return Record(_printed(sealed), data, version, expires_at)

    def _read(self, token: str) -> Record | None:
        sealed = _parsed(token)
        if sealed is None or len(sealed) < self._overhead_bytes:
            return None
        content = self._seal.open(sealed)
        if content is None:
            return None
        version, expires_at = _HEADER.unpack_from(content)
        if expires_at <= time.time():
            return None
        return Record(token, content[_HEADER.size :], version, expires_at)


def derive(key: bytes, purpose: bytes) -> bytes:
    """Derive a key of 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) without salt, one block long."""
    extracted = hmac.digest(bytes(_MAC_BYTES), key, "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")


def _printed(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _parsed(token: str) -> bytes | None:
    """Return the token's bytes, or None unless it is the one spelling that `_printed` gives them."""
    if len(token) > cookies.MAX_VALUE_BYTES:
        return None
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    return sealed if _printed(sealed) == token else None
