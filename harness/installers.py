"""Makes wheels, resolutions and environments, with uv where it is found and with venv and pip where it is not.

Whichever it is makes both arms. Both are asked for the same: no build left editable, every requirement pinned before
anything is installed, bytecode compiled by the same call. Where packages come from is what uv or pip is set to.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from harness import requirements
from harness.errors import ComponentError, UsageError
from harness.requirements import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.processes import Processes

_TIMEOUT_S = 1800
"""Half a gigabyte over a slow line."""
_MOST_SAID = 600
_NOT_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_TARGET",
             "UV_PREFIX", "PIP_EDITABLE", "PIP_REQUIREMENT", "PIP_REPORT", "UV_BUILD_CONSTRAINT")  # fmt: skip
"""What would have an installation end up elsewhere, or hold something else."""
_NEVER_SERVED = {"harness", "reports", "scenarios"}
"""Our packages that no app imports."""
_ASK = (
    "import json, os, platform, sys; base = getattr(sys, '_base_executable', None) or ''; "
    "exe = base if os.path.exists(base) else sys.executable; "
    "print(json.dumps([os.path.realpath(exe), exe, platform.python_version(), sys.version, sys.platform, "
    "platform.machine(), platform.python_implementation()]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python that environments are made from; `identity` changes when it is another build in the same place."""

    path: str
    version: str
    identity: str


def interpreter(program: str | None) -> Interpreter:
    """Look at the interpreter that is asked for, or at the one below our own environment."""
    found = shutil.which(program or sys.executable)
    if found is None:
        raise UsageError(
            f"--base-python {program}: there is no such program, neither at that path nor on PATH. Give the path of a "
            "Python interpreter."
        )
    try:
        done = subprocess.run(
            [found, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL
        )
        real, path, version, *rest = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise UsageError(
            f"--base-python {program}: it does not answer as a Python interpreter does. Give the path of one."
        ) from None
    stat = Path(real).stat()
    return Interpreter(path, version, json.dumps([real, version, *rest, stat.st_size, stat.st_mtime_ns]))


class Installer(ABC):
    """One of the two tools; what it starts ends with the harness."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._runs = 0

    @property
    @abstractmethod
    def version(self) -> str:
        """Name and version, which are part of every cache key."""

    @abstractmethod
    def wheel(self, project: Path, into: Path, python: Interpreter) -> None:
        """Build the project's wheel into a folder."""

    @abstractmethod
    def pins(
        self, project: Path, wheel: Path, python: Interpreter, constraints: Sequence[str], preferred: Sequence[str]
    ) -> list[str]:
        """Resolve what the project (its files, or its wheel) requires with its extras into `name==version` lines.

        Constraints hold; preferred versions are kept wherever the requirements allow them.
        """

    @abstractmethod
    def environment(self, folder: Path, python: Interpreter) -> None:
        """Make an empty environment."""

    @abstractmethod
    def install(self, folder: Path, pinned: Path, wheel: Path) -> None:
        """Install exactly these pins and the wheel, with no bytecode yet."""

    def compile(self, folder: Path) -> None:
        """Compile what an app may import: its project's modules and all that these need, directly or not."""
        paths = sorted(str(path) for path in _importable(site_packages(folder)))
        (folder / "compile.txt").write_text("\n".join(paths))
        self._run(
            python_of(folder), "-m", "compileall", "-q", "-j", "0", "-i", str(folder / "compile.txt"), may_fail=True
        )

    def _run(self, *command: str, cwd: Path | None = None, may_fail: bool = False) -> None:
        self._runs += 1
        log = self._processes.folder / f"install-{self._runs}.log"
        child = self._processes.spawn(
            list(command), name=Path(command[0]).name, log=log, env=environ(), cwd=cwd or self._processes.folder
        )
        code = child.wait(_TIMEOUT_S)
        if code is None:
            child.stop()
            raise RefusedError(f"it did not end within {_TIMEOUT_S / 60:.0f} minutes")
        if code and not may_fail:
            raise RefusedError(reason(log.read_text(errors="replace")))


class Uv(Installer):
    """With uv: the pins of the other arm are preferences of its resolver."""

    def __init__(self, processes: Processes, program: str) -> None:
        super().__init__(processes)
        self._program = program

    @property
    def version(self) -> str:
        """Name and version."""
        done = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=False)
        return " ".join(done.stdout.split()[:2])

    def wheel(self, project: Path, into: Path, python: Interpreter) -> None:
        """`uv build`, in an isolated environment."""
        self._uv("build", "--wheel", "--out-dir", str(into), "--python", python.path, cwd=project)

    def pins(
        self,
        project: Path,
        wheel: Path,  # noqa: ARG002 - the project's files say more: [tool.uv]
        python: Interpreter,
        constraints: Sequence[str],
        preferred: Sequence[str],
    ) -> list[str]:
        """`uv pip compile`, which keeps what its output file pins already."""
        output, held = self._processes.folder / "pins.txt", self._processes.folder / "constraints.txt"
        output.write_text("\n".join(preferred))
        held.write_text("\n".join(constraints))
        extras = [word for extra in requirements.extras_of(project) for word in ("--extra", extra)]
        self._uv(
            *("pip", "compile", "pyproject.toml", *extras, "--python", python.path, "--constraints", str(held)),
            *("--no-header", "--no-annotate", "--output-file", str(output)),
            cwd=project,
        )
        return _lines(output.read_text())

    def environment(self, folder: Path, python: Interpreter) -> None:
        """`uv venv`."""
        self._uv("venv", "--no-project", "--python", python.path, str(folder))

    def install(self, folder: Path, pinned: Path, wheel: Path) -> None:
        """`uv pip install` without dependencies: they are pinned."""
        self._uv(
            *("pip", "install", "--no-deps", "--no-compile-bytecode", "--python", python_of(folder)),
            *("--requirement", str(pinned), str(wheel)),
        )

    def _uv(self, *arguments: str, cwd: Path | None = None) -> None:
        self._run(self._program, "--quiet", "--no-progress", *arguments, cwd=cwd)


class Pip(Installer):
    """With venv and the pip of our own environment, which needs none in the arms'."""

    @property
    def version(self) -> str:
        """Name and version."""
        return f"pip {metadata.version('pip')}"

    def wheel(self, project: Path, into: Path, python: Interpreter) -> None:
        """`pip wheel`, in an isolated environment."""
        self._pip(python.path, "wheel", "--no-deps", "--wheel-dir", str(into), str(project))

    def pins(
        self, project: Path, wheel: Path, python: Interpreter, constraints: Sequence[str], preferred: Sequence[str]
    ) -> list[str]:
        """Ask pip for a dry run's report; preferred versions are tried as constraints, then let go."""
        try:
            return self._report(project, wheel, python, [*constraints, *requirements.others(preferred, constraints)])
        except RefusedError:
            if not preferred:
                raise
            return self._report(project, wheel, python, constraints)

    def environment(self, folder: Path, python: Interpreter) -> None:
        """`python -m venv`."""
        self._run(python.path, "-I", "-m", "venv", "--without-pip", str(folder))

    def install(self, folder: Path, pinned: Path, wheel: Path) -> None:
        """`pip install` without dependencies: they are pinned."""
        self._pip(python_of(folder), "install", "--no-deps", "--no-compile", "--requirement", str(pinned), str(wheel))

    def _report(self, project: Path, wheel: Path, python: Interpreter, constraints: Sequence[str]) -> list[str]:
        held, report = self._processes.folder / "constraints.txt", self._processes.folder / "report.json"
        held.write_text("\n".join(constraints))
        extras = ",".join(requirements.extras_of(project))
        self._pip(
            *(python.path, "install", "--dry-run", "--ignore-installed", "--report", str(report)),
            *("--constraint", str(held), f"{wheel}[{extras}]" if extras else str(wheel)),
        )
        return sorted(_pin(item) for item in json.loads(report.read_text())["install"] if not _is(item, wheel))

    def _pip(self, python: str, *arguments: str) -> None:
        # Through our own interpreter: `--python` needs no pip there.
        command = [sys.executable, "-m", "pip", "--python", python, "--no-input", "--disable-pip-version-check"]
        self._run(*command, *arguments)


def choose(processes: Processes) -> Installer:
    """Return uv beside our interpreter or on PATH, else pip."""
    beside = Path(sys.executable).with_name("uv")
    if program := str(beside) if os.access(beside, os.X_OK) else shutil.which("uv"):
        return Uv(processes, program)
    if importlib.util.find_spec("pip") is None:
        raise ComponentError(
            "Base and head cannot be installed: there is neither uv (beside this interpreter or on PATH) nor pip in "
            f"{sys.prefix}. Install one of them: `python -m ensurepip`, or uv as its documentation says."
        )
    return Pip(processes)


def environ() -> dict[str, str]:
    """Return the user's environment, with the index they chose, and without what leads an installation astray."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    if "PIP_INDEX_URL" in kept and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(kept):
        kept["UV_DEFAULT_INDEX"] = kept["PIP_INDEX_URL"]  # uv does not read pip's, and both mean the same by it
    return {**kept, "NO_COLOR": "1", "PIP_USER": "0", "PYTHONNOUSERSITE": "1"}


def python_of(folder: Path) -> str:
    """Return an environment's interpreter."""
    return str(folder / "bin" / "python")


def site_packages(folder: Path) -> Path:
    """Return the folder that an environment's packages lie in."""
    (found,) = (folder / "lib").glob("python*/site-packages")
    return found


def installed(folder: Path) -> dict[str, str]:
    """Return what an environment holds, by normalised name."""
    found = metadata.distributions(path=[str(site_packages(folder))])
    return dict(sorted((requirements.normal(each.metadata["Name"]), each.version) for each in found))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("#", " ", "-"))]


def _is(item: dict[str, Any], wheel: Path) -> bool:
    return bool(item["is_direct"]) and Path(unquote(urlsplit(item["download_info"]["url"]).path)).name == wheel.name


def _pin(item: dict[str, Any]) -> str:
    name = requirements.normal(item["metadata"]["name"])
    return f"{name} @ {item['download_info']['url']}" if item["is_direct"] else f"{name}=={item['metadata']['version']}"


def _importable(site: Path) -> set[Path]:
    """Return the folders and modules that an app's imports lead to, distribution by distribution."""
    owners: dict[str, str] = {}
    parts: dict[str, set[str]] = {}
    needs: dict[str, set[str]] = {}
    for each in metadata.distributions(path=[str(site)]):
        name = requirements.normal(each.metadata["Name"])
        tops = {file.parts[0] for file in each.files or [] if file.suffix == ".py"} - {".."}
        parts[name] = tops
        owners.update(dict.fromkeys((top.removesuffix(".py") for top in tops), name))
        needs[name] = {requirements.name_of(text) for text in each.requires or [] if "extra ==" not in text}
    project = owners["backends"]
    served = parts[project] - _NEVER_SERVED
    wanted = {"uvicorn", "uvloop", "httptools", *(owners.get(name, "") for name in _imports(site, served))} - {project}
    while more := {need for name in wanted for need in needs.get(name, ())} - wanted:
        wanted |= more
    return {site / top for name in wanted for top in parts.get(name, ())} | {site / top for top in served}


def _imports(site: Path, tops: Iterable[str]) -> set[str]:
    """Return the top-level names that these packages import anywhere, also inside functions."""
    names: set[str] = set()
    for path in [
        path for top in tops for path in ([site / top] if top.endswith(".py") else (site / top).rglob("*.py"))
    ]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def reason(said: str) -> str:
    """Make one paragraph of what a tool said at its end, without its advice and without anybody's password."""
    text = without_secrets(said)
    begins = [match.end() for match in re.finditer(r"^(?:ERROR|error): ", text, re.MULTILINE)]
    text = re.sub(r"\s*\n\s*cause: |\s*\nERROR: ", ": ", text[begins[0] :] if begins else text)
    text = text.partition("\nTo fix this you could try to:")[0]
    if len(text) > _MOST_SAID and "we can conclude that" in text:
        text = text.rstrip().rpartition("\n\n")[2]  # where uv's reasoning arrives
    text = " ".join(text.split())
    if len(text) > _MOST_SAID:
        text = f"{text[: _MOST_SAID // 2]} … {text[-_MOST_SAID // 2 :]}"
    return text.rstrip(".") or "it said nothing"


def without_secrets(text: str) -> str:
    """Strike out whatever stands before the @ of a URL, and every password or token of the environment."""
    for name, value in os.environ.items():
        if name.upper().endswith(("PASSWORD", "TOKEN", "SECRET")) and len(value) > 3:  # noqa: PLR2004 - else it is no secret
            text = text.replace(value, "…")
    return re.sub(r"(\w://)[^\s/]*@", r"\1…@", text)
