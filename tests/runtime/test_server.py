"""Serving: what clients notice of the socket, which idle connections go first, and what we override of granian."""

from __future__ import annotations

import socket
from inspect import getsource

import pytest
from granian.server.common import AbstractServer
from starlette.applications import Starlette

from service.runtime.idle_connections import Connection, choose
from service.runtime.server import _listen, serving


def test_a_body_does_not_wait_for_the_headers_to_be_acknowledged() -> None:
    with (
        _listen("127.0.0.1", 0, 1.0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def connection(client: str, idle: int) -> Connection:
    return Connection(0, (client, idle), client.encode(), idle)


def test_the_longest_idle_connections_of_the_client_with_the_most_are_closed_first() -> None:
    greedy = [connection("greedy", idle) for idle in range(10)]
    other = [connection("other", idle) for idle in (1000, 2000)]
    chosen = choose([*other, *greedy], set(), 8)
    assert {each.idle_milliseconds for each in chosen} == set(range(2, 10))
    # Once it has no more than another, they take turns.
    assert len([each for each in choose([*other, *greedy], set(), 10) if each in other]) == 1


def test_a_connection_with_a_request_under_way_stays_and_counts() -> None:
    greedy = [connection("greedy", idle) for idle in range(4)]
    other = [connection("other", idle) for idle in range(2)]
    busy = {each.peer for each in greedy[1:]}
    assert choose([*other, *greedy], busy, 6) == [greedy[0], other[1], other[0]]


def test_granian_still_makes_its_socket_where_ours_takes_its_place() -> None:
    """Of `_Server`: granian has no public way to be given a socket; this fails where it makes its own elsewhere."""
    source = getsource(AbstractServer._init_shared_socket)  # noqa: SLF001 - which is the point
    assert "self._shd = self._ssp.build()" in source, source


async def test_a_second_process_on_the_port_is_told_so() -> None:
    """With a socket of granian's own (SO_REUSEPORT) it would share it."""
    async with serving(Starlette(), "127.0.0.1", 0, seconds=1, connections=10) as port:
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                second.bind(("127.0.0.1", port))
