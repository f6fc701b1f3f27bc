"""A lease is held by one process at a time, and whoever lost it hears so and can tell before it writes."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from projections.fold.lease import leasing
from projections.fold.worker import ROLE
from service.postgres.database import open_database
from tests.support.database import connected, until, value
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_one_process_holds_it_and_the_next_one_takes_it_as_soon_as_it_is_left(
    database: Settings,
) -> None:
    async with open_database(database, ROLE, 3) as connections:
        async with leasing(connections, "rebuild", PATIENCE) as first:
            assert first is not None
            async with leasing(connections, "rebuild", PATIENCE) as second:
                assert second is None
            async with leasing(connections, "memberships", PATIENCE) as other:
                assert other is not None
            async with connections.transaction() as connection:
                assert await first.is_held(connection)
        async with leasing(connections, "rebuild", PATIENCE) as third:
            assert third is not None


async def test_it_is_renewed_for_as_long_as_it_is_held(database: Settings) -> None:
    async with (
        open_database(database, ROLE, 3) as connections,
        leasing(connections, "rebuild", 0.5) as lease,
    ):
        assert lease is not None
        ends = "SELECT until FROM projections.lease WHERE name = 'rebuild'"
        first = await value(database, ends)
        await until(database, f"{ends} AND until > '{first}'")


async def test_whoever_was_overtaken_hears_so_and_writes_nothing(database: Settings) -> None:
    async with (
        open_database(database, ROLE, 3) as connections,
        leasing(connections, "rebuild", 0.5) as lease,
        asyncio.timeout(PATIENCE),
    ):
        assert lease is not None
        async with connected(database) as connection:
            await connection.execute("UPDATE projections.lease SET holder = $1", uuid.uuid4())
        await lease.lost.wait()
        async with connections.transaction() as connection:
            assert not await lease.is_held(connection)


async def test_a_lease_in_an_older_copy_of_the_database_is_none(database: Settings) -> None:
    async with (
        open_database(database, ROLE, 3) as connections,
        leasing(connections, "rebuild", PATIENCE) as lease,
        connections.transaction() as connection,
    ):
        assert lease is not None
        assert await lease.is_held(connection, lock=True)
        assert not await replace(lease, incarnation="another").is_held(connection)
