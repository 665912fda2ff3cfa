"""Tidy pandas frames out of the rows and files of a run, typed as `reports.tidy.frame_columns` says."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from reports.record import tables
from reports.tidy import rows
from reports.tidy.frame_columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from reports.format import Run, Trial

Documented = TypeVar("Documented", bound="Callable[..., Any]")


def documented(name: str) -> Callable[[Documented], Documented]:
    """Give a method the documentation of a table: what a row is, and every column."""

    def document(each: Documented) -> Documented:
        table = TABLES[name]
        said = [] if each.__doc__ is None else [inspect.cleandoc(each.__doc__), ""]
        each.__doc__ = "\n".join([table.about, "", *said, *table.lines])
        return each

    return document


def frame(run: Run, name: str) -> pd.DataFrame:
    """Return a table of what run.json holds; every column is there, whatever the run had."""
    import pandas as pd  # noqa: PLC0415 - a table in the terminal need not wait for it

    columns = TABLES[name].columns
    known = list(rows.OF[name](run))
    return pd.DataFrame(
        {each.name: pd.array([_cell(row.get(each.name), each.kind) for row in known], each.kind) for each in columns}
    )


def _cell(value: Any, kind: str) -> Any:
    """Return what pandas takes for a cell; a version or an empty text that says nothing is missing."""
    if value is None or value == "":
        return float("nan") if kind == "float64" else None
    return value


def requests(folder: Path, run: Run, trial: int | None, variant: str | None) -> pd.DataFrame:
    """Return every request of these trials; see `Recorded.requests`."""
    return _files(folder, run, "requests", tables.read_requests, trial=trial, variant=variant)


def resources(folder: Path, run: Run, trial: int | None, variant: str | None) -> pd.DataFrame:
    """Return every resource sample of these trials; see `Recorded.resources`."""
    return _files(folder, run, "resources", tables.read_resources, trial=trial, variant=variant)


def _files(
    folder: Path,
    run: Run,
    name: str,
    read: Callable[[Path, int], pa.Table | None],
    *,
    trial: int | None,
    variant: str | None,
) -> pd.DataFrame:
    """Read the files of the trials asked for, and of those of several arms only the rows that are the variant's.

    Raises KeyError for a trial or a variant that the run does not have.
    """
    import pandas as pd  # noqa: PLC0415 - as above

    _must_be_known(trial, [each.number for each in run.trials], "trial")
    _must_be_known(variant, [each.name for each in run.variants], "variant")
    found = []
    for each in run.trials:
        names = [arm.variant for arm in each.arms]
        if trial in {None, each.number} and (variant is None or variant in names):
            table = read(folder, each.number)
            if table is not None:
                whole = _labelled(table, each, names)
                part = whole if variant is None else whole[whole["variant"] == variant]
                # Older pandas frown at empty frames among those that are joined.
                found += [part] if len(part) else []
    if found:
        whole = pd.concat(found, ignore_index=True) if len(found) > 1 else found[0].reset_index(drop=True)
    else:
        whole = pd.DataFrame({column.name: pd.array([], column.kind) for column in TABLES[name].columns})
    # Categories of different trials differ, and then pandas joins them as texts.
    return whole.astype({column.name: column.kind for column in TABLES[name].columns})


def _must_be_known(asked: object, known: Collection[object], what: str) -> None:
    if asked is not None and asked not in known:
        raise KeyError(f"this run has no {what} {asked!r}; it has {', '.join(map(str, known)) or 'none'}")


def _labelled(table: pa.Table, trial: Trial, names: list[str]) -> pd.DataFrame:
    """Return a trial's table with what the run knows of the trial in front."""
    import pandas as pd  # noqa: PLC0415 - as above

    kinds = {str(kind).lower(): kind for kind in (pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype())}
    frame: pd.DataFrame = table.to_pandas(types_mapper=lambda kind: kinds.get(str(kind)))
    # A request that belongs to an arm is that variant's; what all arms share belongs to none, unless there is but one.
    arms = frame["arm"].fillna(0 if len(names) == 1 else -1).to_numpy(dtype="int64")
    about: dict[str, Any] = {
        "trial": pd.Series(trial.number, index=frame.index, dtype="Int64"),
        "block": pd.Series(trial.block, index=frame.index, dtype="Int64"),
        "purpose": _constant(trial.purpose, len(frame)),
        "variant": _names(arms, names),
        "state": _constant(trial.verdict.state, len(frame)),
    }
    for place, (name, values) in enumerate(about.items()):
        frame.insert(place, name, values)
    return frame


def _constant(value: str, count: int) -> pd.Categorical[str]:
    import numpy as np  # noqa: PLC0415 - as above

    return _names(np.zeros(count, dtype=np.int8), [value])


def _names(places: Any, names: list[str]) -> pd.Categorical[str]:
    """Return the names at these places; nothing at a negative one. A name may be there twice."""
    import numpy as np  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    once = list(dict.fromkeys(names))
    codes = np.asarray([*(once.index(name) for name in names), -1])[places]
    return pd.Categorical.from_codes(codes, categories=pd.Index(once))
