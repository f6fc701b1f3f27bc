"""Fixtures: empty databases, a login that owns nothing, and a log with a row in every table."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from service.postgres.database import database_url
from service.registry import command_topics
from service.runtime.secret import SecretStr
from tests.projections.folding import log
from tests.support.database import connected
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.runtime.settings import Settings


@pytest.fixture
async def empty(database: Settings) -> AsyncIterator[list[Settings]]:
    """Two databases with nothing in them."""
    base, _, _ = database_url(database).rpartition("/")
    names = [f"test_{uuid.uuid4().hex[:16]}" for _ in range(2)]
    async with connected(database) as connection:
        for name in names:
            await connection.execute(f"CREATE DATABASE {name}")
        yield [
            database.model_copy(
                update={"database_url": SecretStr(f"{base}/{name}"), "topic_prefix": name}
            )
            for name in names
        ]
        for name in names:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def plain(database: Settings) -> AsyncIterator[Settings]:
    """The service's settings as in production: setup has the owner's URL, all else a new login that owns nothing."""
    login = f"login_{uuid.uuid4().hex[:12]}"
    base = database_url(database).rpartition("/")
    host = base[0].rpartition("@")[2].removeprefix("postgresql://")
    async with connected(database) as connection:
        await connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'pw'")
        try:
            yield database.model_copy(
                update={
                    "database_url": SecretStr(f"postgresql://{login}:pw@{host}/{base[2]}"),
                    "setup_database_url": database.database_url,
                }
            )
        finally:
            await connection.execute(f"DROP OWNED BY {login}")
            await connection.execute(f"DROP ROLE {login}")


@pytest.fixture
async def filled(database: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection as the superuser to a database with a row in every table of the log."""
    async with log(database) as (lane,):
        at = 1_700_000_000
        command = command_json(
            user="a@x.com", status_change_timestamp=at, reference_id="r", description="d"
        )
        assert await lane.append(command, command, b"{", command_json(user="b", segment_id=9), b"[") == [
            "event", "duplicate", "not_json", "unknown_segment", "not_json",
        ]  # fmt: skip
        # A batch that ends past its last record holds a hole.
        batch = await lane.appender.prepare(
            lane.lane, lane.lane_id, lane.next_offset, lane.next_offset + 2, [], 0, lane.incarnation
        )
        await lane.store(batch)
        async with connected(database) as connection:
            await connection.execute(
                "INSERT INTO segments.retry (lane_id, kafka_offset) SELECT lane_id, kafka_offset"
                " FROM segments.rejected LIMIT 1"
            )
            await command_topics.allow(connection, database, "t")
            await connection.execute(
                "INSERT INTO segments.analyst_event (role_name, network_id, change) VALUES ('ann', 'n', 'granted')"
            )
            await connection.execute(
                "INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes)"
                " VALUES ('k', 'n', 'created', 'shop', '{report}');"
                "INSERT INTO segments.access_event (network_id, actor, via, route, reads, first_at, last_at)"
                " VALUES ('n', 'ann', 'command', 'explain', 1, now(), now())"
            )
            await connection.execute(
                "INSERT INTO segments.seal (origin) VALUES ('o');"
                "INSERT INTO segments.seal_round (seal_id, tree_size, root) VALUES (1, 1, '');"
                "INSERT INTO segments.seal_stretch (seal_id, first_leaf, leaves, kind, first_offset, next_offset)"
                " VALUES (1, 0, 1, 'retry', 1, 2);"
                "INSERT INTO segments.seal_checkpoint (seal_id, tree_size, note) VALUES (1, 1, '')"
            )
            await connection.fetchval("SELECT segments.erase_person('n', 'b', 'me', 'asked')")
            await connection.fetchval(
                "SELECT segments.erase_rejected(kafka_topic, kafka_partition, 0, kafka_offset, 'me', 'asked')"
                " FROM reporting.rejected WHERE kafka_offset = 2"
            )
            yield connection
