"""Syslog receivers on the loopback interface: what comes, whole and in order."""

import socket
import ssl
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing a socket resets its connection."""


@contextmanager
def datagrams(family: int, address: str | tuple[str, int]) -> Generator[socket.socket]:
    """Yield a bound socket; what is sent to it waits there."""
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(10)
        yield receiver


@contextmanager
def stream(
    take: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Generator[int]:
    """Yield the port of a receiver of one connection, which ``take`` is given."""

    def accept() -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            if context is None:
                take(connection)
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    take(secured)
            except ssl.SSLError:
                return  # a client that trusts nobody

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def read_all(received: list[bytes]) -> Callable[[socket.socket], None]:
    """Return what adds to ``received`` all that a connection brings."""

    def take(connection: socket.socket) -> None:
        while part := connection.recv(65536):
            received.append(part)

    return take


def hang_up(connection: socket.socket) -> None:
    """Take nothing, and reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def frames(stream: bytes) -> list[bytes]:
    """Return the messages of ``stream``, which tells the length of each (RFC 6587)."""
    found: list[bytes] = []
    while stream:
        length, _, rest = stream.partition(b" ")
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length)
        stream = rest[int(length) :]
    return found
