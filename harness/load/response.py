"""An answer as scenarios know it from requests, and the errors that stand in its place."""

from __future__ import annotations

import json as stdlib_json
from typing import TYPE_CHECKING, Any, Self

from locust.exception import CatchResponseError, LocustError

if TYPE_CHECKING:
    from types import TracebackType

    from locust.event import EventHook

_ERRORS = 400


class TransportError(ConnectionError):
    """The connection failed, or what came over it is no answer."""

    outcome = "transport_error"


class NoAnswer(TransportError):  # noqa: N818 - what happened
    """The answer was not whole in time, however much of it had come."""

    outcome = "timeout"


class BadStatus(Exception):  # noqa: N818 - what the server said, not what went wrong
    """The answer's status is 400 or more."""


class Response:
    """An answer, as scenarios know it from requests; a context manager where `catch_response` was asked for.

    Without an answer `status_code` is 0, `content` empty and `error` the reason.
    """

    __slots__ = (
        "_caught", "_event", "_headers", "_verdict", "content", "error", "raw_headers", "request_meta", "status_code",
        "url",
    )  # fmt: skip

    def __init__(self, url: str, status_code: int, raw_headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        self.url = url
        self.status_code = status_code
        self.raw_headers = raw_headers
        self.content = content
        self.error: Exception | None = None
        self.request_meta: dict[str, Any] = {}
        self._headers: dict[str, str] | None = None
        self._event: EventHook | None = None
        self._caught = False
        self._verdict: Exception | bool | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; of several with one name the last."""
        if self._headers is None:
            self._headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers
            }
        return self._headers

    @property
    def ok(self) -> bool:
        """Whether there is an answer, and its status is below 400."""
        return 0 < self.status_code < _ERRORS

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Parse the body; raises ValueError."""
        return stdlib_json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise what kept the answer from coming, or BadStatus."""
        if self.error is not None:
            raise self.error
        if self.status_code >= _ERRORS:
            raise BadStatus(f"status {self.status_code} for {self.url}")

    def success(self) -> None:
        """Have the request count as answered rightly, whatever its status."""
        self._judge(verdict=True)

    def failure(self, why: Exception | str) -> None:
        """Have the request count as failed."""
        self._judge(verdict=why if isinstance(why, Exception) else CatchResponseError(why))

    def __enter__(self) -> Self:
        if not self._caught:
            raise LocustError("A with-block around a request needs catch_response=True.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if kind is not None and self._verdict is None:
            return False
        self.report()
        return kind is None

    def report(self) -> None:
        """Fire Locust's request event."""
        verdict = self._verdict
        if verdict is None:
            try:
                self.raise_for_status()
            except (TransportError, BadStatus) as error:
                verdict = error
        self.request_meta["exception"] = verdict if isinstance(verdict, Exception) else None
        if self._event is not None:
            self._event.fire(**self.request_meta)

    def _judge(self, *, verdict: Exception | bool) -> None:
        if not self._caught:
            raise LocustError("To judge a request yourself, pass catch_response=True.")
        self._verdict = verdict

    def announce(self, event: EventHook, meta: dict[str, Any], *, caught: bool) -> None:
        """Attach what the request event will say; without a with-block it is said at once."""
        self._event = event
        self.request_meta = meta
        self._caught = caught
        if not caught:
            self.report()


def failed(url: str, error: TransportError) -> Response:
    """Return the stand-in for an answer that did not come."""
    response = Response(url, 0, [], b"")
    response.error = error
    return response
