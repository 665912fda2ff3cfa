"""Recorded times against a server whose delays are known, by the server's own stamps: `python benchmarks/accuracy.py`.

For each distribution of delays the generator sends `--requests` at an open rate, and every row that it recorded is
found again among the stamps that the server took at arrival and departure. Two tables say how far recorded and served
quantiles lie apart, and by how much single requests are longer than what was served. Between the two clocks lie the
loopback, the waking of both processes and the generator's own work, and on a machine that does other things, or that a
host takes time from, also those: the last lines say what a bare socket pays here, and how much was lost to others.
Fifty thousand requests take two minutes a distribution.
"""

from __future__ import annotations

import argparse
import socket
import time
from typing import TYPE_CHECKING

from harness import machine
from harness.processes import Processes
from tests.instrument import known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

SERVERS = {
    "fixed 5 ms": ("fixed", "--delay-ms=5"),
    "2 or 50 ms, 97:3": ("bimodal", "--delay-ms=2", "--slow-ms=50", "--slow-share=0.03"),
    "log-normal, 5 ms": ("lognormal", "--delay-ms=5", "--sigma=0.5"),
}
FEWEST_FOR_P999 = 10_000
MEDIAN_LIMIT_US, P99_LIMIT_US = 200, 1000
ROUNDING_US = 0.5
USERS = 64
BARE_REQUESTS = 500


def quantiles(rows: pd.DataFrame) -> bool:
    """Print served and recorded quantiles, and return whether all are as near as they must be."""
    near = True
    for share in (0.5, 0.9, 0.99, *([0.999] if len(rows) >= FEWEST_FOR_P999 else [])):
        served_us = known.quantile(rows["served_us"], share)
        service_us = known.quantile(rows["service_us"], share)
        response_us = known.quantile(rows["response_us"], share)
        apart_us, allowed_us = service_us - served_us, known.allowed_us(served_us)
        near = near and abs(apart_us) <= allowed_us
        print(
            f"  p{share * 100:<6g}{served_us:>12,.0f}{service_us:>12,.0f}{apart_us:>+10,.0f}{allowed_us:>10,.0f}"
            f"{'' if abs(apart_us) <= allowed_us else '  MISSED':<8}{response_us:>12,.0f}"
        )
    return near


def stamps(rows: pd.DataFrame) -> bool:
    """Print how much longer requests were recorded than served, and return whether that is as short as it must be."""
    longer_us = rows["service_us"] - rows["served_us"]
    shorter = int((longer_us < -ROUNDING_US).sum())
    median_us, p99_us = known.quantile(longer_us, 0.5), known.quantile(longer_us, 0.99)
    print(
        f"  service beyond the server's stamps: p50 {median_us:,.0f} µs (limit {MEDIAN_LIMIT_US}), "
        f"p99 {p99_us:,.0f} µs (limit {P99_LIMIT_US:,}); recorded shorter than served: {shorter} of {len(rows):,}"
    )
    return not shorter and median_us <= MEDIAN_LIMIT_US and p99_us <= P99_LIMIT_US


def bare(processes: Processes, server: Sequence[str]) -> list[float]:
    """Return by how many µs a plain blocking socket on the generator's CPU sees requests longer than they were served.

    One connection, and pauses between requests as between arrivals: what any client would pay here for waking up.
    """
    known_server = known.Server(processes, *server)
    cpus, _ = machine.cpus_by_role()
    before = machine.pinned()
    machine.pin(cpus.get("generator"))
    seen_ns = []
    with socket.create_connection(known_server.address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(BARE_REQUESTS):
            sent_ns = time.monotonic_ns()
            connection.sendall(b"GET /bare/%d HTTP/1.1\r\n\r\n" % number)
            connection.recv(4096)
            seen_ns.append(time.monotonic_ns() - sent_ns)
            time.sleep(0.002)
    machine.pin(before)
    stamps = known_server.stop().stamps
    served = [stamps["bare", number] for number in range(BARE_REQUESTS)]
    return [
        (seen - (departure - arrival)) / 1000
        for seen, (arrival, departure) in zip(seen_ns, served, strict=True)
        if departure is not None
    ]


def main() -> None:
    """Measure each distribution and print the tables; exits with 1 when a limit was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=50_000, help="of each distribution (default: 50,000)")
    parser.add_argument("--rate", type=float, default=400.0, help="arrivals a second (default: 400)")
    parser.add_argument(
        "--spin", action=argparse.BooleanOptionalAction, default=bool(machine.cpus_by_role()[0]),
        help="let the server watch its sockets without sleeping (default: where it has a CPU of its own)",
    )  # fmt: skip
    parser.add_argument("--client", choices=["lean", "stock"], default="lean")
    chosen = parser.parse_args()
    good = []
    with Processes() as processes:
        for name, mode in SERVERS.items():
            server = [*mode, *(["--spin"] if chosen.spin else [])]
            trial = known.trial(
                processes,
                known.arriving(chosen.rate, USERS),
                *server,
                window_s=chosen.requests / chosen.rate,
                client=chosen.client,
            )
            rows = trial.answered
            missing = int(rows["served_us"].isna().sum()) + len(trial.in_window) - len(rows)
            print(f"{name}: {len(rows):,} requests at {chosen.rate:g}/s, {missing} unanswered or without a stamp; µs")
            print(f"  {'':7}{'served':>12}{'service':>12}{'apart':>10}{'allowed':>10}{'':8}{'response':>12}")
            good += [quantiles(rows), stamps(rows), not missing]
            floor = bare(processes, server)
            p50_us, p99_us = known.quantile(floor, 0.5), known.quantile(floor, 0.99)
            print(f"  the same for a bare socket, one request at a time: p50 {p50_us:,.0f} µs, p99 {p99_us:,.0f} µs")
            print(f"  of the window {trial.disturbed:.1%} was lost to other processes and to the host", flush=True)
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
