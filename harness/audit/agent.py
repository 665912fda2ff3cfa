"""A user agent for audits: one user with a cookie, every request on a connection of its own, all of it noted down."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import httpx

from harness.audit.check import Inexcusable
from harness.hand import kept_cookies
from reports.record.audited import Exchange

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

WAIT_S: Final = 30.0
"""Who does not answer for so long hangs."""
_MOST_EXCHANGES: Final = 40
_MOST_CHARACTERS: Final = 160


class Trail:
    """What was sent and what came back in one check, in order; equal exchanges are kept once and counted."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], int] = {}
        self._left_out = 0
        self._lock = Lock()

    def note(self, sent: str, came: str) -> None:
        """Keep an exchange; from the forty-first kind on they are only counted."""
        key = _short(sent), _short(came)
        with self._lock:
            if key in self._times or len(self._times) < _MOST_EXCHANGES:
                self._times[key] = self._times.get(key, 0) + 1
            else:
                self._left_out += 1

    def keep(self, sent: str, came: str) -> None:
        """Keep an exchange on which a check failed, however many there are already."""
        with self._lock:
            key = _short(sent), _short(came)
            self._times[key] = self._times.get(key, 0) + 1

    def exchanges(self) -> list[Exchange]:
        """Return what was kept."""
        kept = [Exchange(sent=sent, came=came, times=times) for (sent, came), times in self._times.items()]
        if self._left_out:
            kept.append(Exchange(sent="further requests", came="not written down", times=self._left_out))
        return kept


@dataclass(frozen=True)
class Answer:
    """A response; `status` is 0 where none came, and `text` says why. `took_s` is from sending to last byte."""

    status: int
    text: str
    took_s: float
    headers: httpx.Headers = field(default_factory=httpx.Headers)

    @property
    def ok(self) -> bool:
        """Whether it says that all went well."""
        return self.status == httpx.codes.OK

    @property
    def told(self) -> str:
        """The status, or why there is none, for a sentence."""
        return str(self.status) if self.status else self.text

    def expected(self, what: str) -> Answer:
        """Return itself; raises Inexcusable, naming the request, unless it says that all went well."""
        if not self.ok:
            raise Inexcusable(f"{what} was answered with {self.told}.")
        return self

    @property
    def anonymous(self) -> bool:
        """Whether it says that nobody is logged in."""
        return self.status == httpx.codes.UNAUTHORIZED

    @property
    def set_cookies(self) -> list[str]:
        """Every Set-Cookie header, as it came."""
        return self.headers.get_list("set-cookie")

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object in the body; empty where there is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def user(self) -> str | None:
        """Whom it names."""
        return self.body.get("user")

    @property
    def updates(self) -> int | None:
        """How many updates it knows of."""
        return self.body.get("updates")


class Agent:
    """One user of an app. `cookies` are what a browser would send, and may be taken, changed and given away.

    Safe to be used by several threads: their answers' cookies are taken in the order in which they come.
    """

    def __init__(self, connection: httpx.Client, trail: Trail, name: str) -> None:
        self.name = name
        self.cookies: dict[str, str] = {}
        self.connection = connection
        """What the next request goes over."""
        self._trail = trail

    @property
    def cookie(self) -> str:
        """What the Cookie header says; empty: there is none."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def twin(self) -> Agent:
        """Return somebody of the same name who holds the same cookies now."""
        made = Agent(self.connection, self._trail, self.name)
        made.cookies = dict(self.cookies)
        return made

    def given(self, answer: Answer) -> Agent:
        """Return a twin who has only the cookies that an answer sets."""
        made = self.twin()
        made.cookies = kept_cookies({}, answer.set_cookies)
        return made

    def login(self, **body: Any) -> Answer:
        """Log in, with fields of the body besides the user's name."""
        return self.ask("POST", "/login", body={"user": self.name, **body})

    def read(self, *, hold_ms: int = 0, cookie: str | bytes | None = None, what: str = "") -> Answer:
        """Read the profile."""
        return self.ask("GET", _held("/profile", hold_ms), cookie=cookie, what=what)

    def write(self, note: str = "n", *, hold_ms: int = 0, cookie: str | bytes | None = None, what: str = "") -> Answer:
        """Write a note, which counts one update."""
        return self.ask("POST", _held("/profile", hold_ms), body={"note": note}, cookie=cookie, what=what)

    def logout(self) -> Answer:
        """Log out."""
        return self.ask("POST", "/logout")

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        cookie: str | bytes | None = None,
        what: str = "",
    ) -> Answer:
        """Send a request, and take the cookies of its answer.

        A given `cookie` is sent in place of the agent's own, whose cookies stay then; `what` says in the evidence what
        is peculiar about the request.
        """
        own = cookie is None
        header = self.cookie if cookie is None else cookie
        headers = {"cookie": header} if header else {}
        begun = monotonic()
        try:
            came = self.connection.request(method, path, json=body, headers=headers)  # type: ignore[arg-type] # bytes too
            answer = Answer(came.status_code, came.text, monotonic() - begun, came.headers)
        except httpx.HTTPError as error:
            answer = Answer(0, f"no answer: {error or type(error).__name__}", monotonic() - begun)
        if own:
            self.cookies = kept_cookies(self.cookies, answer.set_cookies)
        self._trail.note(f"{self.name}: {method} {path}{what and f' {what}'}", f"{answer.status or ''} {answer.text}")
        return answer


@contextmanager
def client(url: str, *, kept: bool = False, wait_s: float = WAIT_S) -> Iterator[httpx.Client]:
    """Give an HTTP client: a connection for each request, or one that is `kept` for all of them."""
    headers = {} if kept else {"connection": "close"}
    most = httpx.Limits(max_connections=1) if kept else httpx.Limits(max_connections=None)
    # Agents keep their own cookies; a client's jar would hand one user's to the next who has none.
    none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    with httpx.Client(
        base_url=url, headers=headers, cookies=none, limits=most, timeout=wait_s, trust_env=False, verify=_tls()
    ) as made:
        yield made


@cache
def _tls() -> ssl.SSLContext:
    """Return what every client shares: to read the authorities' certificates takes longer than most checks."""
    return httpx.create_ssl_context(trust_env=False)


def _held(path: str, hold_ms: int) -> str:
    return f"{path}?hold_ms={hold_ms}" if hold_ms else path


def _short(text: str) -> str:
    """Cut out the middle of what is long, and lines into one."""
    line = " ".join(text.split())
    half = _MOST_CHARACTERS // 2
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:half]} … {line[-half:]}"
