"""Views and bounds don't follow the session's time zone or styles (hazard 32)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from projections.fold.rebuild import rebuild
from service.postgres.database import database_url
from tests.projections.folding import PROJECTED, commands, fold, log, read_views
from tests.support.database import connected, rows, sound, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# 23:50 UTC; in Kathmandu, 5:45 ahead, it is the next day.
LATE = 1_700_005_800


async def test_a_database_of_another_time_zone_and_style_gives_the_same_rows(
    database: Settings,
) -> None:
    name = await value(database, "SELECT current_database()")
    async with connected(database) as connection:
        for setting in (
            "timezone = 'Asia/Kathmandu'",
            "datestyle = 'SQL, DMY'",
            "intervalstyle = 'iso_8601'",
            "bytea_output = 'escape'",
        ):
            await connection.execute(f"ALTER DATABASE {name} SET {setting}")
    # Behind a pooler the sessions are not told anything when they open.
    pooled = database.model_copy(update={"database_pooler": "transaction"})
    for settings in (database, pooled):
        network = settings.database_pooler
        async with log(settings, segments=[(network, 1), (network, 2)]) as (lane,):
            given = [c.replace(b'"n"', f'"{network}"'.encode()) for c in commands(7, 60)]
            await lane.append(
                command_json(network_id=network, user="late", status_change_timestamp=LATE),
                command_json(network_id=network, user="later", status_change_timestamp=LATE + 1200),
                *given,
            )
            await fold(settings)
            await rebuild(settings)
            await sound(settings)
        days = [
            row["day"].isoformat()
            for row in await rows(
                database,
                "SELECT day FROM reporting.segment_size_daily WHERE network_id = $1 AND segment_id = 1"
                " AND day BETWEEN '2023-11-14' AND '2023-11-15' ORDER BY 1",
                network,
            )
        ]
        assert days == ["2023-11-14", "2023-11-15"]
    here = await read_views(database)
    elsewhere = await asyncpg.connect(
        database_url(database), server_settings={"timezone": "UTC", "datestyle": "ISO"}
    )
    try:
        there = {
            view: sorted(
                repr(dict(row)) for row in await elsewhere.fetch(f"SELECT * FROM reporting.{view}")
            )
            for view in PROJECTED
        }
    finally:
        await elsewhere.close()
    assert there == here
