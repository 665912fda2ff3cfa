from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from harness import resources
from harness.resources import Sampler, from_t0

BUSY = """
import time
end = time.process_time() + {cpu_s}
while time.process_time() < end: pass
print(time.process_time_ns(), flush=True)
input()
"""


@pytest.fixture
def busy() -> subprocess.Popen[bytes]:
    """Start a process that burns 0.3 s of CPU and then waits."""
    command = [sys.executable, "-c", BUSY.format(cpu_s=0.3)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_cpu_time_is_what_the_process_itself_counts(busy: subprocess.Popen[bytes]) -> None:
    assert busy.stdout is not None
    sampler = Sampler()
    sampler.sample({"app": [busy.pid]})
    own_ns = int(busy.stdout.readline())
    sampler.sample({"app": [busy.pid]}, pss=True)
    spent = psutil.Process(busy.pid).cpu_times()
    busy.communicate(b"\n")
    last = sampler.rows[-1]
    # Between what it counted before it said so, and what the kernel counted behind the sample, in ticks of 10 ms.
    assert own_ns <= last["cpu_ns"] <= (spent.user + spent.system) * 1e9 + 20e6
    assert 0 < last["pss_bytes"] <= last["rss_bytes"]
    assert last["threads"] == 1
    assert last["fds"] >= 3
    assert last["ctx_switches"] > 0
    assert last["waited_ns"] >= 0
    assert abs(last["ticks_ns"] - last["cpu_ns"]) < 0.1e9  # the kernel counts in ticks of 10 ms
    assert all(row["pss_bytes"] is None for row in sampler.rows[:-1])


def test_a_thread_that_ended_keeps_what_it_used() -> None:
    code = (
        "import psutil, threading, time\n"
        "def burn():\n"
        "    end = time.thread_time() + 0.2\n"
        "    while time.thread_time() < end: pass\n"
        "    print(flush=True); input()\n"
        "threads = threading.Thread(target=burn)\n"
        "threads.start(); threads.join()\n"
        # It is joined a moment before the system has ended it.
        "while psutil.Process().num_threads() > 1: time.sleep(0)\n"
        "print(flush=True); input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sampler = Sampler()
        for _ in range(2):
            process.stdout.readline()
            sampler.sample({"app": [process.pid]})
            process.stdin.write(b"\n")
            process.stdin.flush()
    first, second = sampler.rows
    assert first["threads"] == 2
    assert second["threads"] == 1
    assert second["cpu_ns"] >= first["cpu_ns"] >= 0.2e9


def test_a_process_that_is_gone_has_no_row() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    sampler = Sampler()
    sampler.sample({"app": [process.pid, os.getpid()]})
    assert [row["pid"] for row in sampler.rows] == [os.getpid()]


def test_one_sweep_has_one_time_and_it_counts_from_t0() -> None:
    sampler = Sampler()
    sampler.sample({"app": [os.getpid()], "store": [os.getppid()]})
    t_ns = sampler.rows[0]["t_ns"]
    assert [row["t_us"] for row in from_t0(sampler.rows, t_ns - 5_000)] == [5, 5]


def test_the_machine_is_watched_between_the_sweeps_around_a_window() -> None:
    sampler = Sampler()
    sampler.sample({})
    t0_ns = time.monotonic_ns()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        wait_for(busy.pid, 0.5)
    finally:
        busy.kill()
        busy.wait()
    window_s = (time.monotonic_ns() - t0_ns) / 1e9
    sampler.sample({})
    machine = resources.machine_in(sampler.moments, t0_ns, window_s)
    assert machine.others_share is not None
    assert machine.others_share > 0.3 / (window_s * (os.cpu_count() or 1))
    assert machine.steal_share is None or 0 <= machine.steal_share < 1
    if hasattr(time, "CLOCK_MONOTONIC_RAW"):
        assert machine.clock_ppm is not None
        assert abs(machine.clock_ppm) < 1000


def test_nothing_is_said_of_a_machine_that_was_not_watched() -> None:
    assert resources.machine_in([], 0, 1.0) == resources.Machine()


def wait_for(pid: int, cpu_s: float) -> None:
    """Wait until a process has used so much CPU time."""
    times = psutil.Process(pid)
    while times.cpu_times().user < cpu_s:
        time.sleep(0.01)
