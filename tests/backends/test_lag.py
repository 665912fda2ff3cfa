"""The lag of real event loops, idle and blocked; what a busy machine adds must not fail a test."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from backends import lag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Main = Callable[[], Coroutine[Any, Any, list[float]]]

BLOCK_S = 0.03
LONG_BLOCK_S = 0.1
ROUNDING_S = 0.002
"""A loop's own timers are as coarse as this."""
TICK_S = 0.02
ENOUGH = 15
PATIENCE_S = 60.0

linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no timerfd")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], list[float]]:
    loops = pytest.importorskip("uvloop") if request.param == "uvloop" else asyncio

    def runner(main: Main) -> list[float]:
        with asyncio.Runner(loop_factory=loops.new_event_loop) as running:
            return running.run(main())

    return runner


async def idle() -> list[float]:
    late: list[float] = []
    began = time.monotonic()
    async with lag.watched(late.append):
        while len(late) < ENOUGH:  # noqa: ASYNC110 - ticks tell nobody
            await asyncio.sleep(TICK_S)
    assert len(late) <= (time.monotonic() - began) / TICK_S
    return late


async def blocked(block_s: float = BLOCK_S) -> list[float]:
    late: list[float] = []
    async with lag.watched(late.append):
        while not late:  # noqa: ASYNC110 - ticks tell nobody
            await asyncio.sleep(TICK_S)
        late.clear()
        time.sleep(block_s)  # noqa: ASYNC251 - this is what the test is about
        while not late:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
    return late


@linux
def test_an_idle_loop_is_late_by_less_than_a_timer_of_uvloops_is_rounded(
    run: Callable[[Main], list[float]],
) -> None:
    """In the best of many: a loop that shares its CPU is not idle."""
    medians: list[float] = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and min(medians, default=1) > 0.0003:
        medians.append(statistics.median(run(idle)))
    assert min(medians) < 0.0003


def test_a_block_is_seen(run: Callable[[Main], list[float]]) -> None:
    """A tick comes at most 20 ms after it began, and waits for the rest."""
    assert max(run(blocked)) > BLOCK_S - TICK_S - ROUNDING_S


def test_every_tick_that_a_block_delays_counts(run: Callable[[Main], list[float]]) -> None:
    late = run(lambda: blocked(LONG_BLOCK_S))
    assert len(late) >= int(LONG_BLOCK_S / TICK_S)
    assert late[0] > LONG_BLOCK_S - TICK_S - ROUNDING_S
    apart = [one - next_one for one, next_one in pairwise(late[:4])]
    assert apart == pytest.approx([TICK_S] * 3, abs=1e-6 if sys.platform == "linux" else 0.002)


@linux
def test_without_a_timer_of_the_kernel_the_loop_sleeps(
    run: Callable[[Main], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_timer", lambda _: None)
    late = run(lambda: blocked(LONG_BLOCK_S))
    assert late[0] > LONG_BLOCK_S - TICK_S - ROUNDING_S
    assert len(late) >= 2
    run(idle)


@linux
def test_the_timer_is_gone_when_the_watching_ends(run: Callable[[Main], list[float]]) -> None:
    from pathlib import Path  # noqa: PLC0415 - of this platform's test alone

    def timers() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum("timerfd" in str(link.readlink()) for link in links)

    async def counting() -> list[float]:
        before = timers()
        async with lag.watched(lambda _: None):
            assert timers() == before + 1
        assert timers() == before
        return []

    run(counting)
