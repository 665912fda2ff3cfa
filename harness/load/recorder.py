"""Listens to Locust's own request event and records every request, whole."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import gevent
from gevent import socket
from locust import FastHttpUser, events

from harness.load import client
from harness.load.spool import OUTCOMES, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust import User
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

_FLUSH_S = 0.25
_AFTER_S = 0.2
"""Load goes on for so long behind the window: Locust's stop holds up its loop for some 30 ms, and with it every answer
that is on its way then."""
_NUMBER = {outcome: number for number, outcome in enumerate(OUTCOMES)}


class Recorder:
    """Records the requests of one Locust worker, keeps the trial's clock, and ends it.

    The window begins `warmup_s` after the last user was spawned and lasts `window_s`; what is in flight a little later
    may finish within Locust's stop timeout, and is `cut` after it.
    """

    def __init__(self, environment: Environment, folder: Path, *, warmup_s: float, window_s: float, seed: int) -> None:
        assert environment.runner is not None  # noqa: S101 - Locust makes it before its init event
        self._runner = environment.runner
        self._environment = environment
        self._warmup_s = warmup_s
        self._window_s = window_s
        self._worker = max(getattr(self._runner, "worker_index", 0), 0)
        self._writer = Writer(folder, self._worker)
        self._in_flight: dict[int, int] = {}
        self._numbers = itertools.count()
        self._t0_ns: int | None = None
        self._messages: dict[str, int] = {}
        random.seed(f"{seed}/{self._worker}")
        self._recorded_as: WeakKeyDictionary[User, int] = WeakKeyDictionary()
        for user_class in environment.user_classes:
            user_class.context = self._stamping(user_class.context)  # type: ignore[method-assign,assignment]
        environment.events.request.add_listener(self._on_request)
        environment.events.spawning_complete.add_listener(self._on_spawned)
        environment.events.user_error.add_listener(self._on_user_error)
        environment.events.quitting.add_listener(self._on_quitting)
        gevent.spawn(self._flush_forever)

    def _stamping(self, context: Callable[[User], dict[str, Any]]) -> Callable[[User], dict[str, Any]]:
        """Wrap `User.context`, which Locust calls as it sends, into one that says who sends and when."""

        def stamped(user: User) -> dict[str, Any]:
            number = self._recorded_as.get(user)
            if number is None:
                number = self._recorded_as[user] = next(self._numbers)
            own = context(user)
            sent_ns = self._in_flight[number] = monotonic_ns()
            return {**own, "user": number, "sent_ns": sent_ns}

        return stamped

    def _on_request(  # noqa: PLR0917 - the event's own arguments, always given by name
        self,
        name: str,
        response_time: float,
        response_length: int,
        exception: BaseException | None,
        context: dict[str, Any],
        response: Any = None,
        **_: Any,
    ) -> None:
        service_ns = round(response_time * 1e6)
        sent_ns = context.get("sent_ns") or monotonic_ns() - service_ns
        user = context.get("user", 0)
        self._in_flight.pop(user, None)
        status = getattr(response, "status_code", 0) or 0
        outcome = context.get("outcome", "ok") if exception is None else _outcome(exception, status)
        self._writer.add(name, user, sent_ns, service_ns, response_length or 0, status, _NUMBER[outcome])
        if exception is not None:
            self._note(f"{name}: {exception}")

    def _on_spawned(self, **_: Any) -> None:
        if self._t0_ns is None:
            self._t0_ns = monotonic_ns() + round(self._warmup_s * 1e9)
            gevent.spawn(self._end_at, self._t0_ns + round((self._window_s + _AFTER_S) * 1e9))

    def _end_at(self, end_ns: int) -> None:
        """End the test at this time; a single sleep would count from a clock that gevent read before it was busy."""
        while (left_ns := end_ns - monotonic_ns()) > 0:
            gevent.sleep(left_ns / 1e9)
        self._runner.quit()

    def _on_user_error(self, exception: BaseException, **_: Any) -> None:
        self._note(f"the scenario raised {exception!r}")

    def _on_quitting(self, **_: Any) -> None:
        now = monotonic_ns()
        for user, sent_ns in self._in_flight.items():
            self._writer.add("(cut)", user, sent_ns, now - sent_ns, 0, 0, _NUMBER["cut"])
        self._writer.close(t0_ns=self._t0_ns, ended_ns=now, window_s=self._window_s, messages=self._messages)
        # Locust's own exit code is 1 for any failed request; the harness judges the trial from its data.
        if self._environment.process_exit_code is None:
            self._environment.process_exit_code = 0

    def _note(self, message: str) -> None:
        """Count a message, the first hundred kinds of them."""
        if message in self._messages or len(self._messages) < 100:  # noqa: PLR2004 - a bound on a log
            self._messages[message] = self._messages.get(message, 0) + 1

    def _flush_forever(self) -> None:
        while True:
            gevent.sleep(_FLUSH_S)
            self._writer.flush()


def install() -> None:
    """Add our options to Locust's command line, and the client and the recorder to a run that uses them."""
    events.init_command_line_parser.add_listener(_add_options)
    events.init.add_listener(_equip)
    events.init.add_listener(_record)


def _add_options(parser: LocustArgumentParser) -> None:
    hidden = {"include_in_web_ui": False}
    parser.add_argument(
        "--client",
        choices=["lean", "stock"],
        default="lean",
        help="session-bench: who sends a FastHttpUser's requests, the lean client or Locust's own",
        **hidden,
    )
    parser.add_argument("--spool", metavar="DIR", default="", help="session-bench: record every request here", **hidden)
    parser.add_argument("--warmup-s", type=float, default=1.0, help="session-bench: load before the window", **hidden)
    parser.add_argument("--window-s", type=float, default=3.0, help="session-bench: load that counts", **hidden)
    parser.add_argument("--seed", type=int, default=0, help="session-bench: seeds the users' choices", **hidden)


def _equip(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if options.client == "lean":
        for user_class in environment.user_classes:
            if issubclass(user_class, FastHttpUser):
                client.equip(user_class)


def _record(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if not options.spool:
        return
    if not environment.user_classes:
        sys.exit("the scenario defines no user class")
    Recorder(
        environment,
        Path(options.spool),
        warmup_s=options.warmup_s,
        window_s=options.window_s,
        seed=options.seed,
    )


def _outcome(exception: BaseException, status: int) -> str:
    """Tell errors apart; a scenario's own exceptions say their outcome themselves."""
    outcome = getattr(exception, "outcome", None)
    if outcome in _NUMBER:
        return str(outcome)
    if status:
        return "http_error"
    exception = getattr(exception, "original", None) or exception  # geventhttpclient wraps what it gave up on
    return "timeout" if isinstance(exception, (socket.timeout, TimeoutError)) else "transport_error"
