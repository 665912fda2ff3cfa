from __future__ import annotations

import csv as standard
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import reports
from reports import stats
from reports.data import Recorded
from reports.exporters import csv
from reports.files import write_run
from reports.format import Arm, Verdict
from reports.record import tables
from reports.tidy import rows
from reports.tidy.frame_columns import TABLES
from reports.tidy.table import METRICS
from tests.reports import (
    synthetic,
    synthetic_audits,
    synthetic_counts,
    synthetic_distance,
    synthetic_faults,
    synthetic_judged,
    synthetic_sizes,
    synthetic_told,
)

if TYPE_CHECKING:
    from reports.format import Run

FILES = {"requests", "resources"}
HELD = sorted(TABLES.keys() - FILES)
KEYS = {
    "variants": ["variant"], "summaries": ["variant", "metric"], "trials": ["trial", "variant"],
    "steps": ["trial", "variant", "step"], "sizes": ["variant", "step", "payload_bytes"], "capacities": ["variant"],
    "told": ["a", "b", "metric"],
    "comparisons": ["pair", "metric"], "audits": ["variant", "quick", "number"],
    "correctness": ["variant", "property"], "counts": ["variant", "step"], "outages": ["trial", "variant"],
    "distances": ["variant"],
}  # fmt: skip
"""What a row of each table is of."""
REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def runs(folder: Path) -> list[Run]:
    """Return runs that have, together, a row for every table."""
    return [
        synthetic_audits.bench(),
        synthetic_told.bench(),
        synthetic_judged.check("regressed"),
        synthetic_faults.record(folder / "faults"),
        synthetic_distance.run(),
        synthetic_counts.run(),
        synthetic_sizes.run(),
    ]


@pytest.fixture(scope="module")
def several(opened: Recorded, tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    folder = tmp_path_factory.mktemp("several")
    return [opened, *(Recorded(folder, run) for run in runs(folder))]


@pytest.fixture(scope="module")
def reference() -> Recorded:
    return reports.load(REFERENCE)


def test_every_metric_is_explained() -> None:
    assert METRICS.keys() >= set(stats.METRICS)


@pytest.mark.parametrize("name", HELD)
def test_a_frame_has_the_columns_and_types_that_are_documented(several: list[Recorded], name: str) -> None:
    documented = {column.name: column.kind for column in TABLES[name].columns}
    for recorded in several:
        frame = getattr(recorded, name)
        assert {column: str(kind) for column, kind in frame.dtypes.items()} == documented
    assert any(len(getattr(recorded, name)) for recorded in several)


@pytest.mark.parametrize("name", HELD)
def test_a_row_is_told_from_every_other_by_what_it_is_of(
    several: list[Recorded], reference: Recorded, name: str
) -> None:
    for recorded in [*several, reference]:
        frame = getattr(recorded, name)
        assert not frame.duplicated(KEYS[name]).any()
        # What a row is of is known, but for what could not be audited or counted: no check of it was made, no step.
        known = [key for key in KEYS[name] if (name, key) not in {("audits", "number"), ("counts", "step")}]
        assert not frame[known].isna().any(axis=None)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_committed_run_has_what_is_documented(reference: Recorded, name: str) -> None:
    frame = getattr(reference, name)
    if name in FILES:
        frame = frame(trial=reference.run.trials[0].number)
    documented = {column.name: column.kind for column in TABLES[name].columns}
    assert {column: str(kind) for column, kind in frame.dtypes.items()} == documented
    if name in FILES or name in {"variants", "summaries", "trials", "steps"}:
        assert len(frame)


def test_what_a_payload_size_came_to_is_in_the_steps(several: list[Recorded]) -> None:
    run = several[0].run.model_copy(deep=True)
    figures = run.trials[0].arms[0].figures
    assert figures is not None
    sized = figures.model_copy(update={"steps": {}, "outcomes": {"ok": 7, "refused": 3}, "requests": 10})
    figures.steps = {"POST /profile 4096 B": sized}
    steps = Recorded(several[0].folder, run).steps
    [row] = steps[(steps["trial"] == run.trials[0].number)].to_dict("records")
    assert (row["step"], row["requests"], row["refused"], row["errors"]) == ("POST /profile 4096 B", 10, 3, 0)


def test_what_a_payload_size_costs_is_over_its_trials(tmp_path: Path) -> None:
    run = synthetic_sizes.run(synthetic_sizes.MOST | {"redis": 50})
    found = Recorded(tmp_path, run).sizes.to_dict("records")
    rows_of = {(row["variant"], row["step"], row["payload_bytes"]): row for row in found}
    largest = rows_of["cookie", "GET /profile", 2500]
    middle = synthetic_sizes.p50_us("cookie", "GET /profile", 2500)
    times = [largest[f"p50_us_{name}"] for name in ("median", "low", "high")]
    assert times == pytest.approx([middle, middle * 0.9, middle * 1.1])
    count = 3 * synthetic_sizes.REQUESTS["GET /profile"]
    assert (largest["kept"], largest["trials"], largest["requests"], largest["refused"]) == (True, 3, count, 0)
    # Whoever is refused has been answered, but has no session to be timed.
    refused = rows_of["cookie", "POST /login", 3000]
    assert pd.isna(refused["p50_us_median"])
    assert (refused["kept"], refused["trials"], refused["refused"]) == (False, 0, 3 * synthetic_sizes.REFUSALS)
    assert ("cookie", "GET /profile", 3000) not in rows_of
    names = [name for name, _, _ in rows_of]
    assert names.count("memory") == len(synthetic_sizes.SIZES) * len(synthetic_sizes.REQUESTS)
    assert {size for name, step, size in rows_of if name == "redis" and step != "POST /login"} == set()


@pytest.mark.parametrize("name", HELD)
def test_no_column_is_always_empty_by_its_name(several: list[Recorded], name: str) -> None:
    known = {key for recorded in several for row in rows.OF[name](recorded.run) for key in row}
    documented = {column.name for column in TABLES[name].columns}
    assert known <= documented
    # Of these no made-up run has a summary.
    assert {each for each in documented - known if not each.startswith("app_pss_bytes_over")} == set()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_help_lists_every_column_with_its_type_and_meaning(name: str) -> None:
    said = getattr(Recorded, name).__doc__
    for column in TABLES[name].columns:
        assert [line for line in said.splitlines() if line.split()[:2] == [column.name, column.kind]]
        assert column.meaning in said
    assert said.startswith(TABLES[name].about)


@pytest.mark.parametrize("name", HELD)
def test_a_frame_and_its_csv_file_hold_the_same(several: list[Recorded], name: str) -> None:
    for recorded in several:
        written = list(standard.DictReader(io.StringIO(csv.table(recorded.run, name))))
        frame = getattr(recorded, name)
        assert len(written) == len(frame)
        for place, row in enumerate(written):
            for column, text in row.items():
                value = frame[column].iloc[place]
                if text == "":
                    assert pd.isna(value)
                elif isinstance(value, float):
                    assert float(text) == value
                else:
                    assert str(value) == text


def test_requests_and_resources_are_as_documented(recorded: Recorded) -> None:
    for name in FILES:
        frame = getattr(recorded, name)()
        assert {column: str(kind) for column, kind in frame.dtypes.items()} == {
            column.name: column.kind for column in TABLES[name].columns
        }
        assert list(frame.columns[5:]) == getattr(tables, name.upper()).names


def test_requests_are_whole(recorded: Recorded) -> None:
    requests = recorded.requests()
    window = requests[(requests["sent_us"] >= 0) & (requests["state"] != "INVALID")]
    counts = window.groupby("variant", observed=True).size().to_dict()
    assert counts == {summary.variant: summary.requests for summary in recorded.run.summaries}
    assert set(recorded.resources()["role"]) == {"app", "store", "generator"}


def test_only_what_is_asked_for_is_read(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    known = tables.read_requests

    def noticed(run: Path, number: int) -> Any:
        read.append(number)
        return known(run, number)

    monkeypatch.setattr(tables, "read_requests", noticed)
    one = recorded.requests(trial=2)
    assert read == [2]
    assert set(one["trial"]) == {2}
    variant = one["variant"].iloc[0]
    read.clear()
    of_variant = recorded.requests(variant=variant)
    assert set(of_variant["variant"]) == {variant}
    assert read == [each.number for each in recorded.run.trials if each.arms[0].variant == variant]
    whole = recorded.requests()
    assert len(of_variant) == (whole["variant"] == variant).sum()
    assert recorded.requests(trial=2, variant="none" if variant != "none" else "memory").empty


@pytest.mark.parametrize(
    ("asked", "said"), [({"trial": 99}, "no trial 99"), ({"variant": "reddis"}, "no variant 'reddis'; it has none,")]
)
def test_what_a_run_does_not_have_is_refused_by_name(recorded: Recorded, asked: dict[str, Any], said: str) -> None:
    for read in (recorded.requests, recorded.resources):
        with pytest.raises(KeyError, match=said):
            read(**asked)


def test_a_run_without_files_gives_empty_frames(tmp_path: Path) -> None:
    run = synthetic_told.bench()
    write_run(tmp_path, run)
    loaded = reports.load(tmp_path)
    for name in FILES:
        frame = getattr(loaded, name)()
        assert frame.empty
        assert list(frame.columns) == [column.name for column in TABLES[name].columns]


def test_both_arms_of_a_trial_are_told_apart(tmp_path: Path) -> None:
    run = synthetic.record(tmp_path, synthetic.EIGHT[:2], unavailable=(), blocks=1)
    first = run.trials[0]
    other = next(each.name for each in run.variants if each.name != first.arms[0].variant)
    first.arms.append(Arm(variant=other))
    write_run(tmp_path, run)
    loaded = reports.load(tmp_path)
    assert set(loaded.requests(trial=1)["variant"]) == {first.arms[0].variant}
    assert loaded.requests(trial=1, variant=other).empty
    # The generator is both arms', and so is nobody's.
    samples = loaded.resources(trial=1)
    assert samples[samples["role"] == "generator"]["variant"].isna().all()
    twice = run.model_copy(deep=True)
    twice.trials[0].arms[1].variant = twice.trials[0].arms[0].variant
    assert set(Recorded(tmp_path, twice).requests(trial=1)["variant"]) == {first.arms[0].variant}


def test_trials_that_came_to_nothing_are_in_the_frame(opened: Recorded) -> None:
    run = opened.run.model_copy(deep=True)
    run.trials[0].arms[0].figures = run.trials[0].arms[0].closed = run.trials[0].instrument = None
    run.trials[0].verdict = Verdict(state="INVALID")
    run.trials[0].error = "the app did not start"
    frame = Recorded(opened.folder, run).trials
    row = frame.iloc[0]
    assert (row["state"], row["reasons"]) == ("INVALID", "the app did not start")
    assert pd.isna(row["p50_us"])
    assert pd.isna(row["requests"])


def test_hostile_names_stay_whole_in_frames(hostile: Recorded) -> None:
    assert list(hostile.variants["variant"]) == [variant.name for variant in hostile.run.variants]
    name = hostile.run.trials[0].arms[0].variant
    assert set(hostile.requests(variant=name)["variant"]) == {name}


def test_every_table_with_a_row_is_written_as_a_file(written: dict[str, Path], recorded: Recorded) -> None:
    names = {name.removesuffix(".csv") for name in written if name.endswith(".csv")}
    assert names == {name for name in HELD if name != "summaries" and len(getattr(recorded, name))}


def test_the_frames_hold_what_run_json_does(opened: Recorded) -> None:
    raw = json.loads((opened.folder / "run.json").read_bytes())
    frame = opened.capacities.set_index("variant")
    for each in raw["capacities"]:
        row = frame.loc[each["variant"]]
        assert row["limit"] == each["limit"]
        assert row["trials"] == len(each["trials"])
        for bound in ("lower_per_s", "upper_per_s"):
            assert pd.isna(row[bound]) if each[bound] is None else row[bound] == each[bound]
    steps = opened.steps
    expected = {
        (trial["number"], arm["variant"], step): figures["p99_us"]
        for trial in raw["trials"]
        for arm in trial["arms"]
        for step, figures in ((arm["figures"] or {}).get("steps") or {}).items()
    }
    seen = {(row["trial"], row["variant"], row["step"]): row["p99_us"] for _, row in steps.iterrows()}
    assert seen.keys() == expected.keys()
    assert seen
    assert all(value == seen[key] for key, value in expected.items() if value is not None)
