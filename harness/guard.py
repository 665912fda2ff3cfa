"""Become a child that ends with its parent: run by path, before every program that the harness starts.

    python -I -S guard.py --parent=PID --signal=N [--user=UID:GID] [--cpus=0,1] -- PROGRAM ARGUMENT…

`subprocess` could do this in `preexec_fn`, but that deadlocks with threads and warns since Python 3.12.
No import beyond what an isolated interpreter has loaded, ctypes apart: every child pays for this file.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGPIPE, _SIGXFSZ = 13, 25
_CANNOT_EXECUTE = 127
"""What a shell answers when a program is not there."""


def _end_with_parent(signal: int) -> None:
    """Have the kernel send `signal` when the parent is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
        sys.exit(f"guard: prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    for ignored in _SIGPIPE, _SIGXFSZ:  # by the interpreter, and a program would inherit that
        libc.signal(ignored, None)


def main(arguments: list[str]) -> None:
    """Arrange everything that an exec keeps, then exec."""
    options: dict[str, str] = {}
    while (argument := arguments.pop(0)) != "--":
        name, _, value = argument.partition("=")
        options[name] = value
    if "--cpus" in options and sys.platform == "linux":
        os.sched_setaffinity(0, [int(cpu) for cpu in options["--cpus"].split(",")])
    if "--user" in options:
        uid, gid = map(int, options["--user"].split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. Elsewhere the reaper alone ends a child.
        _end_with_parent(int(options["--signal"]))
    if os.getppid() != int(options["--parent"]):
        sys.exit("guard: the parent was gone before its child began")
    try:
        # Not execvp, whose imports may be unreadable to another user: the harness has looked up the path.
        os.execv(arguments[0], arguments)  # noqa: S606 - replacing itself by the command is its purpose
    except OSError as error:
        print(f"guard: cannot execute {arguments[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - the log is all there is
        sys.exit(_CANNOT_EXECUTE)


if __name__ == "__main__":
    main(sys.argv[1:])
