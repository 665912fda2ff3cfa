"""Counts exactly what each step of a variant takes: commands, round trips and bytes; driven by hand, without load.

A count is the same on every machine, so any change of it is a finding. For that ids, names and payload have fixed
lengths, connections are warm and statements prepared, and a step ends when the app and its store have come to rest:
which is asked for, not waited for.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from harness.arms import App
from harness.errors import ComponentError, MeasurementError
from harness.hand import Hand
from harness.relay import Relay
from harness.wire.route import Unroutable, route
from harness.wire.tally import Tally, Totals
from reports.record.counts import COUNTS, PAYLOAD_BYTES, STEPS, Counts, StepCounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.processes import Processes
    from harness.provision import Entrant
    from reports.format import Variant

_USER = "session-bench-counts"
_CYCLE: tuple[tuple[str, str, str, dict[str, Any] | None], ...] = (
    ("login", "POST", "/login", {"user": _USER, "payload_bytes": PAYLOAD_BYTES}),
    ("read", "GET", "/profile", None),
    ("write", "POST", "/profile", {"note": "sixteen letters."}),
    ("ping", "GET", "/ping", None),
    ("logout", "POST", "/logout", None),
)
"""Every cycle has a session of its own, so that a counter inside it has the same digits each time."""
_WARM_CYCLES = 3
_CYCLES = 3
_ATTEMPTS = 3
_CALM = 2
"""So many knocks in a row without a byte to or from the store are rest."""
_REST_S = 10.0
_OK = 200
_ALREADY_RUNS = "it already runs, and nothing can be put between it and its store"
_STORE = COUNTS[:4]
"""What is counted at the store; the rest at the client."""


def measure(processes: Processes, entrant: Entrant, *, cpus: Sequence[int] | None, folder: Path) -> Counts:
    """Start the variant's app on a relay to its store, go through every step by hand, and stop it.

    One worker, counters off, a namespace of its own, which is dropped at the end. Every step is counted three times; a
    count that differs is taken anew, and when it goes on differing it is null, with a note. The server must be up.

    Raises ComponentError for an app that does not start, MeasurementError for one that does not answer as it should or
    never comes to rest.
    """
    record, server = entrant.record, entrant.server
    environment = dict(entrant.arm.environment)
    for name in ("SESSION_APP_COUNTERS", "SESSION_APP_SESSIONS"):
        environment.pop(name, None)
    namespace = _namespace(environment.get("SESSION_APP_NAMESPACE", ""))
    environment["SESSION_APP_NAMESPACE"] = namespace
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if server is not None:
            stack.callback(server.drop, namespace)
        between = _Between.of(entrant, stack, environment)
        arm = replace(entrant.arm, workers=1, environment=environment)
        app = App(processes, arm, log=folder / "app.log", cpus=cpus)
        stack.callback(app.stop)
        app.about()
        driven = _Driven(record.name, stack.enter_context(Hand(app.port)), between)
        steps, notes = driven.steps()
    return _counts(record, steps, [*between.notes(), *notes])


def counted(processes: Processes, entrant: Entrant, *, cpus: Sequence[int] | None, folder: Path) -> Counts:
    """Measure, or say in a note of counts without steps why nothing could be counted: a run goes on without them."""
    if entrant.arm.url:
        return _counts(entrant.record, {}, [f"Nothing could be counted: {_ALREADY_RUNS}."])
    try:
        return measure(processes, entrant, cpus=cpus, folder=folder)
    except (ComponentError, MeasurementError) as error:
        return _counts(entrant.record, {}, [f"Nothing could be counted: {error}"])


def _counts(record: Variant, steps: dict[str, StepCounts], notes: list[str]) -> Counts:
    server = f"{record.server.product} {record.server.version}" if record.server else ""
    return Counts(variant=record.name, driver=record.driver, server=server, steps=steps, notes=notes)


def _namespace(given: str) -> str:
    """Return another of fixed length: the namespace is part of every key, and so of what is counted."""
    return f"sbx{hashlib.sha256(given.encode()).hexdigest()[:12]}"


@dataclass
class _Between:
    """What stands between the app and its store: a relay that counts, or the reason why there is none."""

    relay: Relay | None = None
    tally: Tally | None = None
    reason: str = ""
    """Why the traffic of a store that has some is not counted; a clause."""

    @classmethod
    def of(cls, entrant: Entrant, stack: ExitStack, environment: dict[str, str]) -> _Between:
        """Put a relay in the way where one can stand, and tell the app's environment of it."""
        server = entrant.server
        if server is None:
            outside = entrant.record.traits.get("keeps") == "server"
            return cls(reason="the harness does not know the server that it keeps its sessions in" if outside else "")
        if server.record.settings.get("replica set", "none") != "none":
            return cls(reason="it is a replica set, whose members the driver would reach past the relay")
        try:
            way = route(environment["SESSION_APP_STORE_URL"])
        except Unroutable as error:
            return cls(reason=str(error))
        tally = Tally(way.reader)
        relay = stack.enter_context(Relay(way.host, way.port, tally.listen))
        environment["SESSION_APP_STORE_URL"] = way.through(relay.port)
        return cls(relay, tally)

    def totals(self) -> Totals:
        """Return what passed so far, of which all is seen that was sent before."""
        if self.relay is None or self.tally is None:
            return Totals()
        self.relay.catch_up()
        return self.tally.totals()

    def answered(self) -> bool:
        """Wait for the answers that the app waits for."""
        return self.tally is None or self.tally.wait_answered(_REST_S)

    def blind(self) -> str:
        """Return why the counts at the store mean nothing; empty when they do."""
        if self.reason or self.tally is None:
            return self.reason
        if self.tally.unreadable is not None:
            return f"the relay cannot read what passes: {self.tally.unreadable}"
        if not self.tally.totals().commands:
            return "nothing of it passed the relay, so the app does not go by SESSION_APP_STORE_URL"
        return ""

    def notes(self) -> list[str]:
        """Say it in a sentence."""
        return [f"What the store is asked could not be counted: {reason}."] if (reason := self.blind()) else []


class _Driven:
    """An app that is led through the steps."""

    def __init__(self, variant: str, hand: Hand, between: _Between) -> None:
        self._variant = variant
        self._hand = hand
        self._between = between

    def steps(self) -> tuple[dict[str, StepCounts], list[str]]:
        """Return the counts of every step, and what is not exact among them."""
        for _ in range(_WARM_CYCLES):
            self._cycle()
        for _ in range(_ATTEMPTS):
            cycles = [self._cycle() for _ in range(_CYCLES)]
            if all(cycle == cycles[0] for cycle in cycles):
                break
        notes = []
        steps = {}
        for step in STEPS:
            seen = {count: {getattr(cycle[step], count) for cycle in cycles} for count in COUNTS}
            agreed = {count: values.pop() if len(values) == 1 else None for count, values in seen.items()}
            steps[step] = StepCounts.model_validate(agreed)
            notes += [
                f"{count} of {step} is not exact: it differed between repetitions of the same requests."
                for count, values in seen.items()
                if values
            ]
        return steps, notes

    def _cycle(self) -> dict[str, StepCounts]:
        return {step: self._step(method, path, body) for step, method, path, body in _CYCLE}

    def _step(self, method: str, path: str, body: dict[str, Any] | None) -> StepCounts:
        before = self._between.totals()
        answer = self._hand.ask(method, path, body)
        if answer.status != _OK:
            raise MeasurementError(
                f"{method} {path} of {self._variant} was answered with status {answer.status} while its steps were "
                "counted, one at a time and without load. Its log and its store say why."
            )
        after = self._rest()
        at_store = {count: getattr(after, count) - getattr(before, count) for count in _STORE}
        if self._between.blind():
            at_store = dict.fromkeys(_STORE)
        return StepCounts.model_validate(
            {**at_store, "response_bytes": answer.size, "cookie_bytes": len(self._hand.cookie)}
        )

    def _rest(self) -> Totals:
        """Return the totals when nothing of the step is going on any more.

        An app may go on after its answer: a pool that resets a connection, a task in the background. What its event
        loop had to do at once is done when its server has turned a knock away; what it had sent by then the relay has
        seen; what it asked is answered. When all of that has come round twice without another byte, it is at rest.
        What an app does later, by a timer of its own, belongs to no step.
        """
        deadline = monotonic() + _REST_S
        totals, calm = self._between.totals(), 0
        while calm < _CALM:
            self._hand.knock()
            now = self._between.totals()
            if not self._between.answered() or monotonic() > deadline:
                raise MeasurementError(
                    f"{self._variant} did not come to rest within {_REST_S:.0f} s after a request: it goes on asking "
                    "its store, or waits for an answer, so its steps cannot be counted apart."
                )
            calm = calm + 1 if now == totals else 0
            totals = now
        return totals
