"""Clean up after a harness that could not: run by path, in a session of its own, reading a pipe.

    python -I -S reaper.py FOLDER PARENT < PIPE

The harness registers on the pipe what it has started (`+PID SIGNAL`) and strikes out what it has reaped
(`-PID`). When the harness ends, however it does, whatever is still registered gets its signal, 1.5 s later
SIGKILL, and the work folder is removed. After an orderly end nothing is left to do. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

GRACE_S = 1.5
_POLL_S = 0.01
_LOOK_S = 0.25
_REMOVALS = 20


def read_registrations(pipe: int, parent: int) -> dict[int, int]:
    """Read until the pipe ends or the parent does; return process group to stop signal of what is left."""
    groups: dict[int, int] = {}
    rest = b""
    while True:
        # A fork of the harness may hold the pipe open longer than the harness lives.
        if not select.select([pipe], [], [], _LOOK_S)[0]:
            if os.getppid() != parent:
                return groups
            continue
        if not (chunk := os.read(pipe, 65536)):
            return groups
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            words = line[1:].split()
            if line[:1] == b"+":
                groups[int(words[0])] = int(words[1])
            else:
                groups.pop(int(words[0]), None)


def _stat(pid: int) -> tuple[int, str, str] | None:
    """Return (parent, state, start time) of a process, or None when it is gone or /proc is not Linux's."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0], fields[19]


def _family(leaders: set[int]) -> dict[int, str]:
    """Return pid to start time of the leaders and all their descendants.

    A server's children may lead groups of their own (Postgres's do). Empty where there is no Linux /proc.
    """
    found = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    family = set(leaders)
    while more := {pid for pid, stat in found.items() if stat and stat[0] in family} - family:
        family |= more
    return {pid: stat[2] for pid in family if (stat := found.get(pid))}


def _lives(pid: int, started: str) -> bool:
    """Tell whether the process that started then still runs; a zombie waits only for its new parent."""
    stat = _stat(pid)
    return stat is not None and stat[2] == started and stat[1] != "Z"


def _group_lives(group: int) -> bool:
    """Tell whether anything of this group still runs."""
    stat = _stat(group)
    if stat is not None and stat[1] == "Z":
        return False
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def end(groups: dict[int, int]) -> None:
    """Send every group its stop signal, newest first; after the grace SIGKILL to what is left."""
    family = _family(set(groups))
    for group in reversed(groups):
        with contextlib.suppress(OSError):
            os.killpg(group, groups[group])
            os.killpg(group, signal.SIGCONT)  # a suspended process hears nothing
    for pid in family:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if not any(map(_group_lives, groups)) and not any(_lives(*member) for member in family.items()):
            return
        time.sleep(_POLL_S)
    for group in groups:
        if _group_lives(group):
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
    for pid, started in family.items():
        if _lives(pid, started):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Wait for the harness's end, then leave nothing of it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = read_registrations(sys.stdin.fileno(), int(sys.argv[2]))
    if groups:
        end(groups)
    for _ in range(_REMOVALS):
        shutil.rmtree(sys.argv[1], ignore_errors=True)
        if not Path(sys.argv[1]).exists():
            break
        time.sleep(_POLL_S)  # what was killed a moment ago may still have been writing


if __name__ == "__main__":
    main()
