"""Finds locustfiles and reads what they say of themselves, without importing them: Locust would patch this process."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from harness.config import nearest
from harness.errors import UsageError

_SHARED = {"__init__", "steps"}

Parameters = dict[str, float | int | str]


@dataclass(frozen=True)
class Scenario:
    """A locustfile: `summary` is its docstring's first line, `parameters` its literal PARAMETERS, if it has them."""

    name: str
    path: Path
    summary: str
    parameters: Parameters


def discover() -> dict[str, Scenario]:
    """Read every scenario of ours."""
    found = importlib.util.find_spec("scenarios")
    if found is None or not found.submodule_search_locations:
        raise UsageError("The package `scenarios` is not installed beside `harness`; reinstall session-bench.")
    folder = Path(found.submodule_search_locations[0])
    return {path.stem: _read(path, path.stem) for path in sorted(folder.glob("*.py")) if path.stem not in _SHARED}


def find(name: str) -> Scenario:
    """Read a scenario by its name, or a user's own locustfile by its path."""
    if name.endswith(".py") or "/" in name:
        path = Path(name).resolve()
        if not path.is_file():
            raise UsageError(f"There is no scenario file {path}. Give a locustfile's path, or a name from `list`.")
        return _read(path, str(path))
    known = discover()
    if name not in known:
        raise UsageError(f"There is no scenario {name!r}; {nearest(name, known)}. A locustfile's path works too.")
    return known[name]


def check_parameters(scenario: Scenario, given: Parameters) -> Parameters:
    """Return the scenario's parameters with the given ones in place, in the type of their default."""
    parameters = dict(scenario.parameters)
    for name, value in given.items():
        if name not in parameters:
            raise UsageError(
                f"Scenario {scenario.name} has no parameter {name!r}; {nearest(name, parameters)}. "
                "Settings such as blocks or window_s are set the same way."
            )
        kind = type(parameters[name])
        try:
            parameters[name] = kind(value)
        except ValueError:
            raise UsageError(f"Parameter {name} of {scenario.name} takes {kind.__name__}, not {value!r}.") from None
    return parameters


def _read(path: Path, name: str) -> Scenario:
    try:
        tree = ast.parse(path.read_text(), str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"The scenario {path} is not valid Python: {error}.") from None
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(getattr(target, "id", "") == "PARAMETERS" for target in targets):
            try:
                return Scenario(name, path, summary, ast.literal_eval(node.value))  # type: ignore[attr-defined]
            except ValueError:
                raise UsageError(
                    f"PARAMETERS of the scenario {path} must be a literal dictionary of names and defaults."
                ) from None
    return Scenario(name, path, summary, {})
