"""Checks by protocol whether a Kafka or a Postgres is ready, which a TCP connection does not show."""

import socket
import struct

from stack.ports import LOOPBACK

_TIMEOUT = 2.0

_METADATA, _VERSION = 3, 1
_STARTUP_VERSION = 196_608  # 3.0


def kafka_answers(port: int) -> bool:
    """Whether the broker responds to a Metadata request with a broker and a controller.

    Metadata v1 (https://kafka.apache.org/protocol.html), without topics. A KRaft broker accepts requests only after the
    controller has unfenced it. OSError while nothing listens.
    """
    header = struct.pack(">hhih", _METADATA, _VERSION, 1, -1)
    request = header + struct.pack(">i", 0)
    with socket.create_connection((LOOPBACK, port), _TIMEOUT) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = _read(connection, struct.unpack(">i", _read(connection, 4))[0])
    (brokers,) = struct.unpack_from(">i", answer, 4)
    if brokers < 1:
        return False
    at = 8
    for _ in range(brokers):
        (host,) = struct.unpack_from(">h", answer, at + 4)
        at += 4 + 2 + host + 4
        (rack,) = struct.unpack_from(">h", answer, at)
        at += 2 + max(rack, 0)
    (controller,) = struct.unpack_from(">i", answer, at)
    return bool(controller >= 0)


def postgres_answers(port: int, database: str, statement: str = "SELECT 1") -> bool:
    """Whether Postgres accepts `postgres` without a password and runs the statement.

    https://www.postgresql.org/docs/current/protocol-message-formats.html. False if it responds with an error (it is
    starting), OSError while nothing listens.
    """
    names = b"user\0postgres\0database\0" + database.encode() + b"\0\0"
    startup = struct.pack(">ii", len(names) + 8, _STARTUP_VERSION) + names
    query = statement.encode() + b"\0"
    with socket.create_connection((LOOPBACK, port), _TIMEOUT) as connection:
        connection.sendall(startup)
        if not _until_ready(connection):
            return False
        connection.settimeout(120)  # CREATE DATABASE copies files
        connection.sendall(b"Q" + struct.pack(">i", len(query) + 4) + query)
        done = _until_ready(connection)
        connection.sendall(b"X" + struct.pack(">i", 4))
        return done


def _until_ready(connection: socket.socket) -> bool:
    while True:
        kind, length = struct.unpack(">ci", _read(connection, 5))
        _read(connection, length - 4)
        if kind == b"E":
            return False
        if kind == b"Z":
            return True


def _read(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        more = connection.recv(length - len(received))
        if not more:
            raise ConnectionResetError("closed in the middle of a response")
        received += more
    return received
