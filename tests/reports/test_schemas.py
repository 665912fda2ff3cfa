from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from reports import schemas
from reports.exporters import audit_json, decision_json, judged_json
from reports.judging import between
from reports.judging.compared import across
from reports.tidy.frame_columns import TABLES
from tests.reports import synthetic_audits, synthetic_judged, two_days

if TYPE_CHECKING:
    from reports.data import Recorded

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.mark.parametrize("name", schemas.texts())
def test_what_is_published_is_current(name: str) -> None:
    """`python -m reports.schemas docs` writes it anew."""
    assert (DOCS / name).read_text(encoding="utf-8") == schemas.texts()[name]


def test_nothing_is_published_that_is_no_more() -> None:
    published = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("schema/*")}
    assert published == {name for name in schemas.texts() if name.startswith("schema/")}


@pytest.mark.parametrize("name", schemas.DOCUMENTS)
def test_a_schema_is_one_and_refuses_what_it_does_not_know(name: str) -> None:
    drawn = schemas.schema(name)
    jsonschema.Draft202012Validator.check_schema(drawn)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"of_another_kind": 1}, drawn)


@pytest.mark.parametrize(
    ("document", "model", "attribute", "said"),
    [
        ("run", "Load", "rate_per_s", "Arrivals a second; null in closed load."),
        ("trial", "Instrument", "clock_ppm", "CLOCK_MONOTONIC_RAW"),
        ("judgement", "", "headline", "The verdict in a line, for people."),
        ("compare", "Row", "a_over", "in the same block"),
        ("verdict", "Interval", "level", None),
    ],
)
def test_a_schema_says_what_attributes_mean(document: str, model: str, attribute: str, said: str | None) -> None:
    drawn = schemas.schema(document)
    fields = (drawn["$defs"][model] if model else drawn)["properties"]
    if said is None:
        assert "description" not in fields[attribute]
    else:
        assert said in fields[attribute]["description"]


def test_documents_are_as_their_schemas_say(opened: Recorded) -> None:
    judged = synthetic_judged.check("regressed")
    assert judged.judgement is not None
    a, b = (each for each, _ in zip(two_days.days(2), range(2), strict=True))
    decided = decision_json.document(opened.run)
    assert decided is not None
    written = {
        "decision": decided.model_dump_json(),
        "run": (opened.folder / "run.json").read_text(),
        "trial": next((opened.folder / "trials").glob("*/trial.json")).read_text(),
        "judgement": judged_json.render(judged, judged.judgement),
        "audit": audit_json.render(synthetic_audits.only()),
        "compare": across(a, b).model_dump_json(),
        "verdict": between.between(b, "none", "redis").model_dump_json(),
    }
    for name, text in written.items():
        jsonschema.validate(json.loads(text), schemas.schema(name))
    # The history's is held against one in the tests of histories.
    assert written.keys() | {"history"} == schemas.DOCUMENTS.keys()


def test_every_table_is_documented_once() -> None:
    text = schemas.columns()
    for name, table in TABLES.items():
        assert text.count(f"\n## {name}\n") == 1
        for column in table.columns:
            assert f"| `{column.name}` | {column.kind} |" in text
