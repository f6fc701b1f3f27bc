"""Attacks on an HTTP server by raw sockets. Each takes a target and raises AssertionError if it succeeds.

They need only the server's port and process, so that any server of the same app can be tested.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Attack = Callable[["Target"], None]

MIB = 2**20
# The memory that one attack may add to the process.
GROWTH = 32 * MIB
SMALL = "/health/live"
LARGE = "/openapi.json"
POST = "/networks/n/segments"
NEXT = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
ATTACKS: dict[str, Attack] = {}
OF_DESCRIPTORS = "two_thousand_idle_connections_do_not_keep_the_next_client_out"


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


def attack(function: Attack) -> Attack:
    """Add to ATTACKS."""
    ATTACKS[function.__name__] = function
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


# Bodies and their lengths


@attack
def trailers_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)) + b"0\r\n",
          b"X-Trailer: " + b"x" * 100 + b"\r\n")  # fmt: skip


@attack
def trailers_without_end_and_without_a_key(target: Target) -> None:
    flood(
        target,
        post(b"Transfer-Encoding: chunked") + b"0\r\n",
        b"X-Trailer: " + b"x" * 100 + b"\r\n",
    )


@attack
def one_trailer_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked") + b"0\r\nX: ", b"x" * 1000)


@attack
def trailers_are_no_headers(target: Target) -> None:
    statuses = at_most_one(
        target,
        post(b"Transfer-Encoding: chunked", b"Connection: close", b"Trailer: Authorization"),
        b"2\r\n{}\r\n0\r\n" + authorization(target) + b"\r\n\r\n",
    )
    assert statuses in ([], [400], [401]), statuses
    statuses = at_most_one(
        target,
        post(b"Transfer-Encoding: chunked", b"Connection: close")
        + b"2\r\n{}\r\n0\r\n" + authorization(target) + b"\r\n\r\n",
    )  # fmt: skip
    assert statuses in ([], [400], [401]), statuses


@attack
def chunk_extensions_without_end(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)) + b"2;", b"x=y;" * 100)


@attack
def many_little_chunk_extensions(target: Target) -> None:
    flood(target, post(b"Transfer-Encoding: chunked", authorization(target)),
          b"1;" + b"x" * 1000 + b"\r\nx\r\n")  # fmt: skip


@attack
def chunk_sizes_that_are_none(target: Target) -> None:
    for size in (b"-1", b"+2", b"0x2", b"2 2", b"g", b"", b"1" + b"0" * 16, b"f" * 17, b"f" * 1000):
        refuses(
            target,
            post(b"Transfer-Encoding: chunked", authorization(target))
            + size
            + b"\r\n{}\r\n0\r\n\r\n"
            + NEXT,
        )


@attack
def a_chunk_that_is_said_to_be_huge(target: Target) -> None:
    refuses(
        target,
        post(b"Transfer-Encoding: chunked", authorization(target))
        + b"7fffffffffffffff\r\n{}\r\n0\r\n\r\n"
        + NEXT,
    )


@attack
def transfer_encoding_beside_a_content_length(target: Target) -> None:
    for lines in (
        (b"Transfer-Encoding: chunked", b"Content-Length: %d"),
        (b"Content-Length: %d", b"Transfer-Encoding: chunked"),
    ):
        body = b"0\r\n\r\n" + NEXT
        at_most_one(
            target, post(*(line.replace(b"%d", b"%d" % len(body)) for line in lines), body=body)
        )


@attack
def transfer_encodings_that_are_none(target: Target) -> None:
    for coding in (
        b"xchunked",
        b"chunked, identity",
        b"chunked, chunked",
        b"identity",
        b"\x0bchunked",
        b"gzip",
    ):
        statuses = at_most_one(
            target, post(b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n" + NEXT)
        )
        assert statuses == [] or statuses[0] >= 400, (coding, statuses)


@attack
def several_content_lengths(target: Target) -> None:
    body = b"{}" + NEXT
    lengths = b"Content-Length: 2", b"Content-Length: %d" % len(body)
    refuses(target, post(*lengths, body=body))
    refuses(target, post(*reversed(lengths), body=body))
    refuses(target, post(b"Content-Length: 2, %d" % len(body), body=body))


@attack
def content_lengths_that_are_none(target: Target) -> None:
    for length in (b"-1", b"+2", b"0x2", b"2 2", b"1" * 30, b"2.0"):
        refuses(target, post(b"Content-Length: " + length, body=b"{}"))


@attack
def an_upgrade_does_not_make_a_body_the_next_request(target: Target) -> None:
    for upgrade in (b"h2c", b"websocket", b"TLS/1.0", b"x"):
        head = post(
            b"Connection: Upgrade", b"Upgrade: " + upgrade, b"Content-Length: %d" % len(NEXT),
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", authorization(target),
        )  # fmt: skip
        statuses = answers(target.ask(head, NEXT))
        assert len(statuses) == 1, (upgrade, statuses)
        assert 400 <= statuses[0] < 500, (upgrade, statuses)


@attack
def an_upgrade_that_nobody_wants_is_passed_over(target: Target) -> None:
    for upgrade in (b"h2c", b"websocket", b"x"):
        statuses = answers(target.ask(get(SMALL.encode(), b"Connection: Upgrade", b"Upgrade: " + upgrade,
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")))  # fmt: skip
        assert statuses in ([200], []), (upgrade, statuses)


# Heads


@attack
def folded_lines_hide_no_header(target: Target) -> None:
    statuses = at_most_one(target, post(b"X-Folded: a", b" " + authorization(target), b"Content-Length: 2",
        b"Connection: close", body=b"{}"))  # fmt: skip
    assert statuses in ([], [400], [401]), statuses


@attack
def line_feeds_alone_end_no_chunk(target: Target) -> None:
    at_most_one(target, post(b"Transfer-Encoding: chunked", body=b"2;\n{}\r\n0\r\n\r\n" + NEXT))
    at_most_one(target, post(b"Transfer-Encoding: chunked", body=b"2\n{}\n0\n\n" + NEXT))


@attack
def carriage_returns_alone_are_refused(target: Target) -> None:
    refuses(
        target, post(b"X-Bare: a\rTransfer-Encoding: chunked", b"Content-Length: 2", body=b"{}")
    )


@attack
def names_of_headers_hold_no_spaces(target: Target) -> None:
    refuses(target, post(b"Content-Length : 2", body=b"{}"))
    refuses(target, post(b"Content Length: 2", body=b"{}"))
    refuses(target, post(b"X-\x00: 2", b"Content-Length: 2", body=b"{}"))
    refuses(target, post(b": 2", b"Content-Length: 2", body=b"{}"))


@attack
def a_header_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\nX-Long: ".encode(), b"x" * 1000)


@attack
def headers_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\n".encode(), b"a:\r\n")


@attack
def a_name_of_a_header_without_end(target: Target) -> None:
    flood(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\n".encode(), b"x" * 1000)


@attack
def a_target_without_end(target: Target) -> None:
    flood(target, b"GET /", b"x" * 1000)


@attack
def a_method_without_end(target: Target) -> None:
    flood(target, b"", b"G" * 1000)


@attack
def empty_lines_without_end(target: Target) -> None:
    flood(target, b"", b"\r\n")


@attack
def what_is_no_http(target: Target) -> None:
    refuses(target, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200)
    refuses(target, b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n")
    refuses(target, b"GET / HTTP/9.9\r\nHost: x\r\n\r\n")


@attack
def http_2_by_prior_knowledge_is_not_spoken(target: Target) -> None:
    response = target.ask(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    )
    assert not response or (response.startswith(b"HTTP/1.1 ") and answers(response)[0] >= 400), (
        response[:60]
    )


@attack
def odd_targets_are_told_so(target: Target) -> None:
    for path in (
        b"http://elsewhere/health/live", b"/health/live%00", b"/%00", b"/networks/%00/sizes", b"/" + b"x" * 8000,
        b"/networks/n/users/%00/segments", b"//health//live", b"/../../etc/passwd", b"*", b"/\xff\xfe", b"/%ff%fe",
        b"/a b", b"/health/live?%00=%00", b"/health/live#x",
    ):  # fmt: skip
        statuses = answers(target.ask(get(path, authorization(target), b"Connection: close")))
        assert len(statuses) <= 1, (path, statuses)
        assert all(status < 500 for status in statuses), (path[:60], statuses)


@attack
def http_1_0_is_answered(target: Target) -> None:
    statuses = answers(target.ask(f"GET {SMALL} HTTP/1.0\r\n\r\n".encode()))
    assert statuses == [200], statuses
    statuses = answers(
        target.ask(f"GET {SMALL} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
    )
    assert statuses == [200], statuses


@attack
def who_expects_to_be_told_to_go_on_is(target: Target) -> None:
    with target.connection() as connection:
        connection.sendall(post(b"Expect: 100-continue", b"Content-Length: 2", b"Connection: close",
                                authorization(target)))  # fmt: skip
        assert b" 100 " in connection.recv(100)
        connection.sendall(b"{}")
        assert answers(drain(connection, 3 * target.seconds + 2)) == [400]


# Time


@attack
def a_connection_that_says_nothing(target: Target) -> None:
    target.ask()


@attack
def a_head_of_a_byte_now_and_then(target: Target) -> None:
    dribble(target, f"GET {SMALL} HTTP/1.1\r\nHost: x\r\nX: ".encode(), b"x", target.seconds / 5)


@attack
def a_body_of_a_byte_now_and_then(target: Target) -> None:
    dribble(target, post(b"Content-Length: 1000", authorization(target)), b" ", target.seconds / 5)


@attack
def a_body_of_a_byte_now_and_then_without_a_key(target: Target) -> None:
    dribble(target, post(b"Content-Length: 1000"), b" ", target.seconds / 5)


@attack
def chunks_of_a_byte_now_and_then(target: Target) -> None:
    dribble(
        target,
        post(b"Transfer-Encoding: chunked", authorization(target)),
        b"1\r\n \r\n",
        target.seconds / 5,
    )


@attack
def trailers_now_and_then(target: Target) -> None:
    dribble(
        target,
        post(b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n",
        b"X: y\r\n",
        target.seconds / 5,
    )


@attack
def trailers_now_and_then_with_a_key(target: Target) -> None:
    head = post(b"Transfer-Encoding: chunked", authorization(target))
    dribble(target, head + b"2\r\n{}\r\n0\r\n", b"X: y\r\n", target.seconds / 5)


@attack
def a_byte_after_an_answer(target: Target) -> None:
    for byte in (b"G", b"\r", b"\n", b"\r\n"):
        with target.connection() as connection:
            connection.sendall(get(SMALL.encode()))
            assert b" 200 " in connection.recv(65536)
            connection.sendall(byte)
            drain(connection, 3 * target.seconds + 2)


@attack
def empty_lines_now_and_then(target: Target) -> None:
    dribble(target, get(SMALL.encode()), b"\r\n", target.seconds / 5)


@attack
def the_rest_of_a_refused_body_now_and_then(target: Target) -> None:
    dribble(target, post(b"Content-Length: 100000000"), b" " * 100, target.seconds / 5)


@attack
def the_rest_of_a_refused_body_without_end(target: Target) -> None:
    flood(target, post(b"Content-Length: 100000000"), b" " * 1000)


# Answers


@attack
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


@attack
def large_answers_that_two_hundred_clients_do_not_read(target: Target) -> None:
    with target.in_little_memory(), ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(target.connection(SO_RCVBUF=4096))
            connection.sendall(get(LARGE.encode()))
        time.sleep(1)


@attack
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
