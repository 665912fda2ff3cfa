"""What an app does while its store is away, and once it is back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from harness.audit.agent import Agent, client
from harness.audit.check import Failed, Skipped, check
from harness.link import Unrelayable, between
from harness.servers.wheel import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import httpx

    from harness.audit.agent import Answer
    from harness.audit.probe import Probe
    from harness.servers.kind import Running

_DEADLINE_MS: Final = 300
_UNKNOWN_MS: Final = 2000
"""What is asked of an app that has no deadline to be set."""
_SLACK_MS: Final = 250
_HANGS_S: Final = 3.0
"""Who has not answered so long after the deadline hangs."""
_READERS: Final = 8
_BUSY_S: Final = 5.0
"""An answer is late when none was in time for so long: a busy machine is slow by itself. Nobody hangs by chance."""
_LOOK_S: Final = 0.01
_INTERNAL, _UNAVAILABLE = 500, 503
patience_s = 20.0
"""Who does not work again by then does not recover."""


@dataclass(frozen=True)
class _Harm:
    """Something that befalls a server; `sessions` says what becomes of them, None where it depends on durability."""

    name: str
    begin: Callable[[Running], None]
    end: Callable[[Running], None]
    sessions: bool | None

    @property
    def title(self) -> str:
        """The name in a sentence."""
        return self.name.replace("_", " ")

    @contextmanager
    def befalls(self, store: Running) -> Iterator[Callable[[], None]]:
        """Do it; gives what ends it, which is done in any case and once."""
        left = [True]

        def end() -> None:
            if left.pop():
                self.end(store)

        self.begin(store)
        try:
            yield end
        finally:
            if left:
                end()


_FREEZE: Final = _Harm("freeze", lambda store: store.suspend(), lambda store: store.resume(), sessions=True)
_HARMS: Final = (
    _FREEZE,
    _Harm("kill", lambda store: store.kill(), lambda store: store.restart(empty=False), sessions=None),
    _Harm("restart_empty", lambda store: store.kill(), lambda store: store.restart(empty=True), sessions=False),
)


@check(
    15,
    "outage",
    "While the store is away requests with a session get 503 with Retry-After in time, and once it is back they work.",
    source="RFC 9110, sections 10.2.3 and 15.6.4; drivers that have no timeout by default wait for a frozen server",
)
def outage(probe: Probe) -> str:
    """Freeze the store's processes, kill them and start them again, with their data and empty, below a running app.

    Eight reads, a write, a login and a logout ask at once while it is away, beside a request that needs no session.
    The time to the first error counts from the harm, the time to recover from the moment in which the server itself
    answers again. Slow is a relay before another app, which has answers come three deadlines late.
    """
    store = probe.store
    if not store.ours:
        raise Skipped("Its store is not ours: it is neither frozen nor killed.")
    options: dict[str, Any] = {"deadline_ms": _DEADLINE_MS} if "deadline_ms" in probe.options else {}
    deadline_ms = options.get("deadline_ms", _UNKNOWN_MS)
    harms, left_out = (_HARMS, "") if isinstance(store, Embedded) else ((_FREEZE,), " A container is never killed.")
    with probe.other(workers=1, **options) as url:
        wrong = _all_faults(probe, url, harms, deadline_ms)
    try:
        with (
            _slowed(probe, 3 * deadline_ms) as (slow, through),
            probe.other(workers=1, store_url=through, **options) as url,
        ):
            wrong += _all_faults(probe, url, [slow], deadline_ms)
            harms = (*harms, slow)
    except Unrelayable as error:
        left_out += f" Nobody could be slowed: {error.reason}."
    _recovered(probe.agent("main"))  # else the next check would find what this one did
    if wrong:
        raise Failed(f"{'; '.join(wrong)}.{left_out}")
    said = [
        f"{harm.title}: 503 after {probe.figures[f'{harm.name}_first_error_ms']:.0f} ms, "
        f"back in {probe.figures[f'{harm.name}_recover_ms']:.0f} ms"
        for harm in harms
    ]
    return f"{'; '.join(said)}.{left_out}"


def _all_faults(probe: Probe, url: str, harms: Iterable[_Harm], deadline_ms: int) -> list[str]:
    with client(url, wait_s=deadline_ms / 1000 + _HANGS_S) as connection:
        tried = [(harm, _Tried(probe, connection, harm, deadline_ms)) for harm in harms]
        return [f"{harm.title}: {fault}" for harm, each in tried for fault in each.faults(probe.store)]


@contextmanager
def _slowed(probe: Probe, slow_ms: int) -> Iterator[tuple[_Harm, str]]:
    """Give a way to the store that can be made slow, and its URL; raises Unrelayable."""
    processes = probe.subject.processes
    assert processes is not None  # noqa: S101 - its store is ours
    with between(processes, probe.store.url, rtt_ms=0, log=probe.subject.folder / "relay.log") as (link, url):
        yield _Harm("slow", lambda _: link.slow(slow_ms), lambda _: link.slow(0), sessions=True), url


class _Tried:
    """One harm, and all that goes wrong with it."""

    def __init__(self, probe: Probe, connection: httpx.Client, harm: _Harm, deadline_ms: int) -> None:
        self._probe = probe
        self._harm = harm
        self._deadline_ms = deadline_ms
        self._connection = connection
        self._faults: dict[str, None] = {}

    def faults(self, store: Running) -> list[str]:
        """Do the harm, ask meanwhile and afterwards, and return what was wrong, each thing once."""
        users = [self._agent(f"user-{number + 1}") for number in range(_READERS)]
        if not all(_recovered(user) for user in users):
            return ["nobody could log in before it"]
        begun = monotonic()
        with self._harm.befalls(store) as end:
            if self._first_error(users[0], begun):
                self._while_away(users)
            end()
            self._afterwards(users, monotonic())
        return list(self._faults)

    def _agent(self, name: str) -> Agent:
        return Agent(self._connection, self._probe.trail, f"{self._harm.name}-{name}")

    def _note(self, what: str, value: float) -> None:
        self._probe.figures[f"{self._harm.name}_{what}"] = round(value, 1)

    def _fault(self, what: str) -> None:
        self._faults[what] = None

    def _first_error(self, user: Agent, begun: float) -> bool:
        """Read until something goes wrong: signals take their time."""
        while monotonic() - begun < _HANGS_S:
            if not user.read(what="until the first error").ok:
                self._note("first_error_ms", (monotonic() - begun) * 1000)
                return True
        self._fault(f"reads were answered as if nothing were for {_HANGS_S:g} s")
        return False

    def _while_away(self, users: list[Agent]) -> None:
        """Ask for everything at once, and again when an answer was late."""
        leaver, newcomer, passer_by = users[-1], self._agent("newcomer"), self._agent("passer-by")
        calls: dict[str, Callable[[], Answer]] = {
            f"read {number + 1}": partial(user.read, cookie=user.cookie, what="while it is away")
            for number, user in enumerate(users)
        }
        calls |= {
            "write": partial(users[1].write, cookie=users[1].cookie, what="while it is away"),
            "login": newcomer.login,
            "logout": partial(leaver.ask, "POST", "/logout", cookie=leaver.cookie, what="while it is away"),
            "ping": partial(passer_by.ask, "GET", "/ping", what="while it is away"),
        }
        begun = monotonic()
        while True:
            answers = dict(zip(calls, self._probe.together(list(calls.values())), strict=True))
            hangs = any(answer.status == 0 for answer in answers.values())
            if hangs or monotonic() - begun > _BUSY_S or not any(map(self._late, answers.values())):
                break
        unharmed = answers.pop("ping")
        slowest_ms = max(answer.took_s for answer in answers.values()) * 1000
        self._note("slowest_ms", slowest_ms)
        if not unharmed.ok or self._late(unharmed):
            self._fault(f"a request without a session got {_told(unharmed)}")
        for name, answer in answers.items():
            self._judge(name.split()[0], answer)
        if any(answer.status == _UNAVAILABLE and self._late(answer) for answer in answers.values()):
            self._fault(f"a 503 took {slowest_ms:.0f} ms, and the deadline is {self._deadline_ms} ms")

    def _judge(self, name: str, answer: Answer) -> None:
        """Say what is wrong with an answer that ought to be 503."""
        if answer.status == 0:
            self._fault(f"a {name} hangs, {answer.text}")
        elif answer.status != _UNAVAILABLE:
            place = " as to a stranger" if answer.anonymous else ""
            self._fault(f"a {name} was answered with {answer.status}{place} in place of 503")
        elif "retry-after" not in answer.headers:
            self._fault(f"a {name}'s 503 has no Retry-After")

    def _late(self, answer: Answer) -> bool:
        return answer.took_s * 1000 > self._deadline_ms + _SLACK_MS

    def _afterwards(self, users: list[Agent], back: float) -> None:
        """Ask until somebody is served, then see that everybody is, and nobody as another."""
        first = users[0]
        while not _serves(first.read(cookie=first.cookie, what="until the store is back")):
            if monotonic() - back > patience_s:
                self._fault(f"nobody was served within {patience_s:g} s after it was back")
                return
            sleep(_LOOK_S)
        self._note("recover_ms", (monotonic() - back) * 1000)
        # The last one's logout, and whatever else was refused, may have been carried out after all.
        for user in users[:-1]:
            self._kept(user)
        fresh = self._agent("fresh")
        if not _recovered(fresh) or not _persistent(partial(fresh.write, what="once it was back")).ok:
            self._fault("nobody could log in and write once it was back")

    def _kept(self, user: Agent) -> None:
        """See what became of a session."""
        answer = _persistent(partial(user.read, what="once it was back"))
        if answer.ok and answer.user != user.name:
            self._fault(f"a session was answered with that of {answer.user} once it was back")
        elif not answer.ok and not answer.anonymous:
            self._fault(f"a session was answered with {_told(answer)} once it was back")
        elif answer.ok and self._harm.sessions is False:
            self._fault("a session was still good though its store was empty")
        elif answer.anonymous and self._harm.sessions is True:
            self._fault("a session was gone once it was back")
        if answer.anonymous:
            lost = self._probe.figures.get(f"{self._harm.name}_sessions_lost", 0)
            self._note("sessions_lost", lost + 1)


def _recovered(agent: Agent) -> bool:
    """Log in, for as long as one has patience."""
    return _persistent(agent.login).ok


def _persistent(ask: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer: the first ones after an outage may still pay for it."""
    begun = monotonic()
    while True:
        answer = ask()
        if _serves(answer) or monotonic() - begun > patience_s:
            return answer
        sleep(_LOOK_S)


def _serves(answer: Answer) -> bool:
    """Whether it comes from an app that works, whatever it says."""
    return 0 < answer.status < _INTERNAL


def _told(answer: Answer) -> str:
    return f"{answer.status or answer.text} after {answer.took_s * 1000:.0f} ms"
