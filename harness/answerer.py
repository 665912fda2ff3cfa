"""A server that answers every 200 bytes with 1,000: run by path with a listening socket, a yardstick for relays.

python -I -S answerer.py FD
"""

from __future__ import annotations

import selectors
import socket
import sys

REQUEST_BYTES = 200
ANSWER = bytes(1000)
_PIECE = 64 * 1024


def main() -> None:
    """Answer until it is ended."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    came: dict[socket.socket, int] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                came[connection] = 0
                continue
            connection = key.fileobj  # type: ignore[assignment] # it was registered above
            try:
                size = len(connection.recv(_PIECE))
                asked, came[connection] = divmod(came[connection] + size, REQUEST_BYTES)
                connection.sendall(ANSWER * asked)
            except OSError:
                size = 0
            if not size:
                selector.unregister(connection)
                del came[connection]
                connection.close()


if __name__ == "__main__":
    main()
