"""Stores of a test's variant, opened as a worker would and closed with the test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from backends import discovery
from tests.backends.variants import make, url_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from backends.store import Store
    from tests.backends.variants import Open
    from tests.conftest import Servers

PATIENT_MS = 20_000
"""A busy machine must not fail what is no test of speed."""


@pytest.fixture
def url(name: str, namespace: str, servers: Servers) -> Iterator[str]:
    """Give the URL of the variant's server, and clean up there; a test may have a second namespace."""
    yield url_of(name, servers)
    variant = discovery.parse(name)
    if variant.backend.server is not None:
        server = servers.get(variant.backend.server, variant.server_options)
        for used in (namespace, f"{namespace}_other"):
            server.drop(used)


@pytest.fixture
async def open_store(name: str, namespace: str, url: str) -> AsyncIterator[Open]:
    """Give a function that opens one more store."""
    async with AsyncExitStack() as opened:

        async def opener(*, inside: str = namespace, **options: int | str) -> Store:
            _, store = make(name, url=url, namespace=inside, deadline_ms=PATIENT_MS, **options)
            opened.push_async_callback(store.close)
            await store.open()
            return store

        yield opener


@pytest.fixture
async def store(open_store: Open) -> Store:
    return await open_store()
