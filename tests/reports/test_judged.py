from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import jsonschema
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import reports
from reports.charts import forest
from reports.exporters import csv as exported
from reports.exporters import interactive, judged, judged_json, pull_request
from reports.files import read_run
from reports.format import Load
from reports.listings import advice, sentences
from reports.record.counts import is_more
from reports.words import measures, units
from tests.reports import synthetic_judged
from tests.reports.conftest import in_terminal
from tests.reports.page import Page
from tests.reports.synthetic import EVIL
from tests.reports.test_charts import texts
from tests.reports.test_html import test_both_themes_colour_everything as themed
from tests.reports.test_html import test_the_page_asks_for_nothing as asks_for_nothing
from tests.reports.test_html import test_the_page_is_well_nested_and_its_ids_are_its_own as well_nested

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.format import Run
    from reports.record.judgement import Judgement

STATES = {
    "pass": "PASS", "regressed": "REGRESSED", "counts": "REGRESSED", "answers": "REGRESSED",
    "inconclusive": "INCONCLUSIVE", "invalid": "INVALID", "nothing": "INVALID", "component": "INVALID",
    "sentinel": "INVALID",
}  # fmt: skip


def of(run: Run) -> Judgement:
    assert run.judgement is not None
    return run.judgement


def shown(run: Run) -> str:
    return pull_request.render(run, of(run))


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Path]]:
    """Write the report of a check of two pairs, one of which regressed; its files by their names under report/."""
    folder = tmp_path_factory.mktemp("results") / "check"
    run = synthetic_judged.record(folder, synthetic_judged.check("regressed", ("redis", "memory")))
    paths = reports.write(folder)
    return run, {path.relative_to(folder / "report").as_posix(): path for path in paths}


def test_the_kinds_are_what_they_are_called() -> None:
    assert set(STATES) == set(synthetic_judged.KINDS)
    for kind, state in STATES.items():
        assert of(synthetic_judged.check(kind)).state == state


@pytest.mark.parametrize("width", [80, 120])
def test_terminal(golden: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(synthetic_judged.check("regressed", ("redis", "memory")), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"judged-terminal-{width}.txt", text)


@pytest.mark.parametrize("kind", STATES)
def test_the_verdict_comes_first_and_below_the_versions(kind: str) -> None:
    run = synthetic_judged.check(kind)
    versions, verdict = in_terminal(run, 300).splitlines()[:2]
    assert versions.startswith("Installed versions ")
    assert verdict.startswith(f"{STATES[kind]} · ")
    lines = [line for line in shown(run).splitlines() if line]
    heading = next(place for place, line in enumerate(lines) if line.startswith("## "))
    assert f"{STATES[kind]} · " in lines[heading]
    assert heading == bool(of(run).differences)


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_state_fits(kind: str, width: int) -> None:
    text = in_terminal(synthetic_judged.check(kind, synthetic_judged.FIVE), width)
    assert max(map(len, text.splitlines())) <= width
    assert f"Exit code {of(synthetic_judged.check(kind)).exit_code}." in text


@pytest.mark.parametrize("kind", ["regressed", "inconclusive", "counts", "sentinel"])
def test_pull_request(golden: Callable[[str, str], None], kind: str) -> None:
    golden(f"pull-request-{kind}.md", shown(synthetic_judged.check(kind)))


def test_five_backends_are_no_wall_of_text() -> None:
    for kind in STATES:
        lines = shown(synthetic_judged.check(kind, synthetic_judged.FIVE)).splitlines()
        assert len(lines) <= 65
        assert lines.index("<details>") <= 50


def test_a_slowdown_is_said_with_interval_and_tolerance() -> None:
    run = synthetic_judged.check("regressed")
    [metric] = [each for each in run.comparisons[0].metrics if each.metric == "app_cpu_us_per_request"]
    assert metric.change is not None
    low, high = (f"{end * 100:.1f}" for end in (metric.change.low, metric.change.high))
    expected = f"redis: slower by {metric.change.estimate * 100:.1f} % [{low}, {high}] in app CPU per request"
    assert sentences.headline(of(run), run.comparisons) == f"{expected}; the tolerance is 3 % (and 1 more)"
    assert "slower by" in shown(run).split("##")[1].splitlines()[0]


def test_what_to_do_depends_on_what_was_found() -> None:
    said = {kind: " ".join(advice.steps(run, of(run))) for kind in STATES if (run := synthetic_judged.check(kind))}
    assert "redis: the app does more work per request" in said["regressed"]
    assert "Look at the exact counts first" in said["counts"]
    assert "--update-counts" in said["counts"]
    assert "head fails where base does not" in said["answers"]
    assert "that is the machine, not the change" in said["sentinel"]
    assert "Nothing was concluded" in said["invalid"]
    assert said["pass"] == ""
    assert re.search(r"about \d+ blocks, \d+ minutes in all, would settle it", said["inconclusive"])


def test_every_pair_may_have_its_own_rate() -> None:
    run = synthetic_judged.check("pass", ("redis", "memory"))
    run.plan.load.rate_per_s = None
    assert "open load, at most 64 in flight" in in_terminal(run, 120)
    for trial in run.trials:
        rate_per_s = 300.0 if trial.arms[0].variant == "redis@base" else 450.0
        trial.load = Load(kind="open", users=64, rate_per_s=rate_per_s)
    assert "open load, 300 to 450 arrivals/s, at most 64 in flight" in in_terminal(run, 120)


def test_what_no_number_of_blocks_would_settle_is_said() -> None:
    run = synthetic_judged.check("inconclusive")
    for each in run.comparisons[0].metrics:
        # Whoever changes by half of what is tolerated is as far from slower as from within, and this one is noisy.
        if each.decides:
            each.head = [base * (3.0 if place % 2 else 0.36) for place, base in enumerate(each.base)]
    assert "Not even 999 blocks would settle it" in " ".join(advice.steps(run, of(run)))


def test_waiting_is_told_from_work() -> None:
    run = synthetic_judged.check("regressed")
    for each in run.comparisons[0].metrics:
        each.state = "slower" if each.metric == "p50_us" else "within"
    assert "slower without more CPU in the app is waiting" in " ".join(advice.steps(run, of(run)))


def test_the_minutes_are_those_of_the_run() -> None:
    run = synthetic_judged.check("inconclusive", ("redis", "memory"))
    # A trial begins every 14 s, and a block is two of them.
    assert advice.seconds_per_block(run) == pytest.approx(28)
    [said] = advice.settling(run, of(run))
    blocks_, minutes = map(int, re.findall(r"\d+", said))
    assert minutes == pytest.approx(blocks_ * 28 / 60, abs=1)
    run.trials = []
    assert "minutes" not in advice.settling(run, of(run))[0]


def test_a_real_change_within_the_tolerance_is_named() -> None:
    run = synthetic_judged.check("pass", seed=3)
    [metric] = [each for each in run.comparisons[0].metrics if each.metric == "p50_us"]
    metric.p_slower_adjusted = 0.0001
    assert sentences.row("redis", metric, sentences.alpha(of(run))).verdict == "within, yet slower"
    metric.p_slower_adjusted = 0.3
    assert sentences.row("redis", metric, sentences.alpha(of(run))).verdict == "within"


def test_the_noise_floor_is_that_of_what_decides() -> None:
    run = synthetic_judged.check("pass", ("redis", "memory"))
    said = sentences.floor(run.comparisons)
    for metric in ("app_cpu_us_per_request", "p50_us"):
        seen = sorted(
            each.smallest_seen * 100
            for pair in run.comparisons
            for each in pair.metrics
            if each.metric == metric and each.smallest_seen is not None
        )
        ends = dict.fromkeys(f"{share:.1f}" for share in seen)
        assert f"{'–'.join(ends)} % in {measures.measure(metric).name}" in said  # noqa: RUF001 - a range
    assert "p99" not in said


def test_no_pair_passes_where_the_sentinel_is_out() -> None:
    text = in_terminal(synthetic_judged.check("sentinel"), 120)
    assert "redis  not counted" in text
    assert "PASS" not in text


def test_nothing_that_was_measured_is_shown_as_nothing() -> None:
    run = synthetic_judged.check("nothing")
    text = in_terminal(run, 120)
    assert "INVALID · nothing was measured" in text
    assert "Noise floor" not in text
    assert "| pair |" not in shown(run)


def test_counts_say_what_they_were(golden: Callable[[str, str], None]) -> None:
    golden("judged-counts-100.txt", in_terminal(synthetic_judged.check("counts"), 100))
    run = synthetic_judged.check("counts")
    assert [is_more(change) for change in of(run).counts] == [True, False, False]


def test_two_variants_of_one_tree_have_no_versions() -> None:
    run = synthetic_judged.check("pass")
    judgement = of(run)
    judgement.base = judgement.base.model_copy(update={"label": "redis", "commit": "", "packages": {}})
    judgement.head = judgement.head.model_copy(update={"label": "redis:driver=sync", "commit": "", "packages": {}})
    assert "Installed versions" not in in_terminal(run, 120) + shown(run)
    assert advice.command(run, judgement) == "session-bench regress redis:driver=sync --against redis --set seed=7"


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("HEAD~1", "--base 4dce7ab0c1d2e3f405162738495a6b7c8d9e0f10"),
        ("redis==7.1", "--base-with redis==7.1"),
        ("HEAD~1, redis==7.1", "--base 4dce7ab0c1d2e3f405162738495a6b7c8d9e0f10 --base-with redis==7.1"),
        ("on /opt/py 3", "--base-python '/opt/py 3'"),
    ],
)
def test_the_command_asks_for_the_same_base(label: str, options: str) -> None:
    run = synthetic_judged.check("pass")
    of(run).base.label = label
    assert advice.command(run, of(run)) == f"session-bench regress {options} redis --set seed=7"


def test_hostile_names_do_nothing_in_a_terminal() -> None:
    for width in (80, 120, 300):
        text = in_terminal(synthetic_judged.hostile(), width)
        assert max(map(len, text.splitlines())) <= width
        assert not set(text) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def test_hostile_names_do_nothing_in_a_pull_request() -> None:
    text = shown(synthetic_judged.hostile())
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    inline = [child for token in tokens for child in token.children or []]
    html = [token.content.strip() for token in [*tokens, *inline] if token.type in {"html_block", "html_inline"}]
    summary = "<summary>How to read it, every block, and how to run it again</summary>"
    assert html == [f"<details>\n{summary}", "</details>"]
    assert not [token for token in [*tokens, *inline] if token.type == "link_open"]
    [code] = [token for token in tokens if token.type == "fence"]
    assert code.content.startswith("session-bench regress --base-with ")


def test_a_checks_report_holds_what_a_check_has(check: tuple[Run, dict[str, Path]]) -> None:
    _, written = check
    assert list(written)[:4] == ["index.html", "pull_request.md", "junit.xml", "judgement.json"]
    assert {"trials.csv", "comparisons.csv"} <= written.keys()
    charts = {name for name in written if name.startswith("charts/")}
    names = ("forest", "blocks-redis", "blocks-memory")
    assert charts == {f"charts/{name}.{kind}" for name in names for kind in ("png", "svg")}


def test_the_page_is_as_good_as_the_other(check: tuple[Run, dict[str, Path]]) -> None:
    _, written = check
    page = Page(written["index.html"].read_text())
    asks_for_nothing(page)
    well_nested(page)
    themed(written)
    text = " ".join(" ".join(page.texts).split())
    for words in ("REGRESSED", "What to do", "Noise floor of this run", "Sentinel", "Servers", "Valkey 9.1.2"):
        assert words in text
    for words in ("How to read it", "Over time", "figures of every variant", "Closed load"):
        assert words not in text
    assert text.index("Installed versions that differ") < text.index("What to do")


def test_a_pair_goes_with_its_checkbox_wherever_it_is(check: tuple[Run, dict[str, Path]]) -> None:
    _, written = check
    page = Page(written["index.html"].read_text())
    boxes = [facts["value"] for tag, facts in page.elements if tag == "input"]
    assert boxes == ["redis", "memory"]
    rows = [(facts.get("id") or "", facts.get("data-of")) for tag, facts in page.elements if tag == "tr"]
    for key in ("changes", "values", "trials", "forest-data"):
        assert {of for id_, of in rows if id_.startswith(f"{key}-")} == set(boxes), key
    figures = {facts["id"]: facts.get("data-of") for tag, facts in page.elements if tag == "figure"}
    assert figures == {"forest": None, "blocks-redis": "redis", "blocks-memory": "memory"}


def test_a_base_that_pairs_have_in_common_goes_with_none_of_them() -> None:
    run = synthetic_judged.check("pass", ("redis", "memory"))
    one, other = run.comparisons
    other.base = one.base
    found = interactive.owners(run)
    assert (found[one.base], found[one.head], found[other.head]) == ("redis@base", "redis", "memory")


def test_every_number_on_the_page_is_in_run_json(check: tuple[Run, dict[str, Path]]) -> None:
    run, written = check
    raw = read_run(written["index.html"].parent.parent)
    page = Page(written["index.html"].read_text())
    [_, *rows] = page.tables["changes"]
    found = [(each, judged) for each in raw.comparisons for judged in forest.measured(each)]
    assert len(rows) == len(found) == 9
    for cells, (pair, metric) in zip(rows, found, strict=True):
        told, change = measures.measure(metric.metric), metric.change
        assert change is not None
        text = [cell.text for cell in cells]
        assert text[:2] == [pair.name, f"{told.name} {told.unit}"]
        assert text[3] == units.change(change.estimate)
        assert text[4].split(" – ") == [units.change(change.low), units.change(change.high)]  # noqa: RUF001 - a range
        assert float(text[5]) == pytest.approx(sentences.tolerance(metric) * 100, rel=0.01)
        assert text[6] in {
            units.p_value(p)
            for p in (metric.p_slower, metric.p_slower_adjusted, metric.p_within, metric.p_faster_adjusted)
            if p is not None
        }
        assert metric.smallest_seen is not None
        assert float(text[7]) == pytest.approx(metric.smallest_seen * 100, abs=0.051)
    [_, *every] = page.tables["values"]
    assert len(every) == 12 * len(found)
    at = {(row[0].text, row[1].text.rpartition(" ")[0], row[2].text): row for row in every}
    for pair, metric in found:
        told = measures.measure(metric.metric)
        for block, (base, head) in enumerate(zip(metric.base, metric.head, strict=True), 1):
            cells = at[pair.name, told.name, str(block)]
            assert [cell.text for cell in cells[3:5]] == [told.write(base), told.write(head)]
    assert raw == run


def test_the_charts_say_what_was_found(check: tuple[Run, dict[str, Path]]) -> None:
    run, written = check
    said = texts(written["charts/forest.svg"])
    for row in sentences.rows(run.comparisons):
        assert f"{row.change} % ({row.interval})" in said
    assert said.count("slower") == 2
    assert "REGRESSED" in said
    assert "open load, 300 arrivals/s" in " ".join(said)


def test_a_check_that_measured_nothing_has_a_page(tmp_path: Path) -> None:
    for kind in ("nothing", "component"):
        folder = tmp_path / kind
        synthetic_judged.record(folder, synthetic_judged.check(kind))
        written = {path.name: path for path in reports.write(folder)}
        page = Page(written["index.html"].read_text())
        assert page.unbalanced == []
        assert "INVALID" in " ".join(page.texts)
        assert not [name for name in written if name.endswith(".png")]


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    synthetic_judged.record(tmp_path, synthetic_judged.hostile())
    paths = reports.write(tmp_path)
    inside = (tmp_path / "report").resolve()
    assert all(path.resolve().is_relative_to(inside) for path in paths)
    assert len(set(paths)) == len(paths)
    page = Page(paths[0].read_text())
    asks_for_nothing(page)
    well_nested(page)
    assert EVIL.partition("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in "".join(page.texts)
    assert not any(tag == "h1" and attributes for tag, attributes in page.elements)


@pytest.mark.parametrize("kind", STATES)
def test_judgement_json_keeps_to_its_schema(kind: str) -> None:
    run = synthetic_judged.check(kind)
    schema = judged_json.Document.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    found = json.loads(judged_json.render(run, of(run)))
    jsonschema.validate(found, schema)
    assert found["schema_version"] == 1
    assert (found["verdict"], found["exit_code"], found["seed"]) == (STATES[kind], of(run).exit_code, 7)
    for written, pair in zip(found["comparisons"], run.comparisons, strict=True):
        for metric, judged_ in zip(written["metrics"], pair.metrics, strict=True):
            assert (metric["base"], metric["head"]) == (judged_.base, judged_.head)


def test_trials_csv_has_the_slices_of_both_arms() -> None:
    run = synthetic_judged.check("pass")
    head, *rows = exported.trials(run).splitlines()
    assert head.endswith("slices_requests,slices_p50_us,slices_p95_us,slices_p99_us")
    assert len(rows) == 2 * 12
    p99 = run.comparisons[0].metrics[3]
    assert [float(row.rpartition(",")[2]) for row in rows[::2]] == p99.base


def test_a_comparison_alone_says_why_it_is_only_advice() -> None:
    pairs = synthetic_judged.check("regressed").comparisons
    console = Console(width=100, record=True, color_system=None)
    with console.capture() as capture:
        console.print(judged.comparison_table(pairs, advisory="Another day: this is advice, and gates nothing."))
        console.print(judged.comparison_table([], advisory="Refused: another CPU."))
    text = capture.get()
    assert text.startswith("Another day: this is advice")
    assert "redis  REGRESSED  12 blocks" in text
    assert text.rstrip().endswith("Refused: another CPU.")
