"""Serve an app on a socket that the harness bound; run by path in the arm's own interpreter and folder.

`PYTHON harness/launch.py TARGET --fd N`. Uvicorn's own `--fd` would take the socket for a Unix one and so lose
TCP_NODELAY, and its `--workers` the same (Kludex/uvicorn#3149); a socket object passed to the server keeps it.
"""

import argparse
import asyncio
import os
import socket
import sys
import time

import uvicorn

_RECEIVED = "session_app.received_s"
"""Where our app, when it counts, looks in a scope for when the request's first bytes came and were parsed."""


def main() -> None:
    """Import TARGET (`module:factory`) from the working folder and serve it until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--fd", type=int, required=True)
    arguments = parser.parse_args()
    # Python put this file's own folder first, whose module names are ours and not the app's.
    sys.path[0] = os.getcwd()  # noqa: PTH109 - pathlib is one import more in the measured process
    config = uvicorn.Config(
        arguments.target,
        factory=True,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=_stamping() if os.environ.get("SESSION_APP_COUNTERS") else "httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        backlog=2048,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[socket.socket(fileno=arguments.fd)])
    sys.exit(0 if server.started else 3)


def _stamping() -> type[asyncio.Protocol]:
    """Return uvicorn's protocol that says when a request came: the app is called only when the event loop is free."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - else as uvicorn does it

    class Stamping(HttpToolsProtocol):
        _begun: list[float] | None = None

        def data_received(self, data: bytes) -> None:
            came = time.monotonic()
            super().data_received(data)
            if self._begun is not None:
                self._begun += came, time.monotonic()
                self._begun = None

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._begun = self.scope[_RECEIVED] = []  # type: ignore[literal-required]

    return Stamping


if __name__ == "__main__":
    main()
