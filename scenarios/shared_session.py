"""Tabs that share their browser's session and write to it at the same time: what is lost, and what is refused."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from gevent.event import Event
from locust import events

from scenarios.steps import CHECKS, SessionUser, WrongAnswer, declare, refused, weigh, wrong

if TYPE_CHECKING:
    from locust.contrib.fasthttp import ResponseContextManager
    from locust.env import Environment

PARAMETERS = {"reads": 1, "writes": 1, "tabs": 4, "rounds": 20}
declare(PARAMETERS)


class _Session:
    """One login, up to its logout, and what is known of the writes to it."""

    def __init__(self, cookie: str, rounds: int) -> None:
        self.headers = {"Cookie": cookie}
        self.left = rounds
        """How many writes may still begin."""
        self.pending = 0
        self.acknowledged = 0
        self.is_certain = True
        """Whether every write was acknowledged or refused: an unanswered one may have been carried out."""
        self.is_settling = False
        self.is_settled = False

    @property
    def rests(self) -> bool:
        """Whether nobody writes any more."""
        return not self.left and not self.pending


class _Browser:
    """Tabs that share a session, when they have one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tabs = 0
        self.session: _Session | None = None
        self.entering: Event | None = None
        """Set when the tab that is logging in has its answer."""


class Tab(SessionUser):
    """Shares its session with the other tabs of its browser.

    The first one logs in. After `rounds` writes, when all are answered, one reads what the session holds in the end,
    and then one logs out. Without a lost update the session holds as many updates as were acknowledged.
    """

    browsers: dict[str | None, _Browser] = {}  # noqa: RUF012 - one for all tabs
    """By host the browser that the next tab belongs to, while it is not full."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options: Any = environment.parsed_options
        self.rounds = options.rounds
        browser = self.browsers.get(self.host)
        if browser is None or browser.tabs >= options.tabs:
            browser = self.browsers[self.host] = _Browser(self.name)
        browser.tabs += 1
        self.browser = browser
        self.name = browser.name

    def read(self) -> None:
        """Read the profile, for the last time where the session's writes are over."""
        session = self._joined()
        if session is not None:
            self._read_shared(session)

    def write(self) -> None:
        """Write a note; reads instead when the session has had its writes."""
        session = self._joined()
        if session is None:
            return
        if not session.left:
            self._read_shared(session)
            return
        session.left -= 1
        session.pending += 1
        is_known = False
        try:
            body = {"note": secrets.token_urlsafe(12)}
            with self._request("POST", "/profile", json=body, headers=session.headers) as response:
                if response.status_code == 409:  # noqa: PLR2004 - HTTP status
                    is_known = True
                    refused(response)
                elif self._lasts(session, response):
                    is_known = True
                    session.acknowledged += 1
                    self._mine(response)
        finally:
            session.pending -= 1
            session.is_certain &= is_known

    def _joined(self) -> _Session | None:
        """Return the session; None when this step went into logging in or out."""
        browser = self.browser
        while browser.session is None:
            if browser.entering is None:
                self._enter(browser)
                return None
            browser.entering.wait()
        session: _Session = browser.session
        if session.rests and (session.is_settled or not session.is_certain):
            browser.session = None
            with self._request("POST", "/logout", headers=session.headers):
                return None
        return session

    def _enter(self, browser: _Browser) -> None:
        browser.entering = entered = Event()
        try:
            self.login()
            if self.logged_in:
                browser.session = _Session(self._cookie(), self.rounds)
        finally:
            browser.entering = None
            entered.set()

    def _read_shared(self, session: _Session) -> None:
        settles = session.rests and session.is_certain and not session.is_settling
        session.is_settling |= settles
        try:
            with self._request("GET", "/profile", headers=session.headers) as response:
                if self._lasts(session, response):
                    answer = self._mine(response, "payload_bytes")
                    session.is_settled |= settles
                    if settles and answer is not None:
                        self._settle(session, answer["updates"], response)
        finally:
            if settles:
                session.is_settling = False

    def _lasts(self, session: _Session, response: ResponseContextManager) -> bool:
        """Tell whether a request was carried out; one that another tab's logout overtook is refused as planned."""
        browser = self.browser
        if response.status_code == 401:  # noqa: PLR2004 - HTTP status
            if browser.session is not session:
                refused(response)
                return False
            browser.session = None
        return self._still_logged_in(response)

    def _settle(self, session: _Session, updates: int, response: ResponseContextManager) -> None:
        """Count what the session does not hold of what was acknowledged; the policy decides whether that is wrong."""
        lost = session.acknowledged - updates
        what = f"{self.name} has {updates} updates, of which {session.acknowledged} were acknowledged"
        if lost < 0:
            CHECKS["lost_updates"][0] += 1
            wrong(response, "lost_updates", what)
            return
        tally = CHECKS["concurrent_updates"]
        tally[0] += session.acknowledged
        tally[1] += lost
        if lost and not self.loses_updates:
            response.failure(WrongAnswer(what, breaks="concurrent_updates"))


weigh(Tab, read="reads", write="writes")


@events.test_start.add_listener
def _part_from_former_tabs(**_: Any) -> None:
    Tab.browsers.clear()
