"""A recorded run on disk: reader, update ladder, atomic writer."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reports.format import SCHEMA_VERSION, Run, Trial


class RunUnreadable(Exception):  # noqa: N818 - says what the reader found
    """A recorded run cannot be read; the message is one paragraph for the user."""


class ReportUnwritable(RunUnreadable):
    """A run was read, but what was drawn of it cannot be kept; whoever waits for the one waits for the other."""


def trial_folder(run: Path, number: int) -> Path:
    """Return where a trial's files lie."""
    return run / "trials" / f"{number:04d}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_run(folder: Path, run: Run) -> None:
    """Write run.json."""
    write_atomically(folder / "run.json", run.model_dump_json(indent=1).encode())


def write_trial(folder: Path, trial: Trial) -> None:
    """Write a trial's trial.json."""
    write_atomically(trial_folder(folder, trial.number) / "trial.json", trial.model_dump_json(indent=1).encode())


def read_run(folder: Path) -> Run:
    """Read run.json of a run folder, of this schema or an older one.

    Raises RunUnreadable when there is none, when it is damaged, or when a newer session-bench wrote it.
    """
    path = folder / "run.json"
    try:
        raw = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunUnreadable(
            f"{folder} holds no recorded run: there is no run.json in it. "
            "Name a folder that `session-bench run` made, such as one under results/."
        ) from None
    except OSError as error:
        raise RunUnreadable(f"{path} cannot be read: {error.strerror}. It must be a file that you may read.") from None
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(
            f"{path} cannot be read: {error}. The file is damaged; the trials beside it "
            "(trials/*/trial.json) are whole, and `session-bench run` never writes over a run, so restore it "
            "from a copy."
        ) from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RunUnreadable(f"{path} is JSON but not a recorded run: it has no schema_version that is a whole number.")
    if version > SCHEMA_VERSION:
        raise RunUnreadable(
            f"{path} has schema_version {version}; this session-bench reads up to {SCHEMA_VERSION}. "
            "Read it with the version that wrote it, or upgrade this one: git pull where it is a checkout, "
            "pip install -U session-bench where pip fetched it."
        )
    try:
        return Run.model_validate(_update(raw, version))
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(map(str, first["loc"])) or "as a whole"
        more = f" ({len(others) + 1} problems in all)" if others else ""
        raise RunUnreadable(f"{path} is damaged: {where}: {first['msg']}{more}. Restore it from a copy.") from None


def read_trials(folder: Path) -> list[Trial]:
    """Read every finished trial from its own file, in order: run.json may be one behind after a crash.

    Raises RunUnreadable when one of them is damaged.
    """
    trials = [_read_trial(path) for path in folder.glob("trials/*/trial.json")]
    return sorted(trials, key=lambda trial: trial.number)


def _read_trial(path: Path) -> Trial:
    try:
        return Trial.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise RunUnreadable(
            f"{path} cannot be read: {reason}. Restore it from a copy, or move its folder away to do without the trial."
        ) from None


def _update(raw: dict[str, Any], version: int) -> dict[str, Any]:
    """Climb from an older schema to ours, one rung a version."""
    # What 2, 3 and 4 added may be absent.
    ladder: dict[int, Any] = {1: lambda old: old, 2: lambda old: old, 3: lambda old: {**old, "audits": []}}
    for rung in range(version, SCHEMA_VERSION):
        raw = ladder[rung](raw)
    return raw
