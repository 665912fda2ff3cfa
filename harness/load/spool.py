"""The raw chunks in which a generator leaves its requests: written with the standard library, read with numpy."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

OUTCOMES: Final = (
    "ok",
    "http_error",
    "transport_error",
    "wrong_answer",
    "refused",
    "timeout",
    "cut",
    "unsent",
)
"""An outcome's number in a row is its place here."""
NONE: Final = -(2**63)
"""A time that there is not."""
STEADY: Final = "steady"
"""A file of this name in the spool's folder says that the warm-up may end."""
PART: Final = "part"
"""A file of this name, one byte long, says which part of a duet it is, from 0."""

_ROW: Final = struct.Struct("<qqqqiiHHBB2x")
_DTYPE: Final = [
    ("scheduled_ns", "<i8"),
    ("sent_ns", "<i8"),
    ("service_ns", "<i8"),
    ("wake_lag_ns", "<i8"),
    ("received_bytes", "<i4"),
    ("user", "<i4"),
    ("name", "<u2"),
    ("status", "<u2"),
    ("outcome", "u1"),
    ("arm", "u1"),
    ("", "V2"),
]
_CHUNK_BYTES: Final = 1 << 16


class Sink(Protocol):
    """Where a writer's chunks go."""

    def write(self, chunk: bytes) -> None:
        """Take some whole rows."""

    def close(self, facts: dict[str, Any]) -> None:
        """Take the facts; there is nothing more."""


class Folder:
    """A sink of one worker in a folder: `worker-N.rows`, and `worker-N.json` when it is whole."""

    def __init__(self, folder: Path, worker: int) -> None:
        self._rows = (folder / f"worker-{worker}.rows").open("wb", buffering=0)
        self._closing = folder / f"worker-{worker}.json"

    def write(self, chunk: bytes) -> None:
        """Append some rows, in one call to the kernel."""
        self._rows.write(chunk)

    def close(self, facts: dict[str, Any]) -> None:
        """Write the facts; a spool without them was cut short."""
        self._rows.close()
        staged = self._closing.with_suffix(".part")
        staged.write_text(json.dumps(facts))
        staged.replace(self._closing)


class Nowhere:
    """A sink for load that nobody records."""

    def write(self, chunk: bytes) -> None:
        """Forget some rows."""

    def close(self, facts: dict[str, Any]) -> None:
        """Forget the facts."""


class Writer:
    """Collects the rows of one Locust worker and hands them on in chunks, so that memory stays bounded.

    A row costs about a microsecond. Times are nanoseconds of CLOCK_MONOTONIC; nothing is sampled or rounded.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._names: dict[str, int] = {}

    def add(  # noqa: PLR0917 - by position a call is shorter by half a microsecond
        self,
        name: str,
        user: int,
        scheduled_ns: int,
        wake_lag_ns: int,
        sent_ns: int,
        service_ns: int,
        received_bytes: int,
        status: int,
        outcome: int,
        arm: int = 0,
    ) -> None:
        """Record one request."""
        number = self._names.setdefault(name, len(self._names))
        self._buffer += _ROW.pack(
            scheduled_ns, sent_ns, service_ns, wake_lag_ns, received_bytes, user, number, status, outcome, arm
        )
        if len(self._buffer) >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what was collected."""
        if self._buffer:
            self._sink.write(bytes(self._buffer))
            self._buffer.clear()

    def close(self, **facts: Any) -> None:
        """Hand on the last chunk, then the facts."""
        self.flush()
        self._sink.close({"names": list(self._names), **facts})


@dataclass(frozen=True)
class Spool:
    """One worker's requests: `rows`, a structured array in order of completion, and what `Writer.close` was given."""

    worker: int
    rows: np.ndarray[Any, Any]
    names: list[str]
    facts: dict[str, Any]


def read(folder: Path) -> list[Spool]:
    """Read every finished worker's spool, in order of their numbers."""
    spools = []
    for closing in folder.glob("worker-*.json"):
        worker = int(closing.stem.removeprefix("worker-"))
        facts = json.loads(closing.read_text())
        rows = tail(folder / f"worker-{worker}.rows", 0)[0]
        spools.append(Spool(worker, rows, facts.pop("names"), facts))
    return sorted(spools, key=lambda spool: spool.worker)


def tail(path: Path, offset: int) -> tuple[np.ndarray[Any, Any], int]:
    """Read the whole rows behind a byte offset of a growing spool; returns them and the next offset."""
    import numpy as np  # noqa: PLC0415 - the generator imports this module and has no use for numpy

    if not path.exists():
        return np.empty(0, dtype=_DTYPE), offset
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = len(content) - len(content) % _ROW.size
    return np.frombuffer(content[:whole], dtype=_DTYPE), offset + whole
