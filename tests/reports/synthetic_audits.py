"""Audits in every state and of every kind, and runs that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.files import write_run
from reports.format import Load, Plan, Run, Variant
from reports.record.audited import Audit, Check, Checked, Exchange, State
from tests.reports import synthetic, synthetic_told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = (
    "read-your-writes", "isolation", "revocation", "revival", "fixation", "renewal", "expiry", "lost-updates",
    "reads-keep-writes", "tampering", "size", "anonymity", "nested", "cookie", "outage", "workers", "amplification",
    "sweeping",
)  # fmt: skip
QUICK = frozenset({1, 2, 3, 5, 6, 10, 11, 12, 13, 14})
CLAIMS = {3: "A cookie that was logged out is refused.", 8: "Of concurrent updates none is lost."}
SOURCES = {3: "OWASP Session Management", 8: "aspnet/Session#60, connect-redis#75"}
ANSWERS = {
    "PASS": "It holds.", "FAIL": "It does not hold.", "WAIVED": "A policy gives it up by choice.",
    "CANNOT": "The session is the client's own cookie: whoever kept it still has it.",
    "SKIPPED": "There is no store that could be asked.",
}  # fmt: skip
REPLAYED = [
    Exchange(sent="ann: POST /login", came='200 {"user": "ann", "updates": 0}'),
    Exchange(sent="ann: POST /logout", came="200 {}"),
    Exchange(
        sent="ann: GET /profile with the cookie from before the logout",
        came='200 {"user": "ann", "updates": 0, "payload_bytes": 1000}',
        times=5,
    ),
]
EMPTY_HANDED = "It keeps nothing, so there is nothing to get right."


def check(number: int, state: State = "PASS", found: str = "", **facts: object) -> Check:
    """Return a check that ended so."""
    return Check.model_validate(
        {
            "number": number, "name": NAMES[number - 1], "claim": CLAIMS.get(number, "It must hold."),
            "source": SOURCES.get(number, "SEMANTICS.md"), "state": state, "found": found or ANSWERS[state],
            "evidence": [Exchange(sent="ann: GET /profile", came="401")], "seconds": number / 8,
        }
        | facts
    )  # fmt: skip


def audit(variant: str, *others: Check, numbers: Sequence[int] = range(1, 19), state: State = "PASS") -> Audit:
    """Return an audit in which every check ended alike, but for `others`."""
    known = {each.number: each for each in others}
    return Audit(variant=variant, checks=[known.get(number) or check(number, state) for number in numbers])


LOST = check(
    8, "WAIVED", "conflict=last-wins gives up concurrent updates by choice. Of 30 concurrent updates 21 were lost.",
    figures={"concurrent_updates": 30, "lost_updates": 21},
)  # fmt: skip
REVIVED = check(
    3, "FAIL", "The cookie from before the logout was answered 200.", evidence=REPLAYED,
    figures={"replays": 5, "after_logout_ms": 0.82, "answered_share": 1.0, "cookie_bytes": 68.5},
)  # fmt: skip
ADOPTED = check(5, "FAIL", "The id that the client chose was adopted.", figures={"id_bits": 128})
BARE = check(14, "FAIL", "Set-Cookie came without Cache-Control: no-store.")


def every_state() -> list[Audit]:
    """Return audits of the eight variants: two are struck, one fails a lesser check, one could not be audited."""
    names = [subject.variant.name for subject in synthetic.EIGHT]
    nothing = Audit(variant=names[0], checks=[check(number, "SKIPPED", EMPTY_HANDED) for number in range(1, 19)])
    cannot = [check(number, "CANNOT") for number in (3, 4, 6)]
    skipped = [check(number, "SKIPPED") for number in (12, 15, 17, 18)]
    return [
        nothing,
        audit(names[1], LOST, check(15, "SKIPPED", "It has no store that could fail without it.")),
        audit(names[2], *cannot, *skipped, check(9, "CANNOT", "The last answer wins.")),
        audit(names[3], LOST, REVIVED),
        audit(names[4]),
        audit(names[5]),
        audit(names[6], REVIVED, ADOPTED, BARE, check(16, "FAIL")),
        Audit(variant=names[7], error="the session service did not start: its port was taken", checks=[BARE]),
    ]


def only(folder: Path | None = None) -> Run:
    """Return a run that is only an audit, and write it where there is a folder for it."""
    run = Run(
        harness_version="0.1.0", started_at="2026-05-04T10:00:00Z", finished_at="2026-05-04T10:01:10Z",
        status="finished",
        plan=Plan(
            name="audit", profile="audit", scenario="audit", load=Load(users=1), blocks=0, warmup_s=0, window_s=0,
            drain_s=0, sessions=0, seed=1, order=[],
        ),
        environment=synthetic.ENVIRONMENT,
        variants=[subject.variant.model_copy(deep=True) for subject in synthetic.EIGHT],
        audits=every_state(),
    )  # fmt: skip
    if folder is not None:
        write_run(folder, run)
    return run


def bench(*, quick: bool = True) -> Run:
    """Return a bench of eight variants, all told apart, with audits before it and answers checked in it."""
    run = synthetic_told.bench()
    run.audits = every_state()
    if quick:
        for each in run.audits:
            each.quick = True
            each.checks = [check for check in each.checks if check.number in QUICK]
    for trial in run.trials:
        trial.checked = {
            "isolation": Checked(checked=3_000, wrong=0),
            "concurrent_updates": Checked(checked=90, wrong=trial.number % 2),
        }
    return run


def hostile(folder: Path) -> Run:
    """Return a run whose names, answers and reasons would do harm if they were believed."""
    evil = synthetic.EVIL
    names = [f"redis:{evil}", "redis:~~x~~</s>"]
    run = only()
    run.variants = [
        Variant(name=name, slug="../../escaped", backend="redis", driver=evil, server=synthetic.VALKEY)
        for name in names
    ]
    came = f"200 </td></table><script>alert(3)</script>\n| x | {evil}"
    said = [Exchange(sent=f"ann: GET /profile {evil}", came=came)]
    bad = check(3, "FAIL", f"It came back as {evil}", evidence=said, name=f"revocation{evil}", claim=evil, source=evil)
    bad.figures = {f"lost_{evil}": 1.0}
    run.audits = [audit(names[0], bad, check(4, "SKIPPED", evil)), audit(names[1], bad)]
    run.audits.append(Audit(variant=f"postgres{evil}", error=f"could not start: {evil}\n</dl>"))
    write_run(folder, run)
    return run
