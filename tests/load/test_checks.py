"""A right answer breaks nothing; a wrong one is counted, under the property that it breaks and no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.command import TIMEOUT_S

CLIENTS = ("lean", "stock")
BROKEN = (
    "well_formed",
    "session_kept",
    "isolation",
    "read_your_writes",
    "lost_updates",
    "lost_updates: more",
    "payload",
    "revocation",
)
CASES: dict[str, dict[str, Any]] = {
    "right": {"fault": ""},
    **{fault: {"fault": fault} for fault in BROKEN},
    "unanswered": {"fault": "unanswered"},
    "keeps nothing": {"fault": "isolation", "traits": {"keeps_state": False}},
    "cannot revoke": {"fault": "revocation", "traits": {"revocable": False}},
    "shared": {"fault": "", "shared": True},
    "shared, last wins": {"fault": "last-wins", "shared": True},
    "shared, last wins, against the policy": {
        "fault": "last-wins",
        "shared": True,
        "traits": {"loses_updates": False},
    },
    "shared, reject": {"fault": "reject", "shared": True, "traits": {"loses_updates": False}},
    "shared, unanswered": {"fault": "unanswered", "shared": True},
    "shared, twice": {"fault": "twice", "shared": True},
    "shared, somebody else's": {"fault": "isolation", "shared": True},
    "shared, lost sessions": {"fault": "session_kept", "shared": True},
}
Played = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=CLIENTS)
def played(request: pytest.FixtureRequest) -> Played:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.misbehaving", request.param],
        input=json.dumps(list(CASES.values())),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


def wrong(case: dict[str, Any]) -> dict[str, int]:
    return {name: wrong for name, (_, wrong) in case["checks"].items() if wrong}


def test_of_a_right_app_every_property_is_checked_and_none_is_broken(played: Played) -> None:
    right = played["right"]
    assert wrong(right) == {}
    assert right["broken"] == []
    unchecked = {name for name, (checked, _) in right["checks"].items() if not checked}
    assert unchecked == {"concurrent_updates"}
    reads = [name for name in right["named"] if name in {"GET /profile", "GET /profile (reconnected)"}]
    assert right["checks"]["read_your_writes"] == [len(reads), 0]


@pytest.mark.parametrize("fault", BROKEN)
def test_each_wrong_answer_is_counted_under_the_property_that_it_breaks(played: Played, fault: str) -> None:
    case = played[fault]
    name = fault.partition(":")[0]
    harmed = case["checks"]["revocation"][0] if fault == "revocation" else case["harmed"]
    assert wrong(case) == {name: harmed}
    assert case["broken"] == [name] * harmed
    assert case["checks"][name][0] >= harmed > 0


def test_every_eighth_logout_is_followed_by_its_dead_cookie(played: Played) -> None:
    named = [name for name in played["right"]["named"] if name != "GET /ping"]
    logouts = [place for place, name in enumerate(named) if name == "POST /logout"]
    replays = [place for place, name in enumerate(named) if name == "GET /profile (revoked)"]
    assert replays == [place + 1 for place in logouts[7::8] if place + 1 < len(named)]
    assert played["right"]["refused"] == ["GET /profile (revoked)"] * len(replays)
    assert all(named[place + 1] == "POST /login" for place in replays)


def test_what_cannot_be_held_against_an_app_is_not(played: Played) -> None:
    nothing = played["keeps nothing"]
    assert wrong(nothing) == {}
    assert nothing["harmed"] > 0
    assert [name for name, (checked, _) in nothing["checks"].items() if checked] == ["well_formed", "session_kept"]
    assert "GET /profile (revoked)" not in played["cannot revoke"]["named"]
    assert wrong(played["cannot revoke"]) == {}


def test_an_unanswered_write_breaks_nothing(played: Played) -> None:
    case = played["unanswered"]
    assert wrong(case) == {}
    assert len(case["broken"]) == case["harmed"] > 0


def test_whoever_reconnects_comes_over_a_new_connection(played: Played) -> None:
    case = played["right"]
    reconnected = case["named"].count("GET /profile (reconnected)")
    # Without a session a user logs in over it.
    assert case["connections"] >= reconnected > 10
    assert case["connections"] < len(case["named"]) / 4


def test_tabs_that_lose_nothing(played: Played) -> None:
    case = played["shared"]
    assert wrong(case) == {}
    assert case["broken"] == []
    settled = case["checks"]["concurrent_updates"][0]
    # Every session has ten writes, the last ones of the two browsers may not have come to theirs.
    assert settled % 10 == 0
    assert case["named"].count("POST /profile") - 20 <= settled > 100


def test_lost_updates_of_tabs_are_counted_but_wrong_only_against_the_policy(played: Played) -> None:
    case, against = played["shared, last wins"], played["shared, last wins, against the policy"]
    checked, lost = case["checks"]["concurrent_updates"]
    assert wrong(case) == {"concurrent_updates": lost}
    assert case["broken"] == []
    assert 0 < lost < checked
    assert set(against["broken"]) == {"concurrent_updates"}
    assert wrong(against).keys() == {"concurrent_updates"}


def test_refused_updates_of_tabs_are_planned_and_not_lost(played: Played) -> None:
    case = played["shared, reject"]
    assert wrong(case) == {}
    assert case["broken"] == []
    assert case["refused"].count("POST /profile") == case["harmed"] > 0
    assert case["checks"]["concurrent_updates"][0] > 0


def test_a_shared_session_with_an_unanswered_write_is_left_out(played: Played) -> None:
    case = played["shared, unanswered"]
    assert wrong(case) == {}
    # One write in seven goes unanswered, so that hardly any session's ten are all known.
    assert case["checks"]["concurrent_updates"][0] < case["named"].count("POST /profile") / 2
    assert case["named"].count("POST /logout") > 5


def test_what_tabs_may_hold_against_an_app(played: Played) -> None:
    assert wrong(played["shared, twice"]).keys() == {"lost_updates"}
    other = played["shared, somebody else's"]
    assert wrong(other) == {"isolation": other["harmed"]}
    lost = wrong(played["shared, lost sessions"])
    assert lost.keys() == {"session_kept"}
    assert 0 < lost["session_kept"] <= played["shared, lost sessions"]["harmed"]
