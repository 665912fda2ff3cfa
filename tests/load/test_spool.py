from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.load import spool

rows = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=20),
        st.integers(-1, 2**31 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, 2**31 - 1),
        st.integers(0, 599),
        st.integers(0, len(spool.OUTCOMES) - 1),
    ),
    max_size=50,
)


@given(rows)
def test_what_was_written_is_read_whole(written: list[tuple[str, int, int, int, int, int, int, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        writer = spool.Writer(spool.Folder(Path(name), 3))
        for row in written:
            writer.add(*row)
        writer.close(t0_ns=5)
        (read,) = spool.read(Path(name))
    assert (read.worker, read.facts) == (3, {"t0_ns": 5})
    columns = (
        "user", "scheduled_ns", "wake_lag_ns", "sent_ns", "service_ns", "received_bytes", "status", "outcome",
    )  # fmt: skip
    got = zip(
        [read.names[number] for number in read.rows["name"]],
        *(read.rows[name] for name in columns),
        strict=True,
    )
    assert [tuple(row) for row in got] == written


def test_a_tail_holds_whole_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.rows"
    writer = spool.Writer(spool.Folder(tmp_path, 0))
    for number in range(3):
        writer.add("x", number, spool.NONE, spool.NONE, 0, 0, 0, 200, 0)
    writer.flush()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    first, offset = spool.tail(path, 0)
    assert list(first["user"]) == [0, 1]
    path.write_bytes(whole)
    second, end = spool.tail(path, offset)
    assert list(second["user"]) == [2]
    assert end == len(whole)
    writer.close()


def test_a_spool_that_was_cut_short_is_not_read(tmp_path: Path) -> None:
    writer = spool.Writer(spool.Folder(tmp_path, 0))
    writer.add("x", 0, spool.NONE, spool.NONE, 0, 0, 0, 200, 0)
    writer.flush()
    assert spool.read(tmp_path) == []
    assert len(spool.tail(tmp_path / "nothing", 0)[0]) == 0
    writer.close()


def test_a_large_spool_is_written_in_chunks(tmp_path: Path) -> None:
    writer = spool.Writer(spool.Folder(tmp_path, 0))
    for number in range(10_000):
        writer.add(f"name {number % 7}", number, number, 0, number, number, number, 200, 0)
    seen_before_close = len(spool.tail(tmp_path / "worker-0.rows", 0)[0])
    writer.close()
    (read,) = spool.read(tmp_path)
    assert 8_000 < seen_before_close < 10_000
    assert np.array_equal(read.rows["user"], np.arange(10_000))
