"""Whatever a server answers, the lean client ends with an answer or a counted error, and goes on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 0.5
"""Of the requests that are to run into it; a busy machine may take longer than that for the others."""
PATIENT_S = 60.0
GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nSet-Cookie: sid=abc; Path=/\r\n\r\ngood"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ERROR, TIMEOUT = "transport_error", "timeout"

# Name: pieces sent, whether the connection stays open, status, outcome (None: no error), content.
CASES: dict[str, tuple[list[str], bool, int, str | None, str]] = {
    "whole": ([GOOD], True, 200, None, "good"),
    "byte by byte": (list(GOOD), True, 200, None, "good"),
    "chunked": ([CHUNKED, "2\r\ngo\r\n", "2\r\nod\r\n0\r\n\r\n"], True, 200, None, "good"),
    "until the end": (["HTTP/1.1 200 OK\r\n\r\ngo", "od"], False, 200, None, "good"),
    "HTTP/1.0": (["HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood"], True, 200, None, "good"),
    "100 Continue first": (["HTTP/1.1 100 Continue\r\n\r\n", GOOD], True, 200, None, "good"),
    "103 Early Hints first": (["HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", GOOD], True, 200, None, "good"),
    "no content": (["HTTP/1.1 204 No Content\r\n\r\n"], True, 204, None, ""),
    "a 500": (["HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"], True, 500, "http_error", ""),
    "closing": (["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood"], False, 200, None, "good"),
    "nothing at all": ([], False, 0, ERROR, ""),
    "half a body": ([GOOD[:-2]], False, 0, ERROR, ""),
    "half a header": ([GOOD[:30]], False, 0, ERROR, ""),
    "half a chunk": ([CHUNKED, "5\r\ngo"], False, 0, ERROR, ""),
    "not HTTP": (["SSH-2.0-OpenSSH_9.2\r\n"], True, 0, ERROR, ""),
    "a bad length": (["HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\ngood"], True, 0, ERROR, ""),
    "a bad chunk": ([CHUNKED, "xyz\r\ngood"], True, 0, ERROR, ""),
    "two lengths": (["HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood"], True, 0, ERROR, ""),
    "more than was asked": ([GOOD + GOOD], True, 0, ERROR, ""),
    "another protocol": (["HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nzz"], True, 0, ERROR, ""),
    "headers without end": (["HTTP/1.1 200 OK\r\n", *(["X: " + "y" * 9000 + "\r\n"] * 20)], True, 0, ERROR, ""),
    "one header too long": (["HTTP/1.1 200 OK\r\nX: " + "y" * 70_000 + "\r\n\r\n"], True, 0, ERROR, ""),
    "a long header": (
        ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: " + "y" * 50_000 + "\r\n\r\ngood"],
        True,
        200,
        None,
        "good",
    ),
    "a long body": (
        [f"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{'x' * 300_000}"],
        True,
        200,
        None,
        "x" * 300_000,
    ),
    "three interim answers": (["HTTP/1.1 102 Processing\r\n\r\n" * 3 + GOOD], True, 200, None, "good"),
    "only an interim answer": (["HTTP/1.1 100 Continue\r\n\r\n"], False, 0, ERROR, ""),
    "half an answer too much": ([GOOD + GOOD[:20]], True, 0, ERROR, ""),
    "a status of 0": (["HTTP/1.1 000 Zero\r\nContent-Length: 4\r\n\r\ngood"], True, 0, ERROR, ""),
    "lines that end in LF": (["HTTP/1.1 200 OK\nContent-Length: 4\n\ngood"], True, 0, ERROR, ""),
    "a folded header": (["HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 4\r\n\r\ngood"], True, 0, ERROR, ""),
    "length and chunks": (
        ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"],
        True,
        0,
        ERROR,
        "",
    ),
    "no content, with a length": (["HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"], True, 204, None, ""),
    "not modified": (["HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"], True, 304, None, ""),
    "a trailer": ([CHUNKED + "4\r\ngood\r\n0\r\nSet-Cookie: a=b\r\n\r\n"], True, 200, None, "good"),
    "silence": ([], True, 0, TIMEOUT, ""),
    "a slow drip": (
        ["HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", *(["x", "sleep 0.1"] * 400)],
        True,
        0,
        TIMEOUT,
        "",
    ),
}


# The same for HEAD, whose answers have no body whatever they say.
HEADS: dict[str, tuple[list[str], bool, int, str | None, bool]] = {
    "with a length": (["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"], True, 200, None, True),
    "without a length": (["HTTP/1.1 200 OK\r\n\r\n"], True, 200, None, False),
    "in chunks": ([CHUNKED], True, 200, None, True),
    "interim first": (
        ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"],
        True,
        200,
        None,
        True,
    ),
    "not found": (["HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"], True, 404, "http_error", True),
    "closing": (["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"], True, 200, None, False),
    "with a body": ([GOOD], True, 0, ERROR, False),
    "twice": (["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2], True, 0, ERROR, False),
    "half": (["HTTP/1.1 200 OK\r\nContent-"], False, 0, ERROR, False),
}


def run(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.answers"],
        input=json.dumps(cases),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    cases = [
        {"pieces": pieces, "stays": stays, "timeout_s": TIMEOUT_S if outcome == TIMEOUT else PATIENT_S}
        for pieces, stays, _, outcome, _ in CASES.values()
    ]
    return dict(zip(CASES, run(cases), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_an_answer_or_a_counted_error(answers: dict[str, dict[str, Any]], name: str) -> None:
    _, _, status, outcome, content = CASES[name]
    found = answers[name]
    assert (found["status"], found["outcome"], found["content"]) == (status, outcome, content)
    assert found["length"] == len(content)
    # The slow drip would take 40 s.
    assert found["took_s"] < 30
    assert outcome != TIMEOUT or found["took_s"] >= TIMEOUT_S
    assert found["second"] == "good"


@pytest.mark.parametrize("name", CASES)
def test_a_connection_is_kept_exactly_when_it_may_be(answers: dict[str, dict[str, Any]], name: str) -> None:
    kept = CASES[name][3] in {None, "http_error"} and name not in {"until the end", "HTTP/1.0", "closing"}
    assert answers[name]["connections"] == (1 if kept else 2)


@pytest.fixture(scope="module")
def heads() -> dict[str, dict[str, Any]]:
    cases = [
        {"pieces": pieces, "stays": stays, "timeout_s": PATIENT_S, "method": "HEAD"}
        for pieces, stays, *_ in HEADS.values()
    ]
    return dict(zip(HEADS, run(cases), strict=True))


@pytest.mark.parametrize("name", HEADS)
def test_an_answer_to_head_ends_with_its_head(heads: dict[str, dict[str, Any]], name: str) -> None:
    _, _, status, outcome, is_kept = HEADS[name]
    found = heads[name]
    assert (found["status"], found["outcome"], found["content"]) == (status, outcome, "")
    assert found["connections"] == (1 if is_kept else 2)
    assert found["second"] == "good"


def test_an_answer_may_come_in_two_pieces_that_part_anywhere() -> None:
    cases = []
    chunked = CHUNKED + "2\r\ngo\r\n2\r\nod\r\n0\r\n\r\n"
    for whole in (GOOD, "HTTP/1.1 100 Continue\r\n\r\n" + GOOD, chunked):
        cases += [
            {"pieces": [whole[:at], "sleep 0.001", whole[at:]], "stays": True, "timeout_s": PATIENT_S}
            for at in range(1, len(whole))
        ]
    for case, found in zip(cases, run(cases), strict=True):
        assert (found["status"], found["outcome"], found["content"]) == (200, None, "good"), case
        assert found["connections"] == 1, case


def test_the_request_event_says_what_locusts_own_says(answers: dict[str, dict[str, Any]]) -> None:
    found = answers["whole"]
    assert (found["name"], found["context"]) == ("first", {"user": 7})
    assert found["events"] == 2
    assert found["is_the_response"]
    assert found["said"] == [
        "context", "exception", "name", "request_type", "response", "response_length", "response_time", "start_time",
        "url",
    ]  # fmt: skip
    assert 0 < found["told_s"] <= found["took_s"]
    slow = answers["a slow drip"]
    assert TIMEOUT_S <= slow["told_s"] <= slow["took_s"]
    assert found["headers"] == {"content-length": "4", "set-cookie": "sid=abc; Path=/"}


def test_the_request_is_plain_http(answers: dict[str, dict[str, Any]]) -> None:
    head, _, body = answers["whole"]["request"].partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    assert first == "POST /x?y=1 HTTP/1.1"
    assert {"Content-Type: application/json", "Content-Length: 7"} <= set(headers)
    assert headers[0].startswith("Host: 127.0.0.1:")
    assert body == '{"a":1}'


def test_broken_answers_never_hang_or_crash() -> None:
    """Flip, cut and repeat bytes of good answers at seeded random places."""
    rng = random.Random(20261122)  # noqa: S311 - a fuzzer's
    cases = []
    for _ in range(300):
        broken = list(rng.choice([GOOD, CHUNKED + "4\r\ngood\r\n0\r\n\r\n"]))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(broken))
            broken[place : place + rng.choice([0, 1, 8])] = chr(rng.randrange(256)) * rng.choice([0, 1, 3])
        cases.append({"pieces": ["".join(broken)], "stays": False, "timeout_s": PATIENT_S})
    for case, found in zip(cases, run(cases), strict=True):
        # The server hangs up: whoever waited on would run into the timeout.
        assert found["outcome"] in {None, "http_error", ERROR}, case
        assert (found["status"] == 0) == (found["outcome"] == ERROR), case
        assert found["second"] == "good", case
