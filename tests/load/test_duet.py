"""Two arms under one load, inside a real Locust process."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.load.locust import load, reflector, run

if TYPE_CHECKING:
    from pathlib import Path

    from harness.load import spool

STEPS = """
    @task(3)
    def read(self):
        self.client.get("/read", name="read")

    @task
    def write(self):
        self.client.get("/write", name="write")
"""
SLICES = "0110"
OPTIONS = ("--rate=300", "--warmup-s=0.2", "--window-s=0.6", "--duets=2", f"--slices={SLICES}", "--slice-s=0.2")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> spool.Spool:
    """Record two arms with one user each, so that steps are sent in the order in which they were chosen."""
    with reflector() as base, reflector() as head:
        return load(tmp_path_factory.mktemp("duet"), base, STEPS, *OPTIONS, f"--arms={base},{head}", users=2)


def rows_in(both: spool.Spool, part: list[Any]) -> np.ndarray[Any, Any]:
    scheduled = both.rows["scheduled_ns"]
    found: np.ndarray[Any, Any] = both.rows[(scheduled >= part[3]) & (scheduled < part[4])]
    return found


def test_a_duet_draws_the_arm_of_every_arrival(both: spool.Spool) -> None:
    duets = [part for part in both.facts["parts"] if part[0] == "duet"]
    assert [(number, arm) for _, number, arm, *_ in duets] == [(0, None), (1, None)]
    assert duets[0][3] == both.facts["t0_ns"]
    for part in duets:
        rows = rows_in(both, part)
        drawn = np.count_nonzero(rows["arm"])
        assert abs(drawn - len(rows) / 2) < 5 * np.sqrt(len(rows)) / 2
        assert set(rows["outcome"]) == {0}


def test_a_slice_is_one_arms(both: spool.Spool) -> None:
    slices = [part for part in both.facts["parts"] if part[0] == "slice"]
    assert "".join(str(part[2]) for part in slices) == SLICES
    for part in slices:
        rows = rows_in(both, part)
        assert len(rows) > 10
        assert set(rows["arm"]) == {part[2]}
    for before, after in itertools.pairwise(slices):
        ended = rows_in(both, before)
        assert (ended["sent_ns"] + ended["service_ns"]).max() < after[3]
        assert after[3] - before[4] >= 20_000_000


def test_users_of_all_arms_choose_the_same_steps(both: spool.Spool) -> None:
    chosen = []
    for arm in (0, 1):
        rows = np.sort(both.rows[both.rows["arm"] == arm], order="sent_ns")
        assert len(set(rows["user"])) == 1
        chosen.append(rows["name"].tolist())
    shorter = min(map(len, chosen))
    assert shorter > 50
    assert len(set(chosen[0])) == 2
    assert chosen[0][:shorter] == chosen[1][:shorter]


def test_two_arms_need_one_recording_generator(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9", STEPS, "--rate=10", "--arms=http://127.0.0.1:9,http://127.0.0.1:8")
    assert done.returncode == 1
    assert "--arms needs --rate and --spool DIR" in done.stderr
