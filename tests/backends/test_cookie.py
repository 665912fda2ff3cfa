from __future__ import annotations

import asyncio
import base64
import string
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from backends import cookies
from backends.cookie import Options, Store, derive
from backends.store import Record, Refused, Settings

if TYPE_CHECKING:
    from collections.abc import Coroutine

KEY = bytes(range(32))
ALPHABET = string.ascii_letters + string.digits + "-_"
DATA = b"12345678" + b'{"user":"ann"}'

seals = pytest.mark.parametrize("encrypted", [False, True], ids=["signed", "encrypted"])


def store(*, encrypted: bool, key: bytes = KEY, namespace: str = "test") -> Store:
    return Store(Options(encrypted=encrypted), Settings("", key, namespace, b""))


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def made(cookie: Store, data: bytes = DATA) -> Record:
    record: Record = run(cookie.create(data, time.time() + 60))
    return record


@seals
@given(data=st.binary(max_size=2900))
def test_round_trip(data: bytes, *, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    record = made(cookie, data)
    assert run(cookie.get(record.token)) == record
    assert set(record.token) <= set(ALPHABET)


@seals
def test_a_changed_character_at_every_position_is_refused(*, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    for length in range(3):  # every remainder of base64, and so every number of unused bits in the last character
        token = made(cookie, DATA + bytes(length)).token
        for position, former in enumerate(token):
            for other in {"A", "_", "+", "=", ALPHABET[(ALPHABET.index(former) + 1) % 64]} - {former}:
                assert cookie._read(token[:position] + other + token[position + 1 :]) is None  # noqa: SLF001 - an event loop for each would take minutes
        for other in set(ALPHABET) - {token[-1]}:
            assert cookie._read(token[:-1] + other) is None  # noqa: SLF001 - the same


@seals
@given(garbage=st.text(max_size=200) | st.text(ALPHABET, max_size=200))
def test_garbage_is_nobody(garbage: str, *, encrypted: bool) -> None:
    assert store(encrypted=encrypted)._read(garbage) is None  # noqa: SLF001 - an event loop for each would be slow


@seals
def test_every_truncation_and_extension_is_refused(*, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    token = made(cookie).token
    assert all(cookie._read(token[:end]) is None for end in range(len(token)))  # noqa: SLF001 - as above
    assert all(cookie._read(token + more) is None for more in ("A", "=", "==", "AAAA", "\n", " "))  # noqa: SLF001 - as above


@seals
def test_other_keys_namespaces_and_seals_are_strangers(*, encrypted: bool) -> None:
    token = made(store(encrypted=encrypted)).token
    assert run(store(encrypted=encrypted, key=bytes(32)).get(token)) is None
    assert run(store(encrypted=encrypted, namespace="other").get(token)) is None
    assert run(store(encrypted=not encrypted).get(token)) is None
    assert run(store(encrypted=encrypted).get(token)) is not None


@seals
def test_expiry_is_inside_the_seal(*, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    record = run(cookie.create(DATA, time.time() - 0.001))
    assert run(cookie.get(record.token)) is None
    assert run(cookie.touch(record.token, time.time() + 60)) is None
    assert run(cookie.update(record.token, DATA, time.time() + 60)) is Refused.GONE


@seals
def test_updates_count_and_touches_do_not(*, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    first = made(cookie)
    second = run(cookie.update(first.token, b"12345678other", time.time() + 60))
    touched = run(cookie.touch(second.token, time.time() + 600))
    assert (first.version, second.version, touched.version) == (1, 2, 2)
    assert len({first.token, second.token, touched.token}) == 3
    assert run(cookie.get(touched.token)) == touched
    assert run(cookie.update(second.token, DATA, time.time() + 60, if_version=1)) is Refused.CONFLICT


@seals
def test_the_largest_session_makes_a_cookie_that_browsers_keep(*, encrypted: bool) -> None:
    cookie = store(encrypted=encrypted)
    largest = made(cookie, bytes(cookie.traits.max_bytes))
    assert len(cookies.printed(largest.token, secure=True)) < cookies.LIMIT_BYTES
    assert run(cookie.get(largest.token)) == largest
    beyond = made(cookie, bytes(cookie.traits.max_bytes + 1))
    assert len(cookies.printed(beyond.token, secure=True)) >= cookies.LIMIT_BYTES
    assert run(cookie.get(beyond.token)) is None


def test_an_encrypted_cookie_hides_its_content() -> None:
    data = b"the secret of ann" * 10
    for encrypted in (False, True):
        token = made(store(encrypted=encrypted), data).token
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert (data in sealed) is not encrypted
    first, second = (made(store(encrypted=True), data).token for _ in range(2))
    assert first != second


def test_signed_needs_no_driver_and_encrypted_names_its_own() -> None:
    assert store(encrypted=False).driver is None
    assert store(encrypted=True).driver == "cryptography"


@given(key=st.binary(min_size=32, max_size=100), purpose=st.binary(max_size=80))
def test_keys_are_derived_as_rfc_5869_says(key: bytes, purpose: bytes) -> None:
    assert derive(key, purpose) == HKDF(SHA256(), 32, salt=None, info=purpose).derive(key)
