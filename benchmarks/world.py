"""The environment of a benchmark: the stack, and a fresh database and topic prefix per measurement."""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.load import NETWORK, SEGMENTS
from service.kafka.clients import connection_options, set_up_topics, topics_of
from service.postgres.database import connect
from service.postgres.migrate import set_up_database
from service.registry import segments as registry
from service.runtime.environment import read_settings
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from service.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A running stack. quick: small loads, to check that the benchmarks work; large: ten times the usual log."""

    database_url: str
    bootstrap_servers: str
    quick: bool
    large: bool = False

    def scaled(self, count: int) -> int:
        """Return the size of a load: `count`, or a twentieth of it if quick."""
        return count // 20 if self.quick else count


@contextmanager
def find_place(*, quick: bool, large: bool = False) -> Iterator[Place]:
    """Use the stack in the settings, or start one."""
    settings = read_settings()
    url = settings.database_url.get_secret_value() if settings.database_url else None
    servers = settings.kafka_bootstrap_servers
    if url is not None and servers is not None:
        yield Place(url, servers, quick, large)
        return
    from stack import StackOptions, start_stack  # noqa: PLC0415 - not needed with an existing stack

    with start_stack(StackOptions(database_url=url, bootstrap_servers=servers)) as stack:
        yield Place(stack.database_url, stack.bootstrap_servers, quick, large)


@dataclass(frozen=True, slots=True)
class World:
    """A fresh database and topics. owner: a connection with all rights, for counts and limits."""

    place: Place
    settings: Settings
    url: str
    owner: asyncpg.Connection[Any]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process of the service in this world."""
        return {
            **os.environ,
            "SEGMENTS_DATABASE_URL": self.url,
            "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": self.place.bootstrap_servers,
            "SEGMENTS_TOPIC_PREFIX": self.settings.topic_prefix,
        }


@asynccontextmanager
async def fresh_world(place: Place) -> AsyncIterator[World]:
    """Create a database, topics and the segments of the load; remove them afterwards."""
    name = f"bench_{secrets.token_hex(4)}"
    parts = urlsplit(place.database_url)
    url = urlunsplit(parts._replace(path=f"/{name}"))
    settings = read_settings().model_copy(
        update={
            "database_url": SecretStr(url),
            "setup_database_url": None,
            "kafka_bootstrap_servers": place.bootstrap_servers,
            "topic_prefix": name,
        }
    )
    admin = await asyncpg.connect(place.database_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            await set_up_database(settings)
            await set_up_topics(settings)
            await _create_segments(settings)
            owner = await asyncpg.connect(url, timeout=30)
            try:
                yield World(place, settings, url, owner)
            finally:
                await owner.close()
                await _remove_topics(settings)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def _create_segments(settings: Settings) -> None:
    connection = await connect(settings, "segments_registry")
    try:
        for number in range(1, SEGMENTS + 1):
            await registry.create(
                connection,
                network_id=NETWORK,
                name=f"segment {number}",
                segment_id=number,
                description=None,
                is_visible=True,
                actor=None,
            )
    finally:
        await connection.close()


async def _remove_topics(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(**connection_options(settings))
    await admin.start()
    try:
        await admin.delete_topics(topics_of(settings))
    finally:
        await admin.close()
