"""Requests a second of the lean client, of Locust's two clients and of wrk, in turn: `python benchmarks/client.py`.

One generator on one CPU against a server that does nothing, on another where there is one; a session cookie goes with
every request and every request is recorded. Rounds are interleaved in random order, so that a noisy minute hits all;
ratios are taken within a round, and the least, the median and the most of them are printed. wrk is the yardstick and
takes part where it is installed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.load import spool

USERS = 16
WARMUP_S = 0.5
SCENARIO = """
from locust import FastHttpUser, HttpUser, constant, task

class User({base}):
    wait_time = constant(0)

    def on_start(self):
        self.client.get("/login")

    @task
    def ask(self):
        with self.client.get("/ping", catch_response=True) as response:
            if response.status_code != 200:
                response.failure("not 200")
"""
CLIENTS = {
    "HttpUser": ("HttpUser", "stock"),
    "FastHttpUser": ("FastHttpUser", "stock"),
    "lean": ("FastHttpUser", "lean"),
}


def pinned(cpu: int, command: list[str]) -> list[str]:
    """Keep a command on one CPU where there are several and the system can."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cpus) < 2 or not shutil.which("taskset"):  # noqa: PLR2004 - one for each side
        return command
    return ["taskset", "-c", str(cpus[cpu]), *command]


def locust(client: str, host: str, window_s: float) -> float:
    """Return the requests a second that a Locust client was answered."""
    base, kind = CLIENTS[client]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scenario.py").write_text(SCENARIO.format(base=base))
        flags = [f"--users={USERS}", f"--spawn-rate={USERS}", f"--host={host}", f"--client={kind}", f"--spool={folder}"]
        flags += [
            f"--warmup-s={WARMUP_S}",
            f"--window-s={window_s}",
            "--headless",
            "--only-summary",
            "--stop-timeout=2",
        ]
        command = [sys.executable, "-m", "harness.load", "-f", "scenario.py", *flags]
        subprocess.run(pinned(1, command), cwd=folder, capture_output=True, check=True)
        (read,) = spool.read(folder)
    t_s = (read.rows["sent_ns"] - read.facts["t0_ns"]) / 1e9
    inside = (t_s >= 0) & (t_s < window_s)
    if read.rows["outcome"][inside].any():
        raise SystemExit(f"{client}: not every request was answered: {read.facts['messages']}")
    return float(inside.sum()) / window_s


def wrk(host: str, window_s: float) -> float:
    """Return the requests a second of wrk, with as many connections as there are users."""
    cookie = f"Cookie: sid={'x' * 43}"
    command = ["wrk", "-t1", f"-c{USERS}", f"-d{window_s:.0f}s", "-H", cookie, f"{host}/ping"]
    said = subprocess.run(pinned(1, command), capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise SystemExit(f"wrk said no rate: {said}")
    return float(found[1])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return the least, the median and the most."""
    return min(values), statistics.median(values), max(values)


def main() -> None:
    """Measure in rounds and print rates and ratios with their spreads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window-s", type=float, default=3.0)
    chosen = parser.parse_args()
    names = [*CLIENTS, *(["wrk"] if shutil.which("wrk") else [])]
    rates: dict[str, list[float]] = {name: [] for name in names}
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        listener.set_inheritable(True)
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "harness.reflector", "--fd", str(listener.fileno())]
        server = subprocess.Popen(pinned(0, command), pass_fds=[listener.fileno()])
    try:
        for _ in range(chosen.rounds):
            for name in random.sample(names, len(names)):
                measured = wrk(host, chosen.window_s) if name == "wrk" else locust(name, host, chosen.window_s)
                rates[name].append(measured)
    finally:
        server.terminate()
        server.wait()
    print(f"{'':<14}{'requests/s':^30}{'lean is … times as fast':^30}")
    print(f"{'client':<14}{'min':>10}{'median':>10}{'max':>10}{'min':>10}{'median':>10}{'max':>10}")
    for name, seen in rates.items():
        ratios = [lean / other for lean, other in zip(rates["lean"], seen, strict=True)]
        cells = "".join(f"{rate:>10,.0f}" for rate in spread(seen))
        print(f"{name:<14}{cells}" + ("" if name == "lean" else "".join(f"{ratio:>10.2f}" for ratio in spread(ratios))))


if __name__ == "__main__":
    main()
