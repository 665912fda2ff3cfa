from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import jsonschema
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import reports
from reports.charts import bars, canvas, ladder, palette
from reports.exporters import audit_json, audit_junit, audit_markdown, html, markdown
from reports.exporters import csv as exported
from reports.exporters.terminal import Report
from reports.files import read_run, write_run
from reports.listings import matrix, view
from reports.record.audited import MATTERS, STATES, Audit
from tests.reports import synthetic_audits, synthetic_judged
from tests.reports.conftest import in_terminal
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.synthetic_audits import check
from tests.reports.test_html import test_the_page_asks_for_nothing as asks_for_nothing
from tests.reports.test_html import test_the_page_is_well_nested_and_its_ids_are_its_own as well_nested
from tests.reports.test_junit import OUTCOMES, check_schema, check_sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.data import Recorded
    from reports.format import Run

STRUCK = {"redis", "postgres"}


@pytest.fixture(scope="module")
def only() -> Run:
    return synthetic_audits.only()


@pytest.fixture(scope="module")
def bench() -> Run:
    return synthetic_audits.bench()


@pytest.fixture(scope="module")
def page(bench: Run) -> Page:
    return Page(html.render(bench, []))


@pytest.mark.parametrize("width", [80, 120])
def test_an_audit_in_a_terminal(only: Run, golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(only, width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"audit-terminal-{width}.txt", text)


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_with_audits_in_a_terminal(bench: Run, golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(bench, width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"audited-terminal-{width}.txt", text)


def test_an_audit_in_markdown_and_csv(only: Run, golden: Callable[[str, str], None]) -> None:
    golden("audit.md", audit_markdown.render(only))
    golden("audits.csv", exported.audits(only))


def test_a_run_with_audits_in_markdown_and_csv(bench: Run, golden: Callable[[str, str], None]) -> None:
    golden("audited-report.md", markdown.render(bench))
    golden("correctness.csv", exported.answers(bench))


def test_an_audit_for_ci(only: Run, golden: Callable[[str, str], None]) -> None:
    golden("junit-audit.xml", audit_junit.render(only))


def test_a_state_is_told_by_more_than_its_colour() -> None:
    assert set(matrix.SIGNS) == set(matrix.STYLES) == set(STATES)
    assert len(set(matrix.SIGNS.values())) == len(STATES)


def test_the_matrix_is_that_of_run_json(bench: Run, page: Page) -> None:
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    made = {audit.variant: {check.number: check.state for check in audit.checks} for audit in bench.audits}
    head, *rows = page.tables["audit-matrix"]
    numbers = [int(cell.text.split()[-1]) for cell in head[1:]]
    assert numbers == sorted({number for states in made.values() for number in states})
    assert {cell.attributes["scope"] for cell in head} == {"col"}
    for row in rows:
        states = made.pop(row[0].text.split()[0])
        assert row[0].attributes["scope"] == "row"
        for number, cell in zip(numbers, row[1:], strict=True):
            assert cell.text.removeprefix(matrix.SIGNS.get(states.get(number, ""), "")) == states.get(
                number, "not made"
            )
    assert not made
    links = {str(each["href"])[1:] for tag, each in page.elements if tag == "a" and "title" in each}
    assert len(links) == sum(len(audit.checks) for audit in bench.audits)
    assert links <= ids


def test_all_evidence_is_on_the_page(only: Run) -> None:
    content = html.audited(only)
    page = Page(content)
    shown = " ".join(" ".join(page.texts).split())
    assert page.texts.count(f"{view.title(only)}: {matrix.headline(only)}") == 2  # its title, and its first heading
    for audit in only.audits:
        for each in audit.checks:
            rows = page.tables[f"audit-{audit.variant.replace(':', '-').replace('=', '-')}-{each.number}-exchanges"]
            told = [[cell.text for cell in row] for row in rows[1:]]
            assert told == [[str(one.times), one.sent, one.came] for one in each.evidence]
            assert {each.claim, each.source, each.found} <= {text.strip() for text in page.texts}
    assert "replays 5; after logout 0.820 ms; answered 100 %; cookie 68.5 bytes" in shown
    assert page.tables.keys() & {"figures", "trials"} == set()
    assert "closed load" not in shown
    opened = [each for tag, each in page.elements if tag == "details" and "open" in each and "class" not in each]
    assert len(opened) == len([audit for audit in only.audits if audit.failed])


def test_evidence_in_markdown_is_of_what_failed_alone(only: Run) -> None:
    text = audit_markdown.render(only)
    headings = re.findall(r"^\*\*.*?: (\d+) .*\*\*$", text, re.MULTILINE)
    assert [int(number) for number in headings] == [each.number for audit in only.audits for each in audit.failed]


@pytest.mark.parametrize("number", range(1, 19))
def test_who_fails_what_matters_is_struck(bench: Run, number: int) -> None:
    run = bench.model_copy(deep=True)
    run.audits = [Audit(variant="memory", checks=[check(number, "FAIL")])]
    out = number in MATTERS
    assert ("~~memory~~" in markdown.render(run)) == out
    row = next(each for each in csv.DictReader(io.StringIO(exported.variants(run))) if each["variant"] == "memory")
    assert (row["struck"], row["audit"]) == (str(out), f"fails {number} {check(number).name}")
    assert ("must not be chosen" in matrix.headline(run)) == out


@pytest.mark.parametrize("state", ["PASS", "WAIVED", "CANNOT", "SKIPPED"])
def test_only_a_failure_strikes(bench: Run, state: str) -> None:
    run = bench.model_copy(deep=True)
    run.audits = [synthetic_audits.audit("memory", state=state)]  # type: ignore[arg-type] # one of them
    assert "~~" not in markdown.render(run)
    assert "<s>" not in html.render(run, [])


def test_the_struck_are_struck_wherever_they_stand(bench: Run, page: Page) -> None:
    tables = {key: rows for key, rows in page.tables.items() if "exchanges" not in key}
    assert {"figures", "told", "costs", "correctness", "audit-matrix", "pairs", "trials", "servers"} <= tables.keys()
    content = html.render(bench, [])
    for name in ("mongodb", "http", *STRUCK):
        bare = len(re.findall(rf"(?<!<s>)<bdi>([A-Z] )?{name}</bdi>", content))
        struck = len(re.findall(rf"<s><bdi>([A-Z] )?{name}</bdi></s>", content))
        assert (bool(struck), bool(bare)) == (name in STRUCK, name not in STRUCK), name
    for key in ("figures", "told", "costs", "correctness", "audit-matrix"):
        names = {row[0].text for row in tables[key] if "fails its audit" in row[0].text}
        assert len(names) == len(STRUCK), key
    text = markdown.render(bench)
    for name in STRUCK:
        assert not re.findall(rf"^\|.*[|,] {name}(?:,| \|)", text, re.MULTILINE)


def test_a_terminal_strikes_and_says_so_without(bench: Run) -> None:
    console = Console(width=120, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Report(bench))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "\x1b[9mredis\x1b[0m" in shown
    assert "\x1b[9mD redis\x1b[0m" in shown
    assert "\x1b[9mmongodb" not in shown
    lines = in_terminal(bench, 120).splitlines()
    assert len([line for line in lines if line.startswith("redis ✗")]) >= 5
    assert not [line for line in lines if line.startswith("redis  ")]


def test_footnotes_say_why_and_lead_to_the_evidence(page: Page, bench: Run) -> None:
    shown = " ".join(" ".join(page.texts).split())
    assert "FAILS (redis): 3 revocation: The cookie from before the logout was answered 200. evidence" in shown
    links = [str(each["href"]) for tag, each in page.elements if tag == "a"]
    assert {"#audit-redis-3", "#audit-postgres-3", "#audit-postgres-5"} <= set(links)
    assert markdown.render(bench).count("Struck through: the variant fails a check") == 1


def test_charts_strike_names_through(bench: Run, opened: Recorded) -> None:
    with canvas.paper():
        drawn = [bars.latency(bench, palette.styles(bench), [])]
        run = opened.run.model_copy(deep=True)
        run.audits = synthetic_audits.every_state()
        on = ladder.draw(run, palette.styles(run), [])
        assert on is not None
        drawn.append(on)
        for each in drawn:
            chart = each.finish("", "", palette_of(run))
            for whole in (chart.svg, chart.inline):
                texts = list(ET.fromstring(whole).iter("{http://www.w3.org/2000/svg}text"))  # noqa: S314 - ours
                struck = {"".join(text.itertext()) for text in texts if "line-through" in text.get("style", "")}
                assert struck == STRUCK
            assert b"stroke-1" not in chart.svg
    assert "redis (fails its audit) " in ladder.describe(run).replace(":", " ")


def palette_of(run: Run) -> dict[str, str]:
    return {style.light: "var(--v0)" for style in palette.styles(run).values()}


def test_a_run_without_audits_says_nothing_of_them(recorded: Recorded, written: dict[str, Path]) -> None:
    assert not {"audits.csv", "correctness.csv", "audit.json"} & written.keys()
    ids = {attributes.get("id") for _, attributes in Page(written["index.html"].read_text()).elements}
    assert not {"audits", "audit-matrix", "evidence"} & ids
    assert "struck" not in written["variants.csv"].read_text()
    assert matrix.matrix(recorded.run) is None


def test_what_an_older_version_wrote_is_shown_as_it_was(recorded: Recorded, tmp_path: Path) -> None:
    write_run(tmp_path, recorded.run)
    path = tmp_path / "run.json"
    raw = json.loads(path.read_text())
    raw["schema_version"] = 3
    del raw["audits"]
    for trial in raw["trials"]:
        for name in ("checked", "outage", "relayed"):
            trial.pop(name, None)
    path.write_text(json.dumps(raw))
    run = read_run(tmp_path)
    assert markdown.render(run) == markdown.render(recorded.run)
    assert in_terminal(run, 80) == in_terminal(recorded.run, 80)
    assert exported.variants(run) == exported.variants(recorded.run)


def test_the_quick_set_says_what_it_leaves(bench: Run) -> None:
    found = matrix.matrix(bench)
    assert found is not None
    assert found.title == "Audits: the quick set"
    assert found.quick.endswith("10 checks. It leaves 4, 7–9, 15–18 to session-bench audit VARIANT.")  # noqa: RUF001 - a range
    run = bench.model_copy(update={"audits": bench.audits[1:2]})
    found = matrix.matrix(run)
    assert found is not None
    assert found.quick.endswith("to session-bench audit memory.")
    whole = matrix.matrix(synthetic_audits.bench(quick=False))
    assert whole is not None
    assert whole.quick == ""


def test_what_is_alike_is_said_once(only: Run) -> None:
    found = matrix.matrix(only)
    assert found is not None
    said = {", ".join(each.names): [(item.state, item.label) for item in each.items] for each in found.said}
    assert said["none"] == [("SKIPPED", "1–18")]  # noqa: RUF001 - a range
    assert said["cookie"][0] == ("CANNOT", "3 revocation, 4 revival, 6 renewal")
    assert said["cookie"][2] == ("SKIPPED", "12, 15, 17, 18")
    assert said["mongodb, mongodb:driver=pymongo"] == [("PASS", "all 18 checks")]
    assert said["http"][0] == ("ERROR", "could not be audited")
    assert list(said)[-1].startswith("mongodb")


@pytest.mark.parametrize(
    ("audits", "line"),
    [
        ([synthetic_audits.audit("redis")], "redis: all 18 checks PASS"),
        ([Audit(variant="redis", checks=[check(14)])], "redis: the one check made PASS"),
        ([Audit(variant="redis")], "ERROR no check was made"),
    ],
)
def test_how_many_checks_pass_is_said_as_one_would(only: Run, audits: list[Audit], line: str) -> None:
    run = only.model_copy(update={"audits": audits, "variants": [only.variant("redis")]})
    assert line in in_terminal(run, 80)
    assert line.removeprefix("redis: ").removeprefix("ERROR ") in audit_markdown.render(run)


@pytest.mark.parametrize(
    ("audits", "said"),
    [
        ([], "nothing was audited"),
        ([synthetic_audits.audit("redis")], "no check fails"),
        ([synthetic_audits.audit("redis", check(14, "FAIL"))], "redis fails lesser checks"),
        ([synthetic_audits.audit("redis", check(1, "FAIL"))], "1 must not be chosen: redis (1 read-your-writes)"),
        ([Audit(variant="redis", error="no")], "1 could not be audited"),
    ],
)
def test_the_headline(only: Run, audits: list[Audit], said: str) -> None:
    run = only.model_copy(update={"audits": audits, "variants": [only.variant("redis")]})
    assert matrix.headline(run) == said
    for text in (html.audited(run), in_terminal(run, 300), audit_markdown.render(run).replace("\\", "")):
        assert f"Audit of 1 variant: {said}" in text


@pytest.mark.parametrize(("status", "words"), [("interrupted", "was interrupted"), ("running", "is still under way")])
def test_an_audit_that_did_not_end_is_never_green(only: Run, status: str, words: str) -> None:
    run = only.model_copy(update={"audits": only.audits[4:6], "status": status})
    assert matrix.headline(run) == f"6 could not be audited; it {words}"
    root = ET.fromstring(audit_junit.render(run))  # noqa: S314 - ours
    assert root.attrib["errors"] == "6"
    for text in (html.audited(run), in_terminal(run, 120), audit_markdown.render(run)):
        assert text.count("the audit ended before its turn") == 6


def test_a_variant_that_did_not_start_is_not_forgotten(only: Run) -> None:
    run = only.model_copy(deep=True)
    run.audits = [each for each in run.audits if each.variant != "mongodb"]
    run.variant("mongodb").error = "no mongod could be had"
    page = " ".join(Page(html.audited(run)).texts)
    for text in (page, in_terminal(run, 120), audit_markdown.render(run), audit_junit.render(run)):
        assert "no mongod could be had" in text
    assert audit_json.document(run).errors == ["http", "mongodb"]
    assert matrix.headline(run).endswith("2 could not be audited")


@pytest.mark.parametrize("state", STATES)
def test_a_check_as_it_ends(state: str) -> None:
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(matrix.line(check(3, state, f"as {EVIL} and so on")))  # type: ignore[arg-type] # one of them
    assert isinstance(console.file, io.StringIO)
    first, *others = console.file.getvalue().splitlines()
    assert re.fullmatch(rf"  3  revocation         {state:<7}  as .*", first)
    assert others
    assert all(line.startswith(" " * 31) and len(line) <= 80 for line in others)
    assert not set(console.file.getvalue()) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def test_junit_keeps_to_the_schema_and_tells_every_check(only: Run) -> None:
    root = ET.fromstring(audit_junit.render(only))  # noqa: S314 - ours
    check_schema(root)
    check_sums(root)
    found = {
        (suite.attrib["name"], case.attrib["name"]): next((each.tag for each in case if each.tag in OUTCOMES), "passed")
        for suite in root
        for case in suite.iter("testcase")
    }
    become = {"FAIL": "failure", "SKIPPED": "skipped"}
    for audit in only.audits:
        for each in audit.checks:
            assert found.pop((audit.variant, f"{each.number} {each.name}")) == become.get(each.state, "passed")
    assert found == {("http", "audit"): "error"}
    waived = next(case for case in root[1] if case.attrib.get("name") == "8 lost-updates")
    assert str(waived.findtext("system-out")).startswith("WAIVED: conflict=last-wins")
    failure = next(root[3].iter("failure"))
    assert failure.attrib["message"] == "The cookie from before the logout was answered 200."
    assert "with the cookie from before the logout → 200" in str(failure.text)


def test_an_audit_without_a_check_is_never_green(only: Run) -> None:
    run = only.model_copy(update={"audits": [Audit(variant="redis")], "variants": [only.variant("redis")]})
    root = ET.fromstring(audit_junit.render(run))  # noqa: S314 - ours
    assert root.attrib["errors"] == "1"


def test_audit_json_keeps_to_its_schema(only: Run) -> None:
    schema = audit_json.Document.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    found = json.loads(audit_json.render(only))
    jsonschema.validate(found, schema)
    assert found["schema_version"] == 1
    assert (set(found["struck"]), found["failed"], found["errors"]) == (STRUCK, ["redis", "postgres", "http"], ["http"])
    assert [Audit.model_validate(each) for each in found["audits"]] == only.audits


def test_audits_csv_holds_every_check(only: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(exported.audits(only))))
    assert len(rows) == sum(len(audit.checks) for audit in only.audits) + 1
    revived = next(row for row in rows if (row["variant"], row["number"]) == ("redis", "3"))
    assert revived["figures"] == "replays=5 after_logout_ms=0.82 answered_share=1 cookie_bytes=68.5"
    assert (revived["state"], revived["strikes"], revived["quick"]) == ("FAIL", "True", "False")
    assert [row["found"] for row in rows if row["state"] == "ERROR"] == [only.audits[-1].error]


def test_an_audit_alone_is_written_without_a_chart(tmp_path: Path) -> None:
    synthetic_audits.only(tmp_path)
    code = (
        "import sys, pathlib, reports\n"
        "print(*(path.name for path in reports.write(pathlib.Path(sys.argv[1]))))\n"
        "print(*sorted(set(sys.modules) & {'matplotlib', 'scipy', 'harness', 'backends'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["index.html audit.md junit.xml audit.json audits.csv", ""]
    page = Page((tmp_path / "report/index.html").read_text())
    asks_for_nothing(page)
    well_nested(page)


def test_a_page_with_audits_asks_for_nothing(page: Page) -> None:
    asks_for_nothing(page)
    well_nested(page)


def test_hostile_answers_are_only_text(tmp_path: Path) -> None:
    run = synthetic_audits.hostile(tmp_path)
    paths = {path.name: path for path in reports.write(tmp_path)}
    content = paths["index.html"].read_text()
    page = Page(content)
    asks_for_nothing(page)
    well_nested(page)
    assert "200 </td></table><script>alert(3)</script> | x |" in " ".join(page.texts)
    text = paths["audit.md"].read_text()
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert not [token for token in [*tokens, *inline] if token.type in {"html_inline", "html_block", "link_open"}]
    assert len([token for token in inline if token.type == "s_open"]) == text.count("~~redis")
    root = ET.fromstring(paths["junit.xml"].read_text())  # noqa: S314 - ours
    check_schema(root)
    check_sums(root)
    assert json.loads(paths["audit.json"].read_text())["struck"] == [variant.name for variant in run.variants]
    for width in (80, 120):
        shown = in_terminal(run, width)
        assert max(map(len, shown.splitlines())) <= width
        for harmful in (shown, content, text, paths["junit.xml"].read_text()):
            assert not set(harmful) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def test_a_regression_check_shows_its_audits(tmp_path: Path) -> None:
    run = synthetic_judged.check("pass")
    run.audits = [synthetic_audits.audit("redis@head", check(3, "FAIL")), synthetic_audits.audit("redis@base")]
    synthetic_judged.record(tmp_path, run)
    paths = {path.name: path for path in reports.write(tmp_path)}
    assert "audits.csv" in paths
    page = Page(paths["index.html"].read_text())
    well_nested(page)
    assert "audit-matrix" in page.tables
    assert "✗" in in_terminal(run, 100)
    assert "**Audits:** 1 must not be chosen: redis@head" in paths["pull_request.md"].read_text()
