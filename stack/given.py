"""Checks that existing servers can be reached, before anything is started."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from stack.errors import StackError

_LIMIT = 30.0
_KAFKA_PORT = 9092


def check_postgres(url: str) -> None:
    """Log in and run a query; StackError with the server's error."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=_LIMIT)
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close()

    # in a thread of its own, because the caller's may have a running event loop
    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(asyncio.run, ask()).result()
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StackError(
                f"can't log in to Postgres ({error!r}); check SEGMENTS_DATABASE_URL"
            ) from error


def check_kafka(bootstrap_servers: str) -> None:
    """Check that one of the brokers can be reached; the login is the caller's responsibility."""
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
        f"can't reach any Kafka broker ({'; '.join(failures)});"
        " check SEGMENTS_KAFKA_BOOTSTRAP_SERVERS"
    )
