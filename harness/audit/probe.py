"""What a check has in its hands: agents, apps with other options, the store, and a trail of all that was said."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Any, Self, TypeVar

from harness.audit.agent import Agent, Trail, client
from harness.audit.check import Inexcusable, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    import httpx

    from harness.audit.agent import Answer
    from harness.audit.subject import Subject
    from harness.servers.kind import Running

T = TypeVar("T")

HOLD_MS = 300
"""How long a slow request pauses between its read and its write: others come in between with certainty."""
_HEAD_START_S = HOLD_MS / 3000
"""Nobody can be asked from outside whether a slow request has read its session: so long it is believed to take."""
_MOST_AT_ONCE = 64
_NOT_FOUND, _NO_METHOD = 404, 405


class Probe:
    """One check's view of a subject; `figures` is what it counts or times, by names that hold their units.

    `quick` asks a check to leave out what takes more than a fraction of a second.
    """

    def __init__(self, subject: Subject, *, quick: bool = False) -> None:
        self.subject = subject
        self.quick = quick
        self.trail = Trail()
        self.figures: dict[str, float] = {}
        self._numbers = count(1)
        self._lock = Lock()
        self._stack = ExitStack()
        self._clients: dict[str, httpx.Client] = {}

    def __enter__(self) -> Self:
        self._threads = self._stack.enter_context(ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="agent"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def options(self) -> Mapping[str, Any]:
        """The variant's options, all of them; empty where they are not known."""
        return {**self.subject.stated, **self.subject.options}

    @property
    def traits(self) -> Mapping[str, Any]:
        """What it says it can; empty where it says nothing."""
        return self.subject.traits

    @property
    def store(self) -> Running:
        """The server that keeps its sessions; raises Skipped where there is none that we know."""
        if self.subject.store is None:
            raise Skipped("It has no store whose URL is known, so nobody but itself can be asked.")
        return self.subject.store

    def agent(self, name: str = "", url: str | None = None) -> Agent:
        """Return a new user, not logged in, whose requests each take a connection of their own.

        `url` is that of an app that `other` gave; else the main one is asked.
        """
        url = url or self.subject.url
        with self._lock:
            if url not in self._clients:
                self._clients[url] = self._stack.enter_context(client(url))
            return Agent(self._clients[url], self.trail, name or f"user-{next(self._numbers)}")

    @contextmanager
    def kept(self, url: str | None = None) -> Iterator[httpx.Client]:
        """Give one connection that is kept; `Agent(connection, probe.trail, name)` is a user on it."""
        with client(url or self.subject.url, kept=True) as made:
            yield made

    def other(self, *, workers: int | None = None, store_url: str | None = None, **options: Any) -> Any:
        """Give another app of the variant for a `with` block, as `Subject.other` does."""
        return self.subject.other(workers=workers, store_url=store_url, **options)

    @contextmanager
    def renewing(self) -> Iterator[str | None]:
        """Give another app that extends a session at every use, where the main one does when half its time is gone.

        None where it cannot be had.
        """
        with ExitStack() as stack:
            try:
                url = stack.enter_context(self.other(slide="threshold", slide_at=1))
            except Skipped:
                url = None
            yield url

    def user(self, name: str = "", url: str | None = None, **body: Any) -> Agent:
        """Return a new user who is logged in; raises Inexcusable when that cannot be."""
        agent = self.agent(name, url)
        answer = agent.login(**body)
        if not answer.ok:
            raise Inexcusable(f"Nobody can log in: POST /login was answered with {answer.told}.")
        return agent

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Begin a request that others are to overtake; its result is asked for later."""
        return self._threads.submit(call)

    def together(self, calls: list[Callable[[], T]]) -> list[T]:
        """Make requests at the same time, and return their answers in the order of the calls."""
        return [future.result() for future in [self._threads.submit(call) for call in calls]]

    def overtaken(self, slow: Callable[[], Answer], by: Callable[[], Answer]) -> tuple[Answer, Answer] | None:
        """Make a slow request and, while it pauses, a quick one; returns both answers.

        None when the slow one did not pause, or the quick one was no quicker.
        """
        begun = self.begin(slow)
        sleep(_HEAD_START_S)
        quick = by()
        overtook = not begun.done()
        answer = begun.result()
        return (answer, quick) if overtook and answer.took_s * 1000 >= HOLD_MS else None

    def needs_holding(self) -> None:
        """Raise Skipped for a subject without `hold_ms`, on which nothing can be brought to overlap."""
        answer = self.user("prober").read(hold_ms=HOLD_MS)
        if not answer.ok or answer.took_s * 1000 < HOLD_MS:
            raise Skipped("GET /profile?hold_ms=… does not pause there, so requests cannot be made to overlap.")

    def needs_route(self, method: str, path: str) -> None:
        """Raise Skipped for a subject that lacks a route."""
        answer = self.agent("prober").ask(method, path, body={"note": "n"} if method == "POST" else None)
        if answer.status in {_NOT_FOUND, _NO_METHOD}:
            raise Skipped(f"It has no route {method} {path}.")

    def records(self, url: str | None = None) -> int:
        """Return how many records the store holds, expired ones included.

        By the harness's own connection where the store is known, else as the app itself counts (GET /count), the main
        one or that at `url`. Raises Skipped where neither can be had.
        """
        if self.subject.store is not None:
            return self.subject.store.count(self.subject.namespace)
        return self._counted("records", url)

    def writes(self, url: str | None = None) -> int:
        """Return how many operations that write the app has asked of its own store (GET /count); else as `records`."""
        return self._counted("writes", url)

    @contextmanager
    def alone(self) -> Iterator[str]:
        """Give the URL of an app that knows all it has done: of one worker, where each keeps and counts for itself."""
        if self.subject.store is None and self.subject.workers > 1:
            with self.other(workers=1) as url:
                yield url
        else:
            yield self.subject.url

    def _counted(self, what: str, url: str | None) -> int:
        answer = self.agent("counter", url).ask("GET", "/count")
        count = answer.body.get(what) if answer.ok else None
        if not isinstance(count, int):
            raise Skipped("It has no store whose URL is known, and no route GET /count that would tell.")
        return count
