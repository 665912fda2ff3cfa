"""The reference session service over real HTTP: its protocol, expiry, isolation, and what it refuses."""

from __future__ import annotations

import re
import secrets
import socket
import statistics
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from harness import session_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.servers.kind import Running

KEY, OTHER = "0" * 64, "f" * 64
FAR = 4_000_000_000.25


@pytest.fixture
def client(wheel_of: Callable[[str], Running]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=wheel_of("http").url, trust_env=False) as opened:
        yield opened


@pytest.fixture
def namespace() -> str:
    return f"test_{secrets.token_hex(4)}"


@pytest.fixture
def at(namespace: str) -> str:
    """Give the address of a session."""
    return f"/v1/{namespace}/sessions/{KEY}"


def create(
    client: httpx.Client, at: str, data: bytes = b"data", expires_at: float = FAR, **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(
        at, content=data, headers={"if-none-match": "*", "x-session-expires-at": repr(expires_at)} | named
    )


def update(client: httpx.Client, at: str, data: bytes, if_match: str = "*", expires_at: float = FAR) -> httpx.Response:
    return client.put(at, content=data, headers={"if-match": if_match, "x-session-expires-at": repr(expires_at)})


def seen(response: httpx.Response) -> tuple[int, bytes, str | None, str | None]:
    headers = response.headers
    return (
        response.status_code,
        response.content,
        headers.get("x-session-version"),
        headers.get("x-session-expires-at"),
    )


def test_it_says_what_it_is(client: httpx.Client, wheel_of: Callable[[str], Running]) -> None:
    (pid,) = wheel_of("http").pids()
    about = client.get("/v1").json()
    assert set(about.pop("requests")) == {"GET", "PUT", "PATCH", "DELETE", "POST"}
    assert about == {"product": "session service", "version": session_service.VERSION, "pid": pid}


def test_the_life_of_a_session(client: httpx.Client, at: str) -> None:
    assert client.get(at).status_code == 404
    assert seen(create(client, at)) == (201, b"", "1", str(FAR))
    assert seen(client.get(at)) == (200, b"data", "1", str(FAR))
    assert seen(update(client, at, b"\0new\xff")) == (200, b"", "2", str(FAR))
    assert seen(client.get(at)) == (200, b"\0new\xff", "2", str(FAR))
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == 404
    assert client.delete(at).status_code == 204


def test_an_update_at_a_version(client: httpx.Client, at: str) -> None:
    create(client, at)
    assert seen(update(client, at, b"second", '"1"'))[:3] == (200, b"", "2")
    for stale in ('"1"', '"3"', "2", '""', "nonsense"):
        assert update(client, at, b"late", stale).status_code == 412
    assert client.get(at).content == b"second"


def test_nothing_but_a_creation_creates(client: httpx.Client, at: str) -> None:
    assert update(client, at, b"x").status_code == 404
    assert update(client, at, b"x", '"1"').status_code == 404
    assert client.patch(at, headers={"x-session-expires-at": repr(FAR)}).status_code == 404
    assert client.put(at, content=b"x", headers={"x-session-expires-at": repr(FAR)}).status_code == 428
    assert client.get(at).status_code == 404


def test_a_creation_takes_no_live_session_over(client: httpx.Client, at: str) -> None:
    create(client, at)
    assert create(client, at, b"thief").status_code == 412
    assert client.get(at).content == b"data"


def test_a_creation_revokes_what_it_replaces(client: httpx.Client, at: str) -> None:
    create(client, at)
    other = at.replace(KEY, OTHER)
    assert create(client, other, b"new", x_session_replaces=KEY).status_code == 201
    assert (client.get(at).status_code, client.get(other).content) == (404, b"new")


def test_a_touch_moves_the_expiry_alone(client: httpx.Client, at: str) -> None:
    create(client, at)
    touched = client.patch(at, headers={"x-session-expires-at": "4100000000.5"})
    assert seen(touched) == seen(client.get(at)) == (200, b"data", "1", "4100000000.5")


def test_an_expired_session_is_gone_for_every_verb(client: httpx.Client, at: str, namespace: str) -> None:
    create(client, at, expires_at=time.time() - 0.001)
    assert client.get(at).status_code == 404
    assert update(client, at, b"x").status_code == 404
    assert client.patch(at, headers={"x-session-expires-at": repr(FAR)}).status_code == 404
    assert client.get(f"/v1/{namespace}").json() == {"records": 1}
    assert create(client, at, b"fresh").status_code == 201
    assert client.get(at).content == b"fresh"


def test_a_session_expires_by_itself(client: httpx.Client, at: str) -> None:
    expires_at = time.time() + 0.2
    create(client, at, expires_at=expires_at)
    assert client.get(at).status_code == 200
    while time.time() < expires_at:
        time.sleep(0.01)
    assert client.get(at).status_code == 404


def test_sweep_removes_what_has_expired(client: httpx.Client, at: str, namespace: str) -> None:
    create(client, at)
    create(client, at.replace(KEY, OTHER), expires_at=1.0)
    assert client.post(f"/v1/{namespace}/sweep").json() == {"removed": 1}
    assert client.post(f"/v1/{namespace}/sweep").json() == {"removed": 0}
    assert client.get(f"/v1/{namespace}").json() == {"records": 1}


def test_seeds_are_live_sessions_that_nobody_knows(client: httpx.Client, namespace: str) -> None:
    seeds = b"".join(struct.pack(">Id", len(data), FAR) + data for data in (b"", b"x", b"y" * 1000))
    assert client.post(f"/v1/{namespace}/seed", content=seeds).status_code == 204
    assert client.post(f"/v1/{namespace}/seed", content=seeds).status_code == 204
    assert client.post(f"/v1/{namespace}/seed", content=b"").status_code == 204
    assert client.get(f"/v1/{namespace}").json() == {"records": 6}
    assert client.post(f"/v1/{namespace}/sweep").json() == {"removed": 0}


@pytest.mark.parametrize(
    "seeds",
    [
        b"x",
        struct.pack(">Id", 5, FAR) + b"four",
        struct.pack(">Id", 0, float("nan")),
        struct.pack(">Id", 0, FAR)[:-1],
    ],
)
def test_broken_seeds_change_nothing(client: httpx.Client, namespace: str, seeds: bytes) -> None:
    whole = struct.pack(">Id", 1, FAR) + b"x"
    assert client.post(f"/v1/{namespace}/seed", content=whole + seeds).status_code == 400
    assert client.get(f"/v1/{namespace}").json() == {"records": 0}


def test_namespaces_know_nothing_of_each_other(client: httpx.Client, at: str, namespace: str) -> None:
    elsewhere = at.replace(namespace, f"{namespace}2")
    create(client, at, b"here")
    create(client, elsewhere, b"there", x_session_replaces=KEY)
    assert client.get(at).content == b"here"
    assert client.delete(f"/v1/{namespace}").status_code == 204
    assert client.delete(f"/v1/{namespace}").status_code == 204
    assert (client.get(at).status_code, client.get(elsewhere).content) == (404, b"there")


@pytest.mark.parametrize("expiry", [None, "", "soon", "nan", "inf"])
def test_an_expiry_must_be_a_time(client: httpx.Client, at: str, expiry: str | None) -> None:
    headers = {"if-none-match": "*"} | ({} if expiry is None else {"x-session-expires-at": expiry})
    assert client.put(at, content=b"x", headers=headers).status_code == 400
    create(client, at)
    assert client.patch(at, headers=headers).status_code == 400
    assert client.get(at).headers["x-session-expires-at"] == str(FAR)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v2", "/v1/", "/v1/Name", "/v1/1x", "/v1/a-b/sweep", "/v1/x/sessions", "/v1/x/sessions/",
        "/v1/x/sessions/abc", f"/v1/x/sessions/{KEY[:-1]}G", f"/v1/x/sessions/{KEY}/more", f"/v1/{'x' * 41}",
        "/v1/x%0a",
    ],
)  # fmt: skip
def test_there_is_nothing_else(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", f"/v1/x/sessions/{KEY}", {"GET", "PUT", "PATCH", "DELETE"}),
        ("GET", "/v1/x/seed", {"POST"}),
        ("PUT", "/v1/x", {"GET", "DELETE"}),
        ("DELETE", "/v1", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert set(re.findall("[A-Z]+", response.headers["allow"])) == allowed


def test_a_body_has_an_end(client: httpx.Client, at: str) -> None:
    assert create(client, at, bytes(session_service.MAX_BYTES + 1)).status_code == 413
    assert client.get(at).status_code == 404


def test_two_writers_at_one_version_cannot_both_win(client: httpx.Client, at: str) -> None:
    def write(version: int, writer: int) -> int:
        return update(client, at, b"%d" % writer, f'"{version}"').status_code

    create(client, at)
    with ThreadPoolExecutor(4) as writers:
        for version in range(1, 20):
            statuses = list(writers.map(write, [version] * 4, range(4)))
            assert sorted(statuses) == [200, 412, 412, 412]


def test_connections_are_kept_and_answers_not_delayed(client: httpx.Client, at: str) -> None:
    """Nagle's algorithm against delayed acknowledgements would cost 40 ms a request."""
    address = urlsplit(str(client.base_url))
    create(client, at)
    took_s = []
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        for _ in range(20):
            begun = time.perf_counter()
            connection.sendall(f"GET {at} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"data"):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
            took_s.append(time.perf_counter() - begun)
    assert statistics.median(took_s) < 0.04


def test_it_stands_alone() -> None:
    program = (
        "import sys, runpy; runpy.run_path(sys.argv[1]);"
        "print({name.split('.')[0] for name in sys.modules} & {'harness', 'backends', 'reports', 'uvicorn'})"
    )
    command = [sys.executable, "-I", "-c", program, session_service.__file__]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"
