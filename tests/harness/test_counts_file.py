"""The committed file of exact counts: read, merged, compared; and refused when it is not what was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness import counts_file
from harness.errors import UsageError
from reports.record.counts import STEPS, Counts, StepCounts, is_more

if TYPE_CHECKING:
    from pathlib import Path


def counts(variant: str, driver: str = "redis 8.1.0", server: str = "Valkey 9.1.2", **given: Any) -> Counts:
    """Make up counts, equal for every step."""
    numbers = {"commands": 1, "round_trips": 1, "to_store_bytes": 100, "from_store_bytes": 200}
    step = StepCounts.model_validate({**numbers, "response_bytes": 300, "cookie_bytes": 47, **given})
    return Counts(variant=variant, driver=driver, server=server, steps=dict.fromkeys(STEPS, step))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / counts_file.NAME


def read(path: Path) -> list[Counts]:
    found = counts_file.read(path)
    assert found is not None
    return found.counts


def test_what_is_written_is_read(path: Path) -> None:
    noted = counts("redis", from_store_bytes=None).model_copy(update={"notes": ["Why it is so; “quoted”."]})
    counts_file.write(path, [noted, counts("memory", "", "")])
    assert read(path) == [counts("memory", "", ""), noted]


def test_it_is_sorted_with_one_line_a_step(path: Path) -> None:
    counts_file.write(path, [counts("redis"), counts("http")])
    lines = path.read_text().splitlines()
    assert [line.split('"')[3] for line in lines if line.startswith('{"variant"')] == ["http", "redis"]
    assert sum('"commands": 1' in line for line in lines) == 2 * len(STEPS)
    before = path.read_bytes()
    counts_file.write(path, [counts("http")])
    assert path.read_bytes() == before


def test_other_variants_and_other_servers_stay(path: Path) -> None:
    counts_file.write(path, [counts("redis"), counts("redis", server="Redis 8.2"), counts("http", "httpx 1", "s 1")])
    newer = counts("redis", "redis 9.0", "Valkey 10.0", commands=2)
    counts_file.write(path, [newer])
    assert [each.key for each in read(path)] == [
        ("http", "httpx 1", "s 1"),
        ("redis", "redis 8.1.0", "Redis 8.2"),
        ("redis", "redis 9.0", "Valkey 10.0"),
    ]


def test_the_same_counts_are_no_change(path: Path) -> None:
    counts_file.write(path, [counts("redis"), counts("http")])
    assert counts_file.check(path, [counts("http"), counts("redis")]) == ([], [])


def test_more_and_fewer_are_named(path: Path) -> None:
    counts_file.write(path, [counts("redis"), counts("http")])
    found, unknown = counts_file.check(path, [counts("redis", commands=2), counts("http", to_store_bytes=99)])
    assert unknown == []
    assert {(each.variant, each.count, each.before, each.now, each.against, is_more(each)) for each in found} == {
        ("redis", "commands", 1, 2, "file", True),
        ("http", "to_store_bytes", 100, 99, "file", False),
    }
    assert [each.step for each in found if each.variant == "redis"] == list(STEPS)


@pytest.mark.parametrize(("driver", "server"), [("redis 8.2.0", "Valkey 9.1.2"), ("redis 8.1.0", "Valkey 9.2.0")])
def test_other_versions_are_not_compared(path: Path, driver: str, server: str) -> None:
    counts_file.write(path, [counts("redis")])
    found, (sentence,) = counts_file.check(path, [counts("redis", driver, server, commands=2)])
    assert found == []
    assert f"counted with {driver} and {server}" in sentence
    assert "with redis 8.1.0 and Valkey 9.1.2" in sentence


def test_a_variant_that_is_not_in_it_is_unknown(path: Path) -> None:
    counts_file.write(path, [counts("redis")])
    found, (sentence,) = counts_file.check(path, [counts("http")])
    assert found == []
    assert sentence.startswith(f"{counts_file.NAME} holds no counts of http")


def test_without_a_file_everything_is_unknown(path: Path) -> None:
    assert counts_file.read(path) is None
    found, (sentence,) = counts_file.check(path, [counts("redis")])
    assert found == []
    assert "--update-counts" in sentence


def test_a_null_is_compared_with_nothing_and_said(path: Path) -> None:
    blind = counts("redis", commands=None).model_copy(update={"notes": ["It is encrypted."]})
    counts_file.write(path, [counts("redis")])
    found, unknown = counts_file.check(path, [blind])
    assert found == []
    assert len(unknown) == len(STEPS)
    assert unknown[0] == "commands of redis's login cannot be compared: there is none of this run. It is encrypted."
    counts_file.write(path, [blind])
    assert counts_file.check(path, [blind]) == ([], [])
    found, unknown = counts_file.check(path, [counts("redis")])
    assert found == []
    assert "there is none in session-bench-counts.json. It is encrypted." in unknown[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not the JSON"),
        ("[]", "not the JSON"),
        ("{}", "not the JSON"),
        ("[" * 100_000, "not the JSON"),
        ('{"version": 1, "counts": [{"variant": "redis"}]}', "counts.0.driver: field required"),
        ('{"version": 1, "count": []}', "count: extra inputs"),
        ('{"version": "x"}', "version"),
        ('{"version": 2, "counts": 0}', "newer"),
    ],
)
def test_a_damaged_file_is_neither_read_nor_written_over(path: Path, content: str, why: str) -> None:
    path.write_text(content)
    for use in (counts_file.read, lambda at: counts_file.write(at, [counts("redis")])):
        with pytest.raises(UsageError, match=why):
            use(path)
    assert path.read_text() == content


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        counts_file.read(path)


def test_it_is_json(path: Path) -> None:
    counts_file.write(path, [])
    assert json.loads(path.read_text()) == {"version": 1, "counts": []}
    counts_file.write(path, [counts("redis")])
    assert json.loads(path.read_text())["counts"][0]["steps"]["read"]["commands"] == 1
