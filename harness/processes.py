"""Children of the harness that cannot outlive it, and the private work folder that goes with them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from harness.servers.disk import VOLATILE, filesystem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_GUARD = Path(__file__).with_name("guard.py")
_REAPER = Path(__file__).with_name("reaper.py")
_LEAVE_GRACE_S = 2.0
_REAPER_LEAVES_S = 5.0


class Child:
    """A process started through the guard; it leads a process group, and its pid is the group's."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        name: str,
        log: Path,
        stop_signal: int,
        reaped: Callable[[Child], None],
    ) -> None:
        self.name = name
        self.log = log
        self.pid = process.pid
        self._process = process
        self._stop_signal = stop_signal
        self._reaped = reaped
        self._suspended: list[psutil.Process] = []
        self._ended = False

    def __repr__(self) -> str:
        return f"<Child {self.name} {self.pid}>"

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        return self._note(self._process.poll())

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end and return the exit status, or None when it still runs after `timeout_s`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._note(self._process.wait(timeout_s))
        return None

    def stop(self, grace_s: float = 5.0) -> int:
        """Ask it to end, insist after `grace_s`, leave none of its descendants; return the exit status."""
        if (code := self.poll()) is not None:
            return code
        family = self.family()
        try:
            self._process.send_signal(self._stop_signal)
            self.resume()
            code = self.wait(grace_s)
        finally:
            # Also when Ctrl-C comes a second time: nobody waits for a grace then.
            if self.poll() is None:
                self._signal_group(signal.SIGKILL)
            for member in family:
                with contextlib.suppress(psutil.Error):
                    if member.pid != self.pid:
                        member.kill()
        if code is None:
            code = self._process.wait()
            self._note(code)
        return code

    def family(self) -> list[psutil.Process]:
        """Return it and its living descendants; some of them may lead groups of their own."""
        try:
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return []

    def suspend(self) -> None:
        """Freeze it and its descendants, as a hung machine would."""
        while fresh := [member for member in self.family() if member not in self._suspended]:
            for member in fresh:
                with contextlib.suppress(psutil.Error):
                    member.suspend()
            self._suspended += fresh

    def resume(self) -> None:
        """Let it and its descendants go on."""
        while self._suspended:
            with contextlib.suppress(psutil.Error):
                self._suspended.pop().resume()

    def tail(self, lines: int = 5) -> str:
        """Return the last lines of its log."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.rstrip().splitlines()[-lines:])

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.pid, number)

    def _note(self, code: int | None) -> int | None:
        """Once it is reaped, end what is left of its group and strike it out at the reaper."""
        if code is not None and not self._ended:
            self._ended = True
            self._signal_group(signal.SIGKILL)
            self._reaped(self)
        return code


class Processes:
    """Everything that the harness starts, in a private work folder; none of it outlives the context.

    An orderly end stops the children, last first, and removes the folder. After SIGKILL of the harness the
    kernel (PR_SET_PDEATHSIG, Linux) and the reaper do it. Children see no signal of the terminal: each leads
    a session of its own. Use from the main thread: PR_SET_PDEATHSIG fires when the *thread* that forked ends.
    """

    folder: Path

    def __init__(self, folder_parent: Path | None = None) -> None:
        self.on_exit = contextlib.ExitStack()
        """What must end before the children and is no child, such as a container."""
        self._parent = folder_parent
        self._children: list[Child] = []
        self._pipe = -1
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="session-bench-", dir=self._parent or _disk()))
        self.folder.chmod(0o711)  # a server that runs as another user must reach its own folder inside
        reader, self._pipe = os.pipe()
        try:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_REAPER), str(self.folder), str(os.getpid())],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        finally:
            os.close(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.ExitStack() as last:
            last.callback(self._leave)
            for child in self._children.copy():
                # The stack unwinds from the last, and goes on after an exception.
                last.callback(child.stop, _LEAVE_GRACE_S)
            last.push(self.on_exit)

    def spawn(
        self,
        command: list[str],
        *,
        name: str,
        log: Path,
        stop_signal: int = signal.SIGTERM,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        cpus: Sequence[int] | None = None,
        user: tuple[int, int] | None = None,
        pass_fds: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
    ) -> Child:
        """Start a program, its output appended to `log`; one that is not there ends with status 127."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Spawn from the main thread: a child started by another one ends with that thread.")
        guarded = [
            *(sys.executable, "-I", "-S", str(_GUARD)),
            *(f"--parent={os.getpid()}", f"--signal={int(stop_signal)}"),
            *([f"--user={user[0]}:{user[1]}"] if user else []),
            *([f"--cpus={','.join(map(str, cpus))}"] if cpus else []),
            *("--", shutil.which(command[0]) or command[0], *command[1:]),
        ]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                guarded,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        child = Child(process, name=name, log=log, stop_signal=stop_signal, reaped=self._strike_out)
        self._tell_reaper(f"+{child.pid} {int(stop_signal)}")
        self._children.append(child)
        return child

    def _strike_out(self, child: Child) -> None:
        """Forget a child that is reaped, whose pid is free for others."""
        self._children.remove(child)
        self._tell_reaper(f"-{child.pid}")

    def _tell_reaper(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # someone may have killed it
            os.write(self._pipe, f"{line}\n".encode())

    def _leave(self) -> None:
        """Remove the folder and let the reaper go."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._pipe)
        if self._reaper is not None:
            try:
                self._reaper.wait(_REAPER_LEAVES_S)
            except subprocess.TimeoutExpired:
                self._reaper.kill()
                self._reaper.wait()


def _disk() -> Path:
    """Return a folder for temporary files that lies on a disk where one does: durable servers need it."""
    usual = Path(tempfile.gettempdir())
    other = Path("/var/tmp")  # noqa: S108 - only as a parent for mkdtemp
    if filesystem_of(usual) in VOLATILE and os.access(other, os.W_OK) and filesystem_of(other) not in VOLATILE:
        return other
    return usual
