"""The lean client in awkward moments: kills, closed and chatty connections, uploads, timeouts; and its short way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 0.5
PATIENT_S = 60.0


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.moments"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    moments: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return moments


def test_a_killed_user_leaves_no_half_answered_connection(seen: dict[str, Any]) -> None:
    found = seen["killed"]
    assert (found["after"], found["again"], found["opened"]) == ("/after", "/again", 2)
    assert found["closed"]
    assert found["requests"] == ["/silence", "/after", "/again"]
    assert found["events"] == 2


def test_a_scenarios_own_timeout_leaves_none_either(seen: dict[str, Any]) -> None:
    assert seen["given_up"] == {"after": "/after", "opened": 2, "events": 1}


def test_a_connection_that_the_app_closed_in_between_costs_no_request(seen: dict[str, Any]) -> None:
    assert seen["left"] == {"first": "/leave", "after": "/after", "opened": 2}


def test_an_answer_that_nobody_asked_for_reaches_nobody(seen: dict[str, Any]) -> None:
    assert seen["chattered"] == {"first": "/chatter", "after": "/after", "opened": 2}


def test_greenlets_that_ask_at_once_get_their_own_answers(seen: dict[str, Any]) -> None:
    assert seen["together"] == {"texts": ["/later", "/silence", "/quick"], "opened": 3}


def test_the_connection_goes_with_the_session(seen: dict[str, Any]) -> None:
    assert seen["dropped"] == {"open_before": True, "closed": True, "events": 1}


def test_an_answer_may_come_before_the_request_is_sent_whole(seen: dict[str, Any]) -> None:
    assert seen["answered_early"] == {"status": 413, "after": "/after", "n": 2}


def test_a_large_upload_is_sent_whole(seen: dict[str, Any]) -> None:
    assert seen["uploaded"] == {"text": "/upload", "after": "/after", "opened": 1}


def test_an_upload_that_nobody_reads_ends_in_time(seen: dict[str, Any]) -> None:
    found = seen["stuck"]
    assert (found["status"], found["outcome"]) == (0, "timeout")
    assert TIMEOUT_S <= found["took_s"] < PATIENT_S


def test_every_request_has_the_whole_timeout_and_no_more(seen: dict[str, Any]) -> None:
    found = seen["timed"]
    assert (found["texts"], found["status"], found["opened"]) == (["/later"], 0, 1)
    assert 2 * TIMEOUT_S <= found["took_s"] < PATIENT_S


def test_a_refused_connection_is_a_counted_error(seen: dict[str, Any]) -> None:
    assert seen["refused"] == {"statuses": [0] * 3, "outcomes": ["transport_error"] * 3}


def test_a_request_carries_the_cookies_of_its_moment(seen: dict[str, Any]) -> None:
    assert seen["cookied"]["seen"] == ["a=1", "a=1; b=2", "a=3; b=2", "b=2", ""]


def test_an_address_is_quoted_and_stays_on_its_host(seen: dict[str, Any]) -> None:
    assert seen["quoted"] == {"requests": ["/a%20b?q=%C3%BC%20x&r=%3C1%3E", "/whole", "/", "/?only=1"], "refused": 2}


def test_listeners_are_told_as_locust_tells_them(seen: dict[str, Any]) -> None:
    ours = seen["told"]["ours"]
    assert ours == seen["told"]["locusts"]
    assert [ours[0], ours[3], ours[4]] == ["left", "stopped", True]


def test_users_that_wait_for_no_answer_let_others_run(seen: dict[str, Any]) -> None:
    assert seen["rested"]["least"] > 10


def test_a_known_head_means_what_the_parser_says(seen: dict[str, Any]) -> None:
    """1,500 answers, good and bad, with known heads and with none; the short way must have had its chance."""
    assert seen["compared"]["different"] == []
    assert seen["compared"]["short"] > 200
