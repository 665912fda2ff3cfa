"""Runs `session-bench run` as a user does, for benchmarks that look at what it recorded."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from reports.files import read_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.processes import Processes
    from reports.format import Run

_LOOK_S = 1.0


def carried_out(processes: Processes, variants: Sequence[str], settings: Mapping[str, object], toml: str = "") -> Run:
    """Run session-bench in a folder of its own, with this session-bench.toml, and return what it recorded."""
    folder = processes.folder / "recorded"
    folder.mkdir()
    (folder / "session-bench.toml").write_text(toml)
    flags = [f"--set={name}={value}" for name, value in settings.items()]
    child = processes.spawn(
        [sys.executable, "-c", "from harness.cli import main; main()", "run", *variants, *flags],
        name="session-bench",
        log=folder / "run.log",
        cwd=folder,
    )
    begun = time.monotonic()
    while child.wait(_LOOK_S) is None:
        if sys.stderr.isatty():
            done = len(list(folder.glob("results/*/trials/*/trial.json")))
            sys.stderr.write(f"\r{done} trials in {time.monotonic() - begun:.0f} s ")
            sys.stderr.flush()
    recorded = list(folder.glob("results/*/run.json"))
    if not recorded:
        raise SystemExit(f"the run came to nothing: {child.tail(5)}")
    return read_run(recorded[0].parent)
