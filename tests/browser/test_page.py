from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it publishes no types

from reports.exporters import html
from tests.browser.conftest import Opened, point
from tests.browser.rich import SCENARIO
from tests.reports import synthetic_audits, synthetic_judged
from tests.reports.synthetic import EVIL

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

WIDTHS = (360, 768, 1440)


def names(page: Page) -> list[str]:
    values: list[str] = page.eval_on_selector_all("#variants input", "boxes => boxes.map((box) => box.value)")
    return values


def of(page: Page, name: str, beside: str = "") -> list[tuple[str, bool]]:
    """Return everything that is a variant's and not another's as well: its tag, and whether it is shown in full."""
    script = """([name, beside]) => [...document.querySelectorAll("[data-of]")]
        .filter((each) => each.dataset.of.split("\\n").includes(name))
        .filter((each) => !each.dataset.of.split("\\n").includes(beside))
        .map((each) => [each.closest("svg") ? "svg" : each.tagName.toLowerCase(),
                        getComputedStyle(each).display !== "none" && getComputedStyle(each).opacity === "1"])"""
    found: list[tuple[str, bool]] = page.evaluate(script, [name, beside])
    return found


def column(page: Page, table: str, place: int) -> list[float]:
    """Return the values of a column, from the top, as far as there are any."""
    script = """([table, place]) => [...document.querySelectorAll(`${table} tbody tr`)]
        .map((row) => row.cells[place]?.dataset.value).filter((value) => value !== undefined).map(Number)"""
    found: list[float] = page.evaluate(script, [table, place])
    return found


def grave(page: Page) -> dict[str, str]:
    """Return what axe finds serious or critical, with the first element of each kind."""
    # A drawing is one image, whatever it is made of.
    found = Axe().run(page, context={"exclude": [["figure svg > *"]]}).response["violations"]
    return {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in {"serious", "critical"}}


def sorter(page: Page, head: str) -> Locator:
    return page.locator("#figures thead").get_by_role("button", name=head, exact=True).first


def test_the_page_opens_from_a_file_in_silence_and_asks_for_nothing(opened: Opened) -> None:
    assert opened.page.locator("h1").count() == 1
    assert opened.asked == [opened.url]
    assert opened.said == []
    assert not opened.page.evaluate("fetch('data:,x').then(() => true, () => false)")
    opened.said.clear()


def test_leaving_a_variant_out_hides_it_everywhere_and_is_in_the_address(opened: Opened) -> None:
    page = opened.fresh()
    *_, name = [each for each in names(page) if "figure" in {tag for tag, _ in of(page, each)}]
    box = page.locator("#variants input").nth(names(page).index(name))
    assert {"svg", "tr", "figure"} <= {tag for tag, _ in of(page, name)}
    others = {each: of(page, each, beside=name) for each in names(page) if each != name}
    box.focus()
    page.keyboard.press("Space")
    assert not any(seen for _, seen in of(page, name))
    assert {each: of(page, each, beside=name) for each in others} == others
    assert "without=" in page.url
    again = opened.fresh(page.url.removeprefix(opened.url))
    assert not any(seen for _, seen in of(again, name))
    again.get_by_role("button", name="all", exact=True).click()
    assert all(seen for _, seen in of(again, name))
    assert "without=" not in again.url


def test_tables_are_sorted_by_mouse_and_by_keyboard(opened: Opened) -> None:
    page = opened.fresh()
    place = int(sorter(page, "p99").evaluate("button => button.closest('th').dataset.column"))
    before = column(page, "#figures", place)
    head = page.locator(f"#figures th[data-column='{place}']")
    sorter(page, "p99").click()
    assert column(page, "#figures", place) == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    sorter(page, "p99").focus()
    page.keyboard.press("Enter")
    assert column(page, "#figures", place) == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert column(page, "#figures", place) == before
    assert head.get_attribute("aria-sort") is None


def test_what_has_no_value_is_sorted_last(opened: Opened) -> None:
    page = opened.fresh()
    for _ in range(2):
        sorter(page, "p99").click()
        texts = page.locator("#figures tbody tr td:nth-child(5)").all_inner_texts()
        missing = [text == "–" for text in texts]  # noqa: RUF001 - the dash of tables
        assert missing == sorted(missing)


def test_pointing_at_a_mark_tells_its_figure_with_its_interval(opened: Opened) -> None:
    page = opened.fresh()
    mark = page.locator("#latency svg [data-told*='p99']").last
    told = mark.get_attribute("data-told") or ""
    assert " ms (" in told
    assert point(page, mark) == told.replace("\n", " ")
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_pointing_at_a_trial_tells_what_its_row_says_which_is_a_link_away(opened: Opened) -> None:
    page = opened.fresh()
    figure = page.locator("figure[id^=timeline-]").last
    figure.evaluate("each => { const fold = each.closest('details'); if (fold) fold.open = true; }")
    told = point(page, figure.locator("svg [data-told]").first)
    number = told.removeprefix("trial ").partition(" ")[0]
    row = page.locator("#trials tbody tr").filter(has=page.locator(f"bdi:text-is('{number}')")).last
    assert f"{row.locator('td').nth(3).text_content()} arrivals, " in told
    figure.get_by_role("link", name="every trial").focus()
    page.keyboard.press("Enter")
    assert row.is_visible()


def test_where_a_variant_is_left_out_of_a_drawing_it_says_so(opened: Opened) -> None:
    page = opened.fresh()
    said = page.locator("#latency svg .instead")
    assert said.count() == len(names(page))
    assert not any(each.is_visible() for each in said.all())
    page.locator("#variants input").last.uncheck()
    shown = [each.text_content() for each in said.all() if each.is_visible()]
    assert shown == ["left out"]
    page.get_by_role("button", name="all", exact=True).click()
    assert not any(each.is_visible() for each in said.all())


def test_every_figure_can_be_linked_to(opened: Opened) -> None:
    page = opened.fresh()
    links = page.eval_on_selector_all("a.anchor", "links => links.map((link) => link.getAttribute('href').slice(1))")
    ids = set(page.eval_on_selector_all("[id]", "all => all.map((each) => each.id)"))
    assert set(links) <= ids
    wanted = page.eval_on_selector_all("figure, main tbody tr:not(.exchanges tr)", "all => all.map((each) => each.id)")
    assert set(wanted) - {""} <= set(links)
    assert "" not in wanted
    page = opened.fresh(f"#{page.locator('#trials tbody tr').last.get_attribute('id')}")
    assert page.locator("#trials tbody tr").last.is_visible()
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = page.locator("#figures tbody tr .anchor").last
    link.click()
    assert page.locator("#figures tbody tr").last.get_attribute("class") == "target"
    page.wait_for_selector(".anchor.copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_the_first_screen_of_a_laptop_holds_answers_chart_and_cautions(opened: Opened) -> None:
    page = opened.fresh()
    for each in ("#answers", ".answers dd >> nth=0", "#tradeoff svg", "#cautions"):
        box = page.locator(each).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, each


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_link_points_at_is_not_under_the_variants(opened: Opened, width: int) -> None:
    page = opened.fresh()
    page.set_viewport_size({"width": width, "height": 900})
    page.get_by_text("On this page").click()
    page.locator(".contents a[href='#how-to-read-it']").click()
    bar, head = (page.locator(each).bounding_box() for each in ("#variants", "#how-to-read-it"))
    assert bar is not None
    assert head is not None
    assert bar["y"] + bar["height"] <= head["y"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(opened: Opened, width: int) -> None:
    page = opened.fresh()
    page.set_viewport_size({"width": width, "height": 900})
    page.eval_on_selector_all("details", "all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_axe_finds_nothing_serious(opened: Opened, scheme: Any, width: int) -> None:
    page = opened.fresh()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    script = "all => all.forEach((each) => { each.closest('details').open = true; })"
    page.eval_on_selector_all("#machine, #latency-data", script)
    assert grave(page) == {}


@pytest.mark.parametrize("kind", ["audit", "judgement"])
def test_audits_and_judgements_are_pages_as_good(browser: Browser, tmp_path: Path, kind: str) -> None:
    run = synthetic_audits.only() if kind == "audit" else synthetic_judged.check()
    path = tmp_path / "index.html"
    path.write_text(html.audited(run) if run.judgement is None else html.judged(run, run.judgement, []))
    each = Opened(browser, path)
    assert grave(each.page) == {}
    each.page.set_viewport_size({"width": 360, "height": 900})
    assert each.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (each.said, each.asked) == ([], [each.url])
    each.context.close()


def test_the_lights_are_the_systems_until_somebody_chooses(opened: Opened) -> None:
    page = opened.fresh()
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name="Dark colours")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    dark = page.evaluate(paper)
    assert dark != light
    assert button.get_attribute("aria-pressed") == "true"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == dark
    button.click()
    assert page.evaluate(paper) == light


def test_a_keyboard_gets_to_the_report_at_once_and_sees_where_it_is(opened: Opened) -> None:
    page = opened.fresh()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_headings_are_in_order_and_tables_have_captions_and_scopes(opened: Opened) -> None:
    page = opened.page
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("figure svg:not([role=img][aria-label])").count() == 0
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() >= 1


def test_printed_it_is_light_without_controls_and_with_failing_evidence_open(opened: Opened) -> None:
    page = opened.fresh()
    page.emulate_media(media="print", color_scheme="dark")
    for each in ("#variants", "#lights", ".contents", "a.anchor >> nth=0", "a.skip"):
        assert not page.locator(each).is_visible()
    assert page.locator("#tradeoff figcaption p").is_visible()
    assert page.locator("#figures").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')") == "#ffffff"
    assert page.locator("#trials").is_visible() is False
    for check in page.locator("details.check[open] .evidence").all():
        assert check.is_visible()


def test_without_a_script_it_says_the_same(without_script: Opened) -> None:
    page = without_script.page
    assert without_script.said == []
    assert without_script.asked == [without_script.url]
    assert page.locator("#figures").is_visible()
    assert page.locator("figure svg").first.is_visible()
    assert page.locator("#variants").is_visible() is False
    assert page.locator("#lights").is_visible() is False
    page.locator("summary", has_text="Every trial").click()
    assert page.locator("#trials").is_visible()
    assert page.locator("#latency svg g > title").count() > 0


def test_hostile_names_are_only_text(opened: Opened) -> None:
    page = opened.fresh()
    assert page.locator("h1").count() == 1
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.locator("script").count() == 1
    text = page.locator("body").inner_text()
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.content()
    if opened.url.endswith("rich/report/index.html"):
        assert SCENARIO.partition(EVIL)[0] in text
        assert EVIL.partition("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in page.locator("#variants").inner_text()
    assert opened.said == []
