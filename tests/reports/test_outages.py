from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.format import OUTCOMES
from reports.record.audited import Checked
from reports.record.outage import Outage, errors, stage
from tests.reports import synthetic_outage as synthetic
from tests.reports import tabled
from tests.reports.synthetic_outage import ANSWERED_US, BEGAN_US, DEADLINE_MS, RECOVERED_US, App, judged, rows, seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.record.faulted import FaultKind

Row = dict[str, Any]


def refusal(at_us: int, answer_us: int = 4_000, **facts: Any) -> Row:
    return tabled.arrival(at_us, answer_us, **{"status": 503, "outcome": "http_error", **facts})


def test_a_fault_is_found_as_it_was() -> None:
    found = seen(rows())
    before, during, after = found.stages
    assert [(each.name, each.from_us, each.to_us) for each in found.stages] == [
        ("before", 0, BEGAN_US), ("during", BEGAN_US, ANSWERED_US), ("after", ANSWERED_US, 10_000_000),
    ]  # fmt: skip
    assert [each.arrivals for each in found.stages] == [270, 180, 450]
    assert [each.arrivals for each in found.sessionless] == [30, 20, 50]
    assert before.goodput_per_s == pytest.approx(90)
    assert during.goodput_per_s == 0
    assert after.goodput_per_s == pytest.approx((450 - 36) / 5)
    assert (before.p50_us, before.p99_us, before.longest_us, before.errors) == (1_500, 1_500, 1_500, {})
    assert (during.p50_us, during.p99_us, during.errors) == (4_000, 4_000, {"503": 180})
    assert (after.p50_us, after.p99_us, after.errors) == (1_500, 4_000, {"503": 36})
    assert errors(found.stages) == {"503": 216}
    assert (found.first_error_us, found.first_error_status) == (BEGAN_US + 4_000, 503)
    assert found.slowest_error_us == 4_000
    assert (found.refused, found.refused_late, found.hung, found.strays, found.failed_before) == (216, 0, 0, 0, 0)
    assert found.failed_after == 36
    # The last that was refused was meant to start 10 ms before the app was back.
    assert found.recovered_us == RECOVERED_US - 10_000 + 4_000
    assert found.recovery_ms == 394
    assert (found.sessions_lost, found.updates_lost) == (0, 0)
    verdict = judged(found)
    assert (verdict.state, verdict.reasons) == ("VALID", [])
    assert Outage.model_validate_json(found.model_dump_json()) == found


def test_who_is_back_before_the_store_has_recovered_at_once() -> None:
    found = seen(rows(App(back_us=4_900_000)))
    assert (found.recovered_us, found.recovery_ms) == (ANSWERED_US, 0)


def test_right_answers_count_when_they_come_and_times_when_they_were_meant_to_start() -> None:
    waited = [tabled.arrival(4_000_000 + at, 1_000_000 + 2_000, status=200) for at in range(0, 500, 5)]
    found = seen([*rows(), *waited])
    during, after = found.stages[1:]
    assert during.goodput_per_s == 0
    assert after.goodput_per_s == pytest.approx((450 - 36 + 100) / 5)
    assert (during.arrivals, during.p99_us, during.longest_us) == (280, 1_002_000, 1_002_000)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (tabled.arrival(3_100_000, 9_000_000, outcome="cut"), "1 request hung"),
        (tabled.arrival(3_100_000, 60_000_000, outcome="timeout"), "1 request hung"),
        (tabled.unsent(3_100_000, 7_000_000), "1 arrival never found a free user"),
        (refusal(3_100_000, status=500), "errors other than 503: 1×500"),  # noqa: RUF001 - times
        (refusal(3_100_000, status=None, outcome="transport_error"), "errors other than 503: 1×transport_error"),  # noqa: RUF001 - times
        (
            tabled.arrival(3_100_000, name="GET /ping", status=None, outcome="transport_error"),
            "1 of 71 requests without a session failed: 1×transport_error",  # noqa: RUF001 - times
        ),
    ],
)
def test_whatever_is_no_refusal_in_time_fails(wrong: Row, said: str) -> None:
    verdict = judged(seen([*rows(), wrong]))
    assert verdict.state == "FAILED"
    assert any(reason.startswith(said) for reason in verdict.reasons)


def test_what_was_never_answered_is_only_a_lower_bound() -> None:
    cut = [tabled.arrival(3_100_000 + at, 2_000_000, outcome="cut") for at in range(4)]
    during = seen([*rows(), *cut]).stages[1]
    assert (during.at_least, during.p50_us, during.p99_us) == (["p99_us", "longest_us"], 4_000, 2_000_000)
    assert during.errors == {"503": 180, "cut": 4}


def test_a_refusal_is_late_by_what_the_app_took_and_not_by_its_wait_for_a_user() -> None:
    queued = [refusal(3_200_000 + at, lag_us=2_000_000) for at in range(20)]
    found = seen([*rows(), *queued])
    assert (found.refused, found.refused_late, found.slowest_error_us) == (236, 0, 4_000)
    assert judged(found).state == "VALID"
    late = round((DEADLINE_MS + 251) * 1e3)
    some = seen([*rows(), *(refusal(3_200_000 + at, late) for at in range(2))])
    assert (some.refused_late, judged(some).state) == (2, "VALID")
    many = seen([*rows(), *(refusal(3_200_000 + at, late) for at in range(3))])
    [reason] = judged(many).reasons
    assert reason.startswith("3 of 219 refusals came later than the deadline of 1,000 ms and 250 ms of slack; the slow")
    assert judged(many, deadline_ms=None).state == "VALID"
    assert seen([*rows(), refusal(3_200_000, late)], deadline_ms=None).refused_late == 0


@pytest.mark.parametrize(
    ("back_s", "state", "said"),
    [
        (6.9, "VALID", None),
        (7.5, "FAILED", "225 requests failed after the store had answered again, the last 2.49 s later (limit 2 s)"),
        (11.0, "FAILED", "requests failed to the end, 5.00 s after the store answered again (limit 2 s)"),
    ],
)
def test_an_app_has_two_seconds_to_recover(back_s: float, state: str, said: str | None) -> None:
    found = seen(rows(App(back_us=round(back_s * 1e6))))
    verdict = judged(found)
    assert (verdict.state, verdict.reasons) == (state, [said] if said else [])
    assert (found.recovered_us is None) == (back_s > 10)


def test_a_window_that_ends_too_soon_says_nothing_of_recovery() -> None:
    short = seen(rows(App(back_us=11_000_000), window_s=6.0), window_s=6.0)
    verdict = judged(short)
    assert verdict.state == "INVALID"
    assert verdict.reasons[0].startswith("the window ended 1.00 s after the store answered again")
    for answered_us in (None, 7_000_000):
        gone = seen(rows(window_s=6.0), window_s=6.0, answered_us=answered_us)
        assert [each.name for each in gone.stages] == ["before", "during"]
        assert (gone.recovered_us, judged(gone).state) == (None, "INVALID")


def test_a_single_failure_long_afterwards_is_a_stray() -> None:
    arrivals = [tabled.arrival(5_500_000 + 1_000 * at, 500, status=200) for at in range(2_000)]
    found = seen([*rows(), *arrivals, refusal(8_000_000)])
    assert (found.strays, found.recovery_ms) == (1, 394)
    # Three are more than one in a thousand of 2,450; and close behind the rest one is no stray.
    three = [refusal(8_000_000 + 100_000 * at) for at in range(3)]
    assert seen([*rows(), *arrivals, *three]).recovery_ms == 3_204
    near = seen([*rows(), *arrivals, refusal(5_600_000)])
    assert (near.strays, near.recovery_ms) == (0, 604)
    late = seen([*rows(App(back_us=4_000_000)), *arrivals, refusal(8_000_000)])
    assert (late.strays, late.recovery_ms) == (1, 0)


def test_what_hangs_from_the_outage_is_no_slow_recovery() -> None:
    hung = seen([*rows(), tabled.arrival(4_900_000, 9_000_000, outcome="cut")])
    assert (hung.hung, hung.recovery_ms) == (1, 394)
    later = seen([*rows(), *(tabled.arrival(9_900_000 + at, 2_000_000, outcome="cut") for at in range(2))])
    assert (later.hung, later.recovered_us) == (2, None)


def test_routes_without_a_session_must_not_wait_for_the_store() -> None:
    blocked = judged(seen(rows(App(ping_away_us=900_000))))
    assert blocked.reasons == ["requests without a session took 900 ms (p50) while the store was away, 0.800 ms before"]
    assert judged(seen(rows(App(ping_away_us=49_000)))).state == "VALID"
    assert judged(seen(rows(App(ping_us=6_000, ping_away_us=59_000)))).state == "VALID"
    # All users wait for the store, and a ping for one of them: that is the generator's queue.
    queued = [tabled.arrival(3_500_000, 800, lag_us=1_000_000, name="GET /ping", status=200) for _ in range(50)]
    assert judged(seen([*rows(), *queued])).state == "VALID"
    alone = [row for row in rows() if row["name"] != "GET /ping"]
    assert seen(alone).sessionless == []
    assert judged(seen(alone)).state == "VALID"


def test_a_pool_may_grow_to_its_full_size() -> None:
    found = seen(rows(), connections_before=6, connections_after=32)
    assert judged(found, pooled=32).state == "VALID"
    assert judged(found, pooled=16).state == "FAILED"


@pytest.mark.parametrize(
    ("before", "after", "leaks"),
    [(8, 16, False), (8, 17, True), (2, 6, False), (2, 7, True), (0, 4, False), (None, 90, False), (8, None, False)],
)
def test_connections_may_grow_but_not_leak(before: int | None, after: int | None, leaks: bool) -> None:  # noqa: FBT001 - a table
    verdict = judged(seen(rows(), connections_before=before, connections_after=after))
    said = [f"connections to the store leaked: {before} before the fault, {after} at the end"]
    assert verdict.reasons == (said if leaks else [])


@pytest.mark.parametrize(
    ("kind", "through", "durability", "lost", "excused"),
    [
        ("restart-empty", "process", "every acknowledged write", 500, True),
        ("kill", "process", "none", 500, True),
        ("kill", "process", "process restart", 1, False),
        ("kill", "process", "every acknowledged write", 1, False),
        ("kill", "process", "power loss within 100 ms", 9, True),
        ("kill", "process", "power loss within 100 ms", 10, False),
        ("kill", "relay", "none", 1, False),
        ("freeze", "process", "none", 1, False),
        ("slow", "relay", "none", 1, False),
    ],
)
@pytest.mark.parametrize("status", [401, 200])
def test_what_may_be_lost_is_what_the_store_does_not_keep(  # noqa: PLR0917 - a table
    kind: FaultKind,
    through: str,
    durability: str,
    lost: int,
    excused: bool,  # noqa: FBT001 - a table
    status: int,
) -> None:
    gone = [tabled.arrival(6_000_000 + at, status=status, outcome="wrong_answer") for at in range(lost)]
    found = seen([*rows(), *gone], through=through)
    assert (found.sessions_lost, found.updates_lost) == ((lost, 0) if status == 401 else (0, lost))
    verdict = judged(found, kind, durability, slow_ms=300.0 if kind == "slow" else None)
    assert verdict.state == ("VALID" if excused else "FAILED")
    assert found.stages[2].errors == {"503": 36}


def test_no_fault_excuses_another_user_s_data() -> None:
    checked = {"isolation": Checked(checked=900, wrong=2), "lost_updates": Checked(checked=900, wrong=3)}
    verdict = judged(seen(rows()), "restart-empty", checked=checked)
    assert verdict.reasons == ["2 answers broke isolation"]


def test_what_failed_before_is_not_the_fault_s_doing() -> None:
    found = seen([*rows(), refusal(1_000_000), refusal(BEGAN_US - 1_000)])
    assert (found.failed_before, found.first_error_us) == (1, BEGAN_US + 3_000)
    assert judged(found).reasons == ["1 of 272 requests failed before there was a fault"]


@pytest.mark.parametrize(
    ("kind", "longest_ms", "felt"),
    [("freeze", 999, False), ("freeze", 1_001, True), ("slow", 149, False), ("slow", 151, True)],
)
def test_a_fault_that_nobody_felt_is_suspect(kind: FaultKind, longest_ms: int, felt: bool) -> None:  # noqa: FBT001 - a table
    waited = tabled.arrival(3_000_000, longest_ms * 1_000, status=200)
    verdict = judged(seen([*rows(App(back_us=0)), waited]), kind, slow_ms=300.0 if kind == "slow" else None)
    assert verdict.state == ("VALID" if felt else "SUSPECT")
    assert felt or verdict.reasons[0].startswith("the fault was not felt")


def test_without_arrivals_nothing_is_known() -> None:
    verdict = judged(seen([tabled.arrival(-100, status=200)]))
    assert verdict.state == "INVALID"
    assert verdict.reasons[0] == "no request was meant to start while the store was away"


_ROWS: Callable[..., st.SearchStrategy[Row]] = st.fixed_dictionaries
_SOME = st.lists(
    _ROWS(
        {
            "scheduled_us": st.integers(-1_000_000, 12_000_000),
            "response_us": st.integers(0, 20_000_000),
            "name": st.sampled_from(["GET /ping", "GET /profile", "(unsent)"]),
            "status": st.sampled_from([None, 200, 401, 409, 500, 503]),
            "outcome": st.sampled_from(OUTCOMES),
            "arm": st.integers(0, 1),
        }
    ),
    max_size=60,
)


@given(_SOME, st.sampled_from([None, 3_000_000, ANSWERED_US, 11_000_000]), st.integers(0, 2_999_999))
@settings(max_examples=60, deadline=None)
def test_every_request_of_the_window_is_in_one_stage(made: list[Row], answered_us: int | None, began_us: int) -> None:
    table = [
        tabled.request(**row, wake_lag_us=0, sent_us=row["scheduled_us"], service_us=row["response_us"])
        if row["outcome"] != "unsent"
        else tabled.request(**row, sent_us=None, service_us=None)
        for row in made
    ]
    found = seen(table, began_us=began_us, answered_us=answered_us)
    inside = [row for row in table if row["arm"] == 0 and 0 <= row["scheduled_us"] < 10_000_000]
    bare = [row for row in inside if row["name"] == "GET /ping" and row["sent_us"] is not None]
    assert sum(each.arrivals for each in found.stages) == len([row for row in inside if row["name"] != "GET /ping"])
    assert sum(each.arrivals for each in found.sessionless) == len(bare)
    assert found.hung == sum(row["outcome"] in {"timeout", "cut"} for row in inside)
    if found.recovered_us is not None:
        assert found.recovered_us >= (answered_us or 0)
    assert synthetic.judged(found).state in {"VALID", "SUSPECT", "INVALID", "FAILED"}
    assert stage(found.stages, "during") is not None
