"""The counters of real apps on uvicorn, started as the harness does, against what a client saw and what was planted."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis

from backends import discovery
from harness import counters
from harness.arms import App, Arm
from reports.trials import layers
from tests.backends.variants import url_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.counters import Counted
    from harness.processes import Processes
    from tests.conftest import Servers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are not passed on there")

KEY = "k" * 32
VARIANTS = (
    "cookie",
    "memory",
    "memory:read=lazy",
    "none",
    "redis",
    "redis:conflict=retry,read=lazy",
    "redis:driver=sync",
    "redis:driver=threads",
)
PLANTED_MS = 100


class Served:
    """An app that counts, and a client that notes how long each answer took."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app = app
        self.client = httpx.Client(base_url=app.url, timeout=30)
        self.took_us: list[float] = []
        self._folder = folder

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        began = time.monotonic()
        answer = self.client.request(method, path, **request)
        self.took_us.append((time.monotonic() - began) * 1e6)
        return answer

    def visit(self, profiles: int = 5) -> None:
        assert self.ask("POST", "/login", json={"user": "ann"}).status_code == 200
        for _ in range(profiles):
            assert self.ask("GET", "/profile").status_code == 200
        assert self.ask("POST", "/profile", json={"note": "x" * 100}).status_code == 200

    def counted(self) -> Counted:
        """End the app and return all that it counted."""
        self.app.stop()
        counted = counters.read(self._folder, t0_ns=0, window_s=1e9)
        assert counted is not None
        return counted


@contextmanager
def serving(
    name: str, processes: Processes, servers: Servers, namespace: str, folder: Path, **environ: str
) -> Iterator[Served]:
    server = discovery.parse(name).backend.server
    environment = {
        "SESSION_APP_KEY": KEY,
        "SESSION_APP_NAMESPACE": namespace,
        "SESSION_APP_COUNTERS": str(folder / "counters"),
        **({"SESSION_APP_STORE_URL": url_of(name, servers)} if server else {}),
        **environ,
    }
    app = App(processes, Arm(name, environment=environment), log=folder / "app.log", cpus=None)
    try:
        app.about()
        served = Served(app, folder / "counters")
        with served.client:
            yield served
    finally:
        app.stop()
        if server:
            servers.get(server).drop(namespace)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_layers_of_every_request_add_up(
    name: str, processes: Processes, servers: Servers, namespace: str, tmp_path: Path
) -> None:
    with serving(name, processes, servers, namespace, tmp_path) as served:
        served.visit()
        assert served.client.get("/ping").status_code == 200
        assert served.client.get("/health").status_code == 200
        counted = served.counted()
    requests = len(served.took_us)
    for layer in ("request", "framework", "session", "store"):
        assert counted[layer]["count"] == requests
        assert counted[layer]["total_us"] > 0
    # The same stamps, summed by operation and by request.
    operations = layers.store_ops(counted)
    in_requests = [operations[each] for each in ("get", "create", "update", "touch", "delete") if each in operations]
    assert counted["store"]["total_us"] == pytest.approx(sum(each.count * each.mean_us for each in in_requests))
    assert not any(each.failed for each in operations.values())
    mean_us = sum(served.took_us) / requests
    parts = layers.layers_us(counted, mean_us)
    assert sum(parts.values()) == pytest.approx(mean_us)
    assert all(each > 0 for each in parts.values())


def test_a_pause_of_the_route_is_the_frameworks(
    processes: Processes, servers: Servers, namespace: str, tmp_path: Path
) -> None:
    with serving("memory", processes, servers, namespace, tmp_path, SESSION_APP_AUDIT="1") as served:
        served.visit(0)
        served.ask("GET", f"/profile?hold_ms={3 * PLANTED_MS}")
        counted = served.counted()
    planted_us = 3 * PLANTED_MS * 0.99e3
    assert counted["framework"]["total_us"] > planted_us
    assert counted["session"]["total_us"] + counted["store"]["total_us"] < sum(served.took_us) - planted_us


@pytest.mark.parametrize("name", ["redis", "redis:read=lazy", "redis:driver=sync", "redis:driver=threads"])
def test_a_pause_of_the_store_is_the_stores(
    name: str, processes: Processes, servers: Servers, namespace: str, tmp_path: Path
) -> None:
    name = f"{name}{',' if ':' in name else ':'}deadline_ms=20000"
    with serving(name, processes, servers, namespace, tmp_path) as served:
        served.visit(1)
        with redis.Redis.from_url(url_of(name, servers)) as server:
            server.client_pause(15 * PLANTED_MS, all=True)
        assert served.ask("GET", "/profile").status_code == 200
        counted = served.counted()
    # The pause had begun before the request did; a busy machine may let a second of it pass.
    planted_us = 5 * PLANTED_MS * 1e3
    assert counted["store"]["total_us"] > planted_us
    assert counted["framework"]["total_us"] + counted["session"]["total_us"] < sum(served.took_us) - planted_us
    assert layers.store_ops(counted)["get"].p99_us > planted_us


def test_a_request_begins_with_its_first_bytes(
    processes: Processes, servers: Servers, namespace: str, tmp_path: Path
) -> None:
    """A head that comes in two parts makes it wait, and nobody of ours: that is what is left unattributed."""
    with serving("memory", processes, servers, namespace, tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.app.port)) as slow:
            slow.sendall(b"GET /profile HTTP/1.1\r\nhost: x\r\n")
            time.sleep(PLANTED_MS / 1e3)  # what is planted
            slow.sendall(b"\r\n")
            assert slow.recv(65536).startswith(b"HTTP/1.1 401")
        counted = served.counted()
    assert counted["request"]["total_us"] > PLANTED_MS * 0.99e3
    assert counted["framework"]["total_us"] < counted["request"]["total_us"] - PLANTED_MS * 0.99e3
    parts = layers.layers_us(counted, 2 * counted["request"]["total_us"])
    assert parts["unattributed"] > PLANTED_MS * 0.98e3


def test_pipelined_requests_are_counted_each(
    processes: Processes, servers: Servers, namespace: str, tmp_path: Path
) -> None:
    with serving("memory", processes, servers, namespace, tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.app.port)) as client:
            client.sendall(
                b"GET /profile HTTP/1.1\r\nhost: x\r\n\r\nGET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
                b"GET /profile HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            )
            answers = b"".join(iter(lambda: client.recv(65536), b""))
        assert answers.count(b"HTTP/1.1 ") == 3
        counted = served.counted()
    assert counted["request"]["count"] == counted["store"]["count"] == 2


def test_every_worker_counts_its_own(processes: Processes, tmp_path: Path) -> None:
    environment = {"SESSION_APP_KEY": KEY, "SESSION_APP_COUNTERS": str(tmp_path / "counters")}
    app = App(processes, Arm("none", workers=2, environment=environment), log=tmp_path / "app.log", cpus=None)
    try:
        app.about()
        reached: set[int] = set()
        requests = 0
        deadline = time.monotonic() + 30
        while len(reached) < 2 and time.monotonic() < deadline:
            # A connection stays with the worker that accepted it.
            with httpx.Client(base_url=app.url, timeout=30) as client:
                reached.add(client.get("/about").json()["pid"])
                client.post("/login", json={"user": "ann"})
                requests += 1
    finally:
        app.stop()
    assert {int(path.stem) for path in (tmp_path / "counters").iterdir()} == set(app.pids())
    counted = counters.read(tmp_path / "counters", t0_ns=0, window_s=1e9)
    assert counted is not None
    assert counted["request"]["count"] == requests


def test_an_idle_app_wakes_on_time(processes: Processes, servers: Servers, namespace: str, tmp_path: Path) -> None:
    """In the best of some seconds: an app that shares its CPU is late, and should say so."""
    if sys.platform != "linux":
        pytest.skip("there is no timerfd")
    with serving("none", processes, servers, namespace, tmp_path) as served:
        deadline = time.monotonic() + 60
        medians: list[float] = []
        while min(medians, default=1e9) > 300 and time.monotonic() < deadline:
            time.sleep(0.5)  # the file is replaced every two seconds, which tells nobody
            for second in range(int(time.monotonic()) - 5, int(time.monotonic())):
                counted = counters.read(tmp_path / "counters", t0_ns=second * 10**9, window_s=1.0)
                if counted is not None and counted["loop_lag"]["count"] >= 45:
                    medians.append(layers.percentile_us(counted["loop_lag"]["buckets"], 50))
        assert served.counted()["loop_lag"]["count"] >= 45
    assert min(medians) < 300
