from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from harness import doctor, yardstick
from harness.errors import MeasurementError
from harness.yardstick import Loaded
from reports.format import Figures, Instrument
from tests.harness.command import session_bench

if TYPE_CHECKING:
    from pathlib import Path

    from harness.processes import Processes

SHARED = {"app": [0], "store": [1], "generator": [1], "harness": [1]}
APART = {"app": [0], "store": [2], "generator": [3], "harness": [1]}


def figures(per_s: float, *, cpu: float, cpu_us: float = 100.0, **facts: Any) -> Figures:
    nothing: dict[Any, Any] = {"app": None, "store": None, "generator": None}
    requests = round(per_s * 2)
    known: dict[str, Any] = {
        "requests": requests, "outcomes": {"ok": requests}, "window_s": 2.0, "requests_per_s": per_s,
        "error_share": 0.0, "service_p50_us": 180.0, "dispatch_lag_p50_us": 60.0, "dispatch_lag_p99_us": 400.0,
        **dict.fromkeys(("mean_us", "p50_us", "p95_us", "p99_us", "max_us"), 200.0),
        **dict.fromkeys(("rss_bytes", "pss_bytes"), nothing),
        "cpu_share": {**nothing, "generator": cpu}, "cpu_us_per_request": {**nothing, "generator": cpu_us},
    }  # fmt: skip
    return Figures.model_validate(known | facts)


def light(**facts: Any) -> Loaded:
    return Loaded(figures(300, cpu=0.05, **facts), None, Instrument(waiting_share=0.01), [180.0, 175.0, 190.0, 182.0])


def busy(*, closed_us: float = 40.0, **facts: Any) -> Loaded:
    closed = figures(20_000, cpu=0.8, cpu_us=closed_us)
    return Loaded(figures(1_000, cpu=0.12, **facts), closed, Instrument(), [])


def conclude(light: Loaded, busy: Loaded, cpus: dict[str, list[int]] = APART) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.conclude(light, busy, cpus)}


def test_what_can_be_measured_here_is_said_in_figures() -> None:
    checks = conclude(light(), busy())
    measurable = checks[doctor.MEASURABLE]
    # 70 ms of CPU more for 700 requests more: 0.1 ms each, so 0.70 is reached 5,800/s above 1,000/s.
    assert measurable.figures == {"open_rate_per_s": 6_800, "p50_apart_us": 60, "p99_apart_us": 400}
    assert "up to about 6,800 arrivals/s" in measurable.found
    assert "differences under 60.0 µs in p50 and 400 µs in p99" in measurable.found
    assert "shares" not in measurable.found
    assert "The store shares CPU 1 with it" in conclude(light(), busy(), SHARED)[doctor.MEASURABLE].found
    assert {check.state for check in checks.values()} == {"fit"}
    assert checks["generator"].found.startswith("20,000 requests/s at most")


def test_nobody_sends_with_less_cpu_than_closed_load() -> None:
    assert doctor.carried_per_s(light().figures, busy(closed_us=200.0)) == 3_500
    # A load that took less CPU than a lighter one can be drawn out to no rate.
    assert doctor.carried_per_s(figures(300, cpu=0.2), busy()) == 17_000


def test_what_differs_between_quarters_of_one_load_is_not_to_be_believed() -> None:
    rough = replace(light(), pieces_us=[150.0, 700.0, 160.0, 170.0])
    measured = conclude(rough, busy())[doctor.MEASURABLE].figures
    assert measured["p50_apart_us"] == 550
    assert measured["p99_apart_us"] == 550


@pytest.mark.parametrize(
    ("name", "light_", "busy_", "state", "words"),
    [
        ("dispatch", light(), busy(dispatch_lag_p50_us=151.0), "warning", "sends 151 µs late"),
        ("dispatch", light(), busy(dispatch_lag_p99_us=1_010.0), "warning", "1,010 (p99) at 1,000/s"),
        ("run queue", replace(light(), instrument=Instrument(waiting_share=0.2)), busy(), "warning", "waited 20 %"),
        ("run queue", replace(light(), instrument=Instrument(waiting_share=0.6)), busy(), "unfit", "waited 60 %"),
        ("run queue", replace(light(), instrument=Instrument()), busy(), "fit", "not known"),
        ("loopback", light(), busy(), "fit", "180 µs (p50 of service) for an answer to nothing, at 300/s"),
    ],
)
def test_what_a_load_of_nothing_means(name: str, light_: Loaded, busy_: Loaded, state: str, words: str) -> None:
    check = conclude(light_, busy_)[name]
    assert check.state == state
    assert words in check.found


@pytest.mark.parametrize(
    "facts", [{"error_share": 0.5, "outcomes": {"ok": 1, "transport_error": 1}}, {"service_p50_us": None}]
)
def test_a_generator_that_gets_no_answers_measures_nothing(facts: dict[str, Any]) -> None:
    with pytest.raises(MeasurementError, match=r"got no answers of a server that does nothing: .*ok"):
        conclude(light(), busy(**facts))


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_shown_fits_the_terminal(columns: int) -> None:
    out = io.StringIO()
    checks = list(conclude(light(), busy(dispatch_lag_p50_us=900.0), SHARED).values())
    doctor.show(checks, Console(file=out, width=columns))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].split()[:3] == ["dispatch", "warning", "sends"]
    assert "What can be measured here: up to about 6,800 arrivals/s" in out.getvalue().replace("\n", " ")
    assert lines[-1] == "This machine can measure; read its figures with the warnings above."


def test_the_alarm_never_rings_early_and_can_beat_a_sleep(processes: Processes) -> None:
    """By how much it does on a quiet machine is for `benchmarks/dispatch_lag.py` to say."""
    lags_us = yardstick.wakes(processes)
    assert all(len(lags) == 1_000 and lags.min() >= 0 for lags in lags_us.values())
    assert lags_us["alarm"].min() < np.median(lags_us["sleep"])


def test_doctor_examines_this_machine(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert set(checks) == {
        "CPUs", "steal", "other load", "clock", "timer", "open files", "data folder", "dispatch", "run queue",
        "loopback", "generator", "measurable",
    }, checks  # fmt: skip
    unfit = [check for check in checks.values() if check["state"] == "unfit"]
    assert done.returncode == (5 if unfit else 0)
    assert checks["generator"]["figures"]["requests_per_s"] > 0
    assert checks["generator"]["figures"]["cpu_us_per_request"] > 0
    assert checks["loopback"]["figures"]["service_p50_us"] > 0
    assert checks["measurable"]["figures"]["open_rate_per_s"] > 0
    assert list(tmp_path.iterdir()) == []
