"""Builds base and head the same way: a wheel and an environment each, by one tool, from one resolution, in a cache."""

from __future__ import annotations

import hashlib
import json
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from harness import installers, requirements, revisions
from harness.errors import ComponentError, UsageError
from harness.processes import Processes
from harness.shelf import Hold, Shelf
from reports.record.judgement import Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.installers import Installer, Interpreter
    from harness.revisions import Project, Tree

_FORMAT = "1"
"""Part of every key: raise it when what an entry holds changes."""
_KEPT = 10
_PINS_LAST_S = 86_400
"""So long a resolution is taken again, lest a release of the last minute rebuild both arms."""


@dataclass(frozen=True)
class Built:
    """An arm that can be started; its environment stays in the cache at least as long as this object lives."""

    python: str
    cwd: Path
    """The folder that holds the installed `backends`: its site-packages."""
    revision: Revision
    hold: Hold = field(repr=False, compare=False)


def default_cache() -> Path:
    """Return where environments are kept unless told otherwise."""
    return platformdirs.user_cache_path("session-bench") / "environments"


def build_both(
    *,
    root: Path,
    base_ref: str | None,
    base_with: Sequence[str],
    base_python: str | None,
    cache: Path,
    say: Callable[[str], None],
) -> tuple[Built, Built]:
    """Build base and head of the project that `root` lies in; what differs is what was asked for.

    Head is the working tree as it is, base the revision (without one, the same tree), with the versions that
    `base_with` holds it to, on the interpreter of its own. Raises UsageError where what is asked for cannot be, and
    ComponentError where it cannot be built.
    """
    held = [requirements.constraint(text) for text in base_with]
    if base_ref is None and not held and base_python is None:
        raise UsageError("Nothing sets base apart from head: give --base REF, --base-with PKG==VERSION or both.")
    with Processes() as processes:
        project = revisions.find(root, processes.folder / "git")
        here = project.snapshot()
        there = here if base_ref is None else project.revision(base_ref)
        label = ", ".join([*filter(None, [base_ref]), *held, *([f"on {base_python}"] if base_python else [])])
        python = installers.interpreter(None)
        own = installers.interpreter(base_python) if base_python else python
        workshop = _Workshop(processes, project, cache.expanduser().absolute(), say)
        if there.id == here.id and not held and own == python:
            say("Base and head are the same tree: this compares it with itself.")
        head_side = _Side("head", here.label, here, python, workshop.laid_out(here))
        base_side = _Side("base", label, there, own, workshop.laid_out(there))
        head_pins = workshop.pins(head_side, [], None)
        base_pins = workshop.pins(base_side, held, (head_side, head_pins))
        requirements.check_held(held, base_pins, workshop.name(base_side))
        keys = [workshop.key(side, pins) for side, pins in ((base_side, base_pins), (head_side, head_pins))]
        if keys[0] == keys[1] and there.id != here.id:
            say("Base and head install the very same files: their difference lies outside the project's packages.")
        base = workshop.built(base_side, base_pins, f"{keys[0]}-0")
        # Two environments all the same, so that what one build happens to be does not hide.
        head = workshop.built(head_side, head_pins, f"{keys[1]}-{int(keys[0] == keys[1])}")
        workshop.tidy()
        return base, head


def differences(base: Revision, head: Revision) -> list[str]:
    """Say which installed versions differ, interpreter first; the project's own is its revision and stands apart."""
    pairs = [("Python", base.python, head.python)]
    names = sorted({*base.packages, *head.packages})
    pairs += [(name, base.packages.get(name, ""), head.packages.get(name, "")) for name in names]
    return [_difference(*pair) for pair in pairs if pair[1] != pair[2]]


def under(source_path: str, built: Built) -> bool:
    """Tell whether a running app's source lies in the environment that was built for it."""
    return bool(source_path) and Path(source_path).resolve().is_relative_to(built.cwd.resolve())


def _difference(name: str, base: str, head: str) -> str:
    if not base or not head:
        return f"{name} {base or head} in {'base' if base else 'head'} only"
    return f"{name} {base} in base, {head} in head"


@dataclass(frozen=True)
class _Side:
    role: str
    label: str
    tree: Tree
    python: Interpreter
    files: _LaidOut


class _LaidOut:
    """A tree's files, written when they are first asked for: a cached arm needs none."""

    def __init__(self, project: Project, tree: Tree, folder: Path) -> None:
        self._project = project
        self._tree = tree
        self._folder = folder

    def folder(self) -> Path:
        """Return the folder that holds them."""
        if not self._folder.exists():
            self._project.lay_out(self._tree, self._folder)
        return self._folder


class _Workshop:
    """The tool and the shelves that both arms are made with."""

    def __init__(self, processes: Processes, project: Project, cache: Path, say: Callable[[str], None]) -> None:
        self._processes = processes
        self._project = project
        self._say = say
        self._tool: Installer = installers.choose(processes)
        self._version = self._tool.version
        self._pins = Shelf(cache / "pins", keep=100, longest_s=_PINS_LAST_S)
        self._wheels = Shelf(cache / "wheels", keep=100)
        self._environments = Shelf(cache / "built", keep=_KEPT)
        self._trees: dict[str, _LaidOut] = {}
        self._made: dict[tuple[str, str], tuple[Path, Hold]] = {}

    def laid_out(self, tree: Tree) -> _LaidOut:
        """Return the files of a tree, once for both arms where they share it."""
        folder = self._processes.folder / f"tree-{len(self._trees)}"
        return self._trees.setdefault(tree.id, _LaidOut(self._project, tree, folder))

    def pins(self, side: _Side, held: Sequence[str], other: tuple[_Side, list[str]] | None) -> list[str]:
        """Resolve an arm's requirements: by its own lock where it has one, else as the other arm's were."""
        given = other[1] if other else []
        settings = sorted(item for item in installers.environ().items() if item[0].startswith(("UV_", "PIP_")))
        key = _digest(self._version, side.tree.id, side.python.identity, held, given, settings)

        def make(folder: Path) -> None:
            files = side.files.folder()
            lock, locked = requirements.locked(files)
            if other and not held and not lock and _same_requirements(side, other[0]):
                pins = given
            else:
                self._say(f"Resolving what {side.role} requires{f', as its own {lock} says' if lock else ''}.")
                pins = self._tool.pins(files, self._wheel(side), side.python, held, locked or given)
            folder.mkdir()
            (folder / "pins.json").write_text(json.dumps(pins))

        with _explained(f"The requirements of {side.role} ({side.label}) cannot be resolved", usage=bool(held)):
            folder, hold = self._pins.take(key, make, waiting=self._wait)
        pins: list[str] = json.loads((folder / "pins.json").read_text())
        hold.release()
        return pins

    def name(self, side: _Side) -> str:
        """Return the project's own normalised name."""
        return requirements.normal(self._wheel(side).name.partition("-")[0])

    def key(self, side: _Side, pins: Sequence[str]) -> str:
        """Return a digest of all that an environment is made from: 16 digits, so that its path is as long as any."""
        return _digest(self._version, side.python.identity, pins, _contents(self._wheel(side)))

    def built(self, side: _Side, pins: Sequence[str], name: str) -> Built:
        """Return an arm's environment, made where the shelf has none."""

        def make(folder: Path) -> None:
            self._say(f"Building {side.role} ({side.label}) with {self._version}.")
            pinned = self._processes.folder / "requirements.txt"
            pinned.write_text("\n".join(pins))
            self._tool.environment(folder, side.python)
            self._tool.install(folder, pinned, self._wheel(side))
            if not (installers.site_packages(folder) / "backends").is_dir():
                raise requirements.RefusedError(
                    "its wheel holds no `backends` package; name it among the wheel's packages"
                )
            self._tool.compile(folder)
            (folder / "packages.json").write_text(json.dumps(installers.installed(folder)))

        with _explained(f"The environment of {side.role} ({side.label}) cannot be built"):
            folder, hold = self._environments.take(name, make, waiting=self._wait)
        packages: dict[str, str] = json.loads((folder / "packages.json").read_text())
        packages.pop(self.name(side), None)
        revision = Revision(
            label=side.label,
            commit=side.tree.commit,
            dirty=side.tree.dirty,
            python=side.python.version,
            packages=packages,
        )
        return Built(installers.python_of(folder), installers.site_packages(folder), revision, hold)

    def tidy(self) -> None:
        """Keep the cache small."""
        for shelf in (self._pins, self._wheels, self._environments):
            shelf.tidy()

    def _wheel(self, side: _Side) -> Path:
        made = side.tree.id, side.python.identity
        if made not in self._made:

            def make(folder: Path) -> None:
                folder.mkdir()
                self._tool.wheel(side.files.folder(), folder, side.python)

            with _explained(f"The wheel of {side.role} ({side.label}) cannot be built"):
                self._made[made] = self._wheels.take(_digest(self._version, *made), make, waiting=self._wait)
        (wheel,) = self._made[made][0].glob("*.whl")
        return wheel

    def _wait(self) -> None:
        self._say("Another run is building the same; waiting for it.")


@contextmanager
def _explained(what: str, *, usage: bool = False) -> Iterator[None]:
    """Turn a tool's refusal, or a full disk, into an error of ours that carries its reason."""
    try:
        yield
    except requirements.RefusedError as error:
        if usage:
            raise UsageError(f"{what}: {error}. Hold base to versions that go together.") from None
        raise ComponentError(f"{what}: {error}. Mend that, and run it again: what is built already is kept.") from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ComponentError(f"{what}: {error.strerror}{where}. Mend that, and run it again.") from None


def _same_requirements(one: _Side, other: _Side) -> bool:
    same_tree = one.tree.id == other.tree.id
    return one.python == other.python and (same_tree or requirements.same(one.files.folder(), other.files.folder()))


def _contents(wheel: Path) -> list[object]:
    """Return what a wheel installs, apart from the README in its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(each.filename, each.file_size, each.CRC) for each in archive.infolist()]
    told = (".dist-info/METADATA", ".dist-info/RECORD")
    return [wheel.name, *sorted(member for member in members if not member[0].endswith(told))]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([_FORMAT, *parts]).encode()).hexdigest()[:16]
