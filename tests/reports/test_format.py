from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from reports.files import RunUnreadable, read_run, trial_folder, write_atomically, write_run
from reports.format import SCHEMA_VERSION, Figures, Run, Trial
from reports.record.tables import read_requests, read_resources
from tests.reports import synthetic, synthetic_audits

if TYPE_CHECKING:
    from pathlib import Path

    from reports.data import Recorded


@pytest.fixture
def folder(recorded: Recorded, tmp_path: Path) -> Path:
    """Make a folder with nothing but a whole run.json in it."""
    write_run(tmp_path, recorded.run)
    return tmp_path


def spoil(folder: Path, **facts: Any) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def complaint(folder: Path) -> str:
    with pytest.raises(RunUnreadable) as caught:
        read_run(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def test_what_was_written_is_read(recorded: Recorded) -> None:
    assert read_run(recorded.folder) == recorded.run
    one = recorded.run.trials[0]
    path = trial_folder(recorded.folder, one.number) / "trial.json"
    assert Trial.model_validate_json(path.read_bytes()) == one


def test_no_run(tmp_path: Path) -> None:
    assert "no run.json" in complaint(tmp_path)
    assert "no run.json" in complaint(tmp_path / "absent")


def test_a_file_in_place_of_a_folder(folder: Path) -> None:
    assert "no run.json" in complaint(folder / "run.json")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    assert "cannot be read" in complaint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema_version": 1', b"[" * 100_000])
def test_not_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    assert "damaged" in complaint(tmp_path)


@pytest.mark.parametrize("content", ["[]", "1", "{}", '{"schema_version": "1"}', '{"schema_version": 0}'])
def test_json_but_not_a_run(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    assert "not a recorded run" in complaint(tmp_path)


def test_a_newer_run_is_refused_before_it_is_judged(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION + 1, "unheard": "of"}))
    text = complaint(tmp_path)
    assert f"schema_version {SCHEMA_VERSION + 1}" in text
    assert "git pull where it is a checkout, pip install -U session-bench where pip fetched it." in text


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"plan": None}, "plan"),
        ({"trials": [{}]}, "trials.0"),
        ({"statsu": "finished"}, "statsu"),
        ({"variants": []}, "not among the variants"),
        ({"started_at": ""}, "started_at is '', which is no time"),
        ({"started_at": "yesterday"}, "started_at is 'yesterday', which is no time"),
    ],
)
def test_a_damaged_run_says_where(folder: Path, facts: dict[str, Any], where: str) -> None:
    spoil(folder, **facts)
    text = complaint(folder)
    assert "damaged" in text
    assert where in text


def test_a_variant_stands_once(folder: Path, recorded: Recorded) -> None:
    variants = [variant.model_dump(mode="json") for variant in recorded.run.variants]
    spoil(folder, variants=[*variants, variants[1]])
    text = complaint(folder)
    assert f"{recorded.run.variants[1].name} stands more than once among the variants" in text
    assert "Restore it from a copy." in text


def test_a_check_may_hold_a_variant_against_several(folder: Path, recorded: Recorded) -> None:
    variants = [variant.model_dump(mode="json") for variant in recorded.run.variants]
    plan = recorded.run.plan.model_dump(mode="json") | {"name": "regress"}
    spoil(folder, variants=[*variants, variants[1]], plan=plan)
    assert len(read_run(folder).variants) == len(variants) + 1


def test_numbers_that_no_chart_can_draw_are_refused(recorded: Recorded) -> None:
    figures = recorded.run.trials[0].arms[0].figures
    assert figures is not None
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            Figures.model_validate(figures.model_dump() | {"p50_us": number})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_stands_in_a_field_is_either_read_or_refused(value: Any) -> None:
    raw = {"schema_version": 1, "harness_version": value, "started_at": value, "plan": value, "trials": value}
    with pytest.raises(ValueError, match="validation error"):
        Run.model_validate(raw)


@pytest.mark.parametrize("table", ["requests", "resources"])
def test_a_damaged_table_is_named(recorded: Recorded, tmp_path: Path, table: str) -> None:
    read = {"requests": read_requests, "resources": read_resources}[table]
    whole = (trial_folder(recorded.folder, 1) / f"{table}.parquet").read_bytes()
    assert read(tmp_path, 1) is None
    path = trial_folder(tmp_path, 1) / f"{table}.parquet"
    for content in (b"", b"PAR1 no more", whole[: len(whole) // 2]):
        write_atomically(path, content)
        with pytest.raises(RunUnreadable, match=f"{table}.parquet cannot be read"):
            read(tmp_path, 1)


def test_a_table_that_lacks_a_column_is_damaged(recorded: Recorded, tmp_path: Path) -> None:
    table = pq.ParquetFile(trial_folder(recorded.folder, 1) / "requests.parquet").read()
    path = trial_folder(tmp_path, 1) / "requests.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table.drop_columns(["outcome"]), path)
    with pytest.raises(RunUnreadable, match="outcome"):
        read_requests(tmp_path, 1)


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_run_has_every_finished_trial(tmp_path: Path) -> None:
    run = synthetic.record(tmp_path, blocks=1, window_s=0.5)
    whole = run.model_copy(deep=True)
    run.status = "interrupted"
    del run.trials[2:]
    run.summaries = []
    write_run(tmp_path, run)
    found = reports.load(tmp_path).run
    assert found.trials == whole.trials
    assert found.summaries == whole.summaries
    (trial_folder(tmp_path, 3) / "trial.json").write_bytes(b"{}")
    with pytest.raises(RunUnreadable, match=r"0003.*move its folder away"):
        reports.load(tmp_path)


def test_a_report_that_cannot_be_kept_says_so_in_a_paragraph(tmp_path: Path) -> None:
    write_run(tmp_path, synthetic_audits.only())
    (tmp_path / "report").write_text("a file in place of the folder")
    with pytest.raises(RunUnreadable, match=r"report cannot be written: File exists\. The run itself is whole"):
        reports.write(tmp_path)
