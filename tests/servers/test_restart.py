"""A server of ours that is killed and started again: at its place, with what a crash leaves, or with nothing."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pymongo
import pytest
import redis

from harness.errors import ComponentError
from harness.servers import coming
from harness.servers.kind import Unanswered
from harness.servers.server import discover, provide
from harness.servers.wheel import Embedded
from tests.servers.conftest import KINDS, Contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.processes import Processes

KEEP = {"mongodb", "postgres"}
"""Kinds whose data outlive their process by default."""
ASK_S = PATIENCE_S = 60.0


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, processes: Processes) -> Iterator[Embedded]:
    """Give each kind of server in turn, one for this file alone: others would miss what is killed."""
    running = provide(request.param, options={}, mode="wheel", processes=processes, cpus=[0])
    assert isinstance(running, Embedded)
    yield running
    running.stop()


def port_of(server: Embedded) -> int:
    return int(server.record.address.rpartition(":")[2])


def data_of(server: Embedded) -> Path:
    return server.children[0].log.parent / "data"


def test_it_comes_back_with_what_a_crash_leaves(server: Embedded) -> None:
    contents = Contents(server)
    contents.put("kept")
    if server.kind == "mongodb":  # whose journal is a tenth of a second late
        with pymongo.MongoClient[dict[str, int]](server.url) as client:
            client.admin.command("fsync")
    log = server.children[0].log
    said, before = log.read_bytes(), server.pids()
    server.restart(empty=False)
    assert contents.names() == ({"kept"} if server.kind in KEEP else set())
    expected = {**server.record.settings, "data_directory": ""}.items()
    patience = time.monotonic() + PATIENCE_S
    while not server.ask(ASK_S).settings.items() <= expected:  # a mongod answers before it knows its compatibility
        assert time.monotonic() < patience, server.ask(ASK_S).settings
    assert not set(before) & set(server.pids())
    assert psutil.Process(server.children[0].pid).cpu_affinity() == [0]
    assert log.read_bytes().startswith(said)
    assert server.children[0].log == log


def test_it_comes_back_empty_again_and_again(server: Embedded) -> None:
    contents = Contents(server)
    for _ in range(2):
        contents.put("lost")
        assert "lost" in contents.names()
        server.restart(empty=True)
        assert contents.names() == set()
    assert not (data_of(server).parent / "lost").exists()


def test_what_was_frozen_comes_back_unfrozen(server: Embedded) -> None:
    server.suspend()
    server.restart(empty=False)
    server.resume()  # as whoever froze it will do
    assert server.ask(ASK_S).version == server.record.version
    server.suspend()
    with pytest.raises(Unanswered):
        server.ask(0.2)
    server.resume()
    assert server.ask(ASK_S).version == server.record.version


def test_while_it_is_down_nobody_gets_its_port(server: Embedded) -> None:
    before = [psutil.Process(pid) for pid in server.pids()]
    children = server.children.copy()
    server.kill()
    try:
        assert [child.poll() for child in children] == [-signal.SIGKILL]
        assert server.pids() == []
        assert not [process for process in before if process.is_running() and process.status() != "zombie"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(server)))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port_of(server)))
        server.kill()  # a second time is fine
        server.suspend()
        server.resume()
    finally:
        server.restart(empty=False)
    assert len(server.children) == 1


def test_an_append_only_file_is_read_again_unless_it_is_lost(processes: Processes) -> None:
    running = provide("redis", options={"aof": "always"}, mode="wheel", processes=processes, durable_ok_on_tmpfs=True)
    with redis.Redis.from_url(running.url) as client:
        client.set("key", "value")
    running.restart(empty=False)
    with redis.Redis.from_url(running.url) as client:
        assert client.get("key") == b"value"
        assert client.config_get("appendfsync")["appendfsync"] == "always"
    running.restart(empty=True)
    with redis.Redis.from_url(running.url) as client:
        assert client.get("key") is None
    running.stop()


def test_why_it_does_not_come_back_is_told(processes: Processes) -> None:
    running = provide("mongodb", options={}, mode="wheel", processes=processes, durable_ok_on_tmpfs=True)
    assert isinstance(running, Embedded)
    data = data_of(running)
    running.kill()
    for spoilt in data.glob("*.wt"):
        spoilt.write_bytes(b"not what it was")
    with pytest.raises(ComponentError, match=r"The mongodb server ended with status \d+ instead of starting\. Its"):
        running.restart(empty=False)
    running.restart(empty=True)
    assert running.ask(ASK_S).product == "MongoDB"
    running.stop()


def test_a_port_taken_meanwhile_is_told(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coming.Held, "take", lambda *_: None)
    running = provide("http", options={}, mode="wheel", processes=processes)
    assert isinstance(running, Embedded)
    running.kill()
    with (
        socket.create_server(("127.0.0.1", port_of(running))),
        pytest.raises(ComponentError, match=r"could not come back at port .* in use"),
    ):
        running.restart(empty=False)
    running.restart(empty=False)
    running.stop()


def test_what_is_not_ours_is_never_killed(processes: Processes) -> None:
    ours = provide("http", options={}, mode="wheel", processes=processes)
    theirs = discover()["http"].start("url", options={}, processes=processes, url=ours.url)
    with pytest.raises(ComponentError, match="was not started by this run, and so is never killed"):
        theirs.kill()
    with pytest.raises(ComponentError, match="never restarted"):
        theirs.restart(empty=True)
    assert theirs.ask(ASK_S).product == "session service"
    ours.stop()
