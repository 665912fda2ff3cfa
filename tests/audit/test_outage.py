"""What apps do while their stores' real servers are frozen, dead or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.servers.server import provide
from tests.audit.flaws.outage import TakesAnOutageForStrangers

if TYPE_CHECKING:
    from harness.processes import Processes
    from tests.audit.bench import Bench

OUTAGE = 15
HEALTHY = ("postgres", "mongodb", "http")


def test_each_store_is_lost_and_found_in_time_and_what_goes_wrong_is_named(bench: Bench) -> None:
    subjects = [bench.subject(variant) for variant in (*HEALTHY, "redis:driver=sync")]
    subjects.append(bench.broken(TakesAnOutageForStrangers))
    *healthy, blocking, estranging = [audit.checks[0] for audit in bench.audits((each, [OUTAGE]) for each in subjects)]
    for variant, check in zip(HEALTHY, healthy, strict=True):
        assert check.state == "PASS", (variant, check.found)
        for harm in ("freeze", "kill", "restart_empty", "slow"):
            assert check.figures[f"{harm}_first_error_ms"] > 0
            assert check.figures[f"{harm}_recover_ms"] > 0
        assert not {"freeze_sessions_lost", "slow_sessions_lost"} & set(check.figures)
        assert check.figures["restart_empty_sessions_lost"] > 0
    assert blocking.state == "FAIL"
    assert "freeze: a request without a session got 200 after" in blocking.found
    assert estranging.state == "FAIL"
    assert "freeze: a read was answered with 401 as to a stranger in place of 503" in estranging.found


def test_a_store_that_is_not_ours_is_left_in_peace(bench: Bench, processes: Processes) -> None:
    subject = bench.subject("redis")
    assert subject.store is not None
    subject.store = provide("redis", options={}, mode="url", url=subject.store.url, processes=processes)
    check = bench.audit(subject, OUTAGE)[OUTAGE]
    assert check.state == "SKIPPED"
    assert "not ours" in check.found
