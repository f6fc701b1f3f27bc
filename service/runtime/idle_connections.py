"""Closes idle connections before they block new clients.

The server accepts a maximum number of connections and queues the rest. It neither counts them by client nor closes
idle ones early. The connections are descriptors of this process; the kernel knows the peer and the idle time of each.
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

# The interval of counting descriptors. It grows so that counting takes no more than these shares of the time.
EVERY_SECONDS = 0.05
_SHARE, _SHARE_WHILE_CLOSING = 0.02, 0.2
# In Linux' struct tcp_info: the milliseconds since data was last received.
_LAST_DATA_RECEIVED = slice(52, 56)

# The address and port of the client.
Peer = tuple[str, int]


class Connection(NamedTuple):
    """An open connection. client: the peer's address; for IPv6 its /64 network, which one client usually owns."""

    descriptor: int
    peer: Peer
    client: bytes
    idle_milliseconds: int


async def close_idle_connections(port: int, bound: int, busy: Callable[[], set[Peer]]) -> None:
    """Run forever: when three quarters of `bound` connections are open on a port, close idle ones down to half.

    busy: returns the peers with requests in progress; their connections stay open.
    """
    seconds = EVERY_SECONDS
    while True:
        await asyncio.sleep(seconds)
        began = time.monotonic()
        chosen: list[Connection] = []
        # The count of all descriptors is a cheap upper bound of the connections.
        if len(_descriptors()) > bound * 3 // 4:
            connections = list(_open_connections(port))
            if len(connections) > bound * 3 // 4:
                chosen = choose(connections, busy(), len(connections) - bound // 2)
                for connection in chosen:
                    _close(connection)
        share = _SHARE_WHILE_CLOSING if chosen else _SHARE
        seconds = max(EVERY_SECONDS, (time.monotonic() - began) / share)


def choose(connections: list[Connection], busy: set[Peer], count: int) -> list[Connection]:
    """Choose `count` connections to close, or all idle ones.

    Each is the longest idle one of the client that has the most left.
    """
    kept = Counter(each.client for each in connections if each.peer in busy)
    idle = []
    for connection in sorted(connections, key=lambda each: each.idle_milliseconds):
        if connection.peer not in busy:
            kept[connection.client] += 1
            idle.append((kept[connection.client], connection))
    return [connection for _, connection in heapq.nlargest(count, idle, key=lambda each: each[0])]


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - only names are needed


def _open_connections(port: int) -> Iterator[Connection]:
    for descriptor in _descriptors():
        try:
            # Family and type are passed to save the system calls that would detect them.
            connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, descriptor)
        except OSError:
            continue  # closed in the meantime
        try:
            if (peer := _peer(connection, port)) is not None:
                yield Connection(descriptor, peer, _client(peer[0]), _idle(connection))
        except OSError:
            continue  # not a socket, or not connected
        finally:
            connection.detach()


def _peer(connection: socket.socket, port: int) -> Peer | None:
    """Return the peer of a connection to `port`; None for another socket. Raises: OSError."""
    own, peer = connection.getsockname(), connection.getpeername()
    if not isinstance(own, tuple) or own[1] != port:
        return None
    return peer[0].partition("%")[0], peer[1]


def _client(address: str) -> bytes:
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)[:8]
    return address.encode()


def _idle(connection: socket.socket) -> int:
    """Return the milliseconds since data was last received; 0 if the kernel has no such figure."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED.stop)
    return int.from_bytes(info[_LAST_DATA_RECEIVED], "little")


def _close(connection: Connection) -> None:
    """Shut a connection down as its client would; the server then closes it."""
    try:
        # Another thread may have closed it and the number may be reused; a duplicate stays the same connection.
        with socket.socket(fileno=os.dup(connection.descriptor)) as duplicate:
            peer = duplicate.getpeername()
            if (peer[0].partition("%")[0], peer[1]) == connection.peer:
                duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
