from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from harness.compare import compare
from harness.errors import Exit, MeasurementError, UsageError
from reports import schemas
from reports.files import RunUnreadable, read_run, write_run
from reports.format import Arm
from reports.words import units
from tests.harness.command import session_bench
from tests.reports.two_runs import FORBIDS, NONE, POSTGRES, REDIS, alter, figures, interleaved, run, steady, trial

if TYPE_CHECKING:
    from reports.format import Run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(params=["80", "120"])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", request.param)
    return int(request.param)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Record a run in which postgres is 20 % slower than redis."""
    folder = tmp_path_factory.mktemp("judged")
    values = {"none": steady(800, 300), "redis": steady(1_000, 400), "postgres": steady(1_200, 480)}
    write_run(folder, run(interleaved(values), [NONE, REDIS, POSTGRES]))
    return str(folder)


def other_day(folder: Path, **changes: Any) -> str:
    """Write the reference run as if another day had brought it forth, with other facts by their paths."""
    return copied(folder, {"started_at": "2026-12-01T10:00:00Z", **changes})


def copied(folder: Path, changes: dict[str, Any]) -> str:
    raw = json.loads((REFERENCE / "run.json").read_bytes())
    for path, value in changes.items():
        alter(raw, path, value)
    (folder / "run.json").write_text(json.dumps(raw))
    return str(folder)


def written(folder: Path, ran: Run) -> str:
    write_run(folder, ran)
    return str(folder)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code = compare(arguments, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == int(code)
    assert found["version"] == 1
    return found


def printed(capsys: pytest.CaptureFixture[str], width: int) -> str:
    """Return what stands on the terminal, lines joined again; none is wider, but for the one that says a path."""
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("Side by side: ")]
    assert max(map(len, lines)) <= width
    return " ".join(" ".join(lines).split())


def test_the_slower_of_two_variants_fails_and_says_by_how_much(
    capsys: pytest.CaptureFixture[str], width: int, judged: str
) -> None:
    assert compare([judged, "redis", "postgres"], as_json=False) is Exit.TESTED_FAILED
    text = printed(capsys, width)
    assert "REGRESSED: postgres is slower than redis by 2" in text
    assert "in p50; the tolerance is 5 %." in text


def test_the_faster_of_two_variants_is_fine(capsys: pytest.CaptureFixture[str], width: int, judged: str) -> None:
    assert compare([judged, "postgres", "redis"], as_json=False) is Exit.FINE
    assert "PASS: redis is faster than postgres by 1" in printed(capsys, width)


def test_three_blocks_are_too_few_for_a_verdict(capsys: pytest.CaptureFixture[str], width: int, tmp_path: Path) -> None:
    values = {"none": steady(800, 300)[:3], "redis": steady(1_000, 400)[:3], "postgres": steady(1_200, 480)[:3]}
    path = written(tmp_path, run(interleaved(values), [NONE, REDIS, POSTGRES]))
    assert compare([path, "redis", "postgres"], as_json=False) is Exit.INVALID
    text = printed(capsys, width)
    assert "INVALID: 3 blocks of both count, and a verdict takes 12 or more." in text
    assert re.search(r"p50: redis 1\.\d\d, postgres 1\.\d\d ms, the medians of 3 blocks\.", text)
    assert "%" not in text


def test_a_verdict_as_json_holds_every_block(capsys: pytest.CaptureFixture[str], judged: str) -> None:
    found = answer(capsys, judged, "redis", "postgres")
    assert (found["kind"], found["run"], found["recorded"]) == ("verdict", judged, False)
    p50 = next(each for each in found["comparison"]["metrics"] if each["metric"] == "p50_us")
    assert len(p50["base"]) == len(p50["head"]) == 12
    assert len(found["said"]) == 2


def test_another_day_is_advice_and_never_a_gate(capsys: pytest.CaptureFixture[str], width: int, tmp_path: Path) -> None:
    assert compare([str(REFERENCE), other_day(tmp_path)], as_json=False) is Exit.INCONCLUSIVE
    text = printed(capsys, width)
    assert "ADVISORY" in text
    assert "In multiples of none in the same block" in text
    assert "Medians of the blocks" in text


@pytest.mark.parametrize("path", FORBIDS)
def test_the_reference_and_a_copy_with_another_fact_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: str
) -> None:
    what, value = FORBIDS[path]
    found = answer(capsys, str(REFERENCE), copied(tmp_path, {path: value}))
    assert (found["kind"], found["exit_code"]) == ("refused", 3)
    assert what in [each["what"] for each in found["differences"]]
    assert all(row["change"] is None for row in found["rows"])


def test_a_refusal_shows_both_and_names_both_values(
    capsys: pytest.CaptureFixture[str], width: int, tmp_path: Path
) -> None:
    facts = {"environment.cpu": "Intel Xeon", "variants.redis.server.version": "9.1.3"}
    assert compare([str(REFERENCE), other_day(tmp_path, **facts)], as_json=False) is Exit.INCONCLUSIVE
    text = printed(capsys, width)
    assert "REFUSED: no difference is computed." in text
    assert "differ in what their figures rest on: CPU, store of redis." in text
    assert "CPU AMD EPYC Intel Xeon" in text
    assert "store of redis Valkey 9.1.2 Valkey 9.1.3" in text
    summary = next(each for each in read_run(REFERENCE).summaries if each.variant == "redis")
    p50 = summary.metrics["p50_us"]
    figure = f"{units.ms(p50.median)} ({units.ms(p50.min)}–{units.ms(p50.max)})"  # noqa: RUF001 - a range
    assert f"redis p50 ms {figure} {figure}" in text
    assert "change" not in text


def test_names_that_would_do_harm_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], width: int, tmp_path: Path
) -> None:
    path = other_day(tmp_path, **{"environment.cpu": "[red]\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}x"})
    compare([str(REFERENCE), path], as_json=False)
    text = printed(capsys, width)
    assert "[red]\\u001b[31m\\u202ex" in text
    assert "\x1b" not in text


def test_two_runs_are_written_as_page_markdown_and_tables_beside_the_second(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = answer(capsys, str(REFERENCE), other_day(tmp_path))
    names = ["compare.html", "compare.md", "compare.csv", "compare.json"]
    assert found["written"] == [str(tmp_path / "report" / name) for name in names]
    written = json.loads((tmp_path / "report" / "compare.json").read_text())
    jsonschema.validate(written, schemas.schema("compare"))
    assert found == {**written, **{name: found[name] for name in ("a", "b", "written", "exit_code")}}
    assert all((tmp_path / "report" / name).stat().st_size for name in names)
    assert compare([str(REFERENCE), str(tmp_path)], as_json=False, out=tmp_path / "out") is Exit.INCONCLUSIVE
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert capsys.readouterr().out.splitlines()[-1] == f"Side by side: {tmp_path / 'out' / 'compare.html'}"


def test_a_folder_that_cannot_be_written_spoils_only_what_asked_for_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = other_day(tmp_path)
    (tmp_path / "report").write_text("")
    assert compare([str(REFERENCE), path], as_json=False) is Exit.INCONCLUSIVE
    assert "cannot be written" in capsys.readouterr().out
    with pytest.raises(UsageError, match="Name another folder"):
        compare([str(REFERENCE), path], as_json=False, out=tmp_path / "report" / "inner")


# What cannot be meant.


def test_a_folder_is_only_for_two_runs(tmp_path: Path, judged: str) -> None:
    with pytest.raises(UsageError, match="--out is for two runs"):
        compare([judged, "redis", "postgres"], as_json=False, out=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "compare takes two runs"),
        (["{run}"], "1 argument came"),
        (["{run}", "redis", "postgres", "http"], "4 arguments came"),
        (["{run}", "{run}"], "are the same run"),
        (["{run}", "{run}/../reference"], "are the same run"),
        (["{run}", "redis", "redis"], "named twice"),
        (["{run}", "redis", "postgrse"], "no variant 'postgrse': did you mean 'postgres'? known are cookie, http"),
        (["{run}", "redis"], "redis is a variant of"),
        (["{run}", "redis", "{run}"], "compare RUN_A RUN_B"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=r"\A.+\Z") as error:
        compare([argument.format(run=REFERENCE) for argument in arguments], as_json=False)
    assert said in str(error.value)


def test_a_copy_of_a_run_is_the_same_run(tmp_path: Path) -> None:
    shutil.copy(REFERENCE / "run.json", tmp_path)
    with pytest.raises(UsageError, match="hold the same trials"):
        compare([str(REFERENCE), str(tmp_path)], as_json=False)


def test_a_run_without_a_finished_trial_measured_nothing(tmp_path: Path) -> None:
    empty = written(tmp_path, run([], [NONE, REDIS]))
    with pytest.raises(MeasurementError, match="no finished trial"):
        compare([str(REFERENCE), empty], as_json=False)
    with pytest.raises(MeasurementError, match="no finished trial"):
        compare([empty, "none", "redis"], as_json=False)


def test_what_is_no_run_is_said_by_the_reader(tmp_path: Path) -> None:
    with pytest.raises(RunUnreadable, match="holds no recorded run"):
        compare([str(REFERENCE), str(tmp_path)], as_json=False)


def test_arms_of_different_pairs_were_not_served_side_by_side(tmp_path: Path) -> None:
    names = ["redis@base", "redis@head", "postgres@base", "postgres@head"]
    variants = [REDIS.model_copy(update={"name": name, "slug": name}) for name in names]
    arms = [Arm(variant=name, figures=figures(1_000, 400)) for name in names]
    folder = written(tmp_path, run([trial(1, *arms[:2]), trial(1, *arms[2:])], variants))
    with pytest.raises(UsageError, match=r"its pairs: redis@base redis@head, postgres@base postgres@head\."):
        compare([folder, "redis@head", "postgres@head"], as_json=False)
    assert compare([folder, "redis@base", "redis@head"], as_json=True) is Exit.INVALID


# The command itself.


def test_the_command_prints_the_reason_and_ends_with_its_code(tmp_path: Path) -> None:
    refused = session_bench(tmp_path, "compare", str(REFERENCE), copied(tmp_path, {"plan.load.rate_per_s": 300.0}))
    assert refused.returncode == 3
    assert "REFUSED" in refused.stdout
    assert "200 arrivals/s" in refused.stdout
    assert "300 arrivals/s" in refused.stdout
    unknown = session_bench(tmp_path, "compare", str(REFERENCE), "redis", "postgrse")
    assert unknown.returncode == 2
    assert "did you mean 'postgres'?" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
