from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.files import read_run
from reports.format import Load, Plan, Server, Variant
from reports.judging import fingerprint
from reports.judging.fingerprint import Difference
from reports.record.environment import Environment
from tests.reports.two_runs import BESIDE, FORBIDS, POSTGRES, REDIS, changed, run

REFERENCE = read_run(Path(__file__).parents[2] / "results" / "reference").model_copy(update={"trials": []})
IRRELEVANT = {
    "environment": {"pinning"},  # words for `cpus`, and what counts where there are none
    "plan": {
        # Names; what decides how many trials there are and in which order; phases of their own behind the latency.
        "name", "profile", "rate_source", "ladder_per_s", "ladder_blocks", "objective", "drain_s", "repeats", "seed",
        "servers", "order", "ranking", "faults", "faulted", "audit", "counts",
    },
    "plan.load": set(),
    "variants.redis": {"name", "slug", "traits", "bytes_per_session", "error"},
    "variants.redis.server": {"kind", "address", "note"},
}  # fmt: skip


def whats(found: list[Difference]) -> list[str]:
    return [each.what for each in found]


@pytest.mark.parametrize("path", FORBIDS)
def test_a_fact_that_figures_rest_on_is_named_with_both_values(path: str) -> None:
    what, value = FORBIDS[path]
    other = changed(REFERENCE, path, value)
    found = fingerprint.differences(REFERENCE, other, ["none", "redis"])
    assert what in whats(found)
    assert all(each.a != each.b and each.a and each.b for each in found)
    turned = {Difference(each.what, each.b, each.a) for each in found}
    assert set(fingerprint.differences(other, REFERENCE, ["none", "redis"])) == turned


@pytest.mark.parametrize("path", BESIDE)
def test_a_fact_that_is_only_worth_knowing_forbids_nothing(path: str) -> None:
    what, value = BESIDE[path]
    other = changed(REFERENCE, path, value)
    assert fingerprint.differences(REFERENCE, other, ["none", "redis"]) == []
    assert whats(fingerprint.beside(REFERENCE, other, ["none", "redis"])) == [what]


@pytest.mark.parametrize(
    ("prefix", "model"),
    [
        ("environment", Environment),
        ("plan", Plan),
        ("plan.load", Load),
        ("variants.redis", Variant),
        ("variants.redis.server", Server),
    ],
)
def test_every_recorded_fact_is_one_or_the_other_or_left_out_on_purpose(prefix: str, model: Any) -> None:
    paths = [path.removeprefix(f"{prefix}.") for path in (*FORBIDS, *BESIDE) if path.startswith(f"{prefix}.")]
    decided = {path.partition(".")[0] for path in paths} | IRRELEVANT[prefix]
    assert decided == set(model.model_fields)


def test_nothing_differs_between_a_run_and_itself() -> None:
    names = [variant.name for variant in REFERENCE.variants]
    assert fingerprint.differences(REFERENCE, REFERENCE, names) == []
    assert fingerprint.beside(REFERENCE, REFERENCE, names) == []


def test_the_fingerprint_of_a_run_holds_all_that_is_compared() -> None:
    facts = fingerprint.of(REFERENCE)
    assert {what for what, _ in FORBIDS.values()} - set(facts) == {
        "parameter payload_bytes"  # this scenario has none
    }
    assert facts["kernel"] == "Linux 6.18.44-fc-v657"
    assert facts["rate"] == "200 arrivals/s"
    assert facts["store of redis"] == "Valkey 9.1.2"
    assert facts["driver of mongodb"] == "motor 3.7.1"


def test_only_the_variants_that_are_compared_count() -> None:
    other = changed(REFERENCE, "variants.redis.driver", "redis 7.1.0")
    assert fingerprint.differences(REFERENCE, other, ["none", "postgres"]) == []


def test_a_store_at_another_host_is_another_machine_and_at_another_port_is_not() -> None:
    def at(address: str, source: str) -> Any:
        server = REDIS.server.model_copy(update={"address": address, "source": source}) if REDIS.server else None
        return run([], [REDIS.model_copy(update={"server": server}), POSTGRES])

    def found(one: Any, other: Any) -> list[str]:
        return whats(fingerprint.differences(one, other, ["redis", "postgres"]))

    assert found(at("10.0.0.1:6379", "url"), at("10.0.0.2:6379", "url")) == ["origin of redis's store"]
    assert found(at("10.0.0.1:6379", "url"), at("10.0.0.1:6380", "url")) == []
    assert found(at("127.0.0.1:40001", "wheel"), at("127.0.0.1:40002", "wheel")) == []


def test_where_nothing_was_pinned_the_reason_counts() -> None:
    unpinned = changed(changed(REFERENCE, "environment.cpus", {}), "environment.pinning", "nothing was pinned: Darwin")
    other = changed(unpinned, "environment.pinning", "nothing was pinned: one CPU")
    assert whats(fingerprint.differences(unpinned, other, [])) == ["CPU pinning"]
    words = changed(REFERENCE, "environment.pinning", "the same in other words")
    assert fingerprint.differences(REFERENCE, words, []) == []
