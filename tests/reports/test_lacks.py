from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

import harness
from harness import cli, faults, objective, scenarios
from reports.choice import lacks
from reports.format import Load, Objective
from reports.record.counts import Counts
from reports.record.faulted import Fault
from tests.reports import synthetic, synthetic_audits, synthetic_choice, synthetic_distance, synthetic_open
from tests.reports.synthetic_choice import APART

if TYPE_CHECKING:
    from reports.choice.lacks import Lack
    from reports.format import Run

VERBS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
BARE = {"none": (1.0, 1.1, 1.2), **APART}


def found(run: Run) -> dict[str, Lack]:
    return {each.key: each for each in lacks.lacks(run)}


def closed() -> Run:
    run = synthetic_choice.run({"memory": (1.0, 1.1, 1.2), "redis:pool=50,workers=2": (2.0, 2.1, 2.2)})
    run.plan.load = Load(users=16)
    return run


def full() -> Run:
    """Return a run that lacks nothing but blocks."""
    run = synthetic_choice.run(
        BARE, objective=Objective(text="p99<20ms", limits={"p99_us": 20_000}), ladder_per_s=[100.0],
        faults=[Fault(kind="freeze", at_s=1, for_s=1)], scenario="big_session",
    )  # fmt: skip
    run.audits = [synthetic_audits.audit(name) for name in APART]
    run.counts = [Counts(variant=name, driver="", server="", steps={}) for name in BARE]
    run.variants[2].rtt_ms = 1.0
    return run


def hostile() -> Run:
    run = synthetic_choice.run(APART, scenario="my scenarios/it's $(mine).py", parameters={"note": "a b;c", "reads": 3})
    run.variants[0].name = f"redis:{synthetic.EVIL}"
    run.trials, run.summaries = [], []
    return run


RUNS = {
    "quick": lambda: synthetic_choice.run(BARE, parameters={"reads": 16, "writes": 3}),
    "closed": closed,
    "full": full,
    "hostile": hostile,
    "far": synthetic_distance.run,
}


def parsed(lack: Lack) -> tuple[str, dict[str, object]]:
    """Parse a command as a shell and the command line would, every option and value; raises where they would."""
    program, verb, *rest = shlex.split(lack.command)
    assert program == "session-bench"
    return verb, VERBS[verb].make_context(verb, rest).params


@pytest.mark.parametrize("kind", RUNS)
def test_every_command_is_one_that_the_command_line_takes(kind: str) -> None:
    run = RUNS[kind]()
    names = {shlex.split(lacks.Lack("", "", [each.name]).command)[0] for each in run.variants}
    profiles = tomllib.loads((Path(harness.__file__).parent / "profiles.toml").read_text())["profiles"]
    for lack in lacks.lacks(run):
        verb, given = parsed(lack)
        assert set(given["variants"]) <= names | {"none"}  # type: ignore[call-overload]
        if verb != "run":
            assert verb == "audit"
            continue
        assert given["scenario"] == ("big_session" if lack.key == "sizes" else run.plan.scenario)
        assert given["profile"] is None or given["profile"] in profiles
        for text in given["fault"] or ():  # type: ignore[attr-defined]
            assert faults.parse(text)
        if given["slo"]:
            assert objective.parse(str(given["slo"]))
        for name in ("ladder", "rtt", "rate"):
            assert all(float(each) >= 0 for each in str(given[name] or 0).split(","))
        if run.plan.load.rate_per_s:
            assert float(str(given["rate"])) == run.plan.load.rate_per_s


def test_a_run_is_told_all_that_it_lacks_and_nothing_that_it_has(tmp_path: Path) -> None:
    assert list(found(RUNS["quick"]())) == ["blocks", "capacity", "ladder", "audit", "counts", "fault", "rtt", "sizes"]
    assert list(found(closed())) == [
        "blocks", "baseline", "rate", "capacity", "audit", "counts", "fault", "rtt", "sizes",
    ]  # fmt: skip
    assert list(found(full())) == ["blocks"]
    opened = synthetic_open.record(tmp_path, synthetic_open.SUBJECTS[:3], blocks=1)
    assert list(found(opened)) == ["blocks", "audit", "counts", "fault", "rtt", "sizes"]
    long = synthetic_choice.run({name: [times[0]] * 12 for name, times in BARE.items()}, profile="standard")
    assert "blocks" not in found(long)
    assert "--profile standard" in found(long)["capacity"].command
    for each in (audited := full()).audits:
        each.quick = True
    assert found(audited)["audit"].what.startswith("the whole audit, of which the quick set is a part")


def test_a_command_names_the_runs_own_variants_scenario_load_and_parameters() -> None:
    lack = found(RUNS["quick"]())
    assert lack["capacity"].command == (
        "session-bench run none redis postgres mongodb --scenario login_profile --set writes=3 --rate 200 "
        "--slo 'p99<20ms,errors<0.1%'"
    )
    assert lack["audit"].command == "session-bench audit redis postgres mongodb"
    assert lack["counts"].command.endswith("--set writes=3 --rate 200 --counts")
    assert parsed(lack["counts"])[1]["counts"] is True
    assert lack["ladder"].command.endswith("--ladder 100,400,800")
    # Who has no store cannot lose it, and what a settings table names cannot be moved away.
    run = synthetic_choice.run({"memory": (1.0, 1.1, 1.2), "redis": (2.0, 2.1, 2.2), "ours": (3.0, 3.1, 3.2)})
    run.variants[2].backend, run.variants[2].server = "redis", synthetic.VALKEY
    assert parsed(found(run)["fault"])[1]["variants"] == ["redis", "ours"]
    assert parsed(found(run)["rtt"])[1]["variants"] == ["redis"]


@pytest.mark.parametrize("width", [40, 78, 200])
@pytest.mark.parametrize("kind", RUNS)
def test_a_broken_command_is_the_same_to_a_shell(kind: str, width: int) -> None:
    for lack in lacks.lacks(RUNS[kind]()):
        lines = lack.lines(width)
        assert all(line.endswith(" \\") for line in lines[:-1])
        assert shlex.split("\n".join(lines).replace("\\\n", "\n")) == shlex.split(lack.command)
        assert not any(line.endswith(("--set \\", "--rate \\", "--slo \\")) for line in lines)
        # Only a word that is as long as a line makes one longer.
        longest = max(len(shlex.quote(word)) for word in shlex.split(lack.command)) + len("session-bench run  \\")
        assert max(map(len, lines)) <= max(width, longest)


def test_what_a_command_leaves_out_is_what_a_run_has_by_itself() -> None:
    assert {"big_session", "login_profile"} <= lacks.DEFAULTS.keys()
    for name, own in lacks.DEFAULTS.items():
        assert scenarios.find(name).parameters == own
        run = synthetic_choice.run(APART, scenario=name, parameters=dict(own))
        assert "--set" not in found(run)["capacity"].words
    assert "--users" not in found(RUNS["quick"]())["capacity"].words
    assert tomllib.loads((Path(harness.__file__).parent / "profiles.toml").read_text())["users"] == 64
    crowd = synthetic_choice.run(APART, load=Load(kind="open", users=65, rate_per_s=200))
    assert found(crowd)["capacity"].words[-4:-2] == ["--users", "65"]
    # A probe's rate is recorded as any other; closed loops have none, and must say how many they are.
    assert found(closed())["blocks"].words[-2:] == ["--users", "16"]
    mine = synthetic_choice.run(APART, scenario="mine", parameters={"reads": 16})
    assert "reads=16" in found(mine)["capacity"].words
