"""The figures that a choice asks for: how each is read from an arm, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.listings import view
from reports.trials import doubts
from reports.words import units
from reports.words.units import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.format import Arm, Figures, Role, Run, Variant


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that is asked for; `of` returns it for an arm of a variant, with whether it is only a lower bound."""

    key: str
    need: str
    recorded: str
    """What `Run.told` calls it."""
    write: Callable[[float], str]
    unit: str
    of: Callable[[Run, Variant, Arm], tuple[float, bool] | None]
    more: bool = False
    """Whether more of it is better."""

    def text(self, middle: float, low: float, high: float, *, at_least: bool) -> str:
        """Write a figure with its unit and its range."""
        written = f"{units.AT_LEAST if at_least else ''}{self.write(middle)} {self.unit}"
        ends = list(dict.fromkeys(map(self.write, (low, high))))
        return written if low == high or len(ends) == 1 else f"{written} ({ends[0]} to {ends[1]})"


def speed(run: Run) -> Metric:
    """Return the figure that says who is fastest: p99 of open load, the requests/s of closed loops."""
    return latencies(run)[0] if view.is_open(run) else throughput(run)


def latencies(run: Run) -> list[Metric]:
    """Return the percentiles at the common rate; closed load has none."""
    if not view.is_open(run):
        return []
    at = f"at {units.per_second(run.plan.load.rate_per_s or 0)}/s"
    return [
        Metric(name, f"lowest {name} {at}", f"{name}_us", units.ms, "ms", _time(f"{name}_us"))
        for name in ("p99", "p50")
    ]


def _time(name: str) -> Callable[[Run, Variant, Arm], tuple[float, bool] | None]:
    def of(run: Run, variant: Variant, arm: Arm) -> tuple[float, bool] | None:  # noqa: ARG001 - as every metric's
        value = getattr(arm.figures, name)
        return None if arm.figures is None or value is None else (value, name in arm.figures.at_least)

    return of


def throughput(run: Run) -> Metric:
    """Return the metric of what closed loops drew."""
    users = run.plan.closed_users if view.is_open(run) else run.plan.load.users
    need = f"most requests/s by {plural(users, 'user')} in closed loops"
    return Metric("throughput", need, view.throughput(run), units.per_second, "requests/s", _drawn, more=True)


def _drawn(run: Run, variant: Variant, arm: Arm) -> tuple[float, bool] | None:  # noqa: ARG001 - as every metric's
    figures = arm.closed if view.is_open(run) else arm.figures
    if figures is None:
        return None
    machine = doubts.Machine(run.plan.processes, run.environment.cpus)
    return figures.requests_per_s, bool(doubts.held_back(figures, machine))


def _app_cpu(run: Run, variant: Variant, arm: Arm) -> tuple[float, bool] | None:  # noqa: ARG001 - as every metric's
    value = arm.figures.cpu_us_per_request.get("app") if arm.figures else None
    return None if value is None else (value, False)


def _cpu(run: Run, variant: Variant, arm: Arm) -> tuple[float, bool] | None:  # noqa: ARG001 - as every metric's
    figures = arm.figures
    return None if figures is None else _with_store(figures.cpu_us_per_request, variant)


def memory(run: Run) -> Metric:
    """Return what app and store hold; PSS, which counts what processes share once, where it is known of all."""
    known = [(run.variant(arm.variant), arm.figures) for trial in view.latency_trials(run) for arm in trial.arms]
    kind = "pss_bytes" if all(_held(figures, each, "pss_bytes") for each, figures in known if figures) else "rss_bytes"

    def of(run: Run, variant: Variant, arm: Arm) -> tuple[float, bool] | None:  # noqa: ARG001 - as every metric's
        return _held(arm.figures, variant, kind) if arm.figures else None

    need = f"least memory ({kind[:3].upper()}) of app and store with {run.plan.sessions:,} sessions"
    return Metric("memory", need, f"with_store_{kind}", units.mib, "MiB", of)


def _held(figures: Figures, variant: Variant, kind: str) -> tuple[float, bool] | None:
    return _with_store(getattr(figures, kind), variant)


def _with_store(parts: Mapping[Role, float | None], variant: Variant) -> tuple[float, bool] | None:
    """Add up the app's and the store's part; where the store's is not known, it is at least the app's."""
    app = parts.get("app")
    store = parts.get("store") if variant.server is not None else 0.0
    return None if app is None else (app + (store or 0.0), store is None)


APP_CPU: Final = Metric(
    "app-cpu", "least CPU of the app", "app_cpu_us_per_request", units.us, "µs/request", _app_cpu
)  # fmt: skip
CPU: Final = Metric("cpu", "least CPU of app and store", "with_store_cpu_us_per_request", units.us, "µs/request", _cpu)
