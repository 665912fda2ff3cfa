"""An answer as scenarios know it from requests, and the errors that stand in its place."""

from __future__ import annotations

import json as stdlib_json
from typing import TYPE_CHECKING, Any, Self

from locust.exception import CatchResponseError, LocustError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

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

    Without an answer `status_code` is 0, `content` empty and `error` the reason. `request_meta` is what Locust's
    request event will say of it.
    """

    __slots__ = (
        "_caught", "_headers", "_tell", "_verdict", "content", "error", "raw_headers", "request_meta", "status_code",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one is made for every request, and by position it is made sooner
        self,
        status_code: int,
        raw_headers: tuple[tuple[bytes, bytes], ...],
        content: bytes,
        error: TransportError | None,
        request_meta: dict[str, Any],
        tell: Callable[[dict[str, Any]], None],
        caught: bool,  # noqa: FBT001 - as above
    ) -> None:
        self.status_code = status_code
        self.raw_headers = raw_headers
        self.content = content
        self.error = error
        self.request_meta = request_meta
        self._tell = tell
        self._caught = caught
        self._headers: dict[str, str] | None = None
        self._verdict: Exception | bool | None = None

    @property
    def url(self) -> str:
        """What was asked for."""
        return str(self.request_meta["url"])

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
        error = self._wrong()
        if error is not None:
            raise error

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
        meta = self.request_meta
        verdict = self._verdict
        if verdict is None:
            meta["exception"] = None if 0 < self.status_code < _ERRORS else self._wrong()
        else:
            meta["exception"] = None if verdict is True else verdict
        meta["response"] = self
        self._tell(meta)
        del meta["response"]  # a cycle for every request would keep the garbage collector busy

    def _wrong(self) -> TransportError | BadStatus | None:
        if self.error is not None:
            return self.error
        if self.status_code >= _ERRORS:
            return BadStatus(f"status {self.status_code} for {self.url}")
        return None

    def _judge(self, *, verdict: Exception | bool) -> None:
        if not self._caught:
            raise LocustError("To judge a request yourself, pass catch_response=True.")
        self._verdict = verdict
