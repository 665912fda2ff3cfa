"""The committed file of exact counts: small, sorted, one line a step, so that a change of it reads well in a diff."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from reports.files import write_atomically
from reports.record.counts import COUNTS, Counts, changes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.record.judgement import CountChange

NAME = "session-bench-counts.json"
VERSION = 1
_UPDATE = "--update-counts"


class CountsFile(BaseModel):
    """What the file holds: each variant's counts, once for every driver and server they were taken with."""

    model_config = ConfigDict(extra="forbid")

    version: int = VERSION
    counts: list[Counts] = []


def read(path: Path) -> CountsFile | None:
    """Read the file; None where there is none. Raises UsageError for one that is damaged or newer than this harness."""
    try:
        raw = json.loads(path.read_bytes())
        version = raw["version"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path, "it is not the JSON that session-bench writes") from None
    if isinstance(version, int) and version > VERSION:
        raise UsageError(
            f"{path} is of version {version} and this session-bench knows {VERSION}: a newer one wrote it. Update "
            f"session-bench, or remove the file and let {_UPDATE} make it anew."
        )
    try:
        return CountsFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None


def write(path: Path, counts: Sequence[Counts]) -> None:
    """Write these counts into the file.

    They replace what stands there for the same variant, driver and server product, whatever its versions; all else
    stays. Raises UsageError for a file that is there and cannot be read.
    """
    former = read(path) or CountsFile()
    replaced = {_kind(each) for each in counts}
    kept = [each for each in former.counts if _kind(each) not in replaced]
    ordered = sorted([*kept, *counts], key=lambda each: each.key)
    write_atomically(path, _printed(ordered).encode())


def check(path: Path, counts: Sequence[Counts]) -> tuple[list[CountChange], list[str]]:
    """Compare counts with the file: what changed, and in sentences what the file cannot tell.

    Counts are compared with those of the same driver and server, to the version, and a null with nothing.
    """
    known = read(path)
    if known is None:
        return [], [f"There is no {path.name} to compare exact counts with; {_UPDATE} makes it."]
    found: list[CountChange] = []
    unknown: list[str] = []
    for now in counts:
        same = [each for each in known.counts if each.variant == now.variant]
        before = next((each for each in same if each.key == now.key), None)
        if before is None:
            unknown.append(_stranger(path, now, same))
            continue
        for change in changes(before, now, against="file"):
            if change.before is not None and change.now is not None:
                found.append(change)
            else:
                side = f"in {path.name}" if change.before is None else "of this run"
                unknown.append(
                    f"{change.count} of {now.variant}'s {change.step} cannot be compared: there is none {side}. "
                    + " ".join(before.notes if change.before is None else now.notes)
                )
    return found, [text.rstrip() for text in unknown]


def _stranger(path: Path, now: Counts, same: Sequence[Counts]) -> str:
    """Say why there is nothing to compare with."""
    if not same:
        return f"{path.name} holds no counts of {now.variant}; {_UPDATE} adds them."
    others = " or ".join(_with(each) for each in same)
    return (
        f"{now.variant} was counted with {_with(now)}, and {path.name} holds its counts with {others}: other versions "
        f"may ask and answer otherwise, so nothing is compared. {_UPDATE} takes the new ones down."
    )


def _with(counts: Counts) -> str:
    return " and ".join(filter(None, [counts.driver, counts.server])) or "neither driver nor server"


def _kind(counts: Counts) -> tuple[str, str, str]:
    """Return variant, driver and product without their versions."""
    return counts.variant, counts.driver.rpartition(" ")[0], counts.server.rpartition(" ")[0]


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used: {why}. Restore it from version control, or remove it and let {_UPDATE} make it anew."
    )


def _printed(counts: Sequence[Counts]) -> str:
    blocks = [_block(each) for each in counts]
    return f'{{"version": {VERSION}, "counts": [\n' + ",\n".join(blocks) + "\n]}\n"


def _block(counts: Counts) -> str:
    head = {"variant": counts.variant, "driver": counts.driver, "server": counts.server}
    if counts.notes:
        head |= {"notes": counts.notes}  # type: ignore[dict-item]
    steps = [
        f"  {json.dumps(name)}: {json.dumps({count: getattr(step, count) for count in COUNTS})}"
        for name, step in sorted(counts.steps.items())
    ]
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "steps": {\n' + ",\n".join(steps) + "\n}}"
