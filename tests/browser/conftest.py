from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reports
from tests.browser import chromium, rich
from tests.browser.chromium import PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page, Request

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


# A package, not the session: while it is up, playwright keeps an event loop in this thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium once."""
    try:
        with chromium.launched() as started:
            yield started
    except chromium.NotHere as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the reports of the committed run and of a rich one with hostile names; the page of each."""
    folder = tmp_path_factory.mktemp("results")
    shutil.copytree(REFERENCE, folder / "reference", ignore=shutil.ignore_patterns("report"))
    rich.record(folder / "rich")
    return {name: reports.write(folder / name)[0] for name in ("reference", "rich")}


class Opened:
    """A page that was opened, with all that it said and asked for."""

    def __init__(self, browser: Browser, path: Path, *, scripts: bool = True) -> None:
        self.context = browser.new_context(java_script_enabled=scripts, viewport={"width": 1440, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.url = path.as_uri()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", self._request)
        self.page.goto(self.url)

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)

    def fresh(self, fragment: str = "") -> Page:
        """Load the page anew, as it is opened from a link."""
        self.page.goto("about:blank")
        self.page.emulate_media(media="screen", color_scheme="light")
        self.page.set_viewport_size({"width": 1440, "height": 900})
        self.page.goto(self.url + fragment)
        return self.page


def point(page: Page, mark: Locator) -> str:
    """Move the pointer to the middle of a mark; return what is told."""
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return page.locator("#tip").inner_text()


@pytest.fixture(scope="module", params=["reference", "rich"])
def opened(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[Opened]:
    each = Opened(browser, pages[request.param])
    yield each
    each.context.close()


@pytest.fixture(scope="module", params=["reference", "rich"])
def without_script(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[Opened]:
    each = Opened(browser, pages[request.param], scripts=False)
    yield each
    each.context.close()
