"""Which servers there are, and where each comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import servers
from harness.errors import ComponentError, UsageError
from harness.servers import wheel
from harness.servers.disk import filesystem_of, fsync_p50_us
from harness.servers.kind import Missing, Program
from harness.servers.redis import Redis
from harness.servers.server import Kind, discover, provide
from tests.servers.conftest import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.processes import Processes
    from harness.servers.kind import Running


def test_there_is_a_kind_for_each_file_that_defines_one() -> None:
    defining = {path.stem for path in Path(servers.__path__[0]).glob("*.py") if "\nKIND = " in path.read_text()}
    assert set(discover()) == defining == {"http", "mongodb", "postgres", "redis"}
    assert all(kind.name == name for name, kind in discover().items())


def test_an_unknown_kind_names_the_nearest(processes: Processes) -> None:
    with pytest.raises(UsageError, match=r"There is no 'postgers' server; .* Did you mean postgres\?"):
        provide("postgers", options={}, mode="auto", processes=processes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_wheel_is_the_first_choice_here(kind: str, wheel_of: Callable[[str], Running]) -> None:
    available = discover()[kind].available()
    record = wheel_of(kind).record
    assert available.ok
    assert available.detail.startswith(f"{record.product} {record.version} from the wheel ")
    assert not available.install


class NotInstalled(Redis):
    """A server whose wheel is not there."""

    def program(self) -> Program:
        raise Missing("No Valkey server is installed here.", "redis-server")


def test_nowhere_is_told_with_the_simplest_cure(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    kind = Kind(NotInstalled())
    available = kind.available("auto")
    assert not available.ok
    assert available.install == "pip install 'session-bench[redis-server]'"
    for place in ("url: SESSION_BENCH_REDIS_URL is not set", "wheel: No Valkey", "docker: No Docker engine"):
        assert place in available.detail
    with pytest.raises(ComponentError, match=re.escape(available.install)):
        kind.start("auto", options={}, processes=processes)
    with pytest.raises(Missing):
        kind.start("wheel", options={}, processes=processes)


def test_fsync_takes_its_time(tmp_path: Path) -> None:
    assert 0 < fsync_p50_us(tmp_path) < 1_000_000
    assert not list(tmp_path.iterdir())


def test_the_file_system_is_the_innermost_mount() -> None:
    assert filesystem_of(Path("/proc/self")) in {"proc", ""}
    assert filesystem_of(Path("/")) == filesystem_of(Path("/no/such/folder")) != "proc"


def test_free_ports_are_free_and_differ() -> None:
    assert len({wheel.free_port() for _ in range(5)}) > 1
