"""Texts that would do harm if they were believed, in every place that foreign text comes from, in every exporter."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from PIL import Image
from rich.console import Console

import reports
from harness.history import show
from reports.exporters import (
    audit_json,
    decision_json,
    history_csv,
    history_html,
    html,
    judged_json,
    markdown,
    side_by_side_csv,
    side_by_side_html,
)
from reports.exporters import csv as exported
from reports.files import read_run, write_run, write_trial
from reports.format import Run
from reports.judging.compared import Across, across
from reports.judging.history import History, LeftOut, history
from reports.listings.side_by_side import Side, SideBySide
from reports.record.counts import Counts
from reports.words.text import plain
from tests.reports import (
    synthetic_audits,
    synthetic_counts,
    synthetic_distance,
    synthetic_faults,
    synthetic_judged,
    synthetic_open,
    two_days,
)
from tests.reports.conftest import in_terminal
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.test_words import noticed
from tests.reports.two_runs import NONE, POSTGRES, REDIS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel

    from reports.data import Recorded

HOSTILE = (
    f"=cmd|' /C calc'!A0{EVIL}\n## no\r\n- [l](javascript:alert(4)) ![i](//evil.example/i.png) https://evil.example "
    "@somebody owner/repo#1 0ddba11c0ffee "
    "</script><!-- ]]>&lt;{{7*7}}{%x%} \N{LEFT-TO-RIGHT ISOLATE}\N{ZERO WIDTH SPACE}\x07\x9b31m </details></svg>'"
)
"""HTML, XML, Jinja, Markdown, Rich's markup, mathematics, a formula, an escape, marks that turn the order of text, and
what would call somebody or point somewhere where it is posted."""
SEEN = plain(HOSTILE)
FREE = frozenset(
    {
        "scenario", "driver", "product", "version", "build", "note", "cpu", "kernel", "system", "virtualization",
        "pinning", "data_folder_filesystem", "error", "found", "why", "reasons", "differences", "text", "label",
        "claim", "sent", "came", "step", "harness_version", "notes",
    }
)  # fmt: skip
"""Keys of run.json under which there is text that nobody of ours wrote, or need not have."""
DRAWN = ("open", "faults", "judged", "audited")
FOLDERS = (*DRAWN, "distance")
PICTURE = r'^<img src="charts/[A-Za-z0-9._-]+" width="400" alt="[^"<>]+">$'
SHOWN = frozenset({"text", "text_special"})
_FEW = frozenset({"none", "redis"})


def spoilt(run: Run) -> Run:
    """Return a run with hostile text wherever text is free; what was there follows, so that names stay apart."""
    names = {variant.name: f"{HOSTILE}{variant.name}" for variant in run.variants}
    raw = _spoilt(run.model_dump(), names, free=False)
    for variant in raw["variants"]:
        variant["slug"] = f"../../{HOSTILE}"
        if variant["server"]:
            variant["server"]["settings"] = {HOSTILE: HOSTILE}
    raw["environment"]["packages"] |= {HOSTILE: HOSTILE}
    return Run.model_validate(raw)


def _spoilt(value: Any, names: dict[str, str], *, free: bool) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _spoilt(each, names, free=key in FREE) for key, each in value.items()}
    if isinstance(value, list):
        return [_spoilt(each, names, free=free) for each in value]
    if isinstance(value, str):
        return names.get(value) or (HOSTILE + value if free else value)
    return value


def made(kind: str, folder: Path) -> Recorded:
    """Write a spoilt run of a kind, its tables with it."""
    if kind == "open":
        subjects = [each for each in synthetic_open.SUBJECTS if each.variant.name in _FEW]
        run = synthetic_open.record(folder, subjects, blocks=1, ladder_per_s=[150.0])
        run.audits = [each for each in synthetic_audits.every_state() if each.variant in _FEW]
        run.counts = [synthetic_counts.counts("redis"), Counts(variant="none", driver="", server="", steps={})]
        run.counts[0].steps[HOSTILE] = run.counts[0].steps["read"]
        for each in run.counts:
            each.notes = ["why it could not be counted"]
    elif kind == "faults":
        run = synthetic_faults.record(folder)
        run.variants = [each for each in run.variants if each.name in _FEW]
        run.trials = [
            each
            for each in run.trials
            if each.arms[0].variant in _FEW and (each.fault is None or each.fault.kind == "freeze")
        ]
        run.summaries = [each for each in run.summaries if each.variant in _FEW]
    elif kind == "distance":
        run = synthetic_distance.run(blocks=1)
    elif kind == "judged":
        run = synthetic_judged.check("answers", blocks=4)
    else:
        run = synthetic_audits.only()
    run = spoilt(run)
    write_run(folder, run)
    for trial in run.trials:
        write_trial(folder, trial)
    return reports.load(folder)


@dataclass
class Written:
    """All that was written of spoilt runs: files by their names, what terminals show, and the models of JSON."""

    files: dict[str, bytes]
    terminals: dict[tuple[str, int], str]
    models: dict[str, BaseModel]
    runs: dict[str, Recorded]

    def of(self, suffix: str) -> dict[str, str]:
        """Return the texts of one kind of file."""
        found = {name: content.decode() for name, content in self.files.items() if name.endswith(suffix)}
        assert found
        return found


def printed(told: History, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    show(told, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("hostile")
    runs = {kind: made(kind, folder / kind) for kind in FOLDERS}
    files = {}
    for kind in DRAWN:
        inside = (runs[kind].folder / "report").resolve()
        for path in reports.write(runs[kind]):
            assert path.resolve().is_relative_to(inside)
            files[f"{kind}/{path.relative_to(inside).as_posix()}"] = path.read_bytes()
    far = runs["distance"].run
    days = [spoilt(each) for each in two_days.days(3, variants=(NONE, REDIS, POSTGRES))]
    told = history(
        HOSTILE, [(f"{HOSTILE}{number}", each) for number, each in enumerate(days)], [LeftOut(folder=HOSTILE, why=SEEN)]
    )
    last = history_html.latest(days)
    drawn = history_html.draw(told, last)
    beside = SideBySide(across(days[0], days[1]), (Side("A", HOSTILE, days[0]), Side("B", "b", days[1])))
    texts = {
        "distance/index.html": html.render(far, []),
        "distance/report.md": markdown.render(far),
        **{f"distance/{name}": text for name, text in exported.every(far).items()},
        "history/history.html": history_html.render(told, last, drawn),
        "history/history.csv": history_csv.table(told),
        "history/history.json": told.model_dump_json(),
        "compare/compare.html": side_by_side_html.render(beside),
        "compare/compare.md": side_by_side_html.markdown(beside),
        "compare/compare.csv": side_by_side_csv.table(beside),
        "compare/compare.json": beside.answer.model_dump_json(),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    files |= {f"history/{chart.name}.{kind}": getattr(chart, kind) for chart in drawn for kind in ("png", "svg")}
    terminals = {(kind, width): in_terminal(runs[kind].run, width) for kind in FOLDERS for width in (80, 120)}
    terminals |= {("history", width): printed(told, width) for width in (80, 120)}
    return Written(files, terminals, {"history": told, "compare": beside.answer}, runs)


def harmless(text: str) -> None:
    """Fail where a text holds what is not seen: it could drive a terminal, or turn the order of what follows."""
    assert not {each for each in set(text) - {"\n"} if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"}}


def unmeant(text: str) -> str:
    """Return a text without what may be a link: the two commits that are compared."""
    for revision in (synthetic_judged.BASE, synthetic_judged.HEAD):
        text = text.replace(str(revision.commit)[:10], "")
    return text


def squeezed(text: str) -> str:
    """Return a text without blanks: where lines are broken is no matter here."""
    return "".join(text.split())


def strings(value: Any) -> Iterator[str]:
    """Yield every text of a document, keys too."""
    if isinstance(value, str):
        yield value
    for each in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(each)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_it_as_text(written: Written, width: int) -> None:
    for (kind, wide), text in written.terminals.items():
        if wide == width:
            harmless(text)
            assert max(map(len, text.splitlines())) <= width, kind
            assert squeezed(SEEN) in squeezed(text), kind


def test_markdown_shows_it_as_text(written: Written) -> None:
    found = written.of(".md")
    assert {name.partition("/")[0] for name in found} == {*FOLDERS, "compare"}
    for name, text in found.items():
        harmless(text)
        # What folds details away is ours, and so are pictures: the only HTML there is.
        ours = re.sub(rf"^</?(details|summary)>|</summary>$|{PICTURE}", "", text, flags=re.MULTILINE)
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(ours.replace("\n<summary>", "\n"))
        inline = [child for token in tokens for child in token.children or []]
        kinds = {token.type for token in [*tokens, *inline]}
        assert not kinds & {"html_inline", "html_block", "link_open", "image"}, name
        shown = [[each.content for each in token.children or [] if each.type in SHOWN] for token in tokens]
        said = "\n".join(map("".join, shown))
        assert noticed(unmeant(said)) == set(), name
        assert squeezed(SEEN) in squeezed(said.replace("\N{ZERO WIDTH SPACE}", "")), name
        for head, rule in re.findall(r"^(\| .+ \|)\n(\|[-:| ]+\|)$", text, re.MULTILINE):
            place = text.index(f"{head}\n{rule}")
            rows = text[place:].partition("\n\n")[0].strip().split("\n")
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, name


def test_pages_show_it_as_text(written: Written) -> None:
    found = written.of(".html")
    assert {name.partition("/")[0] for name in found} == {*FOLDERS, "compare", "history"}
    for name, text in found.items():
        page = Page(text)
        assert page.unbalanced == [], name
        assert sum(tag == "script" for tag, _ in page.elements) == 1, name
        assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "form", "base", "foreignobject"}
        for tag, attributes in page.elements:
            assert not [key for key in attributes if key.startswith("on")], (name, tag)
            for key in ("href", "xlink:href", "src", "action"):
                assert (attributes.get(key) or "#").startswith(("#", "data:")), (name, tag)
            for value in attributes.values():
                harmless(value or "")
        harmless("".join(page.texts))
        assert squeezed(SEEN) in squeezed("".join(page.texts)), name


def test_csv_holds_it_whole_and_no_spreadsheet_calculates_it(written: Written) -> None:
    found = written.of(".csv")
    whole = set()
    for name, text in found.items():
        head, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert lines, name
        for line in lines:
            assert len(line) == len(head), name
            for cell in line:
                if cell.strip()[:1] in set("=+-@"):
                    float(cell)
                whole |= {name} if cell.startswith(f"'{HOSTILE}") else set()
    assert whole == set(found)


def test_the_frame_of_a_csv_file_holds_it_without_the_apostrophe(written: Written) -> None:
    recorded = written.runs["open"]
    assert list(recorded.variants["variant"]) == [
        row["variant"].removeprefix("'")
        for row in csv.DictReader(io.StringIO(written.files["open/variants.csv"].decode(), newline=""))
    ]


def test_junit_shows_it_as_text(written: Written) -> None:
    found = written.of(".xml")
    assert {name.partition("/")[0] for name in found} == {*DRAWN}
    known = {
        "testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    for name, text in found.items():
        root = ET.fromstring(text)  # noqa: S314 - ours
        assert {each.tag for each in root.iter()} <= known
        said = [*root.itertext(), *(value for each in root.iter() for value in each.attrib.values())]
        assert [each for each in said if SEEN in each], name
        for each in said:
            harmless(each)


def test_json_comes_back_as_it_was(written: Written) -> None:
    for kind, recorded in written.runs.items():
        assert recorded.run.variants[0].name.startswith(HOSTILE), kind
        assert read_run(recorded.folder) == recorded.run
    models: dict[str, type[BaseModel]] = {
        "judged/judgement.json": judged_json.Document, "audited/audit.json": audit_json.Document,
        "history/history.json": History, "compare/compare.json": Across,
        "open/decision.json": decision_json.Document, "faults/decision.json": decision_json.Document,
    }  # fmt: skip
    found = written.of(".json")
    assert found.keys() == models.keys()
    for name, text in found.items():
        read = models[name].model_validate_json(text)
        assert read.model_dump(mode="json") == json.loads(text)
        assert [each for each in strings(json.loads(text)) if HOSTILE in each], name
    assert History.model_validate_json(found["history/history.json"]) == written.models["history"]
    assert Across.model_validate_json(found["compare/compare.json"]) == written.models["compare"]


def test_pictures_show_it_as_text(written: Written) -> None:
    found = written.of(".svg")
    assert {name.partition("/")[0] for name in found} == {*DRAWN, "history"} - {"audited"}
    for name, text in found.items():
        root = ET.fromstring(text)  # noqa: S314 - ours
        tags = {each.tag.rpartition("}")[2] for each in root.iter()}
        assert not tags & {"script", "foreignObject", "a", "image", "animate", "set"}, name
        for each in root.iter():
            assert not [key for key in each.attrib if key.startswith("on")], name
            assert all(value.startswith("#") for key, value in each.attrib.items() if key.endswith("href")), name
            harmless(each.text or "" if each.tag.endswith(("text", "title")) else "")
        said = "".join("".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text"))
        # A caption is as long as it may be: the first of it is there, and nothing of it was calculated.
        assert squeezed(SEEN)[:30] in squeezed(said), name
    pictures = {name: content for name, content in written.files.items() if name.endswith(".png")}
    assert {name.removesuffix(".png") for name in pictures} == {name.removesuffix(".svg") for name in found}
    for content in pictures.values():
        with Image.open(io.BytesIO(content)) as picture:
            for value in picture.info.values():
                harmless(str(value))
            picture.verify()
