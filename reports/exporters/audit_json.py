"""audit.json: an audit for machines, with all its evidence; versioned by itself."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from reports.format import Run, Variant  # noqa: TC001 - pydantic reads annotations at run time
from reports.listings import matrix, struck, view
from reports.record.audited import Audit  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.environment import Environment  # noqa: TC001 - pydantic reads annotations at run time

# History of the format:
# 1  first light.
SCHEMA_VERSION: Final = 1


class Document(BaseModel):
    """An audit: every check on every variant, what was sent and what came back."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA_VERSION
    headline: str
    """What it came to in a line, for people."""
    failed: list[str]
    """Variants that fail any check."""
    struck: list[str]
    """Those of them that fail a check that matters: no candidates, whatever their figures are."""
    errors: list[str]
    """Variants that could not be audited."""
    started_at: str
    finished_at: str | None
    harness_version: str
    audits: list[Audit]
    variants: list[Variant]
    environment: Environment


def document(run: Run) -> Document:
    """Return what audit.json holds."""
    errors = [audit.variant for audit in run.audits if audit.error is not None]
    return Document(
        headline=f"{view.title(run)}: {matrix.headline(run)}",
        failed=list(dict.fromkeys(audit.variant for audit in run.audits if audit.failed)),
        struck=list(struck.checks(run)),
        errors=[*errors, *(name for name, _ in matrix.missing(run))],
        **{
            name: getattr(run, name)
            for name in ("started_at", "finished_at", "harness_version", "audits", "variants", "environment")
        },
    )


def render(run: Run) -> str:
    """Return audit.json."""
    return document(run).model_dump_json(indent=2) + "\n"
