from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.resources import Sampler, from_t0

BUSY = "import time\nend = time.process_time() + {cpu_s}\nwhile time.process_time() < end: pass\ninput()\n"


@pytest.fixture
def busy() -> subprocess.Popen[bytes]:
    """Start a process that burns 0.3 s of CPU and then waits."""
    return subprocess.Popen([sys.executable, "-c", BUSY.format(cpu_s=0.3)], stdin=subprocess.PIPE)


def test_cpu_time_is_what_the_process_itself_counts(busy: subprocess.Popen[bytes]) -> None:
    sampler = Sampler(arm=0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        sampler.sample({"app": [busy.pid]})
        status = Path(f"/proc/{busy.pid}/status").read_text()
        if sampler.rows[-1]["cpu_ns"] > 0.3e9 and "State:\tS" in status:
            break
        time.sleep(0.02)
    sampler.sample({"app": [busy.pid]}, pss=True)
    busy.communicate(b"\n")
    last = sampler.rows[-1]
    assert 0.3e9 <= last["cpu_ns"] < 0.6e9
    assert 0 < last["pss_bytes"] <= last["rss_bytes"]
    assert last["threads"] == 1
    assert last["fds"] >= 3
    assert last["ctx_switches"] > 0
    assert all(row["pss_bytes"] is None for row in sampler.rows[:-1])


def test_a_thread_that_ended_keeps_what_it_used() -> None:
    code = (
        "import threading, time\n"
        "def burn():\n"
        "    end = time.thread_time() + 0.2\n"
        "    while time.thread_time() < end: pass\n"
        "    print(flush=True); input()\n"
        "threads = threading.Thread(target=burn)\n"
        "threads.start(); threads.join(); print(flush=True); input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sampler = Sampler(arm=0)
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
    sampler = Sampler(arm=0)
    sampler.sample({"app": [process.pid, os.getpid()]})
    assert [row["pid"] for row in sampler.rows] == [os.getpid()]


def test_one_sweep_has_one_time_and_it_counts_from_t0() -> None:
    sampler = Sampler(arm=0)
    sampler.sample({"app": [os.getpid()], "store": [os.getppid()]})
    t_ns = sampler.rows[0]["t_ns"]
    assert [row["t_us"] for row in from_t0(sampler.rows, t_ns - 5_000)] == [5, 5]
