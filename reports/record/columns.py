"""A trial's tables as numpy arrays, lean enough for ten million rows: words stay the numbers they are stored as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.format import OUTCOMES, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TypeAlias

    import numpy.typing as npt
    import pyarrow as pa

    Ints: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

NULL: Final = np.iinfo(np.int64).min
"""Stands for null in the arrays of `ints`."""
ANSWERED: Final[frozenset[Outcome]] = frozenset({"ok", "refused", "http_error", "wrong_answer"})
"""Outcomes for which the app did its work; CPU is divided by their number."""
RIGHT: Final[frozenset[Outcome]] = frozenset({"ok", "refused"})
"""Outcomes whose time is a latency; they make up requests/s."""
CENSORED: Final[frozenset[Outcome]] = frozenset({"timeout", "cut", "unsent"})
"""Outcomes of which only a lower bound was seen: the wait until it ended."""


def ints(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """Return a column of whole numbers: int64 with `NULL` for nulls, or as it is stored where none may be."""
    column = table.column(name)
    if table.schema.field(name).nullable:
        column = column.cast("int64").fill_null(NULL)
    return np.asarray(column.to_numpy())


def codes(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return a column of words as their places in a list, and that list."""
    column = table.column(name).unify_dictionaries()
    if not column.num_chunks:
        return np.zeros(0, dtype=np.int32), []
    places = [chunk.indices.to_numpy() for chunk in column.chunks]
    return places[0] if len(places) == 1 else np.concatenate(places), column.chunk(0).dictionary.to_pylist()


def among(table: pa.Table, name: str, words: Collection[str]) -> Mask:
    """Return which rows have one of these words."""
    places, known = codes(table, name)
    return np.asarray([word in words for word in known], dtype=np.bool_)[places]


def outcomes(table: pa.Table) -> npt.NDArray[np.int8]:
    """Return the outcomes as their places in `OUTCOMES`."""
    places, known = codes(table, "outcome")
    return np.asarray([OUTCOMES.index(word) for word in known], dtype=np.int8)[places]


def one_of(wanted: Collection[Outcome]) -> Mask:
    """Return, by place in `OUTCOMES`, whether an outcome is wanted; indexed with `outcomes` it is a mask of rows."""
    return np.asarray([outcome in wanted for outcome in OUTCOMES], dtype=np.bool_)


def start_us(requests: pa.Table) -> Ints:
    """Return when each request was meant to start, or was sent where nothing was scheduled; `NULL` if neither."""
    start = ints(requests, "scheduled_us")
    if start.flags.writeable is False:
        start = start.copy()
    lacking = start == NULL
    if lacking.any():
        start[lacking] = ints(requests, "sent_us")[lacking]
    return start
