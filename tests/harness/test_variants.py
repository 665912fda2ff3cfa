from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.config import VariantTable
from harness.errors import ComponentError, UsageError
from harness.variants import over_distances, resolve


def test_names_are_canonical() -> None:
    names = ["redis:pool=50,codec=msgspec", "redis:pool=32", "mongodb:workers=2,driver=pymongo"]
    resolved = resolve(names, {})
    assert [variant.name for variant in resolved] == [
        "redis:codec=msgspec,pool=50",
        "redis",
        "mongodb:driver=pymongo,workers=2",
    ]
    assert [variant.slug for variant in resolved] == [
        "redis-codec-msgspec-pool-50",
        "redis",
        "mongodb-driver-pymongo-workers-2",
    ]
    assert [variant.arm.workers for variant in resolved] == [1, 1, 2]


def test_a_variant_knows_its_server_and_driver() -> None:
    redis, cookie = resolve(["redis:aof=always", "cookie"], {})
    assert (redis.server, redis.server_options) == ("redis", {"aof": "always"})
    assert redis.driver.startswith("redis ")
    assert redis.traits["durability"] == "every acknowledged write"
    assert (cookie.server, cookie.driver, cookie.traits["keeps"]) == (None, "", "client")


def test_a_table_names_a_variant() -> None:
    table = VariantTable(backend="redis", options={"pool": 5}, url="redis://localhost", workers=3)
    (variant,) = resolve(["mine"], {"mine": table})
    assert (variant.name, variant.url, variant.options["pool"]) == ("mine", "redis://localhost", 5)
    assert variant.arm.workers == 3


def test_a_table_may_name_another_interpreter() -> None:
    table = VariantTable(backend="none", python=Path(sys.executable))
    (variant,) = resolve(["mine"], {"mine": table})
    assert variant.arm.python == sys.executable


def test_a_folder_without_backends_is_an_error(tmp_path: Path) -> None:
    table = VariantTable(backend="none", cwd=tmp_path / "nowhere")
    with pytest.raises(ComponentError, match="could not be started"):
        resolve(["mine"], {"mine": table})


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["redis", "redis:pool=32"], "asked for twice"),
        (["redis:codec=msgspec,pool=5", "redis:pool=5,codec=msgspec"], "asked for twice"),
        (["cookie:encrypted=maybe"], "encrypted"),
    ],
)
def test_what_makes_no_sense_is_an_error(names: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(names, {})


def test_two_names_may_not_share_a_file() -> None:
    tables = {"a b": VariantTable(backend="none"), "a-b": VariantTable(backend="none")}
    with pytest.raises(UsageError, match="share the file name a-b"):
        resolve(list(tables), tables)


def test_a_distance_is_part_of_a_name_like_workers() -> None:
    far, near = resolve(["redis:rtt=4.0,driver=sync", "redis:rtt=0"], {})
    assert (far.name, far.rtt_ms) == ("redis:driver=sync,rtt=4", 4.0)
    assert (near.name, near.rtt_ms) == ("redis:rtt=0", 0.0)
    assert "rtt" not in far.arm.variant


def test_a_sweep_over_distances_is_a_list_of_variants() -> None:
    names = over_distances(["memory", "redis:driver=sync"], [0, 0.5, 20], {})
    assert names == [
        "memory",
        "redis:driver=sync,rtt=0",
        "redis:driver=sync,rtt=0.5",
        "redis:driver=sync,rtt=20",
    ]
    assert over_distances(["redis"], [], {}) == ["redis"]
    with pytest.raises(UsageError, match="has an rtt already"):
        over_distances(["redis:rtt=1"], [0, 4], {})


def test_sessions_in_a_process_may_be_served_by_several_which_is_what_an_audit_finds() -> None:
    (variant,) = resolve(["memory:workers=2"], {})
    assert variant.arm.workers == 2


def test_an_app_of_ones_own_is_taken_as_it_is() -> None:
    tables = {
        "mine": VariantTable(app="shop.web:make_app"),
        "there": VariantTable(target="http://127.0.0.1:8000"),
    }
    mine, there = resolve(["mine", "there"], tables)
    assert (mine.name, mine.arm.target, mine.arm.url, mine.traits) == ("mine", "shop.web:make_app", None, {})
    assert (there.backend, there.arm.url, there.server) == ("target", "http://127.0.0.1:8000", None)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (VariantTable(), "names neither a backend, nor an app"),
        (VariantTable(target="127.0.0.1:8000"), "target is the URL of an app"),
        (VariantTable(target="http://127.0.0.1:8000", backend="redis"), "cannot be given backend too"),
        (VariantTable(target="http://127.0.0.1:8000", workers=2), "cannot be given workers too"),
        (VariantTable(app="shop.web:make_app", options={"pool": 5}), "options, url and rtt mean nothing"),
    ],
)
def test_a_table_that_contradicts_itself(table: VariantTable, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(["mine"], {"mine": table})


def test_what_has_no_store_has_no_distance() -> None:
    with pytest.raises(UsageError, match="has no store"):
        resolve(["memory:rtt=4"], {})
