"""Several processes that serve one app are of one mind about its sessions."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from harness.audit.agent import Agent
from harness.audit.check import Failed, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from harness.audit.agent import Answer
    from harness.audit.probe import Probe

_CONNECTIONS: Final = 64
"""So many are opened to find two workers: the kernel gives no promise who accepts the next."""
_ROUNDS: Final = 2
_RECONNECTING_ROUNDS: Final = 6
_LOOKS: Final = 2


@check(
    16,
    "workers",
    "Whichever worker is asked, the session is the same.",
    source="expressjs/session README: the MemoryStore does not scale past a single process",
)
def workers(probe: Probe) -> str:
    """Log in at one worker, write and read at both in turns, log out at one; then begin at the other."""
    alone = probe.traits.get("keeps") == "process" and probe.subject.workers == 1
    if probe.subject.arm is None or alone:
        return _reconnecting(probe, "The sessions live in its only process: " if alone else "")
    with ExitStack() as stack:
        url = None if probe.subject.workers > 1 else stack.enter_context(probe.other(workers=2))
        pair = stack.enter_context(_two_workers(probe, url))
        if len(pair) < 2:  # noqa: PLR2004 - the check is about two
            why = f"{_CONNECTIONS} connections all led to one worker" if pair else "Its workers do not tell their pid"
            return _reconnecting(probe, f"{why}: ", url)
        for order in (pair, pair[::-1]):
            _visits(probe.agent(), cycle(order), _ROUNDS)
    probe.figures["workers_asked"] = 2
    return "Two workers, each on a connection of its own, agreed after every login, write and logout at the other."


def _reconnecting(probe: Probe, why: str, url: str | None = None) -> str:
    """Take another connection for each request, wherever it leads."""
    user = probe.agent(url=url)
    requests = _visits(user, cycle([user.connection]), _RECONNECTING_ROUNDS)
    probe.figures["connections"] = requests
    return f"{why}{requests} requests, each on a new connection, agreed on one session and on its end."


@contextmanager
def _two_workers(probe: Probe, url: str | None) -> Iterator[list[httpx.Client]]:
    """Give a connection to each of two workers, fewer where they cannot be found by the `pid` of /about."""
    found: dict[int, httpx.Client] = {}
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(probe.kept(url))
            pid = Agent(connection, probe.trail, "prober").ask("GET", "/about").body.get("pid")
            if not isinstance(pid, int):
                break
            found.setdefault(pid, connection)
            if len(found) > 1:
                break
        yield list(found.values())


def _visits(user: Agent, connections: Iterable[httpx.Client], rounds: int) -> int:
    """Live through a session, each request over the next connection; returns how many there were."""
    over = iter(connections)

    def ask(method: str, path: str, **given: Any) -> Answer:
        user.connection = next(over)
        return user.ask(method, path, **given)

    ask("POST", "/login", body={"user": user.name}).expected("A login")
    for updates in range(1, rounds + 1):
        # Three requests a round, so that writes and reads change places between two workers.
        written = ask("POST", "/profile", body={"note": "n"})
        _same(user, written, updates, "a write")
        for _ in range(_LOOKS):
            _same(user, ask("GET", "/profile"), updates, "a read")
    old = user.cookie
    ask("POST", "/logout").expected("A logout")
    statuses = {ask("GET", "/profile", cookie=old, what="with the old cookie").status for _ in range(_LOOKS)}
    if len(statuses) > 1:
        told = " and ".join(map(str, sorted(statuses)))
        raise Failed(f"After a logout the old cookie was answered with {told}, depending on who was asked.")
    return 2 + rounds * (1 + _LOOKS) + _LOOKS


def _same(user: Agent, answer: Answer, updates: int, what: str) -> None:
    if not answer.ok:
        raise Failed(f"Over another connection {what} in a live session got {answer.told}.")
    if (answer.user, answer.updates) != (user.name, updates):
        raise Failed(
            f"Over another connection {what} was for {answer.user} with {answer.updates} updates, "
            f"not {user.name} with {updates}."
        )
