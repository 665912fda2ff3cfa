from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from reports.judging.judge import DECIDING, lag_apart, sentinel, sentinel_out, whole
from reports.record.judgement import Tolerance
from tests.reports.test_judge import QUIET, SLOWER, one, pair

if TYPE_CHECKING:
    from reports.record.judgement import Comparison

P50 = DECIDING[1]
WORST = {"REGRESSED": 3, "INVALID": 2, "INCONCLUSIVE": 1, "PASS": 0}


def comparison(state: Any, *, slower: bool = False) -> Comparison:
    found = one(pair(SLOWER if slower else QUIET))
    return found.model_copy(update={"state": state})


def test_the_whole_is_the_gravest() -> None:
    regressed = comparison("REGRESSED", slower=True)
    for several in itertools.product(("PASS", "INCONCLUSIVE", "INVALID"), repeat=2):
        assert whole([comparison(state) for state in several]) == max(several, key=WORST.__getitem__)
        assert whole([comparison(state) for state in several] + [regressed]) == "REGRESSED"
        assert whole([comparison(state) for state in several], counts_more=True) == "REGRESSED"


def test_a_sentinel_out_of_range_takes_every_time_with_it_but_no_error_and_no_count() -> None:
    out: dict[str, Any] = {"sentinel_out": "two arms of the same code lie 9 % apart"}
    assert whole([comparison("PASS")], **out) == "INVALID"
    assert whole([comparison("REGRESSED", slower=True)], **out) == "INVALID"
    assert whole([comparison("PASS")], sentinel=comparison("INVALID")) == "INVALID"
    assert whole([comparison("PASS")], sentinel=comparison("INCONCLUSIVE")) == "PASS"
    assert whole([comparison("PASS")], counts_more=True, **out) == "REGRESSED"
    failed = one(pair(QUIET, head_only_errors=["only the head failed"]))
    assert whole([failed], **out) == "REGRESSED"


def test_the_sentinel() -> None:
    eight = QUIET[:8]
    assert sentinel(pair(eight)).state == "PASS"
    out = sentinel(pair([0.08 + each for each in eight], QUIET[:8]))
    assert out.state == "INVALID"
    assert "8.3 % apart in app CPU per request over 8 blocks (limit 3 %, p = 0.008)" in out.reasons[0]
    # Either way; not within the tolerance; not with too few blocks.
    assert sentinel_out(pair([-0.08 + each for each in eight])) is not None
    assert sentinel_out(pair([0.02 + each for each in eight])) is None
    few = sentinel(pair([0.08 + each for each in eight[:7]]))
    assert few.state == "INCONCLUSIVE"
    assert "7 blocks" in few.reasons[0]
    empty = pair(eight)
    empty.values.clear()
    assert sentinel(empty).state == "INCONCLUSIVE"
    assert "came to nothing" in (sentinel_out(pair(eight, invalid=["the base failed"])) or "")
    broken = pair(eight)
    broken.values[P50][0][2] = 0.0
    assert sentinel(broken).state == "INVALID"


def test_lags_that_lie_apart() -> None:
    bands = Tolerance(share=0.05, floor=20.0)
    base_us = [1200.0] * 12  # a third of 5 % of them is 20 µs
    assert lag_apart([50.0] * 12, [69.0] * 12, bands, base_us) is None
    assert "50.0 µs for the base and by 71.0 µs for the head" in (
        lag_apart([50.0] * 12, [71.0] * 12, bands, base_us) or ""
    )
    assert lag_apart([71.0] * 12, [50.0] * 12, bands, base_us) is not None
    assert lag_apart([50.0] * 7 + [900.0] * 5, [60.0] * 12, bands, base_us) is None
    assert lag_apart([], [50.0], bands, base_us) is None
    assert lag_apart([5.0], [50.0], bands, [0.0]) is None
