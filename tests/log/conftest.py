"""A lane of a database of the test's own; segments 1 to 3 of network n, 1 of network m; 9 is archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.registry import segments as registry
from tests.support.database import connected, make_segments
from tests.support.lane import LogLane, log_lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings


@pytest.fixture
async def registered(database: Settings) -> Settings:
    await make_segments(database, [("n", 1), ("n", 2), ("n", 3), ("m", 1), ("n", 9)])
    async with connected(database) as connection:
        await registry.set_archived(connection, network_id="n", segment_id=9, archived=True)
    return database


@pytest.fixture
async def lane(registered: Settings) -> AsyncIterator[LogLane]:
    async with log_lanes(registered) as (one,):
        yield one
