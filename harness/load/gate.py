"""Open load: users wait here for arrivals, which come at a rate whatever the answers do."""

from __future__ import annotations

import random
from collections import deque
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from gevent import get_hub, getcurrent
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, DefaultTaskSet, TaskSet

from harness.load.alarm import alarm
from harness.load.spool import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from locust import User

    from harness.load.recorder import Flight


def intervals_ns(rate_per_s: float, kind: str, rng: random.Random) -> Iterator[float]:
    """Yield the intervals between arrivals in ns: exponential ones (a Poisson process), or all alike (`constant`)."""
    mean_ns = 1e9 / rate_per_s
    while True:
        yield rng.expovariate(1) * mean_ns if kind == "exponential" else mean_ns


class Gate:
    """Lets a user do its next step when an arrival comes.

    A free user, drawn at random, takes each arrival; with none free the arrival waits, first come first served, and its
    waiting counts. The draw and the intervals are seeded. With several arms each arrival draws the arm first, and then
    only that arm's users can take it.
    """

    def __init__(self, flight_of: Callable[[User], Flight], seed: str, arms: int = 1) -> None:
        self._flight_of = flight_of
        self._rng = random.Random(seed)  # noqa: S311 - a load is no secret
        self._free: list[list[tuple[Any, Flight]]] = [[] for _ in range(arms)]
        self._waiting: list[deque[int]] = [deque() for _ in range(arms)]
        self._only: int | None = None if arms > 1 else 0
        self._alarm = alarm(self._arrive)
        self._intervals: Iterator[float] = iter(())
        self._next_ns = 0.0
        self._end_ns = float("inf")
        self._loops = 0

    def begin(
        self, at_ns: int, *, rate_per_s: float, kind: str, share: tuple[int, int] = (0, 1), only: int | None = None
    ) -> None:
        """Let arrivals come from this time on; `share` is (index, number) of the generators that part the rate.

        The parts of a Poisson process are Poisson processes; constant arrivals take turns. With `only` they are all
        that arm's.
        """
        index, number = share
        self._only = 0 if len(self._free) == 1 else only
        self._end_ns = float("inf")
        self._intervals = intervals_ns(rate_per_s / number, kind, self._rng)
        first = next(self._intervals) if kind == "exponential" else index * 1e9 / rate_per_s
        self._next_ns = at_ns + first
        self._alarm.at(int(self._next_ns))

    def end(self, at_ns: int) -> None:
        """Let no arrival come from this time on."""
        self._end_ns = at_ns

    def drained(self) -> bool:
        """Return whether no arrival waits for a user."""
        return not any(self._waiting)

    def rest(self) -> list[tuple[int, int]]:
        """Take away the arrivals that still wait, as their arms and intended times in ns."""
        rest = [(arm, due_ns) for arm, waiting in enumerate(self._waiting) for due_ns in waiting]
        for waiting in self._waiting:
            waiting.clear()
        return rest

    def loop(self, users: int) -> None:
        """Turn so many users of the one arm into closed loops, which do step after step; the others wait on."""
        (free,) = self._free
        self._loops = users
        run = get_hub().loop.run_callback
        for greenlet, flight in free[:users]:
            self._set_looping(flight)
            run(greenlet.switch)
        del free[:users]

    def take(self, user: User) -> None:
        """Wait, in a user's greenlet, until it may do its next step."""
        flight = self._flight_of(user)
        if flight.loops:
            return
        if waiting := self._waiting[flight.arm]:
            flight.scheduled_ns, flight.wake_lag_ns = waiting.popleft(), NONE
            return
        if self._loops:
            self._set_looping(flight)
            return
        place = getcurrent(), flight
        free = self._free[flight.arm]
        free.append(place)
        user._state = LOCUST_STATE_WAITING  # so that Locust stops it at once  # noqa: SLF001
        try:
            get_hub().switch()
        except BaseException:
            if place in free:
                free.remove(place)
            raise
        user._state = LOCUST_STATE_RUNNING  # noqa: SLF001 - see above

    def _set_looping(self, flight: Flight) -> None:
        self._loops -= 1
        flight.loops = True
        flight.scheduled_ns = flight.wake_lag_ns = NONE

    def _arrive(self) -> None:
        """Hand out every arrival that is due, then sleep until the next; runs in the hub."""
        end_ns, only, draw = self._end_ns, self._only, self._rng.random
        while (due_ns := self._next_ns) <= (now_ns := monotonic_ns()) and due_ns < end_ns:
            self._next_ns = due_ns + next(self._intervals)
            arm = int(draw() * len(self._free)) if only is None else only
            free = self._free[arm]
            if not free:
                self._waiting[arm].append(int(due_ns))
                continue
            place = int(draw() * len(free))
            free[place], free[-1] = free[-1], free[place]
            greenlet, flight = free.pop()
            flight.scheduled_ns = int(due_ns)
            flight.wake_lag_ns = now_ns - int(due_ns)
            greenlet.switch()  # it sends, and comes back here when it waits for its answer
        if self._next_ns < end_ns:
            self._alarm.at(int(self._next_ns))


def install(gate: Gate) -> None:
    """Have every task of every user wait at the gate; `wait_time` does not count, for arrivals pace the users."""
    for tasks in (TaskSet, DefaultTaskSet):
        tasks.execute_task = _gated(tasks.execute_task, gate)  # type: ignore[method-assign]
    TaskSet.wait = _wait  # type: ignore[method-assign]


def _gated(execute: Callable[[TaskSet, Any], None], gate: Gate) -> Callable[[TaskSet, Any], None]:
    def execute_when_due(tasks: TaskSet, task: Any) -> None:
        # A task set is no step: its own tasks are.
        if not (isinstance(task, type) and issubclass(task, TaskSet)):
            gate.take(tasks.user)
        execute(tasks, task)

    return execute_when_due


def _wait(tasks: TaskSet) -> None:
    if tasks.user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001 - as TaskSet.wait does
        raise StopUser
