"""What the tests of the audit share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.audit.bench import Bench, Pumped

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """Give a place to make subjects and to audit them."""
    with Pumped() as processes:
        yield Bench(processes)
