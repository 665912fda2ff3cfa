"""The system's Chromium, as the page's tests and its pictures use it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from playwright.sync_api import Browser, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS: Final = 60_000
_ARGUMENTS: Final = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


class NotHere(Exception):  # noqa: N818 - said to whoever asks for it
    """There is no Chromium on this machine."""


@contextmanager
def launched() -> Iterator[Browser]:
    """Start it once; raises NotHere where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise NotHere(f"no Chromium on this machine: none of {', '.join(NAMES)} is on the path")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS, timeout=PATIENCE_MS)
        yield started
        started.close()
