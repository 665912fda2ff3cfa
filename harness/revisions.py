"""Which two trees a regression check compares: a revision and the working tree, taken from git without touching it.

The working tree is written as a git tree through an index and an object folder of our own, as `git add --all` would
take it: tracked and untracked files as they are, ignored ones left out. So both arms are trees, equal trees have equal
ids, and both are laid out by the same `git checkout-index`. No worktree is registered that a kill could leave behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import ComponentError, UsageError

_PACKAGE = "backends"
_HERE = "this tree"
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "node_modules", "build", "dist", "results")
"""What a folder without git leaves out, having no list of what to ignore."""


@dataclass(frozen=True)
class Tree:
    """A project's files in one state; the id is the same exactly where all of them are.

    `commit` is the whole hash (of a dirty tree: what it stands on), empty without git.
    """

    label: str
    id: str
    commit: str = ""
    dirty: bool = False


class Project(Protocol):
    """Where trees come from."""

    def snapshot(self) -> Tree:
        """Take the folder as it is now."""

    def revision(self, ref: str) -> Tree:
        """Find a revision by any name that git knows; raises UsageError that says what is not there."""

    def lay_out(self, tree: Tree, into: Path) -> None:
        """Write a tree's files into a new folder."""


def find(folder: Path, scratch: Path) -> Project:
    """Find the project that a folder belongs to: the nearest one upwards with a pyproject.toml and `backends`.

    `scratch` is a folder for what git writes. Raises UsageError where there is none, with where it was looked for.
    """
    folder = folder.resolve()
    top = _toplevel(folder)
    above = [folder, *folder.parents]
    searched = above[: above.index(top) + 1] if top in above else above
    found = next((place for place in searched if _is_project(place)), None)
    if found is None:
        upwards = f", nor has a folder above it up to {top}" if top not in {None, folder} else ""
        raise UsageError(
            f"There is nothing to compare in {folder}: it has no pyproject.toml beside a `{_PACKAGE}` package"
            f"{upwards}. "
            "Go to the checkout of session-bench, or of your fork, whose change is to be judged."
        )
    return Folder(found) if top is None else Repository(top, found, scratch)


def _is_project(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() and (folder / _PACKAGE / "__init__.py").is_file()


class Repository:
    """A project in a git repository, at its top or in a folder below."""

    def __init__(self, top: Path, folder: Path, scratch: Path) -> None:
        self._top = top
        self._prefix = "" if folder == top else folder.relative_to(top).as_posix()
        self._scratch = scratch
        (scratch / "objects").mkdir(parents=True)
        self._objects = {
            "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(top / _git("rev-parse", "--git-path", "objects", folder=top)),
        }

    def snapshot(self) -> Tree:
        """Take the working tree: HEAD's where nothing is changed, staged, deleted or new in it."""
        index = self._scratch / "index"
        known = self._top / self._git("rev-parse", "--git-path", "index")
        if known.is_file():
            # What git knows of unchanged files saves it from reading them again. The copy keeps the index's time: of a
            # file that changed in that very moment git looks at the content.
            shutil.copy2(known, index)
        self._git("add", "--all", "--", self._prefix or ".", index=index)
        tree = self._within(self._git("write-tree", index=index), _HERE)
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except _GitError:
            return Tree(_HERE, tree, dirty=True)  # nothing is committed yet
        clean = self._has(commit) and tree == self._within(commit, "HEAD")
        return Tree(_HERE, tree, commit, dirty=not clean)

    def revision(self, ref: str) -> Tree:
        """Find a revision by any name that git knows: a branch, a tag, a hash, HEAD~1."""
        try:
            commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except _GitError:
            raise UsageError(self._why_missing(ref)) from None
        tree = self._within(commit, ref)
        for needed in (_PACKAGE, "pyproject.toml"):
            if not self._has(tree, needed):
                raise UsageError(
                    f"{ref} ({commit[:9]}) has no {needed}{self._below()}, so there is no app to compare with: it is "
                    f"older than that, or another project. Choose a base since `git log --reverse --oneline -- "
                    f"{self._path(needed)}` begins."
                )
        return Tree(ref, tree, commit)

    def lay_out(self, tree: Tree, into: Path) -> None:
        """Write a tree's files into a new folder, as a checkout would."""
        index = self._scratch / f"index-{tree.id}"
        into.mkdir(parents=True)
        self._git("read-tree", tree.id, index=index)
        self._git("checkout-index", "--all", "--quiet", f"--prefix={into}/", index=index)

    def _within(self, treeish: str, label: str) -> str:
        """Return the id of the project's own folder in a tree."""
        if not self._has(treeish):
            raise UsageError(f"{label} has no folder {self._prefix}; choose a base that holds the project there.")
        return self._git("rev-parse", "--verify", f"{treeish}:{self._prefix}")

    def _has(self, treeish: str, path: str | None = None) -> bool:
        try:
            self._git("cat-file", "-e", f"{treeish}:{self._prefix if path is None else path}")
        except _GitError:
            return False
        return True

    def _why_missing(self, ref: str) -> str:
        if self._git("rev-parse", "--is-shallow-repository") == "true":
            count = self._git("rev-list", "--count", "HEAD")
            return (
                f"There is no revision {ref!r} in {self._top}, which is a shallow clone: of its branch it holds "
                f"{count} commit{'s' * (count != '1')}. Fetch the rest with `git fetch --unshallow origin`; in GitHub "
                "Actions give actions/checkout `fetch-depth: 0`, in GitLab set GIT_DEPTH to 0."
            )
        return (
            f"There is no revision {ref!r} in {self._top}. If a remote has it, get it with `git fetch origin`; "
            "`git branch --all` and `git tag` list the names that are known here."
        )

    def _below(self) -> str:
        return f" in {self._prefix}" if self._prefix else ""

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _git(self, *arguments: str, index: Path | None = None) -> str:
        """Run git so that it writes only into our scratch folder; a sparse checkout is taken whole."""
        own = {"GIT_INDEX_FILE": str(index)} if index else {}
        return _git("-c", "core.sparseCheckout=false", *arguments, folder=self._top, more=self._objects | own)


class Folder:
    """A project outside git: its files as they are now, apart from what nobody would commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def snapshot(self) -> Tree:
        """Digest every file's path, kind and content."""
        digest = hashlib.sha256()
        for place, folders, files in os.walk(self._folder):
            left_out = _left_out(place, [*folders, *files])
            folders[:] = sorted(set(folders) - left_out)
            for name in sorted(set(files) - left_out):
                path = Path(place, name)
                content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
                kind = f"{path.is_symlink():d}{os.access(path, os.X_OK):d}"
                digest.update(f"{path.relative_to(self._folder).as_posix()}\0{kind}\0{len(content)}\0".encode())
                digest.update(content)
        return Tree(_HERE, digest.hexdigest())

    def revision(self, ref: str) -> Tree:
        """Refuse: there are no revisions."""
        why = f"{self._folder} is in none" if shutil.which("git") else "git is not installed"
        raise UsageError(
            f"--base {ref} needs a git repository, and {why}. Compare what is installed instead "
            "(--base-with PKG==VERSION), or run it in a clone."
        )

    def lay_out(self, tree: Tree, into: Path) -> None:  # noqa: ARG002 - there is only this one
        """Copy the files."""
        shutil.copytree(self._folder, into, symlinks=True, ignore=_left_out)


def _left_out(place: str, names: list[str]) -> set[str]:
    environments = {name for name in names if Path(place, name, "pyvenv.cfg").is_file()}
    return set(_LEFT_OUT(place, names)) | environments


class _GitError(ComponentError):
    """Git could not do it; the message carries its own reason."""


def _toplevel(folder: Path) -> Path | None:
    """Return the repository's top folder, or None outside of any, or where there is no git."""
    if shutil.which("git") is None:
        return None
    try:
        return Path(_git("rev-parse", "--show-toplevel", folder=folder)).resolve()
    except _GitError as error:
        if "not a git repository" in str(error):
            return None
        raise


def _git(*arguments: str, folder: Path, more: dict[str, str] | None = None) -> str:
    # A hook sets GIT_DIR and GIT_INDEX_FILE for its own repository, and our children must not write there.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
    environ = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", **(more or {})}
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"it ended with exit code {done.returncode}"
        verb = next(word for word in arguments if not word.startswith("-") and "=" not in word)
        raise _GitError(f"`git {verb}` failed in {folder}: {said.rstrip('.')}. Mend that, and run it again.")
    return done.stdout.strip()
