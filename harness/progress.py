"""What a terminal shows while a run goes on; silent anywhere else."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plan import Planned

_HORIZON_S = 1.0
_MINUTE_S = 60


class Progress:
    """One line: trial n of N, the rate and p99 of the last second, and the time left."""

    def __init__(self, console: Console, *, trials: int, seconds: float) -> None:
        self._trials = trials
        self._left_s = seconds
        self._done = 0
        self._doing = ""
        self._recent: deque[tuple[float, int, np.ndarray[Any, Any]]] = deque()
        self._since = monotonic()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)
        self._shown = console.is_terminal

    def __enter__(self) -> Self:
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a sentence above the progress, also where no progress is shown."""
        self._live.console.print(f"session-bench: {text}", markup=False, soft_wrap=True)

    def preparing(self, what: str) -> None:
        """Say which variant gets its server and its seeds."""
        self._doing = f"preparing {what}"

    def trial(self, number: int, planned: Planned, left_s: float) -> None:
        """Say which trial runs now, and how many seconds the rest of the run takes with it."""
        self._done = number - 1
        what = "" if planned.purpose == "latency" else f"{planned.purpose} "
        rate = planned.load.rate_per_s
        where = planned.variant + (f" at {rate:,.0f}/s" if rate and what else "")
        again = f", attempt {planned.attempt}" if planned.attempt > 1 else ""
        self._doing = f"{what}trial {number} of {max(number, self._trials)}  {where}{again}"
        self._left_s = left_s
        self._since = monotonic()
        self._recent.clear()

    def live(self, requests: int, service_us: np.ndarray[Any, Any]) -> None:
        """Take in the requests that ended since the last call."""
        now = monotonic()
        self._recent.append((now, requests, service_us))
        while self._recent and self._recent[0][0] < now - _HORIZON_S:
            self._recent.popleft()

    def _render(self) -> Table:
        left_s = max(0.0, self._left_s - (monotonic() - self._since))
        grid = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(1, self._trials), completed=self._done, width=20)
        minutes, seconds = divmod(round(left_s), _MINUTE_S)
        grid.add_row(bar, Text(self._doing), Text(self._figures()), Text(f"{minutes}:{seconds:02d} left", style="dim"))
        return grid

    def _figures(self) -> str:
        count = sum(requests for _, requests, _ in self._recent)
        if not count:
            return ""
        p99_ms = np.percentile(np.concatenate([us for _, _, us in self._recent]), 99) / 1000
        span = max(0.25, monotonic() - self._recent[0][0])
        return f"{count / span:,.0f} req/s  p99 {p99_ms:.1f} ms"
