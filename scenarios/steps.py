"""The steps that every scenario is made of; each sends one request and checks its answer."""

from __future__ import annotations

import itertools
import logging
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import requests
from locust import FastHttpUser, constant, events
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopTest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.argument_parser import LocustArgumentParser
    from locust.contrib.fasthttp import ResponseContextManager
    from locust.env import Environment

_log = logging.getLogger(__name__)
_ABOUT_TIMEOUT_S = 30
_SLACK_BYTES = 512
"""What the other fields of a session, its envelope and its encoding may add to the payload."""
_REPLAY_EVERY = 8
"""So many logouts of a user, and the last one's cookie is tried again."""

CHECKS: dict[str, list[int]] = {
    name: [0, 0]
    for name in (
        "well_formed",
        "session_kept",
        "isolation",
        "read_your_writes",
        "lost_updates",
        "payload",
        "revocation",
        "concurrent_updates",
    )
}
"""For each property how many answers were held against it, and how many of them broke it, since the test began.

A wrong answer counts as wrong under one property only, the first that it breaks. `concurrent_updates` counts updates,
not answers: those acknowledged by a session that several users share, and those that it did not hold in the end. The
recorder finds all this as `environment.session_checks`.
"""
_well_formed, _session_kept, _isolation, _read_your_writes, _lost_updates, _payload, _revocation, _ = CHECKS.values()


class WrongAnswer(Exception):  # noqa: N818 - the field's word for it
    """The app answered, and the answer is not true: another user, a lost update, a lost session.

    `breaks` is the property that it breaks, a name in CHECKS.
    """

    outcome = "wrong_answer"

    def __init__(self, what: str, *, breaks: str) -> None:
        super().__init__(what)
        self.breaks = breaks


class SessionUser(FastHttpUser):
    """A user with a cookie, who knows what it stored and so what every answer must say.

    `payload_bytes` may be set by a scenario before `login`. Steps are named after their request, with `label`
    behind the name where a scenario tells its requests apart.
    """

    abstract = True
    wait_time = constant(0)

    keeps_state: ClassVar[bool] = True
    max_bytes: ClassVar[int | None] = None
    revocable: ClassVar[bool] = True
    loses_updates: ClassVar[bool] = True
    """Whether the policy gives up, by choice, what of two writers of one session the first one wrote."""
    _numbers = itertools.count()

    payload_bytes = 1000
    label = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        number = next(self._numbers)
        self.name = f"user-{number}-{secrets.token_hex(4)}"
        self.logged_in = False
        self.updates = {0}
        """How many updates the session may hold; two numbers after a write that went unanswered."""
        # Spread, so that a short trial replays too; in pairs, because users take their turns among the arms of a pair.
        self._logouts = number // 2 % _REPLAY_EVERY
        self._revoked = ""
        """The cookie of a session that was logged out, to be tried again."""

    def login(self) -> None:
        """Log in; an existing session is replaced."""
        body = {"user": self.name, "payload_bytes": self.payload_bytes}
        with self._request("POST", "/login", json=body) as response:
            if response.status_code == 413 and self._may_be_too_large():  # noqa: PLR2004 - HTTP status
                refused(response)
                return
            self.logged_in = False
            if _answered(response):
                self.updates = {0}
                self._check(response, _lost_updates)
                self.logged_in = True

    def read(self) -> None:
        """Read the profile; logs in instead without a session."""
        self._read("")

    def reconnect(self) -> None:
        """Read the profile over a new connection, which may lead to another of the app's processes."""
        client: Any = self.client
        # Locust's own client keeps its one connection in a pool.
        (client.client.clientpool if isinstance(client, FastHttpSession) else client).close()
        self._read("(reconnected)")

    def write(self) -> None:
        """Write a note into the profile, a read-modify-write; logs in instead without a session."""
        if not self.logged_in:
            self._begin()
            return
        before = self.updates
        after = {number + 1 for number in before}
        self.updates = before | after
        with self._request("POST", "/profile", json={"note": secrets.token_urlsafe(12)}) as response:
            if self._still_logged_in(response):
                self.updates = after
                self._check(response, _lost_updates)

    def logout(self) -> None:
        """Log out; logs in instead without a session. What went unanswered may have been done: no session either."""
        if not self.logged_in:
            self._begin()
            return
        self._logouts += 1
        replays = self._logouts % _REPLAY_EVERY == 0 and self.revocable and self.keeps_state
        cookie = self._cookie() if replays else ""
        self.logged_in = False
        with self._request("POST", "/logout") as response:
            if _answered(response):
                self._revoked = cookie

    def ping(self) -> None:
        """Ask what needs neither session nor store."""
        self.client.get("/ping", name="GET /ping")

    def _read(self, behind: str) -> None:
        if not self.logged_in:
            self._begin()
            return
        with self._request("GET", "/profile", behind) as response:
            if self._still_logged_in(response):
                self._check(response, _read_your_writes, payload_bytes=self.payload_bytes)

    def _begin(self) -> None:
        """Do what comes without a session: log in, or first try the last one's cookie again."""
        if not self._revoked:
            self.login()
            return
        headers = {"Cookie": self._revoked}
        self._revoked = ""
        with self._request("GET", "/profile", "(revoked)", headers=headers) as response:
            if response.status_code == 401:  # noqa: PLR2004 - HTTP status
                _revocation[0] += 1
                refused(response)
            elif _answered(response):
                _revocation[0] += 1
                wrong(response, "revocation", f"the cookie of {self.name} opens a session that was logged out")

    def _request(self, method: str, path: str, behind: str = "", **more: Any) -> ResponseContextManager:
        name = f"{method} {path} {behind or self.label}".rstrip()
        return self.client.request(method, path, name=name, catch_response=True, **more)

    def _cookie(self) -> str:
        """Return the Cookie header that the next request would carry."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookiejar)

    def _may_be_too_large(self) -> bool:
        return self.max_bytes is not None and self.payload_bytes + _SLACK_BYTES > self.max_bytes

    def _still_logged_in(self, response: ResponseContextManager) -> bool:
        status = response.status_code
        if status == 401:  # noqa: PLR2004 - HTTP status
            self.logged_in = False
            _session_kept[0] += 1
            wrong(response, "session_kept", f"the session of {self.name} is lost")
        elif status == 200:  # noqa: PLR2004 - HTTP status
            _session_kept[0] += 1
            return True
        return False

    def _check(self, response: ResponseContextManager, updates: list[int], **expected: Any) -> None:
        """Hold an answer against all that is known; too few `updates` break the property that is tallied there."""
        answer = self._mine(response, *expected)
        if answer is None:
            return
        found, known = answer["updates"], self.updates
        _lost_updates[0] += 1
        if updates is _read_your_writes:
            _read_your_writes[0] += 1
        if found not in known:
            # What was known stays possible: a stale read is one wrong answer, and the true one behind it is none.
            self.updates = known | {found}
            stale = updates is _read_your_writes and found < min(known)
            wrong(
                response,
                "read_your_writes" if stale else "lost_updates",
                f"{self.name} expects {sorted(known)} updates and reads {found}",
            )
            return
        self.updates = {found}
        for field, value in expected.items():
            _payload[0] += 1
            if answer[field] != value:
                wrong(response, "payload", f"{field} is {answer[field]}, not {value}")
                return

    def _mine(self, response: ResponseContextManager, *fields: str) -> dict[str, Any] | None:
        """Return an answer that is whole and names this user; None where there is nothing more to hold against it."""
        _well_formed[0] += 1
        try:
            answer = response.json()
        except ValueError:
            wrong(response, "well_formed", "the answer is not JSON")
            return None
        if not isinstance(answer, dict) or not {"user", "updates", *fields} <= answer.keys():
            wrong(response, "well_formed", f"the answer lacks fields: {str(answer)[:80]}")
            return None
        if not isinstance(answer["updates"], int):
            wrong(response, "well_formed", f"updates is no number: {str(answer['updates'])[:80]}")
            return None
        if not self.keeps_state:
            return None
        _isolation[0] += 1
        if answer["user"] != self.name:
            wrong(response, "isolation", f"{self.name} was answered as {answer['user']}")
            return None
        return answer


def declare(parameters: Mapping[str, float | int | str]) -> None:
    """Make a scenario's parameters options of its Locust command line, and fields of its web page."""

    @events.init_command_line_parser.add_listener
    def _(parser: LocustArgumentParser) -> None:
        for name, default in parameters.items():
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, type=type(default), default=default, help=f"default {default}")


def weigh(user: type[SessionUser], **steps: str) -> None:
    """Give a user class its tasks, each step weighted by the parameter that is named for it."""
    user.tasks = [getattr(user, step) for step in steps]

    @events.test_start.add_listener
    def _(environment: Environment, **_: Any) -> None:
        options = environment.parsed_options
        user.tasks = [
            getattr(user, step) for step, parameter in steps.items() for _ in range(getattr(options, parameter))
        ]
        if not user.tasks:
            give_up(
                environment,
                f"Every weight of {user.__name__} is zero; set one of {', '.join(steps.values())}.",
            )


def give_up(environment: Environment, why: str) -> NoReturn:
    """End the test before it begins; headless Locust exits with code 2."""
    environment.process_exit_code = 2
    raise StopTest(why) from None


def refused(response: ResponseContextManager) -> None:
    """Mark an answer that the scenario had planned for: no error, and no success either."""
    response.request_meta["context"]["outcome"] = "refused"
    response.success()


def wrong(response: ResponseContextManager, breaks: str, what: str) -> None:
    """Mark an answer that is not true, and count it under the property that it breaks."""
    CHECKS[breaks][1] += 1
    response.failure(WrongAnswer(what, breaks=breaks))


def _answered(response: ResponseContextManager) -> bool:
    """Whether the request was carried out; Locust itself marks what was not."""
    return bool(response.status_code == 200)  # noqa: PLR2004 - HTTP status


@events.init.add_listener
def _show_the_checks(environment: Any, **_: Any) -> None:
    environment.session_checks = CHECKS


@events.test_start.add_listener
def _begin_to_count(**_: Any) -> None:
    for tally in CHECKS.values():
        tally[:] = 0, 0


@events.test_stop.add_listener
def _say_what_was_counted(**_: Any) -> None:
    counted = [f"{name} {tally[1]:,} of {tally[0]:,}" for name, tally in CHECKS.items() if tally[0]]
    if counted:
        _log.info("wrong, of those checked: %s", ", ".join(counted))


@events.test_start.add_listener
def _learn_about_the_app(environment: Environment, **_: Any) -> None:
    """Ask once what the backend keeps, revokes and promises; waits until the app is up."""
    try:
        about = requests.get(f"{environment.host}/about", timeout=_ABOUT_TIMEOUT_S).json()
        traits = about["traits"]
        SessionUser.keeps_state = traits["keeps"] != "nothing"
        SessionUser.max_bytes = traits["max_bytes"]
        SessionUser.revocable = traits.get("revocable", True)
        SessionUser.loses_updates = about.get("options", {}).get("conflict", "last-wins") == "last-wins"
    except (requests.ConnectionError, requests.Timeout) as error:
        give_up(environment, f"No app answers at {environment.host}: {error}")
    except (ValueError, KeyError, TypeError, AttributeError):
        _log.warning("%s/about is not of this project; every answer is checked", environment.host)
