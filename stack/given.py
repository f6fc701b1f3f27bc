"""Servers that are there already: whether they can be reached, said before anything is tried."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from stack.errors import StackError

_LIMIT = 30.0
_KAFKA_PORT = 9092


def check_postgres(url: str) -> None:
    """Log in and ask something; StackError with what the server said."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=_LIMIT)
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close()

    # in a thread of its own, since the caller's may have an event loop running
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(asyncio.run, ask()).result()
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StackError(
                f"the Postgres that was given does not let us in ({error!r});"
                " check SEGMENTS_DATABASE_URL"
            ) from error


def check_kafka(bootstrap_servers: str) -> None:
    """See that one of the brokers can be reached; how to log in there is the caller's business."""
    failures = []
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            address = (host.strip("[]") or server.strip(), int(port or _KAFKA_PORT))
            socket.create_connection(address, _LIMIT).close()
        except (OSError, ValueError) as error:
            failures.append(f"{server.strip()}: {error}")
        else:
            return
    raise StackError(
        f"no Kafka broker that was given can be reached ({'; '.join(failures)});"
        " check SEGMENTS_KAFKA_BOOTSTRAP_SERVERS"
    )
