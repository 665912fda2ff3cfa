"""Nothing that the harness starts outlives it, however either of them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import harness
from harness.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.processes import Child

SOURCES = Path(harness.__file__).parent
PATIENCE_S = 60.0
"""Far more than anything here takes, and far less than what must not be waited for."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc, or asks Linux's kernel")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

# Deaf to every polite signal, with a child in a group of its own, as Postgres's are.
STUBBORN = """
import os, signal, subprocess, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
inner = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(inner.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Processes]:
    """Give a place for processes that ends with the test."""
    with Processes(tmp_path) as processes:
        yield processes


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Give a list of processes to end after the test, however it ends."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()


def first_line(child: Child, within_s: float = PATIENCE_S) -> str:
    """Wait until the child has said something."""
    deadline = time.monotonic() + within_s
    while "\n" not in (text := child.log.read_text()):
        assert child.wait(0.01) is None, child.tail()
        assert time.monotonic() < deadline, f"{child} says nothing"
    return text.splitlines()[0]


def stubborn(processes: Processes, tmp_path: Path) -> tuple[Child, int]:
    """Start something that must be killed; return it and the pid of its own child."""
    child = processes.spawn([sys.executable, "-c", STUBBORN], name="stubborn", log=tmp_path / "stubborn.log")
    return child, int(first_line(child))


def lives(pid: int) -> bool:
    """Tell whether a process runs; a zombie only waits for its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], bool]) -> None:
    """Fail when something does not come true; a signal is only a request."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_gone(pids: list[int], folder: Path) -> None:
    """Fail when a process or the folder is still there at the end of the time."""
    deadline = time.monotonic() + PATIENCE_S
    while (alive := [pid for pid in pids if lives(pid)]) or folder.exists():
        assert time.monotonic() < deadline, f"{alive} and {folder if folder.exists() else 'no folder'} remain"
        time.sleep(0.01)


def test_a_child_writes_its_log_and_says_how_it_ended(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["sh", "-c", "for i in 1 2 3; do echo line $i >&2; done; exit 3"], name="x", log=tmp_path / "x")
    assert child.wait(PATIENCE_S) == child.poll() == 3
    assert child.tail(2) == "line 2\nline 3"


def test_a_program_that_is_not_there_is_status_127(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["no-such-program"], name="x", log=tmp_path / "x.log")
    assert child.wait(PATIENCE_S) == 127
    assert "no-such-program: No such file" in child.tail()


def test_wait_gives_up(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["sleep", "600"], name="x", log=tmp_path / "x.log")
    assert child.wait(0.05) is None
    assert child.poll() is None


def test_stop_is_polite_first(own: Processes, tmp_path: Path) -> None:
    script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.01; done"
    child = own.spawn(["sh", "-c", script], name="x", log=tmp_path / "x.log", stop_signal=signal.SIGINT)
    first_line(child)
    assert child.stop(PATIENCE_S) == 9
    assert child.stop() == 9


def test_stop_insists_and_leaves_no_descendant(own: Processes, tmp_path: Path) -> None:
    child, inner = stubborn(own, tmp_path)
    begun = time.monotonic()
    assert child.stop(grace_s=0.2) == -signal.SIGKILL
    assert 0.2 <= time.monotonic() - begun < PATIENCE_S
    wait_until_gone([inner], tmp_path / "nothing")


def test_stop_ends_a_suspended_child(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["sleep", "600"], name="x", log=tmp_path / "x.log")
    child.suspend()
    assert child.stop(PATIENCE_S) == -signal.SIGTERM


def test_a_child_that_dies_takes_its_group_with_it(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["sh", "-c", "sleep 600 & echo $!; wait"], name="x", log=tmp_path / "x.log")
    inner = int(first_line(child))
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(PATIENCE_S) == -signal.SIGKILL
    wait_until_gone([inner], tmp_path / "nothing")


def test_suspend_freezes_all_of_it_and_resume_lets_it_go_on(own: Processes, tmp_path: Path) -> None:
    child, inner = stubborn(own, tmp_path)
    both = [psutil.Process(child.pid), psutil.Process(inner)]
    child.suspend()
    child.suspend()
    wait_until(lambda: [process.status() for process in both] == [psutil.STATUS_STOPPED] * 2)
    child.resume()
    wait_until(lambda: psutil.STATUS_STOPPED not in [process.status() for process in both])
    child.stop(grace_s=0)


def test_children_lead_sessions_of_their_own(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["sleep", "600"], name="x", log=tmp_path / "x.log")
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid


@linux
def test_cpus_are_kept(own: Processes, tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    child = own.spawn(["grep", "Cpus_allowed_list", "/proc/self/status"], name="x", log=tmp_path / "x.log", cpus=[cpu])
    assert child.wait(PATIENCE_S) == 0
    assert child.tail().split()[-1] == str(cpu)


@root
def test_another_user_without_groups(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["id"], name="x", log=tmp_path / "x.log", user=(65534, 65534))
    assert child.wait(PATIENCE_S) == 0
    assert "uid=65534" in child.tail()
    assert "root" not in child.tail()


@linux
def test_a_program_finds_its_signals_as_a_shell_would_leave_them(own: Processes, tmp_path: Path) -> None:
    child = own.spawn(["grep", "SigIgn", "/proc/self/status"], name="x", log=tmp_path / "x.log")
    assert child.wait(PATIENCE_S) == 0
    assert int(child.tail().split()[-1], 16) == 0


@linux
def test_only_the_files_that_were_passed_are_open(own: Processes, tmp_path: Path) -> None:
    with (tmp_path / "passed").open("w") as passed:
        child = own.spawn(["ls", "/proc/self/fd"], name="x", log=tmp_path / "x.log", pass_fds=[passed.fileno()])
        assert child.wait(PATIENCE_S) == 0
        # ls itself opens the folder.
        assert len(child.tail(20).split()) == 5
        assert str(passed.fileno()) in child.tail(20).split()


def test_only_the_main_thread_may_spawn(own: Processes, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def spawn() -> None:
        try:
            own.spawn(["true"], name="x", log=tmp_path / "x.log")
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_the_work_folder_is_for_us_and_lets_others_through(own: Processes, tmp_path: Path) -> None:
    assert own.folder.parent == tmp_path
    assert own.folder.stat().st_mode & 0o777 == 0o711


def test_leaving_stops_the_last_first_and_removes_the_folder(tmp_path: Path) -> None:
    script = "trap 'echo {} >> {}; exit' TERM; echo ready; while :; do sleep 0.01; done"
    order = tmp_path / "order"
    with Processes(tmp_path) as processes:
        for name in "abc":
            first_line(processes.spawn(["sh", "-c", script.format(name, order)], name=name, log=tmp_path / name))
        processes.on_exit.callback(lambda: order.write_text("container\n"))
        (processes.folder / "data").mkdir()
    assert order.read_text().split() == ["container", "c", "b", "a"]
    assert not processes.folder.exists()


def test_an_error_inside_changes_nothing_of_that(tmp_path: Path) -> None:
    def fail() -> int:
        with Processes(tmp_path) as processes:
            child = processes.spawn(["sleep", "600"], name="x", log=tmp_path / "x.log")
            pids.append(child.pid)
            raise KeyError

    pids: list[int] = []
    with pytest.raises(KeyError):
        fail()
    assert not lives(pids[0])
    assert [path.name for path in tmp_path.iterdir()] == ["x.log"]


HARNESS = f"""
import sys, time
from pathlib import Path
from harness.processes import Processes

with Processes(Path(sys.argv[1])) as processes:
    log = Path(sys.argv[1]) / "log"
    deaf = processes.spawn([sys.executable, "-c", {STUBBORN!r}], name="deaf", log=log)
    while not log.read_text():
        deaf.wait(0.01)
    frozen = processes.spawn(["sleep", "600"], name="frozen", log=log)
    plain = processes.spawn(["sleep", "600"], name="plain", log=log)
    frozen.suspend()
    print(processes.folder, deaf.pid, frozen.pid, plain.pid, log.read_text().split()[0], flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_outlives_a_harness_that_is_killed(
    tmp_path: Path, started: list[subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    command = [sys.executable, "-c", HARNESS, str(tmp_path)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started.append(killed)
    assert killed.stdout is not None
    folder, *pids = killed.stdout.readline().decode().split()
    assert all(lives(int(pid)) for pid in pids)
    assert Path(folder).is_dir()
    reapers = [child.pid for child in psutil.Process(killed.pid).children() if "reaper.py" in " ".join(child.cmdline())]
    assert len(reapers) == 1
    killed.send_signal(number)
    wait_until_gone([*map(int, pids), *reapers], Path(folder))


@linux
def test_the_kernel_alone_ends_a_child_whose_reaper_is_gone(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    killed = subprocess.Popen([sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE)
    started.append(killed)
    assert killed.stdout is not None
    folder, deaf, frozen, plain, inner = killed.stdout.readline().decode().split()
    for child in psutil.Process(killed.pid).children():
        if "reaper.py" in " ".join(child.cmdline()):
            child.kill()
    killed.kill()
    wait_until_gone([int(plain)], tmp_path / "nothing")
    for pid in (deaf, frozen, inner):  # which only the reaper would have ended
        os.kill(int(pid), signal.SIGKILL)
    assert Path(folder).is_dir()


def reaper(folder: Path, parent: int) -> subprocess.Popen[bytes]:
    """Start a reaper as the harness does; its pipe is its stdin."""
    command = [sys.executable, "-I", "-S", str(SOURCES / "reaper.py"), str(folder), str(parent)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def test_the_reaper_alone_ends_what_is_registered(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    folder = tmp_path / "work"
    (folder / "data").mkdir(parents=True)
    plain = "print(0, flush=True); import signal; signal.pause()"
    for script in (STUBBORN, plain, plain):
        command = [sys.executable, "-c", script]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))
    inner, *_ = [int(process.stdout.readline()) for process in started if process.stdout]
    deaf, polite, spared = started
    watching = reaper(folder, os.getpid())
    started.append(watching)
    lines = [f"+{deaf.pid} 15", f"+{spared.pid} 15", f"+{polite.pid} 15", f"-{spared.pid}", ""]
    watching.communicate("\n".join(lines).encode(), timeout=PATIENCE_S)
    assert watching.returncode == 0
    assert not folder.exists()
    assert (deaf.wait(PATIENCE_S), polite.wait(PATIENCE_S)) == (-signal.SIGKILL, -signal.SIGTERM)
    wait_until_gone([inner], folder)
    assert spared.poll() is None


def test_the_reaper_notices_the_end_though_a_fork_holds_its_pipe(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    # Its parent is not the one that it is told of: that one is gone.
    watching = reaper(folder, os.getppid())
    started.append(watching)
    assert watching.wait(PATIENCE_S) == 0
    assert not folder.exists()


@linux
def test_the_reaper_waits_through_every_signal_of_a_terminal(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    watching = reaper(folder, os.getpid())
    started.append(watching)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    while not all(ignores(watching.pid, number) for number in signals):
        assert watching.poll() is None
    for number in signals:
        watching.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        watching.wait(0.2)
    assert folder.exists()
    watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 0
    assert not folder.exists()


def ignores(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process ignores a signal."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(line for line in status if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) & 1 << number - 1)


@linux
def test_a_guard_whose_parent_is_gone_starts_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-I",
                "-S",
                str(SOURCES / "guard.py"),
                f"--parent={os.getppid()}",
                "--signal=15",
            ),
            *("--", "/bin/sh", "-c", f"touch {tmp_path / 'started'}"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the parent was gone" in done.stderr
    assert not (tmp_path / "started").exists()


def test_both_stand_alone_on_a_bare_interpreter() -> None:
    for name in ("guard.py", "reaper.py"):
        source = (SOURCES / name).read_text()
        imported = [
            line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
        ]
        assert set(imported) <= sys.stdlib_module_names | {"__future__"}
