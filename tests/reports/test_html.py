from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

import reports
from reports.charts import palette
from reports.exporters import interactive
from reports.listings import view
from reports.words import units
from tests.reports.page import Page
from tests.reports.synthetic import EVIL

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded

PICKS = {"max": "max", "app_rss": "max", "store_rss": "max"}
METRICS = {
    "p50": "p50_us", "p95": "p95_us", "p99": "p99_us", "max": "max_us", "rate": "requests_per_s",
    "app_cpu": "app_cpu_us_per_request", "store_cpu": "store_cpu_us_per_request",
    "app_rss": "app_rss_bytes", "store_rss": "store_rss_bytes",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(written: dict[str, Path]) -> Page:
    return Page(written["index.html"].read_text())


def test_the_numbers_are_those_of_run_json(recorded: Recorded, page: Page) -> None:
    summaries = {each["variant"]: each for each in json.loads((recorded.folder / "run.json").read_bytes())["summaries"]}
    keys = [column.key for column in view.COLUMNS]
    rows = page.tables["figures"][2:]
    compared = 0
    for cells in rows:
        name = cells[0].text.split()[0]
        if name not in summaries:
            continue
        summary = summaries[name]
        for key, cell in zip(keys, cells[1:], strict=False):
            if key in METRICS:
                spread = summary["metrics"].get(METRICS[key])
                assert cell.value == (spread[PICKS.get(key, "median")] if spread else None)
                assert (cell.text == units.MISSING) == (spread is None)
                compared += 1
        assert cells[1 + keys.index("errors")].value == summary["errors"]
        spread = summary["metrics"]["p50_us"]
        assert cells[1 + keys.index("range")].text == f"{units.ms(spread['min'])}–{units.ms(spread['max'])}"  # noqa: RUF001 - a range
    assert compared == len(METRICS) * len(summaries)


def test_the_table_is_read_by_its_heads(page: Page) -> None:
    first, second, *rows = page.tables["figures"]
    assert {cell.tag for cell in first + second} == {"th"}
    assert {cell.attributes["scope"] for cell in first} == {"col", "colgroup"}
    assert {cell.attributes["scope"] for cell in second} == {"col"}
    spans = sum(int(cell.attributes.get("colspan") or 1) for cell in first)
    for cells in rows:
        assert (cells[0].tag, cells[0].attributes["scope"]) == ("th", "row")
        assert sum(int(cell.attributes.get("colspan") or 1) for cell in cells) == spans


def test_every_variant_is_in_the_table(recorded: Recorded, page: Page) -> None:
    rows = {cells[0].text.split()[0]: cells for cells in page.tables["figures"][2:]}
    assert set(rows) == {variant.name for variant in recorded.run.variants}
    assert "FAILED" in rows["mongodb"][0].text
    assert "no PostgreSQL could be had" in rows["postgres"][1].text
    assert [cell.text for cell in rows["redis"][-2:]] == ["none", "Valkey 9.1.2"]


def test_the_page_asks_for_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "iframe", "object", "embed", "image", "base", "form"}
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    for _, attributes in page.elements:
        for key in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))
        assert not [key for key in attributes if key.startswith("on")]
    policy = next(attributes for _, attributes in page.elements if attributes.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(interactive.script().encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert interactive.script() in page.texts


def test_the_page_is_well_nested_and_its_ids_are_its_own(page: Page) -> None:
    assert page.unbalanced == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    text = " ".join(str(value) for _, attributes in page.elements for value in attributes.values())
    referred = set(re.findall(r"url\(#([^)]+)\)", text))
    referred |= {str(each["xlink:href"])[1:] for _, each in page.elements if "xlink:href" in each}
    referred |= {str(each["href"])[1:] for tag, each in page.elements if tag == "a"}
    assert referred
    assert referred <= set(ids)


def test_both_themes_colour_everything(written: dict[str, Path]) -> None:
    content = written["index.html"].read_text()
    style, body = content.split("</style>", 1)
    light, dark = style.split("prefers-color-scheme: dark", 1)
    used = set(re.findall(r"var\((--[a-z0-9]+)\)", content))
    for theme in (light, dark):
        assert used <= set(re.findall(r"^\s+(--[a-z0-9]+): #[0-9a-f]{6};$", theme, re.MULTILINE))
    assert not re.findall(r"#[0-9a-f]{6}", body)
    assert not re.findall(r"\b(black|white)\b", body)
    assert palette.PAPER[0] in light


def test_the_page_says_how_to_read_it(page: Page) -> None:
    text = " ".join(" ".join(page.texts).split())
    for words in (
        "Closed load, 16 users",
        "Not comparable to open load",
        "3 blocks bear no ranking",
        "AMD EPYC 7B13",
    ):
        assert words in text


def test_hostile_names_are_only_text(hostile: Recorded) -> None:
    paths = reports.write(hostile)
    inside = (hostile.folder / "report").resolve()
    assert all(path.resolve().is_relative_to(inside) for path in paths)
    assert len(set(paths)) == len(paths)
    page = Page(paths[0].read_text())
    test_the_page_asks_for_nothing(page)
    test_the_page_is_well_nested_and_its_ids_are_its_own(page)
    shown = "".join(page.texts)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown
    assert EVIL.partition("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in shown
    assert not any(tag == "h1" and "no" in attributes for tag, attributes in page.elements)


@pytest.mark.parametrize(
    ("said", "best", "bold"),
    [
        ("redis, 1.2 ms; next redis:pool=5, 1.5 ms. On a server: redis, 1.2 ms.", ["redis"], ["redis"]),
        ("redis, redis:pool=5, http (passed). By p99 redis:pool=5, 1 ms.", ["redis:pool=5"], ["redis:pool=5"]),
        ("Cannot be told apart: http, 1.2 ms (1 to 2); redis, 1.3 ms.", ["redis", "http"], ["http", "redis"]),
        ("Nobody could be asked of redis.", [], []),
    ],
)
def test_an_answer_names_who_it_is_where_it_decides(said: str, best: list[str], bold: list[str]) -> None:
    parts = interactive.pieces(said, best, ["redis", "redis:pool=5", "http"])
    assert "".join(text for text, _ in parts) == said
    assert [text for text, named in parts if named] == bold
