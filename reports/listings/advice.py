"""What to do after a judgement: where to look, how long to go on, what to mend."""

from __future__ import annotations

import math
import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from reports.judging.family import Rules
from reports.judging.judge import MOST_BLOCKS, blocks_to_settle
from reports.listings.sentences import and_more, void
from reports.record.counts import is_more
from reports.words.measures import counted
from reports.words.text import plain
from reports.words.units import plural

if TYPE_CHECKING:
    from reports.format import Run
    from reports.record.judgement import Judgement, Revision


def steps(run: Run, judgement: Judgement) -> list[str]:
    """Return what to do next."""
    said: list[str] = []
    if judgement.state == "REGRESSED":
        said += _look_at(run, judgement)
    elif judgement.state == "INCONCLUSIVE":
        said += settling(run, judgement)
        said.append("A quieter machine settles it sooner: session-bench doctor says what disturbs this one.")
    elif judgement.state == "INVALID":
        if void(judgement):
            said.append("The same code against itself came out different: that is the machine, not the change.")
        said.append(
            "Nothing was concluded, in either direction. Mend the reason and run it again; session-bench doctor says "
            "what on this machine disturbs."
        )
    if any(each.against == "file" for each in judgement.counts):
        said.append("Where other counts are meant, session-bench regress --update-counts writes them down.")
    return said


def _look_at(run: Run, judgement: Judgement) -> list[str]:
    said = []
    if risen := [each for each in judgement.counts if is_more(each)]:
        said.append(
            f"Look at the exact counts first, which carry no noise: {plural(len(risen), 'count')} rose: "
            f"{counted(risen[0])}{and_more(len(risen) - 1)}."
        )
    for each in run.comparisons:
        slow = {judged.metric for judged in each.metrics if judged.decides and judged.state == "slower"}
        if each.state != "REGRESSED" or not slow:
            continue
        if "app_cpu_us_per_request" in slow:
            said.append(f"{each.name}: the app does more work per request; profile it, driver included.")
        else:
            said.append(
                f"{each.name}: slower without more CPU in the app is waiting: round trips, locks, the store, or a "
                "driver that holds the event loop."
            )
    if judgement.differences and said:
        said.append("Installed versions differ: pin them to the base's to see whose doing it is.")
    return said or ["Look at the reasons above: head fails where base does not."]


def settling(run: Run, judgement: Judgement) -> list[str]:
    """Return how many blocks, and minutes, would settle all pairs that are open."""
    open_ones = [each for each in run.comparisons if each.state == "INCONCLUSIVE"]
    if judgement.look is None or not open_ones:
        return []
    rules = Rules(tuple(judgement.looks), tuple(judgement.spent), judgement.alpha, judgement.fail_on)
    family = sum(judged.decides for each in run.comparisons for judged in each.metrics)
    needed = [blocks_to_settle(each, rules, look=judgement.look, family=family) or math.inf for each in open_ones]
    if max(needed) > MOST_BLOCKS:
        return [f"Not even {MOST_BLOCKS} blocks would settle it: what was seen lies where slower and tolerated meet."]
    blocks = int(max(needed))
    block_s = seconds_per_block(run)
    minutes = f", {plural(math.ceil(blocks * block_s / 60), 'minute')} in all," if block_s else ""
    return [f"By the noise of this run about {plural(blocks, 'block')}{minutes} would settle it."]


def seconds_per_block(run: Run) -> float | None:
    """Return how long a block of all pairs took, from the times at which trials began."""
    starts = sorted(datetime.fromisoformat(trial.started_at) for trial in run.trials if trial.purpose == "pair")
    blocks = len({trial.block for trial in run.trials if trial.purpose == "pair"})
    if len(starts) < 2:  # noqa: PLR2004 - between two of them
        return None
    return (starts[-1] - starts[0]).total_seconds() / (len(starts) - 1) * len(starts) / blocks


def command(run: Run, judgement: Judgement) -> str:
    """Return the command that runs it again with the same seed."""
    base, head = judgement.base, judgement.head
    if base.packages:
        words = [*_asked(base), *(each.name for each in run.comparisons)]
    else:
        # Nothing was built: two variants of one tree.
        words = [*head.label.split(", "), "--against", base.label]
    words += ["--set", f"seed={run.plan.seed}"]
    return " ".join(["session-bench regress", *(shlex.quote(plain(word)) for word in words)])


def _asked(base: Revision) -> list[str]:
    """Return the options that its label was made from: a revision, packages held to a version, an interpreter."""
    words = []
    for part in base.label.split(", "):
        if part.startswith("on "):
            words += ["--base-python", part.removeprefix("on ")]
        elif "==" in part:
            words += ["--base-with", part]
        else:
            words += ["--base", base.commit or part]
    return words
