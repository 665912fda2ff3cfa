"""The machine-readable face: `python -m backends describe | seed | count`, answered in JSON.

`seed` and `count` read the app's environment. Exit code 2 is a configuration that cannot be, 4 a store that
does not answer; either says why in one line on the standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from backends import codecs, description, environment
from backends.errors import ConfigurationError
from backends.seeding import seed
from backends.store import StoreUnavailable
from backends.subjects.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from backends.environment import Environment
    from backends.store import Store

_CONFIGURATION = 2
_COMPONENT = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "describe":
            answer = asyncio.run(description.describe(chosen.variants))
        else:
            answer = asyncio.run(_with_store(chosen, environment.read(os.environ)))
    except ConfigurationError as error:
        return _failed(str(error), _CONFIGURATION)
    except StoreUnavailable as error:
        return _failed(f"The session store of {os.environ['SESSION_APP_BACKEND']} is unavailable: {error}", _COMPONENT)
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backends", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser(
        "describe", help="the given variants and what they are of, or every backend and subject"
    )
    describe.add_argument("variants", nargs="*", metavar="VARIANT")
    seeding = commands.add_parser("seed", help="load live sessions straight into the store")
    seeding.add_argument("--sessions", type=_count, required=True)
    seeding.add_argument("--expiring-share", type=_share, default=0.0)
    seeding.add_argument("--expiring-within-s", type=_seconds, default=600.0)
    commands.add_parser("count", help="how many records the store holds")
    return parser


async def _with_store(chosen: argparse.Namespace, configured: Environment) -> dict[str, Any]:
    store = configured.variant.make(configured.settings)
    key = "sessions" if chosen.command == "seed" else "records"
    if store.traits.keeps != "server":
        return {key: 0, "in_process": True}
    async with _opened(store):
        if chosen.command == "count":
            return {key: await store.count()}
        expiring = {"expiring_share": chosen.expiring_share, "expiring_within_s": chosen.expiring_within_s}
        if isinstance(store, Subject):
            seeded = await store.seed(chosen.sessions, **expiring)
        else:
            codec = codecs.load(configured.variant.options.codec)
            seeded = await seed(store, codec, chosen.sessions, **expiring)
    return {key: seeded.sessions, "bytes_per_session": seeded.bytes_per_session}


@asynccontextmanager
async def _opened(store: Store | Subject) -> AsyncIterator[None]:
    try:
        await store.open()
        yield
    finally:
        await store.close()


def _count(text: str) -> int:
    if (count := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"a count is 0 or more, not {text}")
    return count


def _share(text: str) -> float:
    if not 0 <= (share := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"a share is between 0 and 1, not {text}")
    return share


def _seconds(text: str) -> float:
    if not 0 <= (seconds := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"seconds are 0 or more, not {text}")
    return seconds


def _failed(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
