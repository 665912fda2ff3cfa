"""What the application keeps in a session."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

PAYLOAD_BYTES = 1000
MOST_PAYLOAD_BYTES = 10_000_000


def new_session(user: str, payload_bytes: int = PAYLOAD_BYTES) -> dict[str, Any]:
    """Return the session of somebody who has just logged in."""
    return {"user": user, "updates": 0, "payload": payload(user, payload_bytes)}


def payload(seed: str, size: int) -> str:
    """Return `size` characters that do not compress below three quarters: SHAKE-128 of the seed as base64.

    The same seed gives the same text everywhere, and no two users share theirs.
    """
    return base64.urlsafe_b64encode(hashlib.shake_128(seed.encode()).digest(size * 3 // 4 + 1))[:size].decode()
