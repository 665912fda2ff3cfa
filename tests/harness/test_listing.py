from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.harness.command import session_bench

if TYPE_CHECKING:
    from pathlib import Path


def test_list_names_everything_that_can_run(tmp_path: Path) -> None:
    listed = json.loads(session_bench(tmp_path, "list", "--json").stdout)
    assert {each["name"] for each in listed["backends"]} == {
        "none", "memory", "cookie", "redis", "mongodb", "postgres", "http",
    }  # fmt: skip
    assert {each["name"] for each in listed["subjects"]} == {"starlette", "starsessions", "fastapi_sessions"}
    assert listed["subjects"][0].keys() == listed["backends"][0].keys()
    assert {each["name"] for each in listed["servers"]} == {"redis", "mongodb", "postgres", "http"}
    assert all(each["ok"] for kind in ("backends", "subjects", "servers") for each in listed[kind])


@pytest.mark.parametrize("columns", ["80", "120"])
def test_list_fits_the_terminal(tmp_path: Path, columns: str) -> None:
    done = session_bench(tmp_path, "list", COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= int(columns)
    assert "deadline_ms=1000" in done.stdout
    assert "4000,10000,100000" in done.stdout, "a table cuts no number in two"
    subjects = done.stdout.partition("Subjects")[2].partition("Scenarios")[0]
    assert "store=memory" in subjects
    assert "Options of every subject: secure=false" in subjects


def test_version(tmp_path: Path) -> None:
    done = session_bench(tmp_path, "--version")
    assert done.stdout.startswith("session-bench 0.")
