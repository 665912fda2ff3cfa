"""Listens to Locust's own request event and records every request, whole."""

from __future__ import annotations

import itertools
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket
from locust import User

from harness.load.spool import NONE, OUTCOMES, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from harness.load.spool import Sink

_FLUSH_S = 0.25
_MOST_MESSAGES = 100
_NUMBER = {outcome: number for number, outcome in enumerate(OUTCOMES)}


class Flight:
    """What is known of a user between its sending and its answer; times are ns of CLOCK_MONOTONIC or NONE."""

    __slots__ = ("arm", "loops", "number", "open", "scheduled_ns", "sent_ns", "wake_lag_ns")

    def __init__(self, number: int, arm: int = 0) -> None:
        self.number = number
        self.arm = arm
        """Whose app it loads: the arm's place in the trial."""
        self.open = False
        """Whether a request waits for its answer."""
        self.loops = False
        """Whether the user goes on by itself, without arrivals."""
        self.scheduled_ns = NONE
        """The intended start of what the user does next."""
        self.wake_lag_ns = NONE
        self.sent_ns = NONE


_NOBODY = Flight(-1)


class Recorder:
    """Records the requests of one Locust worker.

    What a request carries through Locust's event is its context: who sent it, when it was meant to start, when it was
    sent. So requests of any client are recorded alike.
    """

    def __init__(self, environment: Environment, sink: Sink, arms: int = 1) -> None:
        self._environment = environment
        self._arms = arms
        self._writer = Writer(sink)
        self._record = self._writer.add
        self._flights: list[Flight] = []
        self._numbers = itertools.count()
        self._messages: dict[str, int] = {}
        self._cut_ns = NONE
        for user_class in environment.user_classes:
            user_class.context = self._stamping(user_class.context)  # type: ignore[method-assign,assignment]
        environment.events.request.add_listener(self._on_request)
        environment.events.user_error.add_listener(self._on_user_error)
        self._flusher = gevent.spawn(self._flush_forever)

    def flight(self, user: User) -> Flight:
        """Return what is known of a user; users take their turns among the arms."""
        known = user.__dict__.get("_flight")
        if known is None:
            number = next(self._numbers)
            known = user.__dict__["_flight"] = Flight(number, number % self._arms)
            self._flights.append(known)
        return known

    def in_flight(self) -> bool:
        """Return whether a request waits for its answer."""
        return any(flight.open for flight in self._flights)

    def cut(self, unsent: list[tuple[int, int]]) -> None:
        """Record what is in flight as cut, with the wait that was seen, and the arrivals that never got a user.

        Those are given as (arm, intended start in ns). An answer that comes later is not recorded again.
        """
        now_ns = self._cut_ns = monotonic_ns()
        for flight in self._flights:
            if flight.open:
                flight.open = False
                wait_ns = now_ns - flight.sent_ns
                self._add("(cut)", flight, flight.scheduled_ns, flight.wake_lag_ns, flight.sent_ns, wait_ns, "cut")
        for arm, scheduled_ns in unsent:
            self._add("(unsent)", Flight(-1, arm), scheduled_ns, NONE, NONE, now_ns - scheduled_ns, "unsent")

    def close(self, **facts: Any) -> None:
        """Hand on what is left, with the facts; what the scenario counted of its own checks is one of them."""
        self._flusher.kill()
        counted: dict[str, list[int]] = getattr(self._environment, "session_checks", {})
        checks = {name: list(tally) for name, tally in counted.items()}
        self._writer.close(**facts, messages=self._messages, checks=checks)

    def _stamping(self, context: Callable[[User], dict[str, Any]]) -> Callable[[User], dict[str, Any]]:
        """Wrap `User.context`, which Locust calls as it sends, into one that says who sends and when."""
        is_locusts = context is User.context

        def stamped(user: User) -> dict[str, Any]:
            flight = user.__dict__.get("_flight") or self.flight(user)
            own = {} if is_locusts else {**context(user)}
            flight.open = True
            flight.sent_ns = sent_ns = monotonic_ns()
            own["flight"] = flight
            own["sent_ns"] = sent_ns
            own["scheduled_ns"] = flight.scheduled_ns
            own["wake_lag_ns"] = flight.wake_lag_ns
            return own

        return stamped

    def _on_request(  # noqa: PLR0917 - the event's own arguments, always given by name
        self,
        name: str,
        response_time: float,
        response_length: int,
        exception: BaseException | None,
        context: dict[str, Any],
        response: Any = None,
        request_type: str = "",  # noqa: ARG002 - named fields cost less than a dictionary of the rest
        start_time: float = 0.0,  # noqa: ARG002 - as above
        url: str = "",  # noqa: ARG002 - as above
        **_: Any,
    ) -> None:
        service_ns = round(response_time * 1e6)
        flight: Flight | None = context.get("flight")
        if flight is None:  # fired by hand, without a user
            flight, scheduled_ns, wake_lag_ns, sent_ns = _NOBODY, NONE, NONE, monotonic_ns() - service_ns
        else:
            scheduled_ns, wake_lag_ns, sent_ns = context["scheduled_ns"], context["wake_lag_ns"], context["sent_ns"]
            flight.open = False
            if scheduled_ns != NONE:
                # The next request of the same step is meant to start when this one is answered.
                flight.scheduled_ns = sent_ns + service_ns
                flight.wake_lag_ns = NONE
        if sent_ns <= self._cut_ns:
            return
        status = getattr(response, "status_code", 0) or 0
        if exception is None:
            number = _NUMBER[context["outcome"]] if "outcome" in context else 0
        else:
            number = _NUMBER[_outcome(exception, status)]
            self._note(f"{name}: {exception}")
        self._record(
            name, flight.number, scheduled_ns, wake_lag_ns, sent_ns, service_ns, response_length or 0, status, number,
            flight.arm,
        )  # fmt: skip

    def _add(self, name: str, flight: Flight, scheduled: int, lag: int, sent: int, wait: int, outcome: str) -> None:  # noqa: PLR0917 - of `cut`
        self._writer.add(name, flight.number, scheduled, lag, sent, wait, 0, 0, _NUMBER[outcome], flight.arm)

    def _on_user_error(self, exception: BaseException, **_: Any) -> None:
        self._note(f"the scenario raised {exception!r}")

    def _note(self, message: str) -> None:
        """Count a message, the first hundred kinds of them."""
        if message in self._messages or len(self._messages) < _MOST_MESSAGES:
            self._messages[message] = self._messages.get(message, 0) + 1

    def _flush_forever(self) -> None:
        while True:
            gevent.sleep(_FLUSH_S)
            self._writer.flush()


def _outcome(exception: BaseException, status: int) -> str:
    """Tell errors apart; a scenario's own exceptions say their outcome themselves."""
    outcome = getattr(exception, "outcome", None)
    if outcome in _NUMBER:
        return str(outcome)
    if status:
        return "http_error"
    exception = getattr(exception, "original", None) or exception  # geventhttpclient wraps what it gave up on
    return "timeout" if isinstance(exception, (socket.timeout, TimeoutError)) else "transport_error"
