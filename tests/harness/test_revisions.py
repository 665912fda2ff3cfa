"""Which trees are compared, and what is said where one of them is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import revisions
from harness.errors import BenchError, UsageError
from tests.harness.checkouts import Checkout, git

if TYPE_CHECKING:
    from collections.abc import Callable

    Find = Callable[[Path], revisions.Project]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "shop").init()


@pytest.fixture
def find(tmp_path_factory: pytest.TempPathFactory) -> Find:
    def found(folder: Path) -> revisions.Project:
        return revisions.find(folder, tmp_path_factory.mktemp("scratch") / "git")

    return found


def files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def test_a_clean_tree_is_its_commit(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    project = find(checkout.folder)
    here, there = project.snapshot(), project.revision("HEAD")
    assert not here.dirty
    assert (here.id, here.commit) == (there.id, there.commit) == (here.id, checkout.git("rev-parse", "HEAD"))
    project.lay_out(there, tmp_path / "out")
    assert set(files(tmp_path / "out")) == {"pyproject.toml", "wheelmaker.py", "backends/__init__.py", ".gitignore"}


def test_a_dirty_tree_is_taken_as_it_is(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    checkout.write("backends/gone.py", "")
    checkout.write("backends/staged.py", "before")
    checkout.commit("second")
    checkout.write("backends/__init__.py", "changed")
    (checkout.folder / "backends/gone.py").unlink()
    checkout.write("backends/staged.py", "staged")
    checkout.git("add", "backends/staged.py")
    checkout.write("backends/new.py", "new")
    checkout.write("ignored/huge.bin", "ignored")
    checkout.write("run.log", "ignored")
    project = find(checkout.folder)
    here = project.snapshot()
    assert here.dirty
    assert here.commit == checkout.git("rev-parse", "HEAD")
    project.lay_out(here, tmp_path / "out")
    laid_out = files(tmp_path / "out")
    assert set(laid_out) == {
        "pyproject.toml", "wheelmaker.py", ".gitignore",
        "backends/__init__.py", "backends/staged.py", "backends/new.py",
    }  # fmt: skip
    assert laid_out["backends/__init__.py"] == "changed"
    assert laid_out["backends/staged.py"] == "staged"


def test_a_change_in_the_moment_of_a_commit_is_seen(checkout: Checkout, find: Find) -> None:
    """Same size, same times as the index knows: only the content tells, and git must look at it."""
    checkout.git("config", "core.trustCtime", "false")
    module, index = checkout.folder / "backends/__init__.py", checkout.folder / ".git/index"
    moment = (1_700_000_000, 1_700_000_000)
    os.utime(module, moment)
    checkout.commit("second")
    module.write_text(module.read_text().replace("first", "third"))
    for path in (module, index):
        os.utime(path, moment)
    assert find(checkout.folder).snapshot().dirty


def test_nothing_is_written_into_the_repository(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    checkout.write("backends/new.py", "new")
    checkout.write("backends/__init__.py", "changed")

    def state() -> dict[str, bytes]:
        found = [path for path in (checkout.folder / ".git").rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in found}

    before = state()
    project = find(checkout.folder)
    for number, tree in enumerate((project.snapshot(), project.revision("HEAD"))):
        project.lay_out(tree, tmp_path / str(number))
    assert state() == before
    assert checkout.git("worktree", "list").count("\n") == 0


def test_modes_and_links_are_kept(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    checkout.write("tool.sh", "#!/bin/sh\n").chmod(0o755)
    (checkout.folder / "link").symlink_to("pyproject.toml")
    project = find(checkout.folder)
    project.lay_out(project.snapshot(), tmp_path / "out")
    assert os.access(tmp_path / "out/tool.sh", os.X_OK)
    assert (tmp_path / "out/link").readlink() == Path("pyproject.toml")


def test_equal_trees_are_known_whatever_their_commits_are(checkout: Checkout, find: Find) -> None:
    checkout.write("backends/__init__.py", "changed")
    checkout.commit("second")
    checkout.git("revert", "--no-edit", "HEAD")
    project = find(checkout.folder)
    first, third = project.revision("HEAD~2"), project.snapshot()
    assert first.id == third.id != project.revision("HEAD~1").id
    assert first.commit != third.commit


@pytest.mark.parametrize("ref", ["main", "v1", "HEAD~1", "@{0}"])
def test_a_base_may_be_named_as_git_names_it(checkout: Checkout, find: Find, ref: str) -> None:
    checkout.git("tag", "--annotate", "v1", "--message", "one")
    checkout.commit("second")
    assert find(checkout.folder).revision(ref).label == ref


def test_a_detached_head_and_a_linked_worktree_are_checkouts(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    (tmp_path / "linked/backends/new.py").write_text("new")
    here = find(tmp_path / "linked").snapshot()
    assert here.dirty
    assert here.commit == checkout.git("rev-parse", "HEAD")
    assert not find(checkout.folder).snapshot().dirty


def test_a_repository_without_a_commit_has_a_tree_all_the_same(tmp_path: Path, find: Find) -> None:
    checkout = Checkout(tmp_path / "shop")
    checkout.git("init", "--quiet")
    here = find(checkout.folder).snapshot()
    assert here.dirty
    assert here.commit == ""


def test_a_project_may_lie_below_the_top(tmp_path: Path, find: Find) -> None:
    vendored = Checkout(tmp_path / "shop/vendor/bench", top=tmp_path / "shop")
    (tmp_path / "shop/README").write_text("of the shop")
    git(tmp_path / "shop", "init", "--quiet", "--initial-branch=main")
    vendored.commit("first")
    project = find(vendored.folder / "backends")
    here = project.snapshot()
    assert not here.dirty
    assert here.id == project.revision("HEAD").id
    project.lay_out(here, tmp_path / "out")
    assert set(files(tmp_path / "out")) == {"pyproject.toml", "wheelmaker.py", "backends/__init__.py", ".gitignore"}


def test_a_base_from_before_the_vendored_folder_is_refused(tmp_path: Path, find: Find) -> None:
    (tmp_path / "shop").mkdir()
    git(tmp_path / "shop", "init", "--quiet")
    git(tmp_path / "shop", "commit", "--quiet", "--allow-empty", "--message", "first")
    vendored = Checkout(tmp_path / "shop/bench", top=tmp_path / "shop")
    vendored.commit("second")
    with pytest.raises(UsageError, match="HEAD~1 has no folder bench"):
        find(vendored.folder).revision("HEAD~1")


@pytest.mark.parametrize("ref", ["origin/main", "HEAD~7", "", "--all", "v1^{tree}", "HEAD:backends"])
def test_a_missing_base_is_named_with_what_to_do(checkout: Checkout, find: Find, ref: str) -> None:
    with pytest.raises(UsageError, match="There is no revision") as caught:
        find(checkout.folder).revision(ref)
    assert repr(ref) in str(caught.value)
    assert "git fetch" in str(caught.value)


def test_a_shallow_clone_is_told_to_fetch_the_rest(checkout: Checkout, find: Find, tmp_path: Path) -> None:
    checkout.commit("second")
    git(tmp_path, "clone", "--quiet", "--depth=1", checkout.folder.as_uri(), "shallow")
    project = find(tmp_path / "shallow")
    assert not project.snapshot().dirty
    with pytest.raises(UsageError, match="shallow clone: of its branch it holds 1 commit") as caught:
        project.revision("HEAD~1")
    assert "fetch-depth: 0" in str(caught.value)


def test_a_base_without_backends_is_refused(tmp_path: Path, find: Find) -> None:
    (tmp_path / "shop").mkdir()
    git(tmp_path / "shop", "init", "--quiet")
    git(tmp_path / "shop", "commit", "--quiet", "--allow-empty", "--message", "first")
    checkout = Checkout(tmp_path / "shop")
    checkout.commit("second")
    with pytest.raises(UsageError, match=r"HEAD~1 \([0-9a-f]{9}\) has no backends, so there is no app to compare"):
        find(checkout.folder).revision("HEAD~1")


def test_a_folder_without_a_project_is_refused(tmp_path: Path, find: Find) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "deep").mkdir()
    with pytest.raises(UsageError, match=r"There is nothing to compare in .*deep: .* up to") as caught:
        find(tmp_path / "deep")
    assert "pyproject.toml" in str(caught.value)


def test_a_project_outside_git_has_a_snapshot_and_no_revisions(tmp_path: Path, find: Find) -> None:
    checkout = Checkout(tmp_path / "shop")
    checkout.write("backends/__pycache__/old.pyc", "")
    checkout.write("venv/pyvenv.cfg", "")
    checkout.write("venv/lib/huge.py", "")
    project = find(checkout.folder)
    first = project.snapshot()
    assert (first.commit, first.dirty) == ("", False)
    project.lay_out(first, tmp_path / "out")
    assert set(files(tmp_path / "out")) == {"pyproject.toml", "wheelmaker.py", "backends/__init__.py"}
    checkout.write("backends/__init__.py", "changed")
    assert project.snapshot().id != first.id
    with pytest.raises(UsageError, match=r"needs a git repository, and .* is in none"):
        project.revision("HEAD")


def test_without_git_a_base_says_so(
    checkout: Checkout, find: Find, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        find(checkout.folder).revision("HEAD")


def test_a_hook_does_not_lead_astray(
    checkout: Checkout, find: Find, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = Checkout(tmp_path / "other").init()
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index"))
    before = (other.folder / ".git/index").read_bytes()
    checkout.write("backends/new.py", "new")
    assert find(checkout.folder).snapshot().dirty
    assert (other.folder / ".git/index").read_bytes() == before


def test_what_git_refuses_is_passed_on(checkout: Checkout, find: Find) -> None:
    checkout.write(".git/config", "[core")
    with pytest.raises(BenchError, match=r"`git rev-parse` failed in .*bad config line .* Mend that"):
        find(checkout.folder)
