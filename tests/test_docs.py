"""The documentation names every backend, scenario, option, setting, verb and exit code, and links that lead on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from harness import arms, cli, config, scenarios
from harness.audit import auditor
from harness.errors import Exit
from harness.servers import server
from reports.record.audited import STATES
from reports.record.faulted import FaultKind

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/ci.md", "docs/correctness.md")
]
CORRECTNESS = (ROOT / "docs" / "correctness.md").read_text()


def section(title: str) -> str:
    """Return what stands under a heading of the README, its own subsections included."""
    heading = re.search(rf"^(#+) {re.escape(title)}$", README, re.MULTILINE)
    assert heading is not None, f"the README has no section {title!r}"
    rest = README[heading.end() :]
    end = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(title: str) -> dict[str, list[str]]:
    """Return a section's table rows by the code words of their first cell."""
    rows: dict[str, list[str]] = {}
    for line in section(title).splitlines():
        if line.startswith("| "):
            first, *rest = (cell.strip() for cell in line.strip("|").split(" | "))
            for word in re.findall(r"`([^`]+)`", first):
                rows[word] = rest
    return rows


def backends() -> dict[str, Any]:
    described: dict[str, Any] = arms.describe()["backends"]
    return described


def test_every_backend_and_option_is_documented() -> None:
    rows = table("Backends and their options")
    everywhere = set.intersection(*(set(each["options"]["properties"]) for each in backends().values()))
    for name, each in backends().items():
        assert f"`{name}`" in section("Backends and their options")
        for option, schema in each["options"]["properties"].items():
            assert option in rows, f"{option} of {name}"
            owners = rows[option][0]
            assert owners == "all" if option in everywhere else f"`{name}`" in owners, f"{option} of {name}"
            for value in schema.get("enum", []):
                assert f"`{value}`" in rows[option][1], f"{name}:{option}={value}"


def test_nothing_is_documented_that_is_not_there() -> None:
    real = {option for each in backends().values() for option in each["options"]["properties"]}
    assert set(table("Backends and their options")) <= real


def test_every_subject_and_option_is_documented() -> None:
    subjects = arms.describe()["subjects"]
    rows = table("Session libraries that are not ours")
    everywhere = set.intersection(*(set(each["options"]["properties"]) for each in subjects.values()))
    for name, each in subjects.items():
        assert f"`{name}`" in section("Session libraries that are not ours")
        assert f"| `{name}` |" in CORRECTNESS
        for option, schema in each["options"]["properties"].items():
            owners = rows[option][0]
            assert owners == "all" if option in everywhere else f"`{name}`" in owners, f"{option} of {name}"
            for value in schema.get("enum", []):
                assert f"`{value}`" in rows[option][1], f"{name}:{option}={value}"


def test_every_check_state_and_fault_is_documented() -> None:
    for check in auditor.all_checks():
        quick = ", *quick*" if check.quick else ""
        assert f"| {check.number}{quick} | `{check.name}` | {check.claim} | {check.source} |" in CORRECTNESS
    for state in STATES:
        assert f"| {state} |" in CORRECTNESS
    for kind in get_args(FaultKind):
        assert f"| `{kind}`" in CORRECTNESS


def test_every_property_that_load_is_checked_for_is_documented() -> None:
    names = re.findall(r'^ +"(\w+)",$', (ROOT / "scenarios" / "steps.py").read_text(), re.MULTILINE)
    assert "isolation" in names
    for name in names:
        assert f"| `{name}` |" in CORRECTNESS


def test_every_scenario_and_parameter_is_documented() -> None:
    rows = table("Scenarios and their parameters")
    assert rows.keys() == scenarios.discover().keys()
    for name, scenario in scenarios.discover().items():
        assert all(f"`{parameter}`" in rows[name][-1] for parameter in scenario.parameters), name


def test_every_verb_and_option_is_documented() -> None:
    command = typer.main.get_command(cli.app)
    verbs = command.commands  # type: ignore[attr-defined]
    rows = {row.split()[1]: row for row in table("The command line") if row.startswith("session-bench ")}
    assert rows.keys() == {*verbs, "--version"}
    for verb, heading, first in (
        ("run", "The command line", "option of `run`"),
        ("regress", "Did my change slow it down?", "option of `regress`"),
        ("selftest", "Did my change slow it down?", "option of `selftest`"),
        ("audit", "Is it right?", "option of `audit`"),
    ):
        block = section(heading).partition(f"| {first} |")[2].partition("\n\n")[0]
        firsts = "\n".join(row.split(" | ")[0] for row in block.splitlines())
        documented = dict(re.findall(r"`(--[a-z-]+)(?: ([^`]+))?`", firsts))
        documented.pop("--debug", None)
        # What an option takes, --help calls as the README does.
        options = {
            name: parameter.metavar or ("" if parameter.is_flag else "nothing that says what it is")
            for parameter in verbs[verb].params
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("--")
        }
        assert documented == options, verb


def test_every_exit_code_is_documented() -> None:
    codes = {int(number) for number in re.findall(r"^\| (\d+) \|", section("The command line"), re.MULTILINE)}
    assert codes == {int(code) for code in Exit}


def test_every_setting_and_profile_is_documented() -> None:
    text = section("Settings")
    for name in config.Settings.model_fields:
        assert f"`{name}`" in text or f"`[{name}]`" in text or f"`[{name}.NAME]`" in text, name
    for name in config.RegressTable.model_fields:
        assert name == "variants" or f"`{name}`" in table("Settings")["[regress]"][0], name
    for name in config.JudgeTable.model_fields:
        assert f"`{name}`" in table("Settings")["[regress.variants.NAME]"][0], name
    for name in config.VariantTable.model_fields:
        assert f"`{name}`" in table("Settings")["[variants.NAME]"][0], name
    built_in = tomllib.loads((ROOT / "harness" / "profiles.toml").read_text())
    for name, profile in built_in["profiles"].items():
        row = table("Settings")[name]
        assert row[:4] == [
            str(profile["blocks"]),
            f"{profile['warmup_s']:g} s",
            f"{profile['window_s']:g} s",
            f"{profile['sessions']:,}",
        ]


def test_every_servers_variable_is_documented() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for name in server.discover():
        assert f"SESSION_BENCH_{name.upper()}_URL" in README
        assert name == "http" or f"SESSION_BENCH_{name.upper()}_URL" in compose


def test_the_toml_example_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "session-bench.toml").write_text(example)
    settings = config.load({}, folder=tmp_path, environ={})
    assert settings.variants["ours"].workers == 2


def test_the_commands_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    for line in ci.splitlines():
        if ".venv" in line:
            assert all(part.strip().split()[0] in README for part in line.replace("--quiet ", "").split("&&")), line
    assert "nox -s tests" in ci
    assert ".venv/bin/nox -s tests" in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    for name in re.findall(
        r"`((?:backends|harness|reports|scenarios|tests|benchmarks)/[a-z_/]+\.(?:py|toml))`",
        document.read_text(),
    ):
        assert (ROOT / name).is_file(), name


def test_the_changelog_speaks_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## (Unreleased|{re.escape(version)})", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
