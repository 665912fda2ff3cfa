"""Whether the generator's memory grows with what it records, and whether growth would be noticed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.instrument import memory

if TYPE_CHECKING:
    from pathlib import Path

    from harness.processes import Processes

REQUESTS = 40_000
PER_REQUEST_BYTES = 20
"""A recorded row is twice as large, and any object of Python's as well."""
AFTER = 0.3
"""Buffers and caches have their size by then."""

HOARDER = """
from locust import FastHttpUser, constant, task

kept = []

class Hoarder(FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/ping")
        kept.append(bytearray(8))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere freed memory need not leave the RSS")


def growth(processes: Processes, *scenario: Path) -> float:
    *_, seen = memory.soak(processes, REQUESTS, *scenario)
    return seen.bytes_per_request(AFTER)


def test_memory_does_not_grow_with_requests(processes: Processes) -> None:
    assert growth(processes) < PER_REQUEST_BYTES


def test_a_scenario_that_keeps_something_of_each_request_is_noticed(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "hoarder.py").write_text(HOARDER)
    assert growth(processes, tmp_path / "hoarder.py") > PER_REQUEST_BYTES
