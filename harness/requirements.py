"""What a project says that it requires: its extras, its lock, and the versions that a user holds it to."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_CONSTRAINT = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?\s*(?:[=<>!~]=|[<>])[^;@\s]+")


class RefusedError(Exception):
    """The tool could not do it; the message is its reason, in one paragraph without secrets."""


def constraint(text: str) -> str:
    """Read one `--base-with`; raises UsageError where it is no PKG==VERSION."""
    if not _CONSTRAINT.fullmatch(text.strip()):
        shown = re.split(r"[:@]", text)[0]  # behind these a URL may carry a password
        raise UsageError(f"--base-with takes PKG==VERSION, such as redis==7.1, not {shown!r}.")
    return re.sub(r"\s+", "", text)


def check_held(held: Sequence[str], pins: Sequence[str], own: str) -> None:
    """Refuse to hold base to a version of what is not in it; `own` is the project's own name."""
    names = {name_of(pin) for pin in pins}
    for name in map(name_of, held):
        if name == own:
            raise UsageError(f"--base-with {name}: that is the project itself; compare its revisions with --base REF.")
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {close[0]}?" if close else "Name a package that pyproject.toml leads to."
            raise UsageError(f"--base-with {name}: the project does not require it. {hint}")


def normal(name: str) -> str:
    """Return a distribution's name as the index normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Return the normalised name that a requirement begins with."""
    return normal(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0])


def pyproject(project: Path) -> dict[str, Any]:
    """Read a project's pyproject.toml."""
    try:
        return tomllib.loads((project / "pyproject.toml").read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"its pyproject.toml is not valid: {error}") from None


def extras_of(project: Path) -> list[str]:
    """Return `all` where the project has such an extra, else every extra: an arm is to serve any backend."""
    extras = sorted(pyproject(project).get("project", {}).get("optional-dependencies", {}))
    return ["all"] if "all" in extras else extras


def same(one: Path, other: Path) -> bool:
    """Tell whether two trees of a project surely require the same."""
    tables = []
    for folder in (one, other):
        content = pyproject(folder)
        project = content.get("project", {})
        if project.get("dynamic"):
            return False
        wanted = [project.get(key) for key in ("dependencies", "optional-dependencies", "requires-python")]
        tables.append([*wanted, content.get("tool", {}).get("uv"), locked(folder)])
    return tables[0] == tables[1]


def locked(project: Path) -> tuple[str, list[str]]:
    """Return the name of the project's own lock and what it pins; both are empty where it has none.

    A name that a lock pins more than once, for several platforms, is left to the resolver.
    """
    for name in ("uv.lock", "pylock.toml"):
        if (lock := project / name).is_file():
            try:
                content = tomllib.loads(lock.read_text())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise RefusedError(f"its {name} is not valid: {error}") from None
            packages = [*content.get("package", []), *content.get("packages", [])]
            local = {"editable", "virtual", "directory"}
            return name, _once(
                f"{each['name']}=={each['version']}"
                for each in packages
                if "version" in each and not local & set(each.get("source", {}))
            )
    for name in ("requirements.lock", "requirements.lock.txt"):
        if (lock := project / name).is_file():
            return name, _once(re.findall(r"^([\w.-]+==[\w.!+]+)", lock.read_text(), re.MULTILINE))
    return "", []


def others(preferred: Sequence[str], constraints: Sequence[str]) -> list[str]:
    """Return the preferred pins of packages that no constraint speaks of."""
    held = {name_of(constraint) for constraint in constraints}
    return [pin for pin in preferred if name_of(pin) not in held and "==" in pin]


def _once(pins: Iterable[str]) -> list[str]:
    pins = sorted(pins)
    names = [normal(pin.partition("==")[0]) for pin in pins]
    return [pin for pin, name in zip(pins, names, strict=True) if names.count(name) == 1]
