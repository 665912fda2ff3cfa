"""What the audit sees in cookies: each thing that may be missing, and how much of an id could be guessed."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import TYPE_CHECKING

import pytest

from harness.audit.check import Failed
from harness.audit.checks.cookie import cookie
from harness.audit.cookies import grow, guessing_bits, parsed, sealed_bits, tells
from harness.audit.probe import Probe
from tests.audit.flaws.cookie import A_NAME, LACKS, GuardsNothing
from tests.audit.flaws.tampering import ReadsAnySpelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.audit.bench import Bench

COOKIE, TAMPERING = 14, 10
IDS = 16


def test_each_thing_that_the_cookie_lacks_is_named_and_nothing_else(bench: Bench) -> None:
    subject = bench.broken(GuardsNothing)
    points = [what for what in [*LACKS, A_NAME] if what != "Secure"]
    with subject.running(), Probe(subject, quick=True) as probe:
        for lacks in [[each] for each in points]:
            probe.agent().ask("POST", "/lacks", body=lacks)  # type: ignore[arg-type] # a list is JSON too
            with pytest.raises(Failed) as failed:
                cookie(probe)
            assert [each for each in points if each in failed.value.found] == lacks


def test_secure_is_asked_for_and_missed(bench: Bench) -> None:
    found = bench.audit(bench.broken(GuardsNothing), COOKIE)[COOKIE].found
    assert all(what in found for what in LACKS)


def test_another_spelling_of_the_same_value_is_counted_and_allowed(bench: Bench) -> None:
    check = bench.audit(bench.broken(ReadsAnySpelling), TAMPERING)[TAMPERING]
    assert check.state == "PASS"
    assert check.figures["malleable"] >= 1
    assert "other spellings" in check.found


@pytest.mark.parametrize(
    ("mint", "least", "most"),
    [
        (lambda _: secrets.token_urlsafe(32), 250, 258),
        (lambda _: secrets.token_hex(16), 128, 128),
        (lambda _: secrets.token_hex(8).upper(), 64, 64),
        (lambda _: str(uuid.uuid4()), 120, 124),
        (lambda number: f"{number:032d}", 3, 7),
        (lambda _: f"session-{secrets.token_hex(4)}", 32, 32),
        (lambda _: "the same for all", 0, 0),
    ],
    ids=["urlsafe", "hex", "upper", "uuid4", "counter", "prefix", "constant"],
)
def test_the_bits_of_an_id_are_those_of_what_differs(mint: Callable[[int], str], least: float, most: float) -> None:
    assert least <= guessing_bits([mint(number) for number in range(IDS)]) <= most


def test_a_signature_counts_from_the_last_character_that_all_share() -> None:
    signed = [f"{secrets.token_hex(40)}.{secrets.token_hex(16)}" for _ in range(IDS)]
    assert sealed_bits(signed) == 128
    assert sealed_bits([f"{each}." for each in signed]) == 0


def test_ids_that_grow_are_told_from_those_that_do_not() -> None:
    assert grow(["9", "10", "11", "100"])
    assert grow([f"{1_700_000_000 + number}-{secrets.token_hex(4)}" for number in range(IDS)])
    assert not grow([secrets.token_hex(16) for _ in range(IDS)])


@pytest.mark.parametrize("offset", range(3))
def test_a_name_is_found_in_whatever_spells_it(offset: int) -> None:
    content = b"x" * offset + b'{"user":"marguerite"}'
    for spelled in (
        "id-marguerite",
        content.hex(),
        base64.b64encode(content).decode(),
        base64.urlsafe_b64encode(content).decode().rstrip("="),
        f"{secrets.token_hex(8)}.{base64.b64encode(content).decode().rstrip('=')}.{secrets.token_urlsafe(16)}",
    ):
        assert tells(spelled, "marguerite"), spelled
    assert not tells(secrets.token_urlsafe(400), "marguerite")


def test_a_header_that_takes_a_cookie_away_gives_none() -> None:
    given = parsed("sid=abc; Path=/; HttpOnly; SameSite=Lax")
    assert (given.name, given.value, given.gives) == ("sid", "abc", True)
    assert given.attributes == {"path": "/", "httponly": "", "samesite": "Lax"}
    assert given.size_bytes == 39
    assert not parsed("sid=; Path=/; Max-Age=0").gives
    assert not parsed("sid=abc; Max-Age=0").gives
