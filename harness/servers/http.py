"""The session service: the reference one of the harness, or the user's own that speaks its protocol."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import session_service
from harness.errors import ComponentError
from harness.servers.kind import (
    LOST_AT_EXIT,
    Counters,
    Definition,
    Facts,
    Image,
    Program,
    Rejected,
    Unanswered,
    choose,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.processes import Child
    from harness.servers.kind import Site


class Http(Definition):
    """See `Definition`."""

    name = "http"
    driver = "httpx"
    extra = "http"
    schemes = ("http", "https")

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        """Refuse any."""
        return choose(self, given, {})

    def program(self) -> Program:
        """Take this very interpreter."""
        return Program(Path(sys.executable), "session service", session_service.VERSION, "session-bench")

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:  # noqa: ARG002 - it has none
        """Start the reference service."""
        command = [str(site.program.path), "-m", session_service.__name__, "--port", str(port)]
        return site.processes.spawn(command, name=self.name, log=site.log, cwd=site.folder, cpus=site.cpus)

    def url(self, port: int) -> str:
        """Name its root."""
        return f"http://127.0.0.1:{port}"

    def image(self, settings: dict[str, str]) -> Image:  # noqa: ARG002 - it has none
        """Refuse."""
        raise ComponentError("The session service comes with session-bench, not as a container: use --servers wheel.")

    def ask(self, url: str, timeout_s: float) -> Facts:
        """Go by `GET /v1`."""
        with self._client(url, timeout_s) as client:
            answer = client.get("v1").raise_for_status().json()
            return Facts(
                product=answer["product"],
                version=str(answer["version"]),
                durability=LOST_AT_EXIT,
                identity=str(answer.get("pid")),
            )

    def drop(self, url: str, namespace: str, timeout_s: float) -> None:
        """Leave it to the service."""
        with self._client(url, timeout_s) as client:
            client.delete(f"v1/{namespace}").raise_for_status()

    def count(self, url: str, namespace: str, timeout_s: float) -> int:
        """Have the service count, by `GET /v1/{namespace}`."""
        with self._client(url, timeout_s) as client:
            return int(client.get(f"v1/{namespace}").raise_for_status().json()["records"])

    def counters(self, url: str, timeout_s: float) -> Counters:
        """Go by `requests` of `GET /v1`: what was asked of sessions, by method, whatever the answer was.

        `reads` are GET; `writes` are PUT, PATCH and DELETE, and POST, by which sessions are seeded and swept. Asking
        the service, or for a namespace's count, or to drop one, is in neither. It writes no log.
        """
        with self._client(url, timeout_s) as client:
            about = client.get("v1").raise_for_status().json()
        if "requests" not in about:
            raise Rejected("it counts nothing (GET /v1 has no requests)")
        requests = {str(method): int(count) for method, count in about["requests"].items()}
        return Counters(
            reads=requests.get("GET", 0),
            writes=sum(count for method, count in requests.items() if method != "GET"),
            written_bytes=None,
            own={method: float(count) for method, count in requests.items()},
        )

    @contextlib.contextmanager
    def _client(self, url: str, timeout_s: float) -> Iterator[Any]:
        """Connect, past any proxy of the environment as the app does; the driver's errors become ours."""
        httpx = require(self)
        try:
            with httpx.Client(base_url=url, timeout=timeout_s, trust_env=False) as client:
                yield client
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status in {401, 403}:
                raise Rejected(f"wrong or missing user or password (status {status})") from None
            raise Rejected(f"it answers {error.request.method} {error.request.url.path} with status {status}") from None
        except httpx.TransportError as error:
            raise Unanswered(str(error) or type(error).__name__) from None
        except (httpx.InvalidURL, httpx.RequestError) as error:
            raise Rejected(str(error)) from None
        except (ValueError, KeyError, TypeError):
            raise Rejected(
                "it does not speak the session service's protocol (GET /v1 says what it is, in JSON)"
            ) from None


KIND = Http()
