"""The auditor on apps that are as they should be, on some that it may only ask, and on one that dies under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from harness.audit import auditor
from harness.audit.check import check
from harness.audit.probe import Probe
from harness.errors import ComponentError
from tests.audit.bench import states
from tests.audit.flaws.dying import DiesAtTheTenthWrite, DoesNotStart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.subject import Subject
    from reports.record.audited import Audit, Check
    from tests.audit.bench import Bench

HERE: Final = frozenset({1, 2, 3, 4, 5, 6, 8, 9, 13, 16})
SERVED: Final = dict.fromkeys(sorted(HERE), "PASS") | {8: "WAIVED"}
WITH_THE_CLIENT: Final = dict.fromkeys(sorted(HERE), "PASS") | dict.fromkeys((3, 4, 6, 8, 9), "CANNOT")
WANTED: Final = {
    "memory": HERE - {4, 9},
    "memory by 2": {1, 16},
    "cookie": HERE,
    "none": HERE,
    "redis": HERE,
    "redis:conflict=reject": {8},
    "redis:conflict=retry": {8},
}
Audits = dict[str, "Audit"]


@pytest.fixture(scope="module")
def audits(bench: Bench) -> Audits:
    """Give the audits of healthy variants."""
    wanted = []
    for text, only in WANTED.items():
        variant, _, workers = text.partition(" by ")
        wanted.append((bench.subject(variant, workers=int(workers or 1)), only))
    return dict(zip(WANTED, bench.audits(wanted), strict=True))


@pytest.fixture(scope="module")
def elsewhere(bench: Bench) -> Iterator[Subject]:
    """Give an app that somebody else has started, without audit routes."""
    with bench.elsewhere("memory") as subject:
        yield subject


def one(audit: Audit, number: int) -> Check:
    return next(each for each in audit.checks if each.number == number)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("memory", {number: state for number, state in SERVED.items() if number not in {4, 9}}),
        ("redis", SERVED),
        ("cookie", WITH_THE_CLIENT),
        ("none", dict.fromkeys(sorted(HERE), "SKIPPED")),
        ("redis:conflict=reject", {8: "PASS"}),
        ("redis:conflict=retry", {8: "PASS"}),
        ("memory by 2", {1: "FAIL", 16: "FAIL"}),
    ],
)
def test_a_healthy_variant_ends_as_its_kind_and_policies_let_it(
    audits: Audits, variant: str, expected: dict[int, str]
) -> None:
    assert states(audits[variant]) == expected


def test_what_was_sent_and_what_came_is_kept(audits: Audits) -> None:
    revocation = one(audits["memory"], 3)
    replays = [each for each in revocation.evidence if "GET /profile with the old cookie" in each.sent]
    assert [each.came[:3] for each in replays] == ["401"]
    assert revocation.figures == {"replays": 4, "opened": 0}
    logins = [each for each in one(audits["memory"], 5).evidence if "POST /login with" in each.sent]
    assert len(logins) == 3


def test_equal_exchanges_are_kept_once_and_counted(audits: Audits) -> None:
    looks = [each for each in one(audits["redis"], 4).evidence if "with the old cookie after a slow" in each.sent]
    assert {each.times for each in looks} == {2}
    assert {"read", "write"} == {each.sent.rpartition(" ")[2] for each in looks}


def test_an_excused_check_still_says_what_was_found(audits: Audits) -> None:
    renewal = one(audits["cookie"], 6)
    assert renewal.found.endswith("The id changed at each of 3 logins, and 3 of the old ones still open a session.")
    assert renewal.figures == {"logins": 3, "ids_kept": 0, "old_ids_alive": 3}
    assert one(audits["memory"], 8).found.startswith("conflict=last-wins gives up")


def test_updates_are_counted_as_lost_only_when_they_were_acknowledged(audits: Audits) -> None:
    figures = {conflict: one(audits[f"redis:conflict={conflict}"], 8).figures for conflict in ("reject", "retry")}
    figures["last-wins"] = one(audits["redis"], 8).figures
    for each in figures.values():
        assert each["acknowledged"] + each["refused_409"] + each["busy_503"] == each["attempts"] == 30
        assert each["lost_updates"] == each["acknowledged"] - each["survived"]
    assert figures["reject"]["lost_updates"] == figures["retry"]["lost_updates"] == 0
    assert figures["reject"]["refused_409"] > 0
    assert figures["last-wins"]["lost_updates"] > 0


def test_workers_are_told_apart_where_they_can_be(audits: Audits) -> None:
    assert one(audits["redis"], 16).figures == {"workers_asked": 2}
    assert one(audits["memory"], 16).figures == {"connections": 22}
    assert "its only process" in one(audits["memory"], 16).found
    assert one(audits["memory by 2"], 16).strikes


def test_an_app_without_audit_routes_is_asked_what_can_be_asked(elsewhere: Subject) -> None:
    asked = HERE - {8}  # writes may come to overlap all the same
    made = auditor.audit(elsewhere, only=asked)
    skipped = dict.fromkeys((4, 9, 13), "SKIPPED")
    assert states(made) == dict.fromkeys(sorted(asked), "PASS") | skipped
    assert one(made, 16).figures == {"connections": 22}


def test_nobody_is_given_the_cookie_of_somebody_else(elsewhere: Subject) -> None:
    with Probe(elsewhere) as probe:
        probe.user()
        assert probe.agent().read().anonymous


def test_an_app_that_dies_has_failed_and_is_started_again_for_the_next_check(bench: Bench) -> None:
    made = bench.audit(bench.subject(flaw=DiesAtTheTenthWrite), 1, 3, 8)
    assert {number: each.state for number, each in made.items()} == {1: "FAIL", 3: "PASS", 8: "FAIL"}
    assert "no answer" in made[1].found
    assert "no answer" in made[8].found


def test_an_app_that_does_not_start_is_said_to(bench: Bench) -> None:
    with pytest.raises(ComponentError, match=r"did not start: .* Nothing was configured"):
        bench.audit(bench.subject(flaw=DoesNotStart))


def test_no_two_checks_have_one_number() -> None:
    auditor.all_checks()
    with pytest.raises(ValueError, match="two checks with the number 3: revocation and again"):
        check(3, "again", "Nothing.", source="nobody")(lambda _: "")
