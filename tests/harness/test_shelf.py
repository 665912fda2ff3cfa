"""The cache: an entry is whole or not there, whoever else runs and whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from harness.errors import UsageError
from harness.shelf import Hold, Shelf

if TYPE_CHECKING:
    from pathlib import Path


def take(shelf: Shelf, name: str, text: str = "made") -> tuple[str, Hold]:
    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "content").write_text(text)

    folder, hold = shelf.take(name, make, waiting=lambda: None)
    return (folder / "content").read_text(), hold


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, keep=2)
    assert take(shelf, "a")[0] == "made"
    assert take(shelf, "a", "made again")[0] == "made"


def test_an_old_entry_is_made_again(tmp_path: Path) -> None:
    take(Shelf(tmp_path, keep=2), "a")[1].release()
    os.utime(tmp_path / "a/.complete", (time.time() - 100,) * 2)
    assert take(Shelf(tmp_path, keep=2, longest_s=200), "a", "newer")[0] == "made"
    assert take(Shelf(tmp_path, keep=2, longest_s=50), "a", "newer")[0] == "newer"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_nothing_but_a_lock(tmp_path: Path, error: type[BaseException]) -> None:
    def make(folder: Path) -> None:
        folder.mkdir()
        raise error

    shelf = Shelf(tmp_path, keep=2)
    with pytest.raises(error):
        shelf.take("a", make, waiting=lambda: None)
    assert entries(tmp_path) == {"a.lock"}
    assert take(shelf, "a")[0] == "made"


def test_the_least_recently_used_go_unless_they_are_in_use(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, keep=2)
    held = take(shelf, "oldest")[1]
    for name in ("old", "middle", "young"):
        take(shelf, name)[1].release()
    for age_s, name in enumerate(("middle", "young", "old", "oldest")):
        os.utime(tmp_path / f"{name}.lock", (time.time() - age_s,) * 2)
    shelf.tidy()
    assert entries(tmp_path) == {f"{name}{end}" for name in ("middle", "young", "oldest") for end in ("", ".lock")}
    held.release()
    shelf.tidy()
    assert not {"oldest", "oldest.lock"} & entries(tmp_path)


def test_what_a_kill_left_half_made_is_removed(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from harness.shelf import Shelf

def make(folder):
    folder.mkdir()
    (folder / "content").write_text("half")
    print("begun", flush=True)
    time.sleep(600)

Shelf(Path(sys.argv[1]), keep=2).take("a", make, waiting=lambda: None)
"""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "begun\n"
        shelf = Shelf(tmp_path, keep=2)
        shelf.tidy()
        assert (tmp_path / "a").exists(), "it is being made"
        maker.send_signal(signal.SIGKILL)
    shelf.tidy()
    assert entries(tmp_path) == set()
    assert take(shelf, "a")[0] == "made"


def test_who_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    begun, waits, seconds = threading.Event(), threading.Event(), []

    def make(folder: Path) -> None:
        folder.mkdir()
        begun.set()
        assert waits.wait(60)
        (folder / "content").write_text("by the first")

    def second() -> None:
        folder, _ = Shelf(tmp_path, keep=2).take("a", make, waiting=waits.set)
        seconds.append((folder / "content").read_text())

    thread = threading.Thread(target=second)

    def first(folder: Path) -> None:
        thread.start()
        make(folder)

    Shelf(tmp_path, keep=2).take("a", first, waiting=lambda: None)
    thread.join(60)
    assert seconds == ["by the first"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cache folder .*file/cache cannot be written: Not a directory"):
        Shelf(tmp_path / "file/cache", keep=2)
