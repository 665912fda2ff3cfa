from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.config import VariantTable
from harness.errors import ComponentError, UsageError
from harness.variants import resolve


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
