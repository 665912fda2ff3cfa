"""What is written is read, by nobody else, and neither a concurrent write nor a read undoes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from harness.audit.check import Failed, Inexcusable, Skipped, check
from harness.audit.probe import HOLD_MS

if TYPE_CHECKING:
    from harness.audit.agent import Agent, Answer
    from harness.audit.probe import Probe

_WRITES: Final = 20
_CROWD: Final = 16
_TURNS: Final = 2
_SHORT_HOLD_MS: Final = 20
_INCREMENTS: Final = 30
_INCREMENT_HOLD_MS: Final = 100
_CONFLICT: Final = 409
_BUSY: Final = 503
_TRIES: Final = 5


@check(
    1,
    "read-your-writes",
    "What was written is read at once on another connection.",
    source="Terry et al., Session Guarantees for Weakly Consistent Replicated Data, 1994: read your writes",
    quick=True,
)
def read_your_writes(probe: Probe) -> str:
    """Write, read over another connection as soon as the write is answered, and so on."""
    user = probe.user()
    stale = []
    for number in range(1, _WRITES + 1):
        user.write(f"note {number}").expected("A write")
        seen = user.read().expected("The read after it")
        if (seen.user, seen.updates) != (user.name, number):
            stale.append(f"{seen.updates} updates after {number}")
    probe.figures |= {"writes": _WRITES, "stale_reads": len(stale)}
    if stale:
        raise Failed(f"{len(stale)} of {_WRITES} reads did not show the write just before, first {stale[0]}.")
    return f"{_WRITES} writes were each read at once on another connection, and every read showed its write."


@check(
    2,
    "isolation",
    "However many ask at once, every answer is for its asker.",
    source="OpenAI, March 20 ChatGPT outage, 2023 (redis/redis-py#2624): answers went to other users",
    quick=True,
)
def isolation(probe: Probe) -> str:
    """Let many users read and write at once, each with a session of another size."""
    users = [probe.agent() for _ in range(_CROWD)]
    sizes = {user.name: 200 + number for number, user in enumerate(users)}
    made = probe.together([partial(_turns, user, sizes[user.name]) for user in users])
    answers = [(user, *answered) for user, turns in zip(users, made, strict=True) for answered in turns]
    wrong = [(user, answer) for user, updates, answer in answers if not _is_own(user, answer, updates, sizes)]
    probe.figures |= {"answers": len(answers), "wrong_answers": len(wrong)}
    for user, answer in wrong:
        probe.trail.keep(f"{user.name}: {_CROWD} users at once", f"{answer.status or ''} {answer.text}")
    if wrong:
        first = _told(*wrong[0])
        raise Failed(f"{len(wrong)} of {len(answers)} answers to {_CROWD} users at once were wrong: first {first}.")
    return f"{_CROWD} users at once got {len(answers)} answers, each of them for its asker."


@check(
    8,
    "lost-updates",
    "Of concurrent writes to one session none that was acknowledged is lost.",
    source="aspnet/Session#60, tj/connect-redis#75: the last save wins over all that came in between",
)
def lost_updates(probe: Probe) -> str:
    """Increment one session many times at once, and count what is left of what was acknowledged."""
    user = probe.user()
    answers = probe.together([lambda: user.write(hold_ms=_INCREMENT_HOLD_MS)] * _INCREMENTS)
    acknowledged = sum(answer.ok for answer in answers)
    refused = sum(answer.status == _CONFLICT for answer in answers)
    busy = sum(answer.status == _BUSY for answer in answers)
    others = sorted({each.told for each in answers if not each.ok and each.status not in {_CONFLICT, _BUSY}})
    if others or not acknowledged:
        told = ", ".join(others) or "409 or 503"
        raise Inexcusable(f"Of {_INCREMENTS} concurrent writes {acknowledged} were acknowledged; others got {told}.")
    survived = user.read().expected("The read after them").updates or 0
    lost = max(acknowledged - survived, 0)
    probe.figures |= {
        "attempts": _INCREMENTS,
        "acknowledged": acknowledged,
        "refused_409": refused,
        "busy_503": busy,
        "survived": survived,
        "lost_updates": lost,
    }
    if lost:
        raise Failed(f"{lost} of {acknowledged} acknowledged updates are lost: {survived} survived.")
    if min(answer.took_s for answer in answers) * 1000 < _INCREMENT_HOLD_MS:
        raise Skipped("POST /profile?hold_ms=… does not pause there, so writes cannot be made to overlap.")
    return (
        f"{_INCREMENTS} concurrent writes: {acknowledged} were acknowledged and all of them survived, "
        f"{refused} refused with 409, {busy} with 503."
    )


@check(
    9,
    "reads-keep-writes",
    "A read that began before a write does not undo it.",
    source="expressjs/session README, option resave: parallel requests overwrite each other's changes",
)
def reads_keep_writes(probe: Probe) -> str:
    """Write while a slow read is under way, twice and once more, also where every read extends the session."""
    with probe.renewing() as url:
        urls = [None] if url is None else [None, url]
        users = [probe.user(url=each) for each in urls]
        reads = sum(probe.together([partial(_reads_beside_writes, probe, user) for user in users]))
    probe.figures["reads"] = reads
    also = " Half of them had to extend the session." if url else ""
    return f"{reads} slow reads each ended after a write that had begun later, and undid none.{also}"


def _reads_beside_writes(probe: Probe, user: Agent) -> int:
    """Return how many slow reads stood beside a write; raises Failed when one undid it."""
    reads = updates = 0
    for _ in range(_TRIES):
        both = probe.overtaken(
            lambda: user.read(hold_ms=HOLD_MS, what="begun before the write"),
            lambda: user.write(what="during a slow read").expected("A write during a slow read"),
        )
        updates += 1
        seen = user.read(what="after both").expected("The read after both")
        if seen.updates != updates:
            raise Failed(f"A slow read wrote over a write that had ended: {seen.updates} updates after {updates}.")
        # A read that came too late has seen the write.
        if both is not None and both[0].updates == updates - 1:
            reads += 1
        if reads == 2:  # noqa: PLR2004 - what the first one left behind may only show in the next
            break
    else:
        raise Skipped("GET /profile?hold_ms=… does not pause there, so requests cannot be made to overlap.")
    after = user.write().expected("The write after them")
    if after.updates != updates + 1:
        raise Failed(f"The write after the slow reads counted from an old state: {after.updates}, not {updates + 1}.")
    return reads


def _turns(user: Agent, size: int) -> list[tuple[int, Answer]]:
    """Return what one of the crowd was answered, each with the updates that it should tell of."""
    answers = [(0, user.login(payload_bytes=size))]
    for turn in range(1, _TURNS + 1):
        answers.append((turn, user.write(hold_ms=_SHORT_HOLD_MS)))
        answers.append((turn, user.read(hold_ms=_SHORT_HOLD_MS)))
    return answers


def _is_own(user: Agent, answer: Answer, updates: int, sizes: dict[str, int]) -> bool:
    foreign = {size for name, size in sizes.items() if name != user.name}
    return (answer.user, answer.updates) == (user.name, updates) and answer.body.get("payload_bytes") not in foreign


def _told(user: Agent, answer: Answer) -> str:
    whose = f"as {answer.user} with {answer.updates} updates" if answer.user else f"with {answer.told}"
    return f"{user.name} was answered {whose}"
