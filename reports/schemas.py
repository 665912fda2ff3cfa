"""What is published of the formats: JSON Schemas of what is written as JSON, and the columns of every table.

`python -m reports.schemas docs` writes them where they are kept; a test holds them against the code.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from reports import format  # noqa: A004 - its name
from reports.exporters import audit_json, decision_json, judged_json
from reports.judging import between, compared, history
from reports.tidy.frame_columns import TABLES

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import core_schema

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: Final[dict[str, tuple[type[BaseModel], str, int]]] = {
    "run": (format.Run, "run.json of a recorded run", format.SCHEMA_VERSION),
    "trial": (format.Trial, "trials/NNNN/trial.json of a recorded run", format.SCHEMA_VERSION),
    "judgement": (judged_json.Document, "report/judgement.json of a regression check", judged_json.SCHEMA_VERSION),
    "audit": (audit_json.Document, "report/audit.json of an audit", audit_json.SCHEMA_VERSION),
    "compare": (compared.Across, "compare.json of two runs side by side", compared.VERSION),
    "verdict": (
        between.Between,
        "what compare RUN V1 V2 --json says of two variants, beside run, said and exit_code",
        compared.VERSION,
    ),
    "decision": (
        decision_json.Document,
        "report/decision.json; run --json and report --json hold it as decision, null where nothing was to be chosen",
        decision_json.VERSION,
    ),
    "history": (history.History, "history.json of many runs", history.VERSION),
}
"""What is published: the model, what it is, and the version that the schema is of."""


class _Described(GenerateJsonSchema):
    """Takes the texts under a model's attributes for descriptions of its properties.

    Pydantic would do so itself, and read the source of every model whenever the format is imported, which takes as
    long again as all else of it.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        drawn = super().model_schema(schema)
        for base in reversed(schema["cls"].__mro__):
            if base.__module__.startswith("reports."):
                for name, text in _meanings(base).items():
                    if name in drawn.get("properties", {}):
                        drawn["properties"][name]["description"] = text
        return drawn


def _meanings(model: type) -> dict[str, str]:
    """Return the docstrings of a class's attributes by their names."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    return {
        known.target.id: inspect.cleandoc(said.value.value)
        for known, said in pairwise(getattr(body, "body", []))
        if isinstance(known, ast.AnnAssign) and isinstance(known.target, ast.Name)
        if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) and isinstance(said.value.value, str)
    }


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document, draft 2020-12; descriptions are the docstrings of models and attributes."""
    model, title, version = DOCUMENTS[name]
    drawn = model.model_json_schema(mode="serialization", schema_generator=_Described)
    return {"$schema": _DIALECT, **drawn, "title": title, "x-version": version}


def columns() -> str:
    """Return the documentation of every table in Markdown."""
    about = (
        "What `reports.load(run)` gives as pandas frames under these names, and `report/NAME.csv` as files where the "
        "run has a row for it. What is not known is missing, or empty. Units are in the names: µs, bytes, shares of "
        "one. Texts in CSV are whole, but one that a spreadsheet might take for a formula (it begins with =, +, -, @, "
        "a tab or a line's end) has an apostrophe before it. Columns that only audits or pairs have, such as `struck`, "
        "are left out of CSV where a run has none, and `summaries`, which is `variants` in long form, is no file. "
        "`requests` and `resources` are methods that read `trials/*/*.parquet`, and take `trial=` and `variant=`."
    )
    parts = ["# Tables of a run", about]
    for table in TABLES.values():
        lines = [f"| `{each.name}` | {each.kind} | {each.meaning} |" for each in table.columns]
        parts += [f"## {table.name}", table.about, "\n".join(["| column | type | meaning |", "|---|---|---|", *lines])]
    return "\n\n".join(parts) + "\n"


def texts() -> dict[str, str]:
    """Return every published file by its path under docs/."""
    drawn = {f"schema/{name}.json": json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n" for name in DOCUMENTS}
    return {"tables.md": columns(), **drawn}


def main(folder: Path) -> None:
    """Write the published files into a folder."""
    for name, text in texts().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
