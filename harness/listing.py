"""What `list` shows: every backend, subject, scenario and server, and whether each can run here."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from harness import arms, scenarios
from harness.servers import server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

Listing = dict[str, list[dict[str, Any]]]

_LONGEST: Final = 30
"""Characters of a value before it is parted: what a column of three keeps of eighty."""


def collect() -> Listing:
    """Ask the backends' interpreter, read the scenarios, look for the servers."""
    described = arms.describe()
    return {
        "backends": [_backend(name, said) for name, said in described["backends"].items()],
        "subjects": [_backend(name, said) for name, said in described["subjects"].items()],
        "scenarios": [
            {"name": each.name, "summary": each.summary, "parameters": each.parameters}
            for each in scenarios.discover().values()
        ],
        "servers": [
            {"name": name, "ok": found.ok, "detail": found.detail, "install": found.install}
            for name, kind in server.discover().items()
            for found in [kind.available()]
        ],
    }


def show(found: Listing, console: Console) -> None:
    """Print the tables."""
    _print_backends(console, "Backends", "backend", found["backends"])
    _print_backends(
        console, "\nSubjects: libraries that are not ours, behind the same routes", "subject", found["subjects"]
    )
    _print(
        console,
        "\nScenarios",
        ("scenario", "who the users are and what they do", "parameters"),
        ((each["name"], each["summary"], _spell(each["parameters"])) for each in found["scenarios"]),
    )
    _print(
        console,
        "\nServers",
        ("server", "runs here", "which"),
        ((each["name"], _yes(each["ok"], each["install"]), each["detail"]) for each in found["servers"]),
    )


def _print_backends(console: Console, title: str, kind: str, backends: list[dict[str, Any]]) -> None:
    common = _common_options(backends)
    _print(
        console,
        title,
        (kind, "what it is", "runs here", "options of its own"),
        (
            (
                each["name"],
                each["summary"],
                _yes(each["ok"], each["install"]),
                _spell(_without(each["options"], common)),
            )
            for each in backends
        ),
    )
    console.print(f"Options of every {kind}: {_spell(common)}", markup=False, style="dim")


def _backend(name: str, said: dict[str, Any]) -> dict[str, Any]:
    schema = said["options"] or {"properties": {}}
    missing = said["missing"]
    return {
        "name": name,
        "summary": said["summary"],
        "server": said["server"],
        "ok": missing is None,
        "detail": f"{missing['module']} is missing" if missing else "",
        "install": missing["install"] if missing else "",
        "options": {option: about.get("default") for option, about in schema["properties"].items()},
    }


def _common_options(backends: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the options that every importable backend has."""
    known = [each["options"] for each in backends if each["options"]]
    return (
        {name: value for name, value in known[0].items() if all(name in options for options in known)} if known else {}
    )


def _without(options: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    return {name: default for name, default in options.items() if name not in common}


def _yes(ok: bool, install: str) -> str:  # noqa: FBT001 - reads as its name
    return "yes" if ok else f"no; {install}"


def _spell(values: dict[str, Any]) -> str:
    return "  ".join(
        _parted(f"{name}={str(value).lower() if isinstance(value, bool) else value}") for name, value in values.items()
    )


def _parted(text: str) -> str:
    """Break a long list behind its commas, so that no table cuts a number in two."""
    lines = textwrap.wrap(text.replace(",", ", "), _LONGEST, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(", ", ",")


def _print(console: Console, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
