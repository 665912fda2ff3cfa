"""Containers: why there are none here, and what would be started where there are."""

from __future__ import annotations

import importlib
import inspect
import socket
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import ComponentError
from harness.servers import docker as containers
from harness.servers.kind import Missing
from harness.servers.server import discover, provide
from tests.servers.conftest import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.processes import Processes

STORES = ["mongodb", "postgres", "redis"]


def engine_answers() -> bool:
    try:
        containers.engine()
    except ComponentError:
        return False
    return True


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Point at a socket that nobody listens on."""
    address = f"unix://{tmp_path / 'docker.sock'}"
    monkeypatch.setenv("DOCKER_HOST", address)
    containers.engine.cache_clear()
    yield address
    containers.engine.cache_clear()


@pytest.mark.parametrize("kind", STORES)
def test_without_an_engine_there_is_one_clear_error(processes: Processes, no_engine: str, kind: str) -> None:
    with pytest.raises(ComponentError, match=r"or use --servers wheel, which needs none\.$") as caught:
        provide(kind, options={}, mode="docker", processes=processes)
    assert f"No Docker engine answers at {no_engine}: " in str(caught.value)
    assert "No such file" in str(caught.value)
    assert caught.value.exit == 4
    available = discover()[kind].available("docker")
    assert (available.ok, available.detail) == (False, str(caught.value))


@pytest.mark.usefixtures("no_engine")
def test_asking_is_cheap() -> None:
    discover()["redis"].available("docker")  # imports testcontainers
    begun = time.perf_counter()
    for kind in KINDS:
        discover()[kind].available("docker")
    assert time.perf_counter() - begun < 30


def test_an_engine_elsewhere_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{_closed_port()}")
    containers.engine.cache_clear()
    with pytest.raises(ComponentError, match=r"No Docker engine answers at tcp://127.0.0.1:\d+: .*refused"):
        containers.engine()
    containers.engine.cache_clear()


def _closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_without_testcontainers_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    containers.engine.cache_clear()
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    with pytest.raises(Missing, match=r"pip install 'session-bench\[docker\]'"):
        containers.engine()
    assert discover()["redis"].available("docker").install == "pip install 'session-bench[docker]'"
    containers.engine.cache_clear()


def test_the_session_service_has_no_container(processes: Processes) -> None:
    with pytest.raises(ComponentError, match="comes with session-bench, not as a container"):
        provide("http", options={}, mode="docker", processes=processes)


@pytest.mark.parametrize(("kind", "name"), [("redis", "redis:8"), ("mongodb", "mongo:8"), ("postgres", "postgres:18")])
def test_an_image_is_what_testcontainers_takes(kind: str, name: str) -> None:
    image = discover()[kind].definition.image({"some": "setting"})
    assert image.name == name
    module, _, factory = image.factory.partition(":")
    made: Any = getattr(importlib.import_module(module), factory)
    inspect.signature(made).bind(image.name, **image.arguments)
    assert inspect.signature(made).parameters["port"].default == image.port
    assert "some" in " ".join(image.command)
    assert "127.0.0.1:1" in image.url.format(host="127.0.0.1", port=1)


def test_ports_are_bound_to_loopback_alone() -> None:
    utils = importlib.import_module("docker.utils")
    bound = utils.convert_port_bindings(containers.loopback(6379))
    assert bound == {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}


@pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers here")
@pytest.mark.parametrize("kind", STORES)
def test_a_container_is_started_described_frozen_and_removed(processes: Processes, kind: str) -> None:
    running = provide(kind, options={}, mode="docker", processes=processes)
    assert running.record.source == "docker"
    assert running.record.product in {"Redis", "MongoDB", "PostgreSQL"}
    running.suspend()
    running.resume()
    running.drop("nothing")
    running.stop()
    running.stop()
