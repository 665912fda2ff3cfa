"""Small git repositories that hold a project with a `backends` package, as a user's fork does."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """\
[build-system]
requires = []
build-backend = "wheelmaker"
backend-path = ["."]

[project]
name = "tiny-shop"
version = "1.0"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[tool.wheelmaker]
packages = ["backends"]
"""

WHEELMAKER = '''\
"""A build backend that needs nothing installed, so that a wheel takes no longer than its files."""

import tomllib
from pathlib import Path
from zipfile import ZipFile, ZipInfo


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    told = tomllib.loads(Path("pyproject.toml").read_text())
    project = told["project"]
    name = f"{project['name'].replace('-', '_')}-{project['version']}"
    found = [path for package in told["tool"]["wheelmaker"]["packages"] for path in Path(package).rglob("*.py")]
    content = {path.as_posix(): path.read_text() for path in sorted(found)}
    metadata = [f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}"]
    metadata += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    content[f"{name}.dist-info/METADATA"] = "\\n".join(metadata) + "\\n"
    content[f"{name}.dist-info/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    content[f"{name}.dist-info/RECORD"] = "".join(f"{path},,\\n" for path in [*content, f"{name}.dist-info/RECORD"])
    with ZipFile(Path(wheel_directory, f"{name}-py3-none-any.whl"), "w") as wheel:
        for path, text in content.items():
            wheel.writestr(ZipInfo(path), text)
    return f"{name}-py3-none-any.whl"
'''


class Checkout:
    """A project in a folder, with git over it once `init` was called."""

    def __init__(self, folder: Path, *, top: Path | None = None, dependencies: str = '"idna>=3.4"') -> None:
        self.folder = folder
        self.top = top or folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write("pyproject.toml", PYPROJECT.format(dependencies=dependencies))
        self.write("wheelmaker.py", WHEELMAKER)
        self.write("backends/__init__.py", '"""A shop\'s sessions."""\n\nimport idna\n\nSTATE = "first"\n')
        self.write(".gitignore", "ignored/\n*.log\n")

    def init(self) -> Checkout:
        """Make it a repository with one commit."""
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")
        return self

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def require(self, dependencies: str) -> None:
        self.write("pyproject.toml", PYPROJECT.format(dependencies=dependencies))

    def commit(self, message: str) -> str:
        """Commit all there is; returns the commit's hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        return git(self.top, *arguments)


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, whatever the user's own settings are."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "protocol.file.allow=always"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout.strip()
