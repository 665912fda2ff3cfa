from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports.choice import needs_contest, needs_metrics
from reports.choice.decision import decision
from reports.exporters import markdown
from reports.format import Capacity, Objective
from reports.record.audited import Audit, Checked
from tests.reports import (
    synthetic,
    synthetic_audits,
    synthetic_choice,
    synthetic_distance,
    synthetic_faults,
    synthetic_judged,
    synthetic_told,
)
from tests.reports.conftest import in_terminal
from tests.reports.synthetic_choice import APART

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.choice.decision import Decision
    from reports.choice.needs import Answer
    from reports.data import Recorded
    from reports.format import Run

SLO = Objective(text="p99<20ms", limits={"p99_us": 20_000})
MEASURED = ("p99", "p50", "capacity", "throughput", "app-cpu", "cpu", "memory")


def decided(run: Run) -> Decision:
    found = decision(run)
    assert found is not None
    return found


def answers(run: Run) -> dict[str, Answer]:
    return {each.key: each for each in decided(run).answers}


def test_a_clear_winner_is_named_with_figure_range_and_who_comes_next() -> None:
    found = answers(synthetic_choice.run(APART))
    assert (found["p99"].state, found["p99"].best) == ("best", ["redis"])
    assert found["p99"].said == "redis, 2.10 ms (2.00 to 2.20); next postgres, 4.10 ms (4.00 to 4.20)."
    assert [each.variant for each in found["p99"].figures] == ["redis", "postgres", "mongodb"]
    assert found["p50"].said.startswith("redis, 0.700 ms (0.667 to 0.733)")
    assert found["app-cpu"].said.startswith("redis, 210 µs/request (200 to 220)")
    assert found["cpu"].said.startswith("redis, 260 µs/request (250 to 270)")
    assert decided(synthetic_choice.run(APART)).question == "Which of 3 backends at 200 arrivals/s of login_profile?"


@pytest.mark.parametrize("order", list(itertools.permutations(APART)))
def test_the_answer_does_not_hang_on_the_order(order: tuple[str, ...]) -> None:
    found = answers(synthetic_choice.run({name: APART[name] for name in order}))
    assert [each.variant for each in found["p99"].figures] == ["redis", "postgres", "mongodb"]
    assert found["p99"].best == ["redis"]


def test_ranges_that_overlap_have_no_winner() -> None:
    run = synthetic_choice.run({"redis": (2.0, 2.1, 2.6), "postgres": (2.5, 2.7, 2.8), "mongodb": (6.0, 6.3, 6.6)})
    found = answers(run)["p99"]
    assert (found.state, found.best) == ("not told apart", ["redis", "postgres"])
    assert found.short == "redis or postgres"
    assert found.said == (
        "Cannot be told apart in 3 blocks: redis, 2.10 ms (2.00 to 2.60); postgres, 2.70 ms (2.50 to 2.80)."
    )


def test_who_shares_a_place_is_named_without_the_figures_that_stand_above() -> None:
    run = synthetic_choice.run({"cookie": (1.0, 1.1, 1.2), "redis": (2.0, 2.1, 2.6), "postgres": (2.5, 2.7, 2.8)})
    assert answers(run)["revocation"].said.endswith(" By p99 not told apart: redis, postgres.")
    run = synthetic_choice.run(
        {"memory": (1.0, 1.1, 1.2), "cookie": (1.5, 1.6, 1.7), "redis": (2.0, 2.1, 2.6), "postgres": (2.5, 2.7, 2.8)}
    )
    assert answers(run)["revocation"].said.endswith(
        " Fastest of these by p99: memory, 1.10 ms (1.00 to 1.20). On a server not told apart: redis, postgres."
    )


def test_a_figure_is_said_once_in_an_answer() -> None:
    times = {"memory": (2.0, 2.1, 2.6), "redis": (2.5, 2.7, 2.9), "postgres": (2.8, 3.0, 3.2)}
    said = answers(synthetic_choice.run(times))["p99"].said
    assert said.endswith(
        "redis, 2.70 ms (2.50 to 2.90). On a server not told apart: redis; postgres, 3.00 ms (2.80 to 3.20)."
    )


def test_two_blocks_tell_nobody_apart() -> None:
    run = synthetic_choice.run({name: times[:2] for name, times in APART.items()})
    assert {answers(run)[key].state for key in ("p99", "p50", "app-cpu", "cpu")} == {"not told apart"}


def test_one_block_has_no_winner_and_says_so() -> None:
    found = decided(synthetic_choice.run({name: times[:1] for name, times in APART.items()}))
    assert all(each.state != "best" for each in found.answers)
    assert found.trouble.startswith("One block says nothing of chance")
    assert found.ranges == ""
    assert "1 block: no spread is known" in {each.key: each.text for each in found.cautions}["blocks"]


def test_all_invalid_answers_nothing() -> None:
    found = decided(synthetic_choice.run(APART, states=dict.fromkeys(APART, "INVALID")))
    assert found.answers == []
    assert found.trouble.startswith("All 9 trials are INVALID: the machine or the generator was at fault. Nothing can")
    assert [(each.names, each.mark) for each in found.aside] == [(list(APART), "EXCLUDED")]


def test_who_did_not_run_is_named_with_the_reason() -> None:
    lost = synthetic.variant("http", error="the port was taken")
    alone = synthetic_choice.run({"redis": APART["redis"]})
    assert decided(alone).question == "How does redis do at 200 arrivals/s of login_profile?"
    found = decided(synthetic_choice.run({"redis": APART["redis"]}, extra=[lost]))
    assert [each.text for each in found.aside] == ["http: NOT RUN, the port was taken"]
    assert found.trouble == "Only redis has figures that are to be trusted: it is compared with nobody."
    assert {each.key: each.state for each in found.answers}["p99"] == "only"
    nothing = decided(synthetic_choice.run({}, extra=[lost]))
    assert (nothing.answers, nothing.trouble) == ([], "Nothing was measured yet, so nothing can be chosen from it.")


def everywhere(found: Decision) -> str:
    return " ".join([each.said for each in found.answers] + [name for each in found.answers for name in each.best])


def test_a_struck_variant_is_no_answer_however_fast() -> None:
    run = synthetic_choice.run(APART)
    run.audits = [synthetic_audits.audit("redis", synthetic_audits.REVIVED), synthetic_audits.audit("postgres")]
    found = decided(run)
    assert answers(run)["p99"].best == ["postgres"]
    assert "redis" not in everywhere(found)
    assert [each.text for each in found.aside] == [
        "redis: FAILS 3 revocation: The cookie from before the logout was answered 200"
    ]
    lesser = synthetic_choice.run(APART)
    lesser.audits = [synthetic_audits.audit("redis", synthetic_audits.BARE)]
    assert answers(lesser)["p99"].best == ["redis"]


@pytest.mark.parametrize("state", ["FAILED", "OVERLOADED", "INVALID"])
def test_who_is_not_to_be_trusted_is_no_answer(state: str) -> None:
    found = decided(synthetic_choice.run(APART, states={"redis": state}))
    assert "redis" not in everywhere(found)
    assert {each.key: each.best for each in found.answers}["p99"] == ["postgres"]
    assert found.aside[0].mark == ("EXCLUDED" if state == "INVALID" else state)


def test_what_keeps_nothing_is_no_candidate_and_memory_says_what_it_costs() -> None:
    run = synthetic_choice.run({"none": (1.0, 1.1, 1.2), "memory": (1.5, 1.6, 1.7), **APART})
    found = decided(run)
    assert answers(run)["p99"].said == (
        "memory (one process, lost at exit), 1.60 ms (1.50 to 1.70). On a server: redis, 2.10 ms (2.00 to 2.20); "
        "next postgres, 4.10 ms (4.00 to 4.20)."
    )
    assert found.aside[0].text == "none: the baseline, which keeps no session"
    assert all("none" not in each.best for each in found.answers)
    # What it gives up is said once, where it is first an answer.
    assert [each.key for each in found.answers if "lost at exit" in each.said] == ["p99"]
    assert answers(run)["p50"].short == "memory"
    assert answers(run)["workers"].said.startswith("redis, postgres, mongodb (by their own account")
    assert answers(run)["power-loss"].said == (
        "Every acknowledged write: postgres. But for the last 100 ms: mongodb. "
        "By p99: postgres, 4.10 ms (4.00 to 4.20)."
    )


def test_an_audit_that_passed_speaks_for_itself() -> None:
    run = synthetic_choice.run({"cookie": (1.5, 1.6, 1.7), **APART})
    run.audits = [synthetic_audits.audit(name) for name in ("redis", "postgres")]
    said = answers(run)["revocation"].said
    assert said.startswith("redis, postgres, mongodb (check 3 of the audit passed by redis, postgres; the others by")
    assert "cookie" not in said
    run.audits.append(synthetic_audits.audit("mongodb"))
    assert "(check 3 of the audit passed)" in answers(run)["revocation"].said


def dozen(p99_ms: float, turn: int, *, noise: float = 0.01) -> list[float]:
    return [p99_ms * (1 + noise * ((block * 7 + turn) % 5 - 2) / 2) for block in range(16)]


def test_a_dozen_blocks_tell_what_ranges_cannot() -> None:
    # The machine's pace moves both alike: their ranges overlap, block by block one is always 3 % faster.
    pace = [1 + 0.02 * block for block in range(16)]
    run = synthetic_choice.run({"redis": [2 * each for each in pace], "postgres": [2.06 * each for each in pace]})
    assert answers(run)["p99"].best == ["redis"]
    run.plan.ranking = True
    run.told = []
    assert "95 % signed-rank interval over 16 blocks" in decided(run).ranges


def test_ties_are_ties_where_the_run_says_so() -> None:
    found = answers(synthetic_told.bench())
    assert (found["p50"].state, sorted(found["p50"].best)) == ("tied", ["cookie", "memory"])
    assert found["p50"].said.startswith("Tied: ")
    assert " On a server: redis, 1.71 ms" in found["p50"].said
    # Blocks are enough, but noise is more than the difference: neither a tie nor a winner.
    noisy = {"redis": dozen(2.0, 0, noise=0.9), "postgres": dozen(2.2, 3, noise=0.9)}
    assert answers(synthetic_choice.run(noisy, ranking=True))["p50"].state == "not told apart"


def test_what_the_run_tells_goes_before_what_medians_say() -> None:
    run = synthetic_told.bench()
    for each in run.told:
        if {each.a, each.b} == {"memory", "cookie"} and each.metric == "p50_us":
            each.state, each.change.estimate = "differ", -0.1 if each.b == "cookie" else 0.1
    assert answers(run)["p50"].best == ["cookie"]


def test_a_lower_bound_wins_nothing_where_less_is_better() -> None:
    run = synthetic_choice.run(APART)
    for trial in run.trials:
        if trial.arms[0].variant == "redis" and trial.arms[0].figures:
            trial.arms[0].figures.at_least = ["p99_us"]
    found = answers(run)["p99"]
    assert (found.state, found.best) == ("not told apart", ["redis", "postgres"])
    assert "redis, ≥2.10 ms" in found.said


def test_closed_loops_that_the_generator_held_back_lose_nothing() -> None:
    drawn = {"redis": (3_000, 3_050, 3_100), "postgres": (2_000, 2_050, 2_100)}
    times = {name: APART[name] for name in drawn}
    found = answers(synthetic_choice.run(times, drawn_per_s=drawn))["throughput"]
    assert found.said == ("redis, 3,050 requests/s (3,000 to 3,100); next postgres, 2,050 requests/s (2,000 to 2,100).")
    assert found.need == "most requests/s by 16 users in closed loops"
    held = synthetic_choice.run(times, drawn_per_s=drawn)
    for trial in held.trials:
        if trial.arms[0].variant == "postgres" and trial.arms[0].closed:
            trial.arms[0].closed.cpu_share["generator"] = 0.99
    assert answers(held)["throughput"].state == "not told apart"


def capacity(name: str, lower: float | None, upper: float | None) -> Capacity:
    return Capacity(variant=name, lower_per_s=lower, upper_per_s=upper, limit="app CPU", why="it was full")


OVERLAP = "Cannot be told apart, since their intervals overlap: redis, 1,000 to 1,200 arrivals/s; postgres, "


@pytest.mark.parametrize(
    ("postgres", "state", "said"),
    [
        ((800, 900), "best", "redis, 1,000 to 1,200 arrivals/s, where the app CPU gives out; next postgres, 800"),
        ((800, 1_100), "not told apart", f"{OVERLAP}800 to 1,100 arrivals/s."),
        ((800, None), "not told apart", f"{OVERLAP}at least 800 arrivals/s, where the search ended."),
        ((None, 5_000), "not told apart", f"{OVERLAP}under 5,000 arrivals/s."),
        ((1_300, None), "best", "postgres, at least 1,300 arrivals/s, where the search ended; next redis, 1,000 to"),
        ((None, 50), "best", "redis, 1,000 to 1,200 arrivals/s, where the app CPU gives out; next postgres, under 50"),
        ((None, None), "only", "redis, 1,000 to 1,200 arrivals/s, where the app CPU gives out. Not known of postgres,"),
    ],
)  # fmt: skip
def test_capacity_is_told_by_its_intervals(postgres: tuple[Any, Any], state: str, said: str) -> None:
    run = synthetic_choice.run(APART, objective=SLO)
    run.capacities = [capacity("redis", 1_000, 1_200), capacity("postgres", *postgres)]
    found = answers(run)["capacity"]
    assert (found.state, found.need) == (state, "highest load with p99<20ms")
    assert found.said.startswith(said)
    assert found.said.endswith("mongodb.")
    assert "throughput" not in answers(run)


def test_memory_carries_most_and_a_server_is_named_beside_it() -> None:
    run = synthetic_choice.run({"memory": (1.5, 1.6, 1.7), **APART}, objective=SLO)
    run.capacities = [capacity("memory", 3_000, 3_100), capacity("redis", 1_000, 1_200), capacity("mongodb", None, 90)]
    assert answers(run)["capacity"].said == (
        "memory, 3,000 to 3,100 arrivals/s, where the app CPU gives out. On a server: redis, 1,000 to 1,200 "
        "arrivals/s, where the app CPU gives out; next mongodb, under 90.0 arrivals/s. Not known of postgres."
    )
    run.capacities = [capacity("redis", None, 100)]
    assert answers(run)["capacity"].said == "Nobody was shown to carry any rate."


def test_faults_say_who_bore_them(tmp_path: Path) -> None:
    found = answers(synthetic_faults.record(tmp_path))
    assert found["fault-freeze"].best == ["redis"]
    assert found["fault-freeze"].said.startswith("Came back by itself: redis at once, ")
    assert "Not as it should: postgres (" in found["fault-freeze"].said
    assert "it says who came back, and ranks nobody" in found["fault-kill"].said
    assert all("mongodb" not in each.said for key, each in found.items() if key.startswith("fault-"))


def test_distances_are_not_mixed() -> None:
    run = synthetic_distance.run()
    found = decided(run)
    assert "0 ms from its store" in found.question
    assert {each.variant for each in answers(run)["p99"].figures} == {"redis:rtt=0", "redis:driver=sync,rtt=0"}
    assert "distance" in {each.key for each in found.cautions}


def test_closed_load_has_no_latency_to_choose_by(recorded: Recorded) -> None:
    found = answers(recorded.run)
    assert (found["p99"].state, found["p99"].best) == ("unknown", [])
    assert found["throughput"].best == ["memory"]
    assert "mongodb" not in found  # and no key is a variant's


def test_who_asks_something_else_gets_no_decision() -> None:
    assert decision(synthetic_audits.only()) is None
    assert decision(synthetic_judged.check()) is None


STATES = st.sampled_from(["VALID", "SUSPECT", "INVALID", "OVERLOADED", "FAILED"])


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.tuples(STATES, st.booleans(), st.lists(st.floats(0.5, 50), min_size=3, max_size=3)), min_size=4,
                  max_size=4)
)  # fmt: skip
def test_no_winner_is_struck_or_untrusted_or_within_another_s_range(data: list[tuple[str, bool, list[float]]]) -> None:
    names = ("none", "memory", "redis", "postgres")
    run = synthetic_choice.run(
        {name: times for name, (_, _, times) in zip(names, data, strict=True)},
        states={name: state for name, (state, _, _) in zip(names, data, strict=True)},
    )
    run.audits = [
        synthetic_audits.audit(name, *([synthetic_audits.REVIVED] if fails else []))
        for name, (_, fails, _) in zip(names, data, strict=True)
        if name != "none"
    ]
    fit = {
        name for name, (state, fails, _) in zip(names, data, strict=True) if state in {"VALID", "SUSPECT"} and not fails
    }
    fit -= {"none"}
    times = {name: values for name, (_, _, values) in zip(names, data, strict=True)}
    for each in decided(run).answers:
        assert set(each.best) <= fit, each.key
        if each.key == "p99" and each.state == "best":
            others = fit - set(each.best)
            assert all(max(times[each.best[0]]) < min(times[other]) for other in others)


def test_three_equal_backends_seldom_have_a_winner() -> None:
    # All blocks of one lie below the six of the others by chance in 3 of 84 runs.
    dice, won = random.Random(3), 0  # noqa: S311 - a simulation
    for _ in range(300):
        run = synthetic_choice.run({name: [dice.gauss(5, 0.3) for _ in range(3)] for name in APART})
        won += needs_contest.contest(run, run.variants, needs_metrics.speed(run)).state == "best"
    assert 0.01 < won / 300 < 0.07


@pytest.mark.parametrize("kind", ["choice", "struck", "hostile"])
def test_the_decision_leads_every_text(kind: str, golden: Callable[[str, str], None]) -> None:
    run = synthetic_choice.run(
        {"none": (1.0, 1.1, 1.2), "memory": (1.5, 1.6, 1.7), **APART},
        drawn_per_s=dict.fromkeys(("none", "memory", *APART), (3_000, 3_050, 3_100)),
    )
    if kind == "struck":
        run.audits = [synthetic_audits.audit("redis", synthetic_audits.REVIVED), Audit(variant="postgres", quick=True)]
        run.trials[0].checked = {"isolation": Checked(checked=10, wrong=0)}
    if kind == "hostile":
        renamed = f"redis:{synthetic.EVIL}"
        run = type(run).model_validate_json(run.model_dump_json().replace('"redis"', f'"{_json(renamed)}"'))
    text = in_terminal(run, 80)
    assert max(map(len, text.splitlines())) <= 80
    golden(f"decision-{kind}-80.txt", text)
    written = markdown.render(run)
    golden(f"decision-{kind}.md", written)
    lines = text.splitlines()
    assert lines.index("Which of 4 backends at 200 arrivals/s of login_profile?") < 4
    assert written.splitlines()[2].startswith("**Which of 4 backends")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(written)
    inline = [child for token in tokens for child in token.children or []]
    assert not [token for token in [*tokens, *inline] if token.type in {"html_inline", "html_block", "link_open"}]
    assert not set(text) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]
