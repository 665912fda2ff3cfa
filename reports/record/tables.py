"""The two tables of a trial: requests and resource samples, one parquet file each."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from reports.files import RunUnreadable, trial_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_WORD = pa.dictionary(pa.int32(), pa.string())

REQUESTS = pa.schema(
    [
        pa.field("arm", pa.int8(), nullable=False),  # place in the trial's list of arms
        pa.field("name", _WORD, nullable=False),
        pa.field("phase", _WORD, nullable=False),
        pa.field("slice", pa.int32()),
        pa.field("user", pa.int32()),
        pa.field("worker", pa.int16(), nullable=False),
        pa.field("scheduled_us", pa.int64()),  # intended start; null in closed load
        pa.field("wake_lag_us", pa.int64()),
        pa.field("sent_us", pa.int64()),  # null when never sent
        pa.field("service_us", pa.int64()),  # send to last byte, or to where the waiting ended
        pa.field("response_us", pa.int64()),  # intended start to last byte, or to where the waiting ended
        pa.field("received_bytes", pa.int64()),
        pa.field("status", pa.int16()),
        pa.field("outcome", _WORD, nullable=False),
    ]
)
"""One row per request. Times are µs from the trial's t0: the window begins at 0, the warm-up is negative."""

RESOURCES = pa.schema(
    [
        pa.field("t_us", pa.int64(), nullable=False),  # the same for every process of one sweep
        pa.field("role", _WORD, nullable=False),
        pa.field("arm", pa.int8()),  # null for what all arms share
        pa.field("pid", pa.int32(), nullable=False),
        pa.field("cpu_ns", pa.int64(), nullable=False),  # since the process began
        pa.field("pss_bytes", pa.int64()),
        pa.field("rss_bytes", pa.int64()),
        pa.field("threads", pa.int32()),
        pa.field("fds", pa.int32()),
        pa.field("ctx_switches", pa.int64()),
        pa.field("waited_ns", pa.int64()),  # ready to run, and no CPU free; since the process began
        pa.field("ticks_ns", pa.int64()),  # CPU as the kernel counts it per process, children that ended included
    ]
)
"""One row per sweep and process; a sweep looks at every process of the trial."""

_SINCE_2 = frozenset({"waited_ns", "ticks_ns"})
"""Columns that files of the first schema lack."""


def write_requests(run: Path, number: int, columns: Mapping[str, Any]) -> pa.Table:
    """Write a trial's requests.parquet from arrays or lists by column name, and return the table."""
    return _write(trial_folder(run, number) / "requests.parquet", columns, REQUESTS)


def write_resources(run: Path, number: int, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Write a trial's resources.parquet from one mapping per row, and return the table."""
    columns = {name: [row.get(name) for row in rows] for name in RESOURCES.names}
    return _write(trial_folder(run, number) / "resources.parquet", columns, RESOURCES)


def read_requests(run: Path, number: int) -> pa.Table | None:
    """Read a trial's requests, or None when the trial failed before it had any.

    Raises RunUnreadable when the file is damaged.
    """
    return _read(trial_folder(run, number) / "requests.parquet", REQUESTS)


def read_resources(run: Path, number: int) -> pa.Table | None:
    """Read a trial's resource samples, as `read_requests` does."""
    return _read(trial_folder(run, number) / "resources.parquet", RESOURCES)


def _write(path: Path, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    arrays = [_array(columns[field.name], field.type) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())
    return table


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    """Build a column; words are encoded after they were read, so that numpy's strings will do too."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values.cast(kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, type=kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, type=kind)


def _read(path: Path, schema: pa.Schema) -> pa.Table | None:
    try:
        # Not read_table, which would make up a column that is missing.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=schema.names)
        for name in _SINCE_2.difference(table.column_names).intersection(schema.names):
            table = table.append_column(name, pa.nulls(len(table)))
        table = table.select(schema.names).cast(schema)
        table.validate(full=True)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0].rstrip(".")
        raise RunUnreadable(
            f"{path} cannot be read: {first_line}. The trial's figures are in trial.json beside it; "
            "to draw the report without its requests, move the file away."
        ) from None
    return table
