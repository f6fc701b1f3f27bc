"""Fixtures: two networks with rows in every view, and an analyst's login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.registry import command_topics
from tests.projections.folding import fold, log
from tests.support.database import connected
from tests.support.lane import LogLane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
from tests.registry.networks import analyst, say_all


@pytest.fixture
async def filled(database: Settings) -> AsyncIterator[Settings]:
    """Networks a and b with rows in every view, topics for one and both, and a record that is nobody's."""
    async with log(database, 1, [("a", 1), ("b", 1)]) as (lane,):
        await say_all(lane, "a")
        await say_all(lane, "b")
        assert await lane.append(b"{") == ["not_json"]
        async with connected(database) as connection:
            for network in ("a", "b"):
                await connection.execute(
                    "INSERT INTO segments.access_event"
                    " (network_id, segment_id, person_id, actor, via, route, reads, first_at, last_at)"
                    " SELECT $1, 1, p.person_id, 'of-' || $1, 'http', '/of-' || $1, 1, now(), now()"
                    " FROM segments.person AS p WHERE p.network_id = $1 AND p.user_id = 'of-' || $1",
                    network,
                )
                await connection.execute(
                    "INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, actor)"
                    " VALUES ('of-' || $1, $1, 'created', 'of-' || $1, '{report}', 'of-' || $1)",
                    network,
                )
                await connection.execute(
                    "INSERT INTO segments.retry (lane_id, kafka_offset, network_id, retried_as)"
                    " SELECT r.lane_id, r.kafka_offset, $1, 'of-' || $1 FROM segments.rejected AS r"
                    " WHERE r.network_id = $1",
                    network,
                )
            await command_topics.allow(connection, database, "b-crm", networks=["b"])
            await command_topics.allow(connection, database, "both", networks=["a", "b"])
        for topic in ("b-crm", "both"):
            other = LogLane(lane.database, topic, 0)
            await other.open()
            # A batch that ends past its last record holds a hole.
            await other.store(
                await other.appender.prepare(
                    other.lane, other.lane_id, 0, 2, [], 0, other.incarnation
                )
            )
        await fold(database)
        yield database


@pytest.fixture
async def ann(filled: Settings) -> AsyncIterator[str]:
    """A login that may do nothing yet."""
    async with connected(filled) as owner, analyst(owner) as name:
        yield name
