"""The pages of several runs, a history and two runs side by side, opened in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it publishes no types

from reports.exporters import history_html, side_by_side_html
from reports.judging.compared import across
from reports.judging.history import LeftOut, history
from reports.listings.side_by_side import Side, SideBySide
from tests.browser.conftest import Opened, point
from tests.reports import two_days
from tests.reports.synthetic import EVIL
from tests.reports.two_runs import NONE, POSTGRES, REDIS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("many")
    variants = [NONE, REDIS, POSTGRES.model_copy(update={"name": EVIL, "slug": EVIL})]
    runs = list(two_days.days(12, few=0, variants=variants))
    told = history(EVIL, [(f"run{number}", run) for number, run in enumerate(runs)], [LeftOut(folder=EVIL, why=EVIL)])
    last = history_html.latest(runs)
    beside = SideBySide(across(runs[0], runs[1]), (Side("A", EVIL, runs[0]), Side("B", "b", runs[1])))
    pages = {
        "history": history_html.render(told, last, history_html.draw(told, last)),
        "compare": side_by_side_html.render(beside),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture(scope="module", params=["history", "compare"])
def opened(request: pytest.FixtureRequest, browser: Browser, written: dict[str, Path]) -> Iterator[Opened]:
    each = Opened(browser, written[request.param])
    yield each
    each.context.close()


def test_the_page_opens_in_silence_and_asks_for_nothing(opened: Opened) -> None:
    assert opened.page.locator("h1").count() == 1
    assert opened.asked == [opened.url]
    assert opened.said == []


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_screen(opened: Opened, width: int) -> None:
    opened.page.set_viewport_size({"width": width, "height": 900})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Opened, scheme: Any) -> None:
    opened.page.emulate_media(color_scheme=scheme)
    found = Axe().run(opened.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []


def test_a_variant_that_is_left_out_is_hidden_everywhere(opened: Opened) -> None:
    page = opened.fresh()
    rows = page.locator("tr[data-of='redis']")
    assert rows.count()
    figures = page.locator("figure[data-of='redis']")
    sentences = page.locator("li[data-of='redis']")
    box = page.locator("#variants input[value='redis']")
    box.uncheck()
    assert not any(each.is_visible() for each in (*rows.all(), *figures.all()))
    assert all(each.evaluate("each => getComputedStyle(each).opacity") == "0.4" for each in sentences.all())
    box.check()
    assert rows.first.is_visible()
    assert all(each.is_visible() for each in figures.all())


@pytest.mark.parametrize("opened", ["history"], indirect=True)
def test_a_point_of_a_history_tells_run_figure_and_interval(opened: Opened) -> None:
    page = opened.fresh()
    told = point(page, page.locator("#history-redis svg [data-told*='run11']").first)
    assert re.fullmatch(r"redis, p50 in run11 of 2026-05-12 10:00: [\d.]+ × \([\d.]+–[\d.]+\)", told)  # noqa: RUF001 - a multiple, a range
    page.locator("#history-redis").get_by_role("link", name="every run of every series").click()
    assert page.locator("#points").is_visible()


@pytest.mark.parametrize("opened", ["history"], indirect=True)
def test_charts_of_a_history_stand_between_the_trends_and_the_rest(opened: Opened) -> None:
    page = opened.page
    heads = page.eval_on_selector_all("h2", "all => all.map((each) => each.id)")
    assert heads[: heads.index("over-runs") + 1] == ["changes", "trends-heading", "over-runs"]
    assert page.locator("figure").first.is_visible()
