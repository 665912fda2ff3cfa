"""When sessions end, on apps that extend them at every use or at none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.audit.bench import Bench

EXPIRY = 7


def test_every_policy_of_sliding_ends_when_it_is_due(bench: Bench) -> None:
    subjects = [bench.subject(f"memory:slide={slide}") for slide in ("never", "always")]
    for audit in bench.audits((subject, [EXPIRY]) for subject in subjects):
        (check,) = audit.checks
        assert check.state == "PASS", check.found
        assert set(check.figures) == {"idle_slack_ms", "absolute_slack_ms"}


def test_one_lifetime_is_tried_where_there_is_no_other(bench: Bench) -> None:
    lifetimes = ("idle_s", "absolute_s")
    subjects = [
        replace(subject, options={name: value for name, value in subject.options.items() if name != missing})
        for missing in lifetimes
        for subject in [bench.subject("memory")]
    ]
    for audit, missing, kind in zip(
        bench.audits((each, [EXPIRY]) for each in subjects), lifetimes, ("absolute", "idle"), strict=True
    ):
        (check,) = audit.checks
        assert check.state == "PASS", check.found
        assert list(check.figures) == [f"{kind}_slack_ms"]
        assert f"no {missing}" in check.found


def test_what_has_no_lifetime_to_be_set_is_left_alone(bench: Bench) -> None:
    check = bench.audit(replace(bench.subject("memory"), options={}), EXPIRY)[EXPIRY]
    assert check.state == "SKIPPED"
    assert "neither" in check.found
