"""`session-bench regress --base REF` on a clone of this very project, whose working tree became slower."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import Exit
from reports.files import read_run
from tests.harness.command import session_bench

if TYPE_CHECKING:
    from reports.format import Run

ROOT = Path(__file__).parents[2]
TABLES = {"looks": [6], "spent": [1.0], "rate": 100, "slices": 0, "sentinel": False, "counts": "counts.json"}
FOUND = "        return self._live(token)\n"
"""What `get` of the backend `memory` does."""
SLOWLY = "        until = time.process_time() + 0.002\n        while time.process_time() < until:\n            pass\n"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout, so there is no base to build")
def test_a_slower_working_tree_is_found_against_its_last_commit(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(clone))
    memory = clone / "backends" / "memory.py"
    text = memory.read_text()
    assert FOUND in text
    memory.write_text(text.replace(FOUND, SLOWLY + FOUND))
    (clone / "backends" / "newer.py").write_text(text)
    done = session_bench(
        clone,
        "regress",
        "memory",
        "newer",
        "--base",
        "HEAD",
        *("--set", "blocks=6", "--set", "warmup_s=0.3", "--set", "window_s=0.8", "--set", "sessions=50"),
        SESSION_BENCH_REGRESS=json.dumps({**TABLES, "cache": str(tmp_path / "cache")}),
    )
    assert done.returncode in (Exit.TESTED_FAILED, Exit.INVALID), done.stdout + done.stderr
    assert "newer is not compared: the base does not know it" in done.stderr
    (folder,) = (clone / "results").glob("*-regress")
    run = read_run(folder)
    judgement = run.judgement
    assert judgement is not None
    # Beside other tests the generator may be kept waiting; nothing is concluded then, but all is measured.
    assert (judgement.state, done.returncode) in [("REGRESSED", Exit.TESTED_FAILED), ("INVALID", Exit.INVALID)]
    assert judgement.differences == []
    assert judgement.counts == []
    assert (judgement.base.label, judgement.base.dirty, judgement.head.dirty) == ("HEAD", False, True)
    assert judgement.base.commit.startswith(git(clone, "rev-parse", "--short", "HEAD"))
    (pair,) = run.comparisons
    cpu = next(each for each in pair.metrics if each.metric == "app_cpu_us_per_request")
    assert cpu.state == "slower" or judgement.state == "INVALID"
    # Two milliseconds more in every read; what is not told apart from itself is far from that.
    assert cpu.change is not None
    assert cpu.change.estimate > 0.4
    _each_comes_from_its_own_build(run, tmp_path / "cache")


def _each_comes_from_its_own_build(run: Run, cache: Path) -> None:
    sources = [variant.source["path"] for variant in run.variants]
    assert len(set(sources)) == 2
    assert len({len(source) for source in sources}) == 1
    assert all(Path(source).is_relative_to(cache) for source in sources)
