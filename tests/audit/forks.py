"""Apps forked off a process that has imported everything: a hundred of them are started in a matrix of audits."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from multiprocessing import connection, reduction
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *("pytest", "uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.on", "uvloop"),
        *("tests.audit.broken", "tests.audit.forks", "backends.memory", "backends.cookie", "backends.redis"),
    ]
)
_LOCK: Final = threading.Lock()


class Forked:
    """A process as `subprocess.Popen` has it, as far as `harness.processes.Child` asks.

    It runs `harness/launch.py` with these arguments, as it would have been run in a process of its own.
    """

    def __init__(self, arguments: list[str], *, env: Mapping[str, str], cwd: Path, output: int, listener: int) -> None:
        given = (arguments, dict(env), str(cwd), _Passed(output), _Passed(listener))
        with _LOCK:  # to start one looks for others that have ended
            self._process = _FORKS.Process(target=_serve, args=given)
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended."""
        connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("app", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class _Passed:
    """A file descriptor that becomes another number on its way."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> Any:
        return _received, (reduction.DupFd(self._number),)


def _received(passed: Any) -> int:
    number: int = passed.detach()
    return number


def _serve(arguments: list[str], env: dict[str, str], cwd: str, output: int, listener: int) -> None:
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    launch, target, *_ = arguments
    sys.path.insert(0, "")  # where Python would have put the folder of launch.py
    sys.argv = [launch, target, "--fd", str(listener)]
    runpy.run_path(launch, run_name="__main__")
