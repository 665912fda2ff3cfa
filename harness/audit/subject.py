"""What is audited: an app of a variant with its audit routes on, more of them with other options, and their store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.arms import App, Elsewhere
from harness.audit.check import Skipped
from harness.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.arms import Arm
    from harness.processes import Processes
    from harness.servers.kind import Running


@dataclass
class Subject:
    """A variant as the auditor has it.

    `arm` is None for an app that somebody else runs: it is only asked, at `target`. `options` are all of the variant's
    and `traits` what it says it can, both empty where it says nothing. `store` is the server that its sessions are
    kept in, in the keys that begin with `namespace`; None where there is none, or none that we know. `stated` are
    options that an app not of our package says it has: they are its own, and nobody can set them.
    """

    name: str
    arm: Arm | None
    processes: Processes | None
    folder: Path
    target: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    store: Running | None = None
    namespace: str = ""
    cpus: Sequence[int] | None = None
    stated: Mapping[str, Any] = field(default_factory=dict)
    _main: App | None = None

    @property
    def workers(self) -> int:
        """How many processes serve it, as far as we know."""
        return self.arm.workers if self.arm else 1

    @contextmanager
    def running(self) -> Iterator[Subject]:
        """Have the app that most checks ask."""
        try:
            yield self
        finally:
            if self._main is not None:
                self._main.stop()

    @property
    def url(self) -> str:
        """Where it is; started when first asked for, and again when it has died."""
        if self.target is not None:
            return self.target
        if self._main is not None and self._main.died() is not None:
            self._main.stop()
            self._main = None
        if self._main is None:
            self._main = self._start({}, self.workers)
        return self._main.url

    def recover(self) -> None:
        """See to it that the app answers to the next who asks, after something went wrong: one that died is dropped."""
        if self._main is None:
            return
        try:
            self._main.about()
        except ComponentError:
            self._main.stop()
            self._main = None

    def ask_about(self) -> None:
        """Let the app itself say what it can, where nobody has said it: one that is none of our package's."""
        if self.traits:
            return
        told = Elsewhere(self.url).about()
        known = told.get("traits"), told.get("options")
        self.traits, self.stated = (each if isinstance(each, dict) else {} for each in known)

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the app behind `url`; empty where they are not ours to know."""
        return self._main.pids() if self._main else []

    @contextmanager
    def other(self, *, workers: int | None = None, store_url: str | None = None, **options: Any) -> Iterator[str]:
        """Give the URL of another app of the same variant, with other options, workers, or another way to its store.

        Raises Skipped where it cannot be had: an app that somebody else runs, an option that it has not.
        """
        if self.arm is None:
            raise Skipped("It is an app that we did not start, so it cannot be had with other options.")
        for name in options:
            if name not in self.options:
                raise Skipped(f"It has no option {name}.")
        try:
            app = self._start(options, workers or self.workers, store_url)
        except ComponentError as error:
            raise Skipped(f"It does not start {_spelled(options) or f'with {workers} workers'}: {error}") from None
        try:
            yield app.url
        finally:
            app.stop()

    def _start(self, options: Mapping[str, Any], workers: int, store_url: str | None = None) -> App:
        assert self.arm is not None  # noqa: S101 - the callers looked
        assert self.processes is not None  # noqa: S101 - as above
        environment = {name: value for name, value in self.arm.environment.items() if name != "SESSION_APP_SESSIONS"}
        if store_url is not None:
            environment["SESSION_APP_STORE_URL"] = store_url
        arm = replace(
            self.arm,
            variant=_with(self.arm.variant, options),
            workers=workers,
            environment={**environment, "SESSION_APP_AUDIT": "1"},
        )
        app = App(self.processes, arm, log=self.folder / "app.log", cpus=self.cpus)
        try:
            app.about()
        except BaseException:
            app.stop()
            raise
        return app


def _with(variant: str, options: Mapping[str, Any]) -> str:
    """Return a variant's text with some options set."""
    name, _, listed = variant.partition(":")
    known = dict(option.split("=", 1) for option in listed.split(",") if option)
    known |= {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in options.items()}
    return f"{name}:{','.join(f'{key}={value}' for key, value in known.items())}".rstrip(":")


def _spelled(options: Mapping[str, Any]) -> str:
    return f"with {', '.join(f'{key}={value}' for key, value in options.items())}" if options else ""
