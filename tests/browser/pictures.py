"""README's pictures: the first screen of a run's page at three widths, light and dark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tests.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

SIZES: Final = {360: 780, 768: 1024, 1440: 900}
"""Widths and heights in CSS px: a phone, a tablet, a laptop."""
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


def take(browser: Browser, page: Path, folder: Path) -> Iterator[Path]:
    """Write a picture per width and theme, and yield each."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES.items():
        for theme in THEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            opened = context.new_page()
            opened.goto(page.resolve().as_uri())
            target = folder / f"{width}-{theme}.png"
            opened.screenshot(path=target)
            context.close()
            yield target


def main(run: str) -> None:
    """Take the pictures of a recorded run's report."""
    page = Path(run) / "report" / "index.html"
    if not page.is_file():
        sys.exit(f"{run} has no report: draw it first with session-bench report {run}.")
    with chromium.launched() as browser:
        for target in take(browser, page, Path(run) / "pictures"):
            print(target)  # noqa: T201 - the script's answer


if __name__ == "__main__":
    main(*sys.argv[1:] or ["results/reference"])
