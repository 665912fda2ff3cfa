"""The counters' files: summed over workers and whole seconds, null for whatever cannot be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.counters import read

if TYPE_CHECKING:
    from pathlib import Path

S = 10**9


def operation(count: int = 1, total_us: float = 100.0, failed: int = 0, bucket: int = 53) -> dict[str, Any]:
    return {"count": count, "failed": failed, "total_us": total_us, "buckets": {str(bucket): count}}


def content(seconds: dict[int, dict[str, Any]], **changed: Any) -> dict[str, Any]:
    about = {"contract": 1, "pid": 7, "clock": "CLOCK_MONOTONIC", "buckets_per_octave": 8}
    return about | {"seconds": {str(second): each for second, each in seconds.items()}} | changed


def write(folder: Path, pid: int, content: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{pid}.json").write_text(json.dumps(content))


def test_workers_and_seconds_are_summed(tmp_path: Path) -> None:
    write(tmp_path, 1, content({10: {"get": operation(3, 300.0)}, 11: {"get": operation(2, 400.0, 1, 61)}}))
    write(tmp_path, 2, content({11: {"get": operation(5, 500.0), "loop_lag": operation()}}))
    counted = read(tmp_path, t0_ns=10 * S, window_s=2.0)
    assert counted is not None
    assert counted.keys() == {"get", "loop_lag"}
    get = counted["get"]
    assert (get["count"], get["failed"], get["total_us"]) == (10, 1, 1200.0)
    assert get["buckets"] == pytest.approx({2 ** (54 / 8): 8, 2 ** (62 / 8): 2})


@pytest.mark.parametrize(
    ("t0_s", "window_s", "seconds"),
    [
        (10.0, 3.0, {10, 11, 12}),
        (10.000000001, 3.0, {11, 12}),
        (9.999999999, 3.0, {10, 11}),
        (9.5, 3.5, {10, 11, 12}),
        (10.5, 1.6, {11}),
        (10.5, 1.4, None),
        (30.0, 5.0, None),
    ],
)
def test_only_whole_seconds_of_the_window_count(
    t0_s: float, window_s: float, seconds: set[int] | None, tmp_path: Path
) -> None:
    write(tmp_path, 1, content({second: {f"in {second}": operation()} for second in range(5, 20)}))
    counted = read(tmp_path, t0_ns=round(t0_s * S), window_s=window_s)
    assert counted == (None if seconds is None else counted)
    assert set(counted or {}) == {f"in {second}" for second in seconds or ()}


def test_workers_may_cut_their_buckets_differently(tmp_path: Path) -> None:
    write(tmp_path, 1, content({10: {"get": operation(bucket=7)}}, buckets_per_octave=8))
    write(tmp_path, 2, content({10: {"get": operation(bucket=3)}}, buckets_per_octave=4))
    counted = read(tmp_path, t0_ns=10 * S, window_s=1.0)
    assert counted is not None
    assert counted["get"]["buckets"] == {2.0: 2}


GOOD = content({10: {"get": operation()}})
BAD = {
    "another contract": GOOD | {"contract": 2},
    "another clock": GOOD | {"clock": "CLOCK_REALTIME"},
    "no seconds": {name: each for name, each in GOOD.items() if name != "seconds"},
    "negative": content({10: {"get": operation(-1)}}),
    "not a number": content({10: {"get": operation(total_us=float("nan"))}}),
    "a bucket beyond all time": content({10: {"get": operation(bucket=100_000)}}),
    "a list": [],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_one_bad_file_makes_the_sum_unknown(bad: object, tmp_path: Path) -> None:
    write(tmp_path, 1, GOOD)
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is not None
    write(tmp_path, 2, bad)
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is None


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\0", json.dumps(GOOD)[:-1]])
def test_text_of_another_kind_is_unknown(text: str, tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(text)
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is None


def test_what_was_never_written_is_unknown(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere", t0_ns=10 * S, window_s=1.0) is None
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is None
    (tmp_path / "1.json").mkdir()
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is None


def test_what_a_kill_left_half_written_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, 1, GOOD)
    (tmp_path / "1.new").write_text("{")
    assert read(tmp_path, t0_ns=10 * S, window_s=1.0) is not None


def test_names_of_a_newer_app_pass(tmp_path: Path) -> None:
    write(tmp_path, 1, content({10: {"later": operation() | {"more": 1}}}, host="x"))
    counted = read(tmp_path, t0_ns=10 * S, window_s=1.0)
    assert counted is not None
    assert counted["later"]["count"] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(replaced=st.dictionaries(st.sampled_from([*GOOD]), JSON), inner=st.none() | JSON)
def test_no_content_raises(replaced: dict[str, Any], inner: Any, tmp_path: Path) -> None:
    write(tmp_path, 1, content({10: {"get": inner}}) | replaced)
    read(tmp_path, t0_ns=10 * S, window_s=1.0)
