"""The compose file keeps to the specification, to loopback, and to what its own header promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.servers.server import discover
from harness.servers.url import address_of

FILE = Path(__file__).parent.parent / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXPORTS = dict(re.findall(r"^# +export (\w+)=(\S+)$", FILE.read_text(), flags=re.MULTILINE))


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Validate a file against the Compose specification's schema, as check-jsonschema ships it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_keeps_to_the_specification() -> None:
    checked = check(FILE)
    assert checked.returncode == 0, checked.stdout


def test_the_check_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text().replace("interval: 1s", "intervall: 1s"))
    checked = check(broken)
    assert checked.returncode == 1
    assert "intervall" in checked.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_safe_to_start(name: str) -> None:
    service = SERVICES[name]
    assert service["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])
    assert service["healthcheck"]["test"][0] == "CMD"
    for volume in service["volumes"]:
        assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_each_service_is_a_kind_of_server_with_the_image_that_the_harness_would_start() -> None:
    stores = {name: kind.definition for name, kind in discover().items() if name != "http"}
    assert {name: service["image"] for name, service in SERVICES.items()} == {
        name: definition.image({}).name for name, definition in stores.items()
    }


def test_the_header_names_every_kind_of_server() -> None:
    assert set(EXPORTS) == {f"SESSION_BENCH_{kind.upper()}_URL" for kind in discover()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_url_of_the_header_reaches_the_service(name: str) -> None:
    url = EXPORTS[f"SESSION_BENCH_{name.upper()}_URL"]
    host, _, port = address_of(discover()[name].definition, url).partition(":")
    assert f"{host}:{port}:{port}" in SERVICES[name]["ports"]
    environment = SERVICES[name].get("environment", {})
    for part in ("USER", "PASSWORD", "DB"):
        assert environment.get(f"POSTGRES_{part}", "") in url


def test_postgres_keeps_its_data_where_18_puts_them() -> None:
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
