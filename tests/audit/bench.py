"""Where audits are made in tests: subjects of any variant, with or without a flaw, several at a time."""

from __future__ import annotations

import secrets
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from harness import arms
from harness.audit import auditor
from harness.audit.subject import Subject
from harness.processes import Child, Processes
from harness.servers.server import provide
from tests.audit.broken import TARGET
from tests.audit.forks import Forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reports.record.audited import Audit
    from tests.audit.broken import Flaw

ROOT = Path(__file__).parents[2]
_KEY = "k" * 32
_LAUNCH = Path(arms.__file__).with_name("launch.py")
_AT_ONCE = 8
"""Audits mostly wait, so some go on at the same time."""
_LOOK_S = 0.05


@cache
def described(variant: str) -> dict[str, Any]:
    """Return what our backends say of a variant."""
    told: dict[str, Any] = arms.describe([variant], cwd=ROOT)["variants"][variant]
    return told


class Pumped(Processes):
    """Processes that any thread may spawn, while the main one is in `pump`."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: SimpleQueue[tuple[Callable[[], Child], Future[Child]]] = SimpleQueue()

    def spawn(self, command: list[str], **options: Any) -> Child:
        """Have the main thread start it; an app is forked, for there are many of them."""
        if Path(command[1]) == _LAUNCH:
            return self._fork(command, **options)
        spawn = partial(super().spawn, command, **options)
        if threading.current_thread() is threading.main_thread():
            return spawn()
        started: Future[Child] = Future()
        self._asked.put((spawn, started))
        return started.result()

    def _fork(
        self, command: list[str], *, name: str, log: Path, env: Any, cwd: Path, pass_fds: tuple[int], **_: Any
    ) -> Child:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            forked: Any = Forked(command[1:], env=env, cwd=cwd, output=output.fileno(), listener=pass_fds[0])
        child = Child(forked, name=name, log=log, stop_signal=signal.SIGTERM, reaped=self._strike_out)
        self._tell_reaper(f"+{child.pid} {int(signal.SIGTERM)}")
        self._children.append(child)
        return child

    def pump(self, awaited: Sequence[Future[Any]]) -> None:
        """Start what is asked for, until all of these are done."""
        while not all(each.done() for each in awaited):
            try:
                spawn, started = self._asked.get(timeout=_LOOK_S)
            except Empty:
                continue
            try:
                started.set_result(spawn())
            except BaseException as error:  # noqa: BLE001 - it is the asker's to handle
                started.set_exception(error)


class Bench:
    """Makes subjects and audits them; a server that one needs is its own, for it may be frozen and killed."""

    def __init__(self, processes: Pumped) -> None:
        self._processes = processes
        self._folders = 0

    def subject(self, variant: str = "memory", *, flaw: type[Flaw] | None = None, workers: int = 1) -> Subject:
        """Return a variant of our own as the auditor has it, with a flaw or without."""
        told = described(variant)
        namespace = f"audit_{secrets.token_hex(4)}"
        environment = {"SESSION_APP_KEY": _KEY, "SESSION_APP_NAMESPACE": namespace}
        store = None
        if told["server"]:
            store = provide(told["server"], options=told["server_options"], mode="auto", processes=self._processes)
            environment["SESSION_APP_STORE_URL"] = store.url
        if flaw is not None:
            environment["TEST_FLAW"] = flaw.spelled()
        self._folders += 1
        return Subject(
            name=variant if flaw is None else flaw.__qualname__,
            arm=arms.Arm(variant=variant, target=TARGET, cwd=ROOT, workers=workers, environment=environment),
            processes=self._processes,
            folder=self._processes.folder / f"subject-{self._folders}",
            options=told["options"],
            traits=told["traits"],
            store=store,
            namespace=namespace,
        )

    def broken(self, flaw: type[Flaw]) -> Subject:
        """Return the subject that a flaw asks for."""
        return self.subject(flaw.variant, flaw=flaw, workers=flaw.workers)

    @contextmanager
    def elsewhere(self, variant: str) -> Iterator[Subject]:
        """Give an app of ours as one that somebody else has started: it can only be asked."""
        environment = {"SESSION_APP_KEY": _KEY}
        arm = arms.Arm(variant=variant, cwd=ROOT, environment=environment)
        app = arms.App(self._processes, arm, log=self._processes.folder / "elsewhere.log", cpus=None)
        try:
            app.about()
            yield Subject(name=variant, arm=None, processes=None, folder=self._processes.folder, target=app.url)
        finally:
            app.stop()

    def audits(self, wanted: Iterable[tuple[Subject, Iterable[int] | None]]) -> list[Audit]:
        """Audit some subjects, several at a time, each with some checks or (None) with all of them."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="audit") as threads:
            begun = [threads.submit(auditor.audit, subject, only=only) for subject, only in wanted]
            self._processes.pump(begun)
        return [each.result() for each in begun]

    def audit(self, subject: Subject, *numbers: int) -> dict[int, Any]:
        """Make some checks of one subject, all of them when none is named; returns them by number."""
        return {each.number: each for each in auditor.audit(subject, only=numbers or None).checks}


def states(audit: Audit) -> dict[int, str]:
    """Return how each check ended, by number."""
    return {each.number: each.state for each in audit.checks}
