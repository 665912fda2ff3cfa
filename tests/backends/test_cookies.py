from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import cookies

TOKEN = "A" * 43
tokens = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    min_size=1,
    max_size=cookies.MAX_VALUE_BYTES,
)


def presented(*lines: bytes) -> str | None:
    return cookies.presented([(b"host", b"app"), *((b"cookie", line) for line in lines)])


@given(token=tokens, secure=st.booleans())
def test_what_is_printed_comes_back(token: str, *, secure: bool) -> None:
    printed = cookies.printed(token, secure=secure)
    assert len(printed) < cookies.LIMIT_BYTES
    pair = printed.partition(b";")[0]
    assert presented(pair) == token
    assert presented(b"a=1; " + pair + b"; b=2") == token


@given(line=st.binary(), more=st.lists(st.binary(), max_size=3))
def test_garbage_never_raises(line: bytes, more: list[bytes]) -> None:
    found = presented(line, *more)
    assert found is None or (found and found.isascii())


@pytest.mark.parametrize(
    ("line", "token"),
    [
        (b"sid=first; sid=second", "first"),
        (b"xsid=no; sid=yes", "yes"),
        (b"sidx=no", None),
        (b"a=sid=no", None),
        (b"a=1;sid=tight", "tight"),
        (b"a=1;\tsid= spaced ", "spaced"),
        (b"sid=", None),
        (b"sid", None),
        (b"SID=no", None),
        (b"sid=; sid=second", None),
        (b";;;=;sid=x;=", "x"),
        (b"sid=a=b", "a=b"),
        (b"sid=\xff\xfe", None),
        (b"sid=" + b"A" * (cookies.MAX_VALUE_BYTES + 1), None),
        (b"", None),
    ],
)
def test_a_header(line: bytes, token: str | None) -> None:
    assert presented(line) == token


def test_several_headers() -> None:
    assert presented(b"a=1", b"sid=x", b"sid=y") == "x"


def test_no_header() -> None:
    assert presented() is None


def test_the_attributes() -> None:
    assert cookies.printed(TOKEN, secure=False) == f"sid={TOKEN}; Path=/; HttpOnly; SameSite=Lax".encode()
    assert cookies.printed(TOKEN, secure=True).endswith(b"; SameSite=Lax; Secure")


def test_a_cleared_cookie_is_the_same_cookie() -> None:
    cleared = cookies.cleared(secure=True)
    assert cleared == b"sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure"
    assert presented(cleared.partition(b";")[0]) is None
