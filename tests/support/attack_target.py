"""The target of the attacks, their registry, and what they have in common."""

from __future__ import annotations

import select
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Attack = Callable[["Target"], None]

MIB = 2**20
# The memory that one attack may add to the process.
GROWTH = 32 * MIB
SMALL = "/health/live"
LARGE = "/openapi.json"
POST = "/networks/n/segments"
NEXT = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Target:
    """A server. seconds: its time limit for a head, a body and the next request; `key` publishes in network n."""

    port: int
    pid: int
    seconds: float
    key: str

    def memory(self) -> int:
        """The resident bytes of the process."""
        rss: int = psutil.Process(self.pid).memory_info().rss
        return rss

    @contextmanager
    def connection(self, **options: int) -> Iterator[socket.socket]:
        """Connect."""
        with socket.socket() as connection:
            for name, value in options.items():
                connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            connection.settimeout(5)
            connection.connect(("127.0.0.1", self.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connection

    @contextmanager
    def in_little_memory(self) -> Iterator[None]:
        """Check that the memory of the process grows by no more than GROWTH in the block."""
        before = self.memory()
        yield
        grown = self.memory() - before
        assert grown < GROWTH, f"{grown / MIB:.0f} MiB more"

    def ask(self, *pieces: bytes) -> bytes:
        """Send pieces, each as a packet of its own; return everything until the server closes."""
        with self.connection() as connection:
            for piece in pieces:
                with suppress(ConnectionError):
                    connection.sendall(piece)
                    time.sleep(0.05)
            return drain(connection, 3 * self.seconds + 2)


class Attacks(dict[str, "Attack"]):
    """Attacks by their names."""

    def add(self, function: Attack) -> Attack:
        """Add one; a decorator."""
        self[function.__name__] = function
        return function


def drain(connection: socket.socket, seconds: float) -> bytes:
    """Read until the other side closes. Raises: AssertionError if it has not after `seconds`."""
    received = bytearray()
    ends = time.monotonic() + seconds
    while True:
        connection.settimeout(max(0.01, ends - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            return bytes(received)
        except TimeoutError:
            raise AssertionError(
                f"still open after {seconds:.0f} s, after {bytes(received[:200])!r}"
            ) from None
        if not piece:
            return bytes(received)
        received += piece


def answers(data: bytes) -> list[int]:
    """Return the statuses of the responses in bytes, except 100."""
    statuses = [int(part[2:5]) for part in data.split(b"HTTP/1.")[1:]]
    return [status for status in statuses if status >= 200]


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """Encode a POST without a key."""
    head = [f"POST {POST} HTTP/1.1".encode(), b"Host: x", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(target: bytes, *lines: bytes) -> bytes:
    """Encode a GET."""
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *lines]) + b"\r\n\r\n"


def authorization(target: Target) -> bytes:
    """Return the header with the API key."""
    return f"Authorization: Bearer {target.key}".encode()


def flood(target: Target, head: bytes, piece: bytes, total: int = 40 * MIB) -> None:
    """Send a head and then pieces up to a total; the server must close the connection."""
    block = piece * max(1, 65536 // len(piece))
    with target.in_little_memory(), target.connection() as connection:
        connection.sendall(head)
        sent, ended = 0, False
        ends = time.monotonic() + 3 * target.seconds + 20
        while sent < total and time.monotonic() < ends:
            try:
                sent += connection.send(block)
            except ConnectionError:
                ended = True
                break
            except TimeoutError:
                continue
        if not ended:
            drain(connection, 3 * target.seconds + 2)


def dribble(target: Target, head: bytes, piece: bytes, every: float) -> bytes:
    """Send a head and then a piece at intervals; the server must close the connection. Returns its response."""
    received = b""
    with target.connection() as connection:
        connection.sendall(head)
        ends = time.monotonic() + 3 * target.seconds + 2
        while time.monotonic() < ends:
            readable, _, _ = select.select([connection], [], [], every)
            try:
                if readable:
                    piece_received = connection.recv(65536)
                    received += piece_received
                    if not piece_received:
                        return received
                else:
                    connection.sendall(piece)
            except ConnectionError:
                return received
    raise AssertionError(f"still open after {3 * target.seconds + 2:.0f} s, after {received!r}")


def refuses(target: Target, *pieces: bytes) -> None:
    """Check that a request gets one response of 400 or above, or none, and that the connection is closed."""
    statuses = answers(target.ask(*pieces))
    assert len(statuses) <= 1, f"{len(statuses)} answers: {statuses}"
    assert all(400 <= status < 600 and status != 500 for status in statuses), statuses


def at_most_one(target: Target, *pieces: bytes) -> list[int]:
    """Check that one request gets at most one response, and no 500."""
    statuses = answers(target.ask(*pieces))
    assert len(statuses) <= 1, f"{len(statuses)} answers: {statuses}"
    assert 500 not in statuses
    return statuses
