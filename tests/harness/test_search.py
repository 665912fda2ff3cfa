from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search import LEVEL, RETRIES, Search


@dataclass
class System:
    """Something under load whose trials pass by chance: a soft edge, a share of bad trials, drift, bad minutes."""

    capacity: float
    random: random.Random
    softness: float = 0.01
    bad_share: float = 0.0
    drift: float = 0.0
    minute_share: float = 0.0
    _drifted: float = field(default=0.0, init=False)
    _in_bad_minute: bool = field(default=False, init=False)

    def trial(self, rate: float) -> bool:
        dice = self.random
        self._in_bad_minute = dice.random() < (0.5 if self._in_bad_minute else self.minute_share)
        self._drifted = 0.8 * self._drifted + 0.6 * dice.gauss(0, self.drift)
        if self._in_bad_minute or dice.random() < self.bad_share:
            return False
        z = (math.log(self.capacity / rate) + self._drifted) / self.softness
        return dice.random() < 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))


def carry_out(search: Search, system: System) -> tuple[float | None, float | None]:
    while (rate := search.next_rate()) is not None:
        search.tell(rate, system.trial(rate))
    return search.bounds()


SYSTEMS = {
    "sharp": {},
    "soft": {"softness": 0.03, "bad_share": 0.03},
    "very soft": {"softness": 0.10, "bad_share": 0.03},
    "drifting": {"softness": 0.02, "bad_share": 0.02, "drift": 0.06},
    "bad minutes": {"softness": 0.03, "minute_share": 0.05},
}
WIDEST = {"sharp": 0.15, "soft": 0.24, "very soft": 0.40, "drifting": 0.26, "bad minutes": 0.26}
"""What the middle one of the intervals may be wide, as a share of its lower bound."""


@pytest.mark.parametrize("name", SYSTEMS)
def test_two_searches_agree_and_what_they_say_is_narrow(name: str) -> None:
    """From guesses up to four times off: 19 of 20 pairs of intervals overlap, 17 of 20 hold the capacity."""
    dice = random.Random(f"two searches, {name}")  # noqa: S311 - a simulation
    pairs, agreed, held, widths = 60, 0, 0, []
    for _ in range(pairs):
        capacity = dice.uniform(200, 5_000)
        found = []
        for _ in range(2):
            search = Search(capacity * 4 ** dice.uniform(-1, 1))
            lower, upper = carry_out(search, System(capacity, dice, **SYSTEMS[name]))
            found.append((lower or 0.0, upper or math.inf))
            held += found[-1][0] <= capacity <= found[-1][1]
            widths.append(found[-1][1] / found[-1][0] - 1 if lower else math.inf)
            assert len(search.told) <= 16
        (low, high), (other_low, other_high) = found
        agreed += low <= other_high and other_low <= high
    assert agreed / pairs >= LEVEL
    assert held / (2 * pairs) >= 0.85
    assert sorted(widths)[pairs] <= WIDEST[name]


def test_a_sharp_edge_is_found_to_the_width_that_was_asked_for() -> None:
    search = Search(300, width=0.20, most_trials=40)
    lower, upper = carry_out(search, System(1_234, random.Random(1)))  # noqa: S311 - a simulation
    assert search.ended == "width"
    assert lower is not None
    assert upper is not None
    assert lower <= 1_234 <= upper <= lower * 1.20


@pytest.mark.parametrize("times_off", [1 / 30, 30])
def test_a_guess_that_is_far_off_costs_trials_but_not_the_truth(times_off: float) -> None:
    dice = random.Random(f"far off, {times_off}")  # noqa: S311 - a simulation
    held = 0
    for _ in range(20):
        lower, upper = carry_out(Search(1_000 * times_off, lowest_per_s=1), System(1_000, dice, softness=0.03))
        assert lower is not None
        assert upper is not None
        held += lower <= 1_000 <= upper <= 3 * lower
    assert held >= 18


def test_a_bad_minute_does_not_decide() -> None:
    search = Search(400)
    for _ in range(2):
        rate = search.next_rate()
        assert rate is not None
        search.tell(rate, kept=False)
    lower, upper = carry_out(search, System(1_000, random.Random(1)))  # noqa: S311 - a simulation
    assert lower is not None
    assert upper is not None
    assert 700 < lower <= 1_000 <= upper


def test_steps_grow_until_both_bounds_are_there() -> None:
    search, rates = Search(100), []
    while (rate := search.next_rate()) is not None and rate < 1_000:
        rates.append(rate)
        search.tell(rate, kept=True)
    assert rates == [100, 125, 195, 390, 780]
    lower, upper = search.bounds()
    assert lower is not None
    assert 390 < lower <= 780
    assert upper is None


def test_not_even_the_lowest_rate_is_kept() -> None:
    search = Search(80, lowest_per_s=50)
    lower, upper = carry_out(search, System(5, random.Random(1)))  # noqa: S311 - a simulation
    assert lower is None
    assert upper is not None
    assert 50 <= upper < 62.5
    assert search.ended == "lowest"
    assert [rate for rate, _ in search.told].count(50) == 2


def test_the_highest_rate_is_kept() -> None:
    search = Search(80, highest_per_s=201)
    assert carry_out(search, System(5_000, random.Random(1))) == (201, None)  # noqa: S311 - a simulation
    assert search.ended == "highest"
    assert [rate for rate, _ in search.told] == [80, 100, 156, 201, 201]


def test_a_rate_at_which_trials_say_nothing_is_tried_three_times_and_ends_the_search() -> None:
    search = Search(100)
    while (rate := search.next_rate()) is not None:
        search.tell(rate, True if rate < 300 else None)
    assert search.ended == "generator"
    assert [rate for rate, kept in search.told if kept is None] == [390] * (RETRIES + 1)
    assert [rate for rate, _ in search.told].count(195) == 2
    assert search.bounds() == (195, None)


def test_a_generator_that_carries_nothing_ends_the_search() -> None:
    search = Search(100, lowest_per_s=60)
    while (rate := search.next_rate()) is not None:
        search.tell(rate, None)
    assert search.ended == "generator"
    assert search.bounds() == (None, None)
    assert [rate for rate, _ in search.told[:: RETRIES + 1]] == [100, 80, 60]


def test_one_trial_that_says_nothing_changes_nothing() -> None:
    dice = random.Random(3)  # noqa: S311 - a simulation
    told, other = Search(500), Search(500)
    system = System(900, dice)
    for _ in range(8):
        rate = told.next_rate()
        assert rate is not None
        assert other.next_rate() == rate
        other.tell(rate, None)
        assert other.next_rate() == rate
        answer = system.trial(rate)
        told.tell(rate, answer)
        other.tell(rate, answer)
    assert told.bounds() == other.bounds()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([True, False, None]), max_size=20),
    st.floats(0.1, 1e7),
    st.floats(1, 1e3),
    st.floats(1.5, 1e3),
)
def test_whatever_is_told_the_search_goes_on_within_its_bounds_and_ends(
    answers: list[bool | None], guess: float, lowest: float, times: float
) -> None:
    highest = lowest * times
    search = Search(guess, lowest_per_s=lowest, highest_per_s=highest)
    for answer in answers:
        rate = search.next_rate()
        assert rate == search.next_rate()
        if rate is None:
            break
        assert lowest * 0.99 <= rate <= highest * 1.01
        assert float(f"{rate:.3g}") == rate
        search.tell(rate, answer)
    assert len(search.told) <= 16
    assert (search.next_rate() is None) == (search.ended is not None)
    lower, upper = search.bounds()
    assert lower is None or upper is None or lower <= upper
    again = Search(guess, lowest_per_s=lowest, highest_per_s=highest)
    for rate, kept in search.told:
        again.tell(rate, kept)
    assert (again.next_rate(), again.bounds()) == (search.next_rate(), search.bounds())


def test_a_search_needs_room() -> None:
    with pytest.raises(ValueError, match="rates to choose from"):
        Search(100, lowest_per_s=50, highest_per_s=50)
