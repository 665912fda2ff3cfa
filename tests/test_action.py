"""The composite action and the jobs of docs/ci.md: valid by their schemas, and their shell steps at work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from harness import cli
from harness.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
GUIDE = (ROOT / "docs" / "ci.md").read_text()
JOBS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)

# Stands for the real command: writes down how it was called, and leaves what the test says.
COMMAND = """#!/bin/bash
printf '%s\\n' "$@" > "$RUNNER_TEMP/called"
while [ "$1" != --out ]; do shift; done
if [ -n "$JUDGED" ]; then
  mkdir -p "$2/20261122T120000Z-regress/report"
  printf '%s' "$JUDGED" > "$2/20261122T120000Z-regress/report/judgement.json"
fi
exit "$ENDS"
"""
GH = """#!/bin/bash
echo "$@" >> "$RUNNER_TEMP/gh"
case "$*" in
  *--jq*) printf '%s' "$FOUND" ;;
  *) exit "$MAY_NOT" ;;
esac
"""


def check(schema: str, path: Path, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *options, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_action_is_one() -> None:
    check("vendor.github-actions", ROOT / "action.yml")
    assert ACTION["runs"]["using"] == "composite"


@pytest.mark.parametrize(
    ("number", "schema"), [(0, "vendor.github-workflows"), (1, "vendor.gitlab-ci")], ids=["GitHub", "GitLab"]
)
def test_the_documented_jobs_are_valid(tmp_path: Path, number: int, schema: str) -> None:
    assert len(JOBS) == 2
    (tmp_path / "job.yml").write_text(JOBS[number])
    check(schema, tmp_path / "job.yml", *(["--data-transform", "gitlab-ci"] if "gitlab" in schema else []))


def test_the_documented_job_uses_inputs_that_are_there() -> None:
    *_, step = yaml.safe_load(JOBS[0])["jobs"]["regress"]["steps"]
    assert step["with"].keys() <= ACTION["inputs"].keys()


def test_every_input_and_output_is_documented() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", GUIDE, re.MULTILINE)
    assert rows == [*ACTION["inputs"], *ACTION["outputs"]]


def test_every_exit_code_is_documented() -> None:
    codes = re.findall(r"^\| (\d+) \|", GUIDE, re.MULTILINE)
    assert [int(code) for code in codes] == [int(code) for code in Exit]


def test_every_option_that_is_named_is_there() -> None:
    regress = typer.main.get_command(cli.app).commands["regress"]  # type: ignore[attr-defined]
    there = {name for parameter in regress.params for name in parameter.opts if name.startswith("--")}
    judge = re.search(r"session-bench\" regress .*?--out", STEPS["Judge"]["run"], re.DOTALL)
    assert judge is not None
    told = "\n".join(line for line in GUIDE.splitlines() if not re.search(r"pip|curl|--data|apt-get", line))
    named = {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", told), *re.findall(r"(?<![\w-])--[a-z][a-z-]*", judge[0])}
    assert {"--base", "--exit", "--minutes", "--out"} <= named <= there


def test_nothing_is_written_into_a_script() -> None:
    """What a title or a branch says must never be run: it comes to the shell in variables alone."""
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")
        assert "eval" not in step.get("run", "")


class Runner:
    """Runs shell steps as GitHub's runner does, with its files in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.temp, self.project, programs = folder / "temp", folder / "a project", folder / "programs"
        for name in (self.temp / "session-bench" / "bin", self.project, programs):
            name.mkdir(parents=True)
        (self.temp / "session-bench" / "bin" / "python").symlink_to(sys.executable)
        for path, program in ((self.temp / "session-bench/bin/session-bench", COMMAND), (programs / "gh", GH)):
            path.write_text(program)
            path.chmod(0o755)
        self.output, self.summary = folder / "output", folder / "summary"
        self.output.touch()
        self.environ = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_WORKFLOW": "a --> b",
            "GITHUB_JOB": "regress",
        }

    def run(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a step with these variables of its own, each of which it must know."""
        step = STEPS[name]
        kept = {key: "" for key in step["env"] if key not in variables}
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        return subprocess.run(
            ["/usr/bin/env", "bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.project,
            env={**self.environ, **kept, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def judge(self, judged: str = "", ends: int = 0, **inputs: str) -> Mapping[str, str]:
        """Run the judging step; returns its outputs."""
        given = {"BASE": "HEAD", "INCONCLUSIVE": "3", **inputs}
        done = self.run("Judge", JUDGED=judged, ENDS=str(ends), **given)
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    @property
    def called(self) -> list[str]:
        return (self.temp / "called").read_text().splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    made = Runner(tmp_path)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(made.project)]
    subprocess.run([*git, "init", "--quiet"], check=True, env=made.environ)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True, env=made.environ)
    return made


@pytest.mark.parametrize(
    ("verdict", "ends"),
    [("PASS", 0), ("REGRESSED", 1), ("INCONCLUSIVE", 3), ("INCONCLUSIVE", 0), ("INVALID", 5)],
)
def test_a_judgement_is_handed_on(runner: Runner, verdict: str, ends: int) -> None:
    outputs = runner.judge(f'{{"verdict": "{verdict}"}}', ends)
    assert (outputs["verdict"], outputs["exit-code"]) == (verdict, str(ends))
    assert (Path(outputs["report"]) / "judgement.json").is_file()
    assert Path(outputs["report"]).is_relative_to(outputs["runs"])
    assert runner.run("Gate", CODE=outputs["exit-code"]).returncode == ends


@pytest.mark.parametrize("judged", ["", "{", "{}", '{"verdict": ""}', '{"verdict": "PASS\\nexit-code=0"}'])
@pytest.mark.parametrize(("ends", "code"), [(0, 5), (4, 4), (130, 130)])
def test_a_check_that_judged_nothing_fails(runner: Runner, judged: str, ends: int, code: int) -> None:
    outputs = runner.judge(judged, ends)
    assert "verdict" not in outputs
    assert outputs["exit-code"] == str(code)
    assert "::error::Nothing was judged" in runner.said
    assert runner.run("Gate", CODE=outputs["exit-code"]).returncode == code


@pytest.mark.parametrize("code", ["", "0x", "0; exit 0"])
def test_the_gate_is_shut_where_the_check_did_not_end(runner: Runner, code: str) -> None:
    done = runner.run("Gate", CODE=code)
    assert done.returncode == 5
    assert "::error::" in done.stdout


def test_words_are_split_at_blanks_and_nothing_else_happens_to_them(runner: Runner) -> None:
    (runner.project / "x.py").touch()
    outputs = runner.judge(
        '{"verdict": "PASS"}',
        VARIANTS="redis:pool=50,codec=json\n  *  $(touch${IFS}planted)",
        ARGS=" --minutes 5 `touch${IFS}planted` ; --fail-on delta",
        INCONCLUSIVE="0",
    )
    assert runner.called == [
        "regress", "--base", "HEAD", "--exit", "inconclusive=0",
        "--minutes", "5", "`touch${IFS}planted`", ";", "--fail-on", "delta",
        "--out", outputs["runs"], "--", "redis:pool=50,codec=json", "*", "$(touch${IFS}planted)",
    ]  # fmt: skip
    assert not (runner.project / "planted").exists()


@pytest.mark.parametrize("base", ["HEAD~1", "nowhere", "--all", "$(touch planted)", "a\n::set-env name=x::y"])
def test_a_base_that_the_checkout_lacks_is_said(runner: Runner, base: str) -> None:
    outputs = runner.judge('{"verdict": "PASS"}', BASE=base)
    assert outputs["exit-code"] == str(int(Exit.USAGE))
    assert "fetch-depth: 0" in runner.said
    assert len(runner.said.splitlines()) == 1
    assert not (runner.temp / "called").exists()
    assert not (runner.project / "planted").exists()


def tell(runner: Runner, text: str = "## PASS\n", **variables: str) -> subprocess.CompletedProcess[str]:
    report = runner.temp / "report"
    report.mkdir()
    (report / "pull_request.md").write_text(text)
    known = {"PULL_REQUEST": "7", "GH_TOKEN": "secret", "RUN_URL": "https://x/run", "FOUND": "", "MAY_NOT": "0"}
    return runner.run("Tell it", REPORT=str(report), **{**known, **variables})


MARK = "<!-- session-bench regress: a_____b/regress -->"


def test_a_pull_request_gets_one_comment(runner: Runner) -> None:
    assert tell(runner).returncode == 0
    assert runner.summary.read_text() == "## PASS\n"
    looked, posted = (runner.temp / "gh").read_text().splitlines()
    comment = runner.temp / "session-bench-comment.md"
    assert looked.startswith("api --paginate repos/owner/name/issues/7/comments --jq")
    assert posted == f"api --method POST repos/owner/name/issues/7/comments -F body=@{comment}"
    first, *_, last = comment.read_text().splitlines()
    assert (first, last) == (MARK, "[The whole run](https://x/run)")
    assert first.count("-->") == 1


def test_a_later_run_replaces_it(runner: Runner) -> None:
    assert tell(runner, FOUND="41\n42\n").returncode == 0
    _, patched = (runner.temp / "gh").read_text().splitlines()
    assert patched.startswith("api --method PATCH repos/owner/name/issues/comments/41 -F body=@")


def test_a_token_that_may_not_write_fails_nothing(runner: Runner) -> None:
    done = tell(runner, MAY_NOT="1")
    assert done.returncode == 0
    assert "::notice::No comment" in done.stdout
    assert runner.summary.read_text() == "## PASS\n"


@pytest.mark.parametrize("missing", ["PULL_REQUEST", "GH_TOKEN"])
def test_without_a_pull_request_or_a_token_the_summary_has_all(runner: Runner, missing: str) -> None:
    assert tell(runner, **{missing: ""}).returncode == 0
    assert runner.summary.read_text() == "## PASS\n"
    assert not (runner.temp / "gh").exists()


def test_a_comment_is_no_longer_than_github_takes(runner: Runner) -> None:
    assert tell(runner, "x" * 100_000).returncode == 0
    assert (runner.temp / "session-bench-comment.md").stat().st_size < 65_536
    assert len(runner.summary.read_text()) == 100_000


def test_the_run_is_kept_and_the_gate_is_asked_whatever_happens() -> None:
    for name in ("Keep the run", "Tell it", "Gate"):
        assert "always()" in STEPS[name]["if"]
    assert [*STEPS][-1] == "Gate"
