"""The face of an arm: everything the harness knows of an app's side, through processes and HTTP only."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from harness.errors import ComponentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.processes import Child, Processes

CONTRACT = 1
_TIMEOUT_S = 60
_SEEDS_PER_S = 1000
"""The slowest seeding that is still waited for."""
_START_TIMEOUT_S = 30
_BACKLOG = 2048
_LAUNCH = Path(__file__).with_name("launch.py")
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Arm:
    """How an app is started: its interpreter, the folder it is imported from, and what its environment says.

    An arm with a `url` is not started at all: somebody else runs its app there.
    """

    variant: str
    target: str = "backends.app:create_app"
    python: str = sys.executable
    cwd: Path | None = None
    workers: int = 1
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    url: str | None = None

    @property
    def folder(self) -> Path:
        """The folder that the app is imported from; for our own app the one that holds `backends`."""
        return self.cwd or own_folder()

    def environ(self) -> dict[str, str]:
        """Return a scrubbed environment with the variant's own names in it."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {**passed_on, "PYTHONHASHSEED": "0", "SESSION_APP_BACKEND": self.variant, **self.environment}

    def counting(self, folder: Path) -> Arm:
        """Return the arm with an app that leaves its counters in this folder."""
        return self.told(SESSION_APP_COUNTERS=str(folder.resolve()))

    def told(self, **environment: str) -> Arm:
        """Return the arm with more in its app's environment."""
        return replace(self, environment={**self.environment, **environment})


def own_folder() -> Path:
    """Return the folder that holds our `backends` package, without importing it."""
    found = importlib.util.find_spec("backends")
    if found is None or found.origin is None:
        raise ComponentError("The package `backends` is not installed beside `harness`; reinstall session-bench.")
    return Path(found.origin).parent.parent


def describe(variants: Sequence[str] = (), *, python: str = sys.executable, cwd: Path | None = None) -> dict[str, Any]:
    """Ask an arm's interpreter what backends it has and what these variants mean there."""
    folder = cwd or own_folder()
    answer: dict[str, Any] = json.loads(_ask("describe", *variants, python=python, folder=folder))
    if answer.get("contract") != CONTRACT:
        raise UsageError(
            f"The backends under {folder} speak contract {answer.get('contract')}, this harness {CONTRACT}. "
            "Use a revision of session-bench that matches them."
        )
    return answer


def seed(
    processes: Processes, arm: Arm, sessions: int, *, expiring_share: float, expiring_within_s: float
) -> dict[str, Any]:
    """Load live sessions into the arm's store, some of them to expire during the run."""
    command = [arm.python, "-m", "backends", "seed", "--sessions", str(sessions)]
    command += ["--expiring-share", str(expiring_share), "--expiring-within-s", str(round(expiring_within_s))]
    limit_s = _TIMEOUT_S + sessions / _SEEDS_PER_S
    log = processes.folder / "seed.log"
    log.unlink(missing_ok=True)
    child = processes.spawn(command, name=f"seed {arm.variant}", log=log, env=arm.environ(), cwd=arm.folder)
    code = child.wait(limit_s)
    if code is None:
        child.stop()
        raise ComponentError(f"The store of {arm.variant} was not seeded within {limit_s:.0f} s; set fewer sessions.")
    if code:
        raise ComponentError(f"The store of {arm.variant} could not be seeded: {child.tail(1) or 'it said nothing'}")
    answer: dict[str, Any] = json.loads(child.tail(1))
    return answer


def _ask(*arguments: str, python: str, folder: Path) -> str:
    """Run `python -m backends` in a scrubbed environment and return what it prints."""
    command = [python, "-m", "backends", *arguments]
    what = f"`{Path(python).name} -m backends {arguments[0]}` in {folder}"
    try:
        done = subprocess.run(  # noqa: PLW1510 - the exit code is read below
            command, cwd=folder, env=Arm("none").environ(), capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except OSError as error:
        raise ComponentError(
            f"{what} could not be started: {error.strerror}. Interpreter and folder are {python} and {folder}."
        ) from None
    except subprocess.TimeoutExpired:
        raise ComponentError(f"{what} gave no answer within {_TIMEOUT_S} s.") from None
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ComponentError(f"{what} failed with exit code {done.returncode}: {last}")
    return done.stdout


def serve(processes: Processes, arm: Arm, *, log: Path, cpus: Sequence[int] | None) -> App | Elsewhere:
    """Start an arm's app, or turn to the one that somebody else runs."""
    return App(processes, arm, log=log, cpus=cpus) if arm.url is None else Elsewhere(arm.url)


class Elsewhere:
    """An app that somebody else runs: it is loaded and asked, never started, seen into or stopped."""

    def __init__(self, url: str) -> None:
        self.url = url

    def pids(self) -> list[int]:
        """Return none: its processes are not ours to see."""
        return []

    def died(self) -> str | None:
        """Return None: who loads it will notice."""
        return None

    def about(self) -> dict[str, Any]:
        """Return what it says of itself, where it does; ComponentError when nobody answers there."""
        try:
            with httpx.Client(base_url=self.url, timeout=_START_TIMEOUT_S, trust_env=False) as client:
                told = client.get("/about").json()
        except httpx.HTTPError as error:
            raise ComponentError(
                f"No app answers at {self.url}: {error}. Start it, or mend the variant's target in session-bench.toml."
            ) from None
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    def stop(self) -> None:
        """Leave it alone."""


class App:
    """A running app: one direct child per worker, all of them on one socket that the harness bound."""

    def __init__(self, processes: Processes, arm: Arm, *, log: Path, cpus: Sequence[int] | None) -> None:
        self._arm = arm
        with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
            listener.set_inheritable(True)
            self.port: int = listener.getsockname()[1]
            # Closing our copy at the end of the block makes an app that died refuse instead of leaving callers waiting.
            self._children: list[Child] = [
                processes.spawn(
                    [arm.python, str(_LAUNCH), arm.target, "--fd", str(listener.fileno())],
                    name=f"app {arm.variant}",
                    log=log,
                    env=arm.environ(),
                    cwd=arm.folder,
                    cpus=cpus,
                    pass_fds=(listener.fileno(),),
                )
                for _ in range(arm.workers)
            ]

    @property
    def url(self) -> str:
        """Where the app is reached."""
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> list[int]:
        """Return the workers' process ids."""
        return [child.pid for child in self._children]

    def died(self) -> str | None:
        """Return how a worker ended, in words, or None while all live."""
        for child in self._children:
            code = child.poll()
            if code is not None:
                return f"the app of {self._arm.variant} ended with exit code {code}: {child.tail(1)}"
        return None

    def about(self) -> dict[str, Any]:
        """Wait until the app answers, and return what it says of itself."""
        deadline = monotonic() + _START_TIMEOUT_S
        while True:
            # The connection waits in the socket's backlog until a worker accepts it: readiness without polling.
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=max(0.1, deadline - monotonic()))
            try:
                connection.request("GET", "/about")
                answer = connection.getresponse()
                body = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                if monotonic() < deadline and self.died() is None:
                    continue
                reason = self.died() or f"it did not answer within {_START_TIMEOUT_S} s ({error})"
                raise ComponentError(f"The app of {self._arm.variant} did not start: {reason}") from None
            finally:
                connection.close()
        try:
            about: dict[str, Any] = json.loads(body)
        except ValueError:
            raise ComponentError(
                f"The app of {self._arm.variant} answered /about with status {answer.status} and no JSON; "
                "a subject must answer the routes of the design."
            ) from None
        return about

    def stop(self) -> None:
        """End every worker."""
        for child in self._children:
            child.stop()
