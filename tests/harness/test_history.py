from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from harness.errors import Exit, UsageError
from harness.history import history
from reports import schemas
from reports.files import write_run
from tests.reports import two_days
from tests.reports.synthetic import EVIL
from tests.reports.two_runs import NONE, REDIS, run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    two_days.record(folder)
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_history_is_advice_by_its_exit_code_and_says_where_its_page_is(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert history(results, as_json=False, out=tmp_path / "out") is Exit.INCONCLUSIVE
    assert lines(capsys)[-1] == f"History: {tmp_path / 'out' / 'history.html'}"


def test_page_charts_and_tables_are_written_below_the_folder(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(results, as_json=True)
    said = json.loads(capsys.readouterr().out)
    names = {Path(path).relative_to(results / "history").as_posix() for path in said["written"]}
    assert names == {"history.html", "history.csv", "history.json"} | {
        f"charts/history-{name}.{kind}" for name in ("none", "redis", "postgres") for kind in ("png", "svg")
    }
    assert all(Path(path).stat().st_size for path in said["written"])
    written = json.loads((results / "history" / "history.json").read_text())
    jsonschema.validate(written, schemas.schema("history"))
    assert said == {**written, "written": said["written"], "exit_code": 3}
    assert [each["folder"] for each in said["left_out"]] == ["broken"]
    # What it wrote is no run when it is asked again.
    history(results, as_json=True)
    assert json.loads(capsys.readouterr().out)["runs"] == said["runs"]


def test_runs_are_found_however_deep_and_one_folder_may_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day, made in enumerate(two_days.days(2)):
        write_run(tmp_path / "of" / f"2026-{day}" / "run", made)
    history(tmp_path, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [each["folder"] for each in found["runs"]] == ["of/2026-0/run", "of/2026-1/run"]
    history(REFERENCE, as_json=True, out=tmp_path / "out")
    found = json.loads(capsys.readouterr().out)
    assert [each["folder"] for each in found["runs"]] == ["reference"]
    assert {each["metric"] for each in found["series"]} >= {"p50_us", "p99_us", "throughput_per_s"}


def test_what_holds_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        history(tmp_path / "nowhere", as_json=False)
    with pytest.raises(UsageError, match="Name a folder that holds recorded runs"):
        history(tmp_path, as_json=False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="no schema_version"):
        history(tmp_path, as_json=False)
    write_run(tmp_path / "b", run([], [NONE, REDIS]))
    with pytest.raises(UsageError, match="no trial of it was finished"):
        history(tmp_path, as_json=False)


def test_what_cannot_be_written_is_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        history(results, as_json=True, out=tmp_path / "file")


@pytest.mark.parametrize("width", [80, 120])
def test_hostile_names_do_nothing_in_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    variants = [NONE, REDIS.model_copy(update={"name": EVIL}), REDIS.model_copy(update={"name": "x" * 90})]
    for day, made in enumerate(two_days.days(3, variants=variants)):
        write_run(tmp_path / f"run{day}", made)
    history(tmp_path, as_json=False)
    *shown, _ = lines(capsys)
    assert max(map(len, shown)) <= width
    assert not set("".join(shown)) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}
