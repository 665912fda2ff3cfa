"""Several generators as one: Locust's workers send their whole rows to its master, which keeps one spool of each.

It goes over Locust's own channel, so the workers may be processes of `--processes` or on other machines.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import AsyncResult

from harness.load import conductor, spool

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import MasterRunner, WorkerRunner

    from harness.load.conductor import Conductor

_BEGIN, _WINDOW, _ROWS, _DONE = (f"session-bench {what}" for what in ("begin", "window", "rows", "done"))
_AHEAD_NS = 200_000_000
"""Load begins, and a window that was not planned does, so long after it was announced: messages take their time."""
_PATIENCE_S = 30.0
"""So long may a worker's last rows be under way, behind everything that was planned."""


class Channel:
    """A worker's sink: chunks of rows and the facts go to the master."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner

    def write(self, chunk: bytes) -> None:
        """Send some rows."""
        self._runner.send_message(_ROWS, {"rows": chunk})

    def close(self, facts: dict[str, Any]) -> None:
        """Send the facts; the master waits for them."""
        self._runner.send_message(_DONE, facts)


class Worker:
    """Leads a worker through the trial when the master says so.

    Clocks of other machines are other clocks: there a time counts from when its message came.
    """

    def __init__(self, environment: Environment, runner: WorkerRunner, lead: Conductor) -> None:
        self._environment = environment
        self._runner = runner
        self._lead = lead
        self._window: AsyncResult[int] = AsyncResult()
        runner.register_message(_BEGIN, self._on_begin, concurrent=True)
        runner.register_message(_WINDOW, self._on_window)

    def _on_begin(self, msg: Message, **_: Any) -> None:
        timing = conductor.Timing.of(self._environment)
        share = (self._runner.worker_index, msg.data["workers"])
        self._lead.run(timing, _here(msg.data), self._window.get, share)
        self._lead.close(timing.window_s)

    def _on_window(self, msg: Message, **_: Any) -> None:
        self._window.set(_here(msg.data))


class Master:
    """Tells the workers when load and window begin, keeps what they recorded, and ends the test."""

    def __init__(self, environment: Environment, runner: MasterRunner, folder: Path) -> None:
        self._runner = runner
        self._environment = environment
        self._folder = folder
        self._spools: dict[int, spool.Folder] = {}
        self._done: set[int] = set()
        runner.register_message(_ROWS, self._on_rows)
        runner.register_message(_DONE, self._on_done)
        environment.events.spawning_complete.add_listener(self._on_spawned)

    def _on_spawned(self, **_: Any) -> None:
        gevent.spawn(self._lead)

    def _lead(self) -> None:
        timing = conductor.Timing.of(self._environment)
        workers = self._runner.worker_count
        begin_ns = monotonic_ns() + _AHEAD_NS
        self._tell(_BEGIN, begin_ns, workers=workers)
        t0_ns = max(conductor.window_begins(timing, begin_ns, self._folder), monotonic_ns() + _AHEAD_NS)
        self._tell(_WINDOW, t0_ns)
        planned_s = timing.window_s + timing.drain_s + timing.closed_s + _PATIENCE_S
        with gevent.Timeout(planned_s, False):
            while len(self._done) < workers:
                gevent.sleep(0.05)
        self._runner.quit()

    def _tell(self, what: str, at_ns: int, **more: Any) -> None:
        self._runner.send_message(what, {"at_ns": at_ns, "now_ns": monotonic_ns(), "boot": _boot(), **more})

    def _spool(self, msg: Message) -> tuple[int, spool.Folder]:
        worker = self._runner.get_worker_index(msg.node_id)
        if worker not in self._spools:
            self._spools[worker] = spool.Folder(self._folder, worker)
        return worker, self._spools[worker]

    def _on_rows(self, msg: Message, **_: Any) -> None:
        self._spool(msg)[1].write(msg.data["rows"])

    def _on_done(self, msg: Message, **_: Any) -> None:
        worker, kept = self._spool(msg)
        kept.close(msg.data)
        self._done.add(worker)


def _here(told: dict[str, Any]) -> int:
    """Return a time that the master told, by our own clock."""
    if told["boot"] == _boot():
        return int(told["at_ns"])
    return monotonic_ns() + int(told["at_ns"]) - int(told["now_ns"])


def _boot() -> str:
    """Return what machine this is since when: CLOCK_MONOTONIC is the same for whoever says the same."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
