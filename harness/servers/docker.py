"""Servers in containers, through testcontainers, whose Ryuk removes them should the harness be killed."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import socket
import time
from typing import TYPE_CHECKING, Any

from harness.errors import ComponentError
from harness.servers.kind import Availability, Definition, Missing, Rejected, Running, Unanswered, require
from harness.servers.wheel import record_of

if TYPE_CHECKING:
    from harness.processes import Processes
    from harness.servers.kind import Facts, Image
    from reports.format import Server

_ENGINE_S = 3
_READY_S = 60.0
"""A first start initialises its data folder; the image has been pulled by then."""
_ASK_S = 2.0
_POLL_S = 0.05


class Container(Running):
    """A server in a container of ours."""

    ours = True

    def __init__(self, definition: Definition, url: str, record: Server, container: Any) -> None:
        super().__init__(definition, url, record)
        self._container = container
        self._suspended = False

    def _not_ours(self, done: str) -> str:
        """Say what a container cannot do: Docker would give it another port."""
        return (
            f"The {self.kind} server at {self.record.address} runs in a container, which comes back at another port "
            f"and so is never {done}. Use --servers wheel for one that keeps its own."
        )

    def suspend(self) -> None:
        """Pause the container."""
        if not self._suspended:
            self._container.get_wrapped_container().pause()
            self._suspended = True

    def resume(self) -> None:
        """Let it go on."""
        if self._suspended:
            self._container.get_wrapped_container().unpause()
            self._suspended = False

    def stop(self) -> None:
        """Remove the container and its data."""
        remove(self._container)


@functools.cache
def engine() -> str:
    """Return the version of the Docker engine; ComponentError says why there is none."""
    if importlib.util.find_spec("testcontainers") is None:
        raise Missing("Containers are started through testcontainers, which is not installed here.", "docker")
    testcontainers = importlib.import_module("testcontainers.core.docker_client")
    docker = importlib.import_module("docker")
    host = testcontainers.get_docker_host() or "unix:///var/run/docker.sock"
    try:
        if host.startswith("unix://"):
            # docker-py would leak its socket where nobody listens.
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
                probe.settimeout(_ENGINE_S)
                probe.connect(host.removeprefix("unix://"))
        with contextlib.closing(testcontainers.DockerClient(timeout=_ENGINE_S).client) as client:
            return str(client.version()["Version"])
    except (docker.errors.DockerException, OSError) as error:
        raise ComponentError(
            f"No Docker engine answers at {host}: {error}. Start Docker or set DOCKER_HOST, or use --servers "
            "wheel, which needs none."
        ) from None


def available(definition: Definition) -> Availability:
    """Tell which image would be run, and by which engine."""
    try:
        image = definition.image({})
        version = engine()
    except ComponentError as error:
        return Availability(ok=False, detail=str(error), install=getattr(error, "install", ""))
    return Availability(ok=True, detail=f"the image {image.name}, on Docker {version}")


def start(definition: Definition, *, options: dict[str, Any], processes: Processes) -> Running:
    """Start a container on a free loopback port and wait until its server answers."""
    image = definition.image(definition.options(options))
    require(definition)
    engine()
    container = make(image)
    processes.on_exit.callback(remove, container)
    try:
        container.start()
        host, port = container.get_container_host_ip(), container.get_exposed_port(image.port)
        url = image.url.format(host=host, port=port)
        facts = _ready(definition, image, url)
    except ComponentError:
        raise
    except Exception as error:  # noqa: BLE001 - docker, requests and testcontainers each raise their own
        raise ComponentError(
            f"No container of {image.name} could be started: {error}. Try: docker pull {image.name}"
        ) from None
    record = record_of(definition, facts, "docker", f"{host}:{port}", f"image {image.name}")
    return Container(definition, url, record, container)


def make(image: Image) -> Any:
    """Return testcontainers' object, not started; only an engine that answers lets it be made."""
    module, _, name = image.factory.partition(":")
    container = getattr(importlib.import_module(module), name)(image.name, **image.arguments)
    container.ports = loopback(image.port)
    if image.command:
        container.with_command(image.command)
    return container


def remove(container: Any) -> None:
    """Remove a container and its data, or what of it was begun; a second time is fine."""
    with contextlib.suppress(importlib.import_module("docker").errors.NotFound):
        container.stop()


def loopback(port: int) -> dict[str, tuple[str]]:
    """Return docker-py's binding of a port to a free one of 127.0.0.1; its default is every interface."""
    return {f"{port}/tcp": ("127.0.0.1",)}


def _ready(definition: Definition, image: Image, url: str) -> Facts:
    """Ask until the server answers; while it initialises itself it may refuse even us."""
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            return definition.ask(url, _ASK_S)
        except (Unanswered, Rejected) as error:
            if time.monotonic() > deadline:
                raise ComponentError(
                    f"The {definition.name} server in a container of {image.name} did not answer within "
                    f"{_READY_S:.0f} s: {error}."
                ) from None
            time.sleep(_POLL_S)
