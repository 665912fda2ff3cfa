"""The variants that the contract is tried on; tests choose them by what they can do, never by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from backends import discovery
from backends.store import Settings, Store, Traits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Servers

    Need = Callable[[discovery.Variant, Traits], bool]
    Open = Callable[..., Awaitable[Store]]

KEY = b"a key for tests, 32 bytes long.."

# Every backend as it is by default, and each option that changes how it keeps sessions or reaches its store.
NAMES = sorted(
    {
        *discovery.found(),
        "cookie:encrypted=true",
        "http:tuning=stock",
        "mongodb:driver=pymongo",
        "mongodb:driver=pymongo,tuning=stock",
        "mongodb:journal=true",
        "mongodb:tuning=stock",
        "postgres:durability=async",
        "postgres:durability=unlogged",
        "postgres:tuning=stock",
        "redis:aof=always",
        "redis:driver=sync",
        "redis:driver=threads",
        "redis:tuning=stock",
    }
)


def make(
    name: str, *, url: str = "", namespace: str = "undefined", **options: int | str
) -> tuple[discovery.Variant, Store]:
    """Make the store of a variant with these options besides; without a URL only to be asked about itself."""
    variant = discovery.parse(name)
    changed = variant.options.model_validate(variant.options.model_dump() | options)
    variant = discovery.Variant(variant.backend, changed)
    return variant, variant.make_store(Settings(url=url, key=KEY, namespace=namespace, sample=b"sample"))


def url_of(name: str, servers: Servers) -> str:
    """Return the URL of the server that a variant needs, started if it must be; empty where it needs none."""
    variant = discovery.parse(name)
    kind = variant.backend.server
    return servers.get(kind, variant.server_options).url if kind else ""


def keeps_sessions(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps != "nothing"


def revokes(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps != "nothing" and traits.revocable


def compares(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps != "nothing" and traits.compare_and_set


def holds_records(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps in {"process", "server"}


def is_shared(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps != "nothing" and traits.shared_between_workers


def has_server(_variant: discovery.Variant, traits: Traits) -> bool:
    return traits.keeps == "server"


def is_bounded(variant: discovery.Variant, _traits: Traits) -> bool:
    """Tell whether we bound its pool and its waits, not its driver."""
    return getattr(variant.options, "tuning", None) == "well"


@cache
def _all() -> list[tuple[str, discovery.Variant, Traits]]:
    made = [(name, *make(name)) for name in NAMES]
    return [(name, variant, store.traits) for name, variant, store in made]


def on(*needs: Need) -> pytest.MarkDecorator:
    """Run a test on each variant that it applies to."""
    applies = [name for name, variant, traits in _all() if all(need(variant, traits) for need in needs)]
    return pytest.mark.parametrize("name", applies)
