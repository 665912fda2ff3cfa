"""What lies around a session's bytes in every store: the deadline that no use of the session can move."""

from __future__ import annotations

import struct

HEADER_BYTES = 8
_DEADLINE = struct.Struct(">d")
_LATEST = float(2**40)
"""Beyond any deadline that we write (36,000 years); NaN compares false and is refused with it."""


def pack(deadline: float, payload: bytes) -> bytes:
    """Put the absolute deadline (Unix s) in front of the encoded session."""
    return _DEADLINE.pack(deadline) + payload


def unpack(data: bytes) -> tuple[float, bytes] | None:
    """Return deadline and encoded session, or None for bytes that `pack` did not write."""
    if len(data) < HEADER_BYTES:
        return None
    (deadline,) = _DEADLINE.unpack_from(data)
    return (deadline, data[HEADER_BYTES:]) if 0 < deadline < _LATEST else None


def repack(data: bytes, payload: bytes) -> bytes:
    """Put another encoded session behind the deadline that `data` already bears."""
    return data[:HEADER_BYTES] + payload
