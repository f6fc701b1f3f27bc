"""Closing idle connections before they keep a new client out.

The server accepts so many connections and lets further ones wait; it neither counts them by client nor closes idle
ones early. They are descriptors of this process: the kernel is asked whose they are and how long they have been idle.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How often the process counts its descriptors: less often where that would take more than these shares of its time.
EVERY_SECONDS = 0.05
_SHARE, _SHARE_WHILE_CLOSING = 0.02, 0.2
# Where Linux keeps, in struct tcp_info, the milliseconds since something was received.
_LAST_DATA_RECEIVED = slice(52, 56)

# Whose a connection is: its address and port.
Peer = tuple[str, int]


class Connection(NamedTuple):
    """One that is open. client: the peer's address, of IPv6 the network of 64 bits that one client has for itself."""

    descriptor: int
    peer: Peer
    client: bytes
    idle_milliseconds: int


async def close_idle_connections(port: int, bound: int, busy: Callable[[], set[Peer]]) -> None:
    """Go on for ever: where three quarters of `bound` are open on a port, close idle ones until half of it are.

    busy: gives the peers for whom something is done. Their connections stay.
    """
    seconds = EVERY_SECONDS
    while True:
        await asyncio.sleep(seconds)
        began = time.monotonic()
        chosen: list[Connection] = []
        # All descriptors count here: a quick way to see that connections are few.
        if len(_descriptors()) > bound * 3 // 4:
            connections = list(_open_connections(port))
            if len(connections) > bound * 3 // 4:
                chosen = choose(connections, busy(), len(connections) - bound // 2)
                for connection in chosen:
                    _close(connection)
        share = _SHARE_WHILE_CLOSING if chosen else _SHARE
        seconds = max(EVERY_SECONDS, (time.monotonic() - began) / share)


def choose(connections: list[Connection], busy: set[Peer], count: int) -> list[Connection]:
    """Choose so many to close, or all that are idle: always of the client that has most left, the longest idle."""
    kept = Counter(each.client for each in connections if each.peer in busy)
    idle = []
    for connection in sorted(connections, key=lambda each: each.idle_milliseconds):
        if connection.peer not in busy:
            kept[connection.client] += 1
            idle.append((kept[connection.client], connection))
    return [connection for _, connection in heapq.nlargest(count, idle, key=lambda each: each[0])]


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - names are all that is wanted


def _open_connections(port: int) -> Iterator[Connection]:
    for descriptor in _descriptors():
        try:
            # It is only looked at: family and type are given, or each look would ask the kernel for them.
            connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, descriptor)
        except OSError:
            continue  # closed meanwhile
        try:
            if (peer := _peer(connection, port)) is not None:
                yield Connection(descriptor, peer, _client(peer[0]), _idle(connection))
        except OSError:
            continue  # not a socket, or one that is not connected
        finally:
            connection.detach()


def _peer(connection: socket.socket, port: int) -> Peer | None:
    """Give who is connected to a port of ours; None for another socket. Raises: OSError."""
    own, peer = connection.getsockname(), connection.getpeername()
    if not isinstance(own, tuple) or own[1] != port:
        return None
    return peer[0].partition("%")[0], peer[1]


def _client(address: str) -> bytes:
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)[:8]
    return address.encode()


def _idle(connection: socket.socket) -> int:
    """Give the milliseconds since something was received, as far as the kernel tells."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED.stop)
    return int.from_bytes(info[_LAST_DATA_RECEIVED], "little")


def _close(connection: Connection) -> None:
    """End a connection as if its client had; the server then closes it."""
    try:
        # Another thread may have closed it, and the number be another's: a duplicate stays what it is.
        with socket.socket(fileno=os.dup(connection.descriptor)) as duplicate:
            peer = duplicate.getpeername()
            if (peer[0].partition("%")[0], peer[1]) == connection.peer:
                duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
