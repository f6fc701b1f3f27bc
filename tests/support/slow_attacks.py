"""Attacks by slow, unread and idle connections, and by many requests at once."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from tests.support.attack_target import (
    LARGE,
    SMALL,
    Attacks,
    Target,
    answers,
    authorization,
    drain,
    dribble,
    flood,
    get,
    post,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ATTACKS = Attacks()

# Time


@ATTACKS.add
def a_connection_that_says_nothing(target: Target) -> None:
    target.ask()


@ATTACKS.add
def a_head_of_a_byte_now_and_then(target: Target) -> None:
    dribble(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\nX: ".encode(), b"x", target.seconds / 5)


@ATTACKS.add
def a_body_of_a_byte_now_and_then(target: Target) -> None:
    dribble(target, post(b"Content-Length: 1000", authorization(target)), b" ", target.seconds / 5)


@ATTACKS.add
def a_body_of_a_byte_now_and_then_without_a_key(target: Target) -> None:
    dribble(target, post(b"Content-Length: 1000"), b" ", target.seconds / 5)


@ATTACKS.add
def chunks_of_a_byte_now_and_then(target: Target) -> None:
    dribble(
        target,
        post(b"Transfer-Encoding: chunked", authorization(target)),
        b"1\r\n \r\n",
        target.seconds / 5,
    )


@ATTACKS.add
def trailers_now_and_then(target: Target) -> None:
    dribble(
        target,
        post(b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n",
        b"X: y\r\n",
        target.seconds / 5,
    )


@ATTACKS.add
def trailers_now_and_then_with_a_key(target: Target) -> None:
    head = post(b"Transfer-Encoding: chunked", authorization(target))
    dribble(target, head + b"2\r\n{}\r\n0\r\n", b"X: y\r\n", target.seconds / 5)


@ATTACKS.add
def a_byte_after_an_answer(target: Target) -> None:
    for byte in (b"G", b"\r", b"\n", b"\r\n"):
        with target.connection() as connection:
            connection.sendall(get(SMALL.encode()))
            assert b" 200 " in connection.recv(65536)
            connection.sendall(byte)
            drain(connection, 3 * target.seconds + 2)


@ATTACKS.add
def empty_lines_now_and_then(target: Target) -> None:
    dribble(target, get(SMALL.encode()), b"\r\n", target.seconds / 5)


@ATTACKS.add
def the_rest_of_a_refused_body_now_and_then(target: Target) -> None:
    dribble(target, post(b"Content-Length: 100000000"), b" " * 100, target.seconds / 5)


@ATTACKS.add
def the_rest_of_a_refused_body_without_end(target: Target) -> None:
    flood(target, post(b"Content-Length: 100000000"), b" " * 1000)


# Answers


@ATTACKS.add
def answers_that_nobody_reads(target: Target) -> None:
    with target.in_little_memory(), target.connection(SO_RCVBUF=4096) as connection:
        own = connection.getsockname()[1]
        connection.settimeout(0)
        requests = get(LARGE.encode()) * 2000
        with suppress(ConnectionError, BlockingIOError):
            connection.send(requests)

        def is_open() -> bool:
            connections = psutil.Process(target.pid).net_connections("tcp")
            return any(one.raddr[1:] == (own,) for one in connections)

        seconds = 9 * target.seconds + 5
        ends = time.monotonic() + seconds
        while not is_open():
            assert time.monotonic() < ends
        while is_open():
            assert time.monotonic() < ends, f"still open after {seconds:.0f} s"
            time.sleep(0.1)


@ATTACKS.add
def large_answers_that_two_hundred_clients_do_not_read(target: Target) -> None:
    with target.in_little_memory(), ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(target.connection(SO_RCVBUF=4096))
            connection.sendall(get(LARGE.encode()))
        time.sleep(1)


@ATTACKS.add
def ten_thousand_requests_at_once(target: Target) -> None:
    with target.in_little_memory(), target.connection() as connection:
        requests = get(SMALL.encode()) * 9999 + get(SMALL.encode(), b"Connection: close")
        connection.settimeout(0)
        received, sent = bytearray(), 0
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            readable, writable, _ = select.select(
                [connection], [connection] if sent < len(requests) else [], [], 1
            )
            try:
                if writable:
                    sent += connection.send(requests[sent : sent + 65536])
                if readable:
                    piece = connection.recv(65536)
                    received += piece
                    if not piece:
                        break
            except BlockingIOError:
                continue
            except ConnectionError:
                break
        statuses = set(answers(bytes(received)))
        assert statuses == {200}, statuses


# Descriptors: the target has 256 of them


def two_thousand_idle_connections_do_not_keep_the_next_client_out(target: Target) -> None:
    """Not in ATTACKS: the target must be a process with 256 descriptors."""
    process = psutil.Process(target.pid)
    with ExitStack() as stack:
        for number in range(2000):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(0)
            with suppress(BlockingIOError):
                connection.connect(("127.0.0.1", target.port))
            if number % 2 == 0:
                with suppress(OSError):
                    connection.send(b"GET")
        time.sleep(0.5)
        used = sum(process.cpu_times()[:2])
        began = time.monotonic()
        with socket.create_connection(
            ("127.0.0.1", target.port), timeout=8 * target.seconds + 5
        ) as client:
            client.sendall(get(SMALL.encode(), b"Connection: close"))
            statuses = answers(drain(client, 20 * target.seconds + 10))
        took = time.monotonic() - began
        assert statuses == [200], f"{statuses} after {took:.1f} s"
        busy = (sum(process.cpu_times()[:2]) - used) / max(took, 0.001)
        assert took < 1 or busy < 0.8, f"busy: {busy:.2f} of a core for {took:.1f} s"
        print(f"    next client after {took:.2f} s")  # noqa: T201 - for comparisons of servers


# Connections: the target has few of them


@asynccontextmanager
async def idle_connections(target: Target, count: int, first: bytes) -> AsyncIterator[None]:
    """Hold `count` idle connections of one client, which send `first`; each is opened again when it is closed."""

    async def hold() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
                try:
                    writer.write(first)
                    while await reader.read(65536):
                        pass
                finally:
                    writer.close()

    held = [asyncio.create_task(hold()) for _ in range(count)]
    try:
        yield
    finally:
        for each in held:
            each.cancel()
        await asyncio.wait(held)


def ask_as_another_client(target: Target, patience: float) -> None:
    """Send a request, on Linux from another address. Raises: TimeoutError after `patience` seconds."""
    other = ("127.0.0.2", 0) if sys.platform == "linux" else None
    with socket.create_connection(("127.0.0.1", target.port), patience, other) as client:
        client.sendall(get(SMALL.encode()))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
