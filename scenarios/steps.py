"""The steps that every scenario is made of; each sends one request and checks its answer."""

from __future__ import annotations

import itertools
import logging
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import requests
from locust import FastHttpUser, constant, events
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


class WrongAnswer(Exception):  # noqa: N818 - the field's word for it
    """The app answered, and the answer is not true: another user, a lost update, a lost session."""

    outcome = "wrong_answer"


class SessionUser(FastHttpUser):
    """A user with a cookie, who knows what it stored and so what every answer must say.

    `payload_bytes` may be set by a scenario before `login`. Steps are named after their request, with `label`
    behind the name where a scenario tells its requests apart.
    """

    abstract = True
    wait_time = constant(0)

    keeps_state: ClassVar[bool] = True
    max_bytes: ClassVar[int | None] = None
    _numbers = itertools.count()

    payload_bytes = 1000
    label = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.name = f"user-{next(self._numbers)}-{secrets.token_hex(4)}"
        self.logged_in = False
        self.updates = {0}
        """How many updates the session may hold; two numbers after a write that went unanswered."""

    def login(self) -> None:
        """Log in; an existing session is replaced."""
        body = {"user": self.name, "payload_bytes": self.payload_bytes}
        with self._request("POST", "/login", json=body) as response:
            if response.status_code == 413 and self._may_be_too_large():  # noqa: PLR2004 - HTTP status
                _refused(response)
                return
            self.logged_in = False
            if _answered(response):
                self.updates = {0}
                self._check(response)
                self.logged_in = True

    def read(self) -> None:
        """Read the profile; logs in instead without a session."""
        if not self.logged_in:
            self.login()
            return
        with self._request("GET", "/profile") as response:
            if self._still_logged_in(response):
                self._check(response, payload_bytes=self.payload_bytes)

    def write(self) -> None:
        """Write a note into the profile, a read-modify-write; logs in instead without a session."""
        if not self.logged_in:
            self.login()
            return
        before = self.updates
        after = {number + 1 for number in before}
        self.updates = before | after
        with self._request("POST", "/profile", json={"note": secrets.token_urlsafe(12)}) as response:
            if self._still_logged_in(response):
                self.updates = after
                self._check(response)

    def logout(self) -> None:
        """Log out; logs in instead without a session."""
        if not self.logged_in:
            self.login()
            return
        with self._request("POST", "/logout") as response:
            if _answered(response):
                self.logged_in = False

    def _request(self, method: str, path: str, **body: Any) -> ResponseContextManager:
        name = f"{method} {path} {self.label}".rstrip()
        return self.client.request(method, path, name=name, catch_response=True, **body)

    def _may_be_too_large(self) -> bool:
        return self.max_bytes is not None and self.payload_bytes + _SLACK_BYTES > self.max_bytes

    def _still_logged_in(self, response: ResponseContextManager) -> bool:
        if response.status_code == 401:  # noqa: PLR2004 - HTTP status
            self.logged_in = False
            response.failure(WrongAnswer(f"the session of {self.name} is lost"))
            return False
        return _answered(response)

    def _check(self, response: ResponseContextManager, **expected: Any) -> None:
        try:
            answer = response.json()
        except ValueError:
            response.failure(WrongAnswer("the answer is not JSON"))
            return
        if not isinstance(answer, dict) or not {"user", "updates", *expected} <= answer.keys():
            response.failure(WrongAnswer(f"the answer lacks fields: {str(answer)[:80]}"))
            return
        if not self.keeps_state:
            return
        if answer["user"] != self.name:
            response.failure(WrongAnswer(f"{self.name} was answered as {answer['user']}"))
            return
        if answer["updates"] not in self.updates:
            wrong = f"{self.name} expects {sorted(self.updates)} updates and reads {answer['updates']}"
            self.updates = {answer["updates"]}
            response.failure(WrongAnswer(wrong))
            return
        self.updates = {answer["updates"]}
        for field, value in expected.items():
            if answer[field] != value:
                response.failure(WrongAnswer(f"{field} is {answer[field]}, not {value}"))
                return


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


def _answered(response: ResponseContextManager) -> bool:
    """Whether the request was carried out; Locust itself marks what was not."""
    return bool(response.status_code == 200)  # noqa: PLR2004 - HTTP status


def _refused(response: ResponseContextManager) -> None:
    """Mark an answer that the scenario had planned for: no error, and no success either."""
    response.request_meta["context"]["outcome"] = "refused"
    response.success()


@events.test_start.add_listener
def _learn_about_the_app(environment: Environment, **_: Any) -> None:
    """Ask once whether the backend keeps state and how large a session may be; waits until the app is up."""
    try:
        about = requests.get(f"{environment.host}/about", timeout=_ABOUT_TIMEOUT_S).json()
        traits = about["traits"]
        SessionUser.keeps_state = traits["keeps"] != "nothing"
        SessionUser.max_bytes = traits["max_bytes"]
    except (requests.ConnectionError, requests.Timeout) as error:
        give_up(environment, f"No app answers at {environment.host}: {error}")
    except (ValueError, KeyError, TypeError):
        _log.warning("%s/about is not of this project; every answer is checked", environment.host)
