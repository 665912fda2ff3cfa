"""Blocks of a self-trial on disk: what base and head gave, by variant and planted slowdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.files import RunUnreadable, write_atomically
from reports.record.environment import Environment  # noqa: TC001 - pydantic reads annotations at run time

if TYPE_CHECKING:
    from pathlib import Path

# History of the format:
# 1  environment, rates, seconds a block, blocks.
BLOCKS_VERSION: Final = 1


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Block(_Data):
    """One block of one pair."""

    variant: str
    planted: float
    """Share of its CPU that the head wasted on purpose; 0 is base against base."""
    block: int
    metrics: dict[str, tuple[float, float]]
    """Base and head, by metric."""


class RecordedBlocks(_Data):
    """What `session-bench selftest --record` writes."""

    schema_version: int = Field(default=BLOCKS_VERSION, ge=1, le=BLOCKS_VERSION)
    harness_version: str
    environment: Environment
    rate_per_s: dict[str, float]
    """Arrivals a second of both arms together, by variant."""
    seconds_per_block: dict[str, float]
    """By variant."""
    blocks: list[Block] = []

    def cells(self) -> dict[tuple[str, float], list[Block]]:
        """Return the blocks by variant and planted share, each in the order of their numbers."""
        found: dict[tuple[str, float], list[Block]] = {}
        for each in self.blocks:
            found.setdefault((each.variant, each.planted), []).append(each)
        return {key: sorted(blocks, key=lambda each: each.block) for key, blocks in found.items()}


def read_blocks(path: Path) -> RecordedBlocks:
    """Read such a file.

    Raises RunUnreadable when it is not there, is damaged, or was written by a newer session-bench.
    """
    try:
        raw = json.loads(path.read_bytes())
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if isinstance(version, int) and version > BLOCKS_VERSION:
            raise RunUnreadable(
                f"{path} has schema_version {version}; this session-bench reads up to {BLOCKS_VERSION}. "
                "Read it with the version that wrote it, or upgrade this one: git pull where it is a checkout, "
                "pip install -U session-bench where pip fetched it."
            )
        return RecordedBlocks.model_validate(raw)
    except OSError as error:
        raise RunUnreadable(
            f"{path} cannot be read: {error.strerror}. Make it with `session-bench selftest --record {path}`."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise RunUnreadable(
            f"{path} holds no recorded blocks: {where}: {first['msg']} ({error.error_count()} problems in all). "
            "Restore it from a copy, or record it again."
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(f"{path} is no JSON: {error}. Restore it from a copy, or record it again.") from None


def write_blocks(path: Path, recorded: RecordedBlocks) -> None:
    """Write such a file; a reader sees all of it or none. One block a line keeps it small and its changes readable."""
    head = recorded.model_dump(exclude={"blocks"})
    lines = ",\n".join(f"  {each.model_dump_json()}" for each in recorded.blocks)
    text = json.dumps(head, indent=1)[:-2] + f',\n "blocks": [\n{lines}\n ]\n}}\n'
    write_atomically(path, text.encode())
