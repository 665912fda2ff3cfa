"""A piece alone with stock tools: our app under uvicorn, our scenarios under Locust and its web page."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from harness import scenarios
from tests.harness.command import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended"
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{url} did not answer")


@contextmanager
def running(command: list[str], url: str, **environ: str) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(url, process)
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "backends.app:create_app",
        "--port",
        url.rsplit(":", 1)[1],
    ]
    with running(
        command,
        f"{url}/ping",
        SESSION_APP_BACKEND="memory",
        SESSION_APP_KEY="k" * 32,
        SESSION_APP_NAMESPACE="stock",
    ):
        yield url


def stock_locust(scenario: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(scenario), *flags]


@pytest.mark.parametrize("scenario", scenarios.discover().values(), ids=lambda scenario: scenario.name)
def test_every_scenario_runs_headless_without_an_error(app: str, scenario: scenarios.Scenario) -> None:
    flags = [
        "--headless",
        "--users=4",
        "--spawn-rate=4",
        "--run-time=1",
        f"--host={app}",
        "--json",
        "--stop-timeout=2",
    ]
    done = subprocess.run(
        stock_locust(scenario.path, *flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"num_requests"' in done.stdout
    assert '"num_failures": 0' in done.stdout
    assert not re.search(r'"num_failures": [1-9]', done.stdout)


def test_the_web_page_drives_a_scenario_and_shows_its_parameters(app: str) -> None:
    web = f"http://127.0.0.1:{free_port()}"
    scenario = scenarios.find("login_profile")
    with running(stock_locust(scenario.path, f"--host={app}", f"--web-port={web.rsplit(':', 1)[1]}"), web):
        page = httpx.get(web).text
        assert all(parameter in page for parameter in scenario.parameters)
        form = {"user_count": 3, "spawn_rate": 3, "host": app, "reads": 1, "writes": 1, "logouts": 1}
        assert httpx.post(f"{web}/swarm", data=form).json()["success"]
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            stats = httpx.get(f"{web}/stats/requests").json()
            names = {row["name"] for row in stats["stats"] if row["num_requests"] > 10}
            if {"GET /profile", "POST /profile", "POST /login", "POST /logout"} <= names:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"not every step was seen: {stats['stats']}")
        assert all(row["num_failures"] == 0 for row in stats["stats"])
        httpx.get(f"{web}/stop")


def test_a_scenario_without_an_app_says_so_and_ends() -> None:
    flags = ["--headless", "--users=1", "--run-time=5", f"--host=http://127.0.0.1:{free_port()}"]
    done = subprocess.run(
        stock_locust(scenarios.find("read_heavy").path, *flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode != 0
    assert "No app answers at" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [(["--reads=0", "--writes=0", "--logouts=0"], "Every weight"), (["--reads=many"], "invalid int value")],
)
def test_wrong_parameters_are_refused(app: str, flags: list[str], says: str) -> None:
    done = subprocess.run(
        stock_locust(scenarios.find("login_profile").path, "--headless", f"--host={app}", *flags),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode != 0
    assert says in done.stderr
