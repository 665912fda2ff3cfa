"""What is planted is what was said: a share of the CPU that the app uses without it."""

from __future__ import annotations

from time import process_time_ns
from typing import TYPE_CHECKING, Any

import pytest

from harness.plant import Burnt, cpu, tail

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 100


def use(ns: int) -> None:
    until = process_time_ns() + ns
    while process_time_ns() < until:
        pass


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_what_is_burnt_is_a_share_of_the_rest(share: float) -> None:
    """All of it is CPU time, which no neighbour lengthens; what begins here ends with the last payment."""
    burnt = Burnt([share])
    begun = process_time_ns()
    burnt.pay()
    for _ in range(REQUESTS):
        use(200_000)
        burnt.pay()
    spent = process_time_ns() - begun
    own = REQUESTS * 200_000
    assert spent >= own * (1 + share)
    assert spent < own * (1 + share) * 1.5


@pytest.mark.anyio
async def test_each_part_has_its_own_share(tmp_path: Path) -> None:
    """The file appears after the first requests, as the generator makes it when it is ready."""
    file, spent = tmp_path / "part", []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the face of an ASGI app
        use(200_000)
        await send({"type": "http.response.start"})

    async def sent(message: Any) -> None:
        pass

    planted = cpu(app, [0.0, 1.0], str(file))
    for part in (None, 0, 1):
        if part is not None:
            file.touch()
            with file.open("r+b") as opened:
                opened.write(bytes([part]))
        begun = process_time_ns()
        for _ in range(REQUESTS):
            await planted({"type": "http"}, None, sent)
        spent.append(process_time_ns() - begun)
    own = REQUESTS * 200_000
    assert spent[2] >= 1.9 * own
    assert max(spent[:2]) < 1.5 * own


@pytest.mark.anyio
async def test_a_tail_makes_a_share_of_the_requests_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    monkeypatch.setattr("harness.plant.asyncio.sleep", sleep)
    planted = tail(app, 0.01, 0.02)
    for _ in range(10_000):
        await planted({"type": "http"}, None, None)
    assert set(waits) == {0.02}
    assert 60 < len(waits) < 140
