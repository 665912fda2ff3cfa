"""An HTTP server that does nothing but answer: `python -m harness.reflector --fd N`, a yardstick for generators."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
from typing import cast

_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status":"ok"}'
_LOGIN = _ANSWER.replace(b"\r\n\r\n", b"\r\nset-cookie: sid=" + b"x" * 43 + b"; Path=/; HttpOnly\r\n\r\n")
_END = b"\r\n\r\n"


class _Reflector(asyncio.Protocol):
    """Answers every header block, with a session cookie where /login is asked for; requests must have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are by shape, not by class
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        answers = [_LOGIN if request.startswith(b"GET /login ") else _ANSWER for request in requests]
        if answers:
            self._transport.write(b"".join(answers))


async def serve(listener: socket.socket) -> None:
    """Answer on this socket until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Reflector, sock=listener)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()


def main() -> None:
    """Serve the socket with this file descriptor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    listener = socket.socket(fileno=parser.parse_args().fd)
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - not everywhere

        uvloop.run(serve(listener))
        return
    asyncio.run(serve(listener))


if __name__ == "__main__":
    main()
