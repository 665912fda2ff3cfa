from __future__ import annotations

import http.cookies
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.cookies import CookieJar

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1)


def sent(jar: CookieJar, path: str = "/") -> dict[str, str]:
    """Return what a server would read from the jar's header."""
    line = jar.line(path)
    if not line:
        return {}
    assert line.startswith(b"Cookie: ")
    assert line.endswith(b"\r\n")
    parsed = http.cookies.SimpleCookie(line[8:-2].decode("latin-1"))
    return {name: morsel.value for name, morsel in parsed.items()}


@given(TOKEN, st.text("abcXYZ0189-_.~", max_size=200))
def test_a_cookie_comes_back_as_it_was_set(name: str, value: str) -> None:
    jar = CookieJar()
    jar.take(f"{name}={value}; Path=/; HttpOnly; SameSite=Lax".encode(), "/login")
    assert jar.line("/profile") == f"Cookie: {name}={value}\r\n".encode()


def test_a_new_value_replaces_the_old_one() -> None:
    jar = CookieJar()
    jar.take(b"sid=a; Path=/", "/")
    assert sent(jar) == {"sid": "a"}
    jar.take(b"sid=b; Path=/", "/")
    assert sent(jar) == {"sid": "b"}


@pytest.mark.parametrize(
    "deletion",
    [b"sid=; Path=/; Max-Age=0", b"sid=x; path=/; max-age=-5", b"sid=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
)
def test_a_deletion_deletes(deletion: bytes) -> None:
    jar = CookieJar()
    jar.take(b"sid=a; Path=/", "/")
    jar.take(deletion, "/logout")
    assert sent(jar) == {}


def test_max_age_outweighs_expires() -> None:
    jar = CookieJar()
    jar.take(b"sid=a; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/")
    assert sent(jar) == {"sid": "a"}


def test_a_cookie_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    jar = CookieJar()
    jar.take(b"sid=a; Path=/; Max-Age=60", "/")
    jar.take(b"stays=b; Path=/", "/")
    now = time.time()
    monkeypatch.setattr("harness.load.cookies.time", lambda: now + 61)
    assert sent(jar) == {"stays": "b"}


@pytest.mark.parametrize(
    ("path", "asked", "goes"),
    [
        ("/", "/a/b", True),
        ("/a", "/a", True),
        ("/a", "/a/b", True),
        ("/a", "/ab", False),
        ("/a/", "/a/b", True),
        ("/a/", "/a", False),
        ("/a", "/a?b=/c", True),
    ],
)
def test_paths_match_as_rfc_6265_says(path: str, asked: str, goes: bool) -> None:  # noqa: FBT001 - a table's column
    jar = CookieJar()
    jar.take(f"sid=a; Path={path}".encode(), "/")
    assert bool(sent(jar, asked)) == goes


def test_a_cookie_without_a_path_belongs_to_the_folder_that_set_it() -> None:
    jar = CookieJar()
    jar.take(b"sid=a", "/shop/cart?x=1")
    assert sent(jar, "/shop/other") == {"sid": "a"}
    assert sent(jar, "/elsewhere") == {}


def test_of_two_the_longer_path_comes_first() -> None:
    jar = CookieJar()
    jar.take(b"sid=short; Path=/", "/")
    jar.take(b"sid=long; Path=/a", "/")
    assert jar.line("/a/b") == b"Cookie: sid=long; sid=short\r\n"


def test_secure_cookies_go_over_http_only_when_told_to() -> None:
    for told in (False, True):
        jar = CookieJar(secure_over_http=told)
        jar.take(b"sid=a; Path=/; Secure", "/")
        assert bool(sent(jar)) == told


@given(st.binary(max_size=200), st.text(max_size=50))
def test_garbage_is_no_error(header: bytes, path: str) -> None:
    jar = CookieJar()
    jar.take(header, path)
    assert isinstance(jar.line(path), bytes)


def test_clearing_forgets_all() -> None:
    jar = CookieJar()
    jar.take(b"sid=a; Path=/", "/")
    jar.clear()
    assert sent(jar) == {}
