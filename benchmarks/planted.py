"""The ordinary app with a slowdown of a known size in it: factories for a variant's `app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.app import create_app
from harness import plant

if TYPE_CHECKING:
    from harness.plant import Asgi

TAIL_SHARE, TAIL_S = 0.01, 0.020


def cpu_3() -> Asgi:
    """Burn 3 % of what the app uses by itself."""
    return plant.cpu(create_app(), [0.03])


def cpu_5() -> Asgi:
    """Burn 5 %."""
    return plant.cpu(create_app(), [0.05])


def cpu_10() -> Asgi:
    """Burn 10 %."""
    return plant.cpu(create_app(), [0.10])


def tail() -> Asgi:
    """Let one request in a hundred wait for 20 ms."""
    return plant.tail(create_app(), TAIL_SHARE, TAIL_S)
