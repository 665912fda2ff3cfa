"""Who counts a store's records and writes, and what a policy excuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.audit.bench import states

if TYPE_CHECKING:
    from tests.audit.bench import Bench

ANONYMITY, OUTAGE, AMPLIFICATION, SWEEPING = 12, 15, 17, 18
ALL = [ANONYMITY, OUTAGE, AMPLIFICATION, SWEEPING]


def test_where_there_is_no_store_nothing_is_tried(bench: Bench) -> None:
    for audit in bench.audits((bench.subject(variant), ALL) for variant in ("cookie", "none")):
        assert set(states(audit).values()) == {"SKIPPED"}


def test_workers_that_keep_and_count_for_themselves_are_asked_one_by_one(bench: Bench) -> None:
    checks = bench.audit(bench.subject("memory", workers=2), *ALL)
    assert {number: check.state for number, check in checks.items()} == {
        ANONYMITY: "PASS",
        OUTAGE: "SKIPPED",
        AMPLIFICATION: "PASS",
        SWEEPING: "PASS",
    }
    assert checks[AMPLIFICATION].figures == {"writes_per_read": 0, "writes_per_write": 1}
    assert checks[SWEEPING].figures["gone_after_s"] > 0


def test_a_policy_that_writes_on_every_read_is_waived_with_its_price(bench: Bench) -> None:
    subjects = [bench.subject("memory:write=always"), bench.subject("memory:slide=always")]
    for audit in bench.audits((subject, [AMPLIFICATION]) for subject in subjects):
        (check,) = audit.checks
        assert check.state == "WAIVED"
        assert check.figures["writes_per_read"] == 1


def test_an_app_that_somebody_else_runs_is_not_asked_what_it_cannot_tell(bench: Bench) -> None:
    with bench.elsewhere("memory") as theirs:
        checks = bench.audit(theirs, *ALL)
    assert {check.state for check in checks.values()} == {"SKIPPED"}


def test_what_is_on_the_wire_is_counted_both_ways(bench: Bench) -> None:
    (check,) = bench.audit(bench.subject("redis"), AMPLIFICATION).values()
    assert check.state == "PASS"
    figures = check.figures
    assert (figures["round_trips_per_read"], figures["round_trips_per_write"]) == (1, 2)
    # The session goes out on a read, and out and in again on a write.
    assert figures["to_store_bytes_per_read"] < 1000 < figures["from_store_bytes_per_read"]
    assert min(figures["to_store_bytes_per_write"], figures["from_store_bytes_per_write"]) > 1000
