"""A cache of folders that take long to make: each is whole or not there, whoever else runs and whatever is killed.

An entry is a folder NAME with a marker in it that was written last, and NAME.lock beside it. Making and removing need
the lock alone, using shares it, and the kernel lets go of it when a process ends, however it ends. So what has no
marker and is not locked was left half-made, and the next run removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import weakref
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MARKER = ".complete"


class Hold:
    """An entry in use: nobody removes it while this object lives."""

    def __init__(self, descriptor: int) -> None:
        self._close = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Let go of it."""
        self._close()


class Shelf:
    """Entries of one kind, of which the `keep` most recently used stay."""

    def __init__(self, folder: Path, *, keep: int, longest_s: float = float("inf")) -> None:
        self._folder = folder
        self._keep = keep
        self._longest_s = longest_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The cache folder {folder} cannot be written: {error.strerror}. Mend its permissions, or name another."
            ) from None

    def take(self, name: str, make: Callable[[Path], None], *, waiting: Callable[[], None]) -> tuple[Path, Hold]:
        """Return a whole entry and the hold on it; `make` fills its folder where it is not there, or is too old.

        `make` must create the folder. `waiting` is called before waiting for another run that is making it.
        """
        folder = self._folder / name
        while True:
            hold = self._lock(name, fcntl.LOCK_SH, waiting)
            if self._is_whole(folder):
                return folder, hold
            hold.release()
            hold = self._lock(name, fcntl.LOCK_EX, waiting)
            try:
                if not self._is_whole(folder):
                    self._make(folder, make)
            finally:
                hold.release()

    def tidy(self) -> None:
        """Remove what was left half-made, and all but the most recently used; never what is in use."""
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        folders.sort(key=lambda path: (_age_s(path / _MARKER) == float("inf"), _age_s(_lock_of(path))))
        for number, folder in enumerate(folders):
            if number >= self._keep or not (folder / _MARKER).exists():
                self._remove(folder)

    def _is_whole(self, folder: Path) -> bool:
        return _age_s(folder / _MARKER) < self._longest_s

    def _make(self, folder: Path, make: Callable[[Path], None]) -> None:
        _clear(folder)
        try:
            make(folder)
            (folder / _MARKER).touch()
        except BaseException:
            _clear(folder)
            raise

    def _remove(self, folder: Path) -> None:
        try:
            hold = self._lock(folder.name, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            _clear(folder)
            _lock_of(folder).unlink()
        finally:
            hold.release()

    def _lock(self, name: str, how: int, waiting: Callable[[], None] | None = None) -> Hold:
        """Lock an entry; the lock file's time is when that was last done."""
        while True:
            descriptor = os.open(_lock_of(self._folder / name), os.O_RDWR | os.O_CREAT, 0o600)
            hold = Hold(descriptor)
            if waiting:
                try:
                    fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                except BlockingIOError:
                    waiting()
                    fcntl.flock(descriptor, how)
                os.utime(descriptor)
            else:
                fcntl.flock(descriptor, how)
            if os.fstat(descriptor).st_nlink:
                return hold
            hold.release()  # whoever had it removed the entry, and the file with it


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _clear(folder: Path) -> None:
    # The marker first: what is half removed must not look whole.
    (folder / _MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
