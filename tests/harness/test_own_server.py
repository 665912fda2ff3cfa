"""A server of the user's own: only the run's namespace is touched, and it is gone at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import redis

from harness.processes import Processes
from harness.servers import server
from reports.files import read_run
from tests.harness.command import MEASURED, QUICK, session_bench

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_leaves_the_users_data_and_nothing_of_its_own(tmp_path: Path) -> None:
    with Processes() as processes:
        running = server.provide("redis", options={}, mode="wheel", processes=processes)
        with redis.Redis.from_url(running.url) as client:
            client.set("mine", "untouched")
            done = session_bench(tmp_path, "run", "redis", *QUICK, "--json", SESSION_BENCH_REDIS_URL=running.url)
            assert done.returncode in MEASURED, done.stderr
            assert client.keys() == [b"mine"]
            assert client.get("mine") == b"untouched"
    run = read_run(tmp_path / json.loads(done.stdout)["run"])
    (variant,) = run.variants
    assert variant.server is not None
    assert (variant.server.source, variant.server.address) == ("url", running.record.address)
    assert variant.bytes_per_session is not None
    (trial,) = run.trials
    assert trial.arms[0].figures is not None
    assert trial.arms[0].figures.cpu_us_per_request["store"] is None
