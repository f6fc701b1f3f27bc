"""Views that fold a key when they are asked do it once a key, however many of its events are wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from service.postgres.database import statements
from tests.projections.folding import commands, fold, log
from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
EVENTS = 2000
# Postgres gives the rows of a node that ran often as a whole number, their mean.
ALLOWED = 1.05 * EVENTS
# What is known of the tables: what workers see to while they fill, and what autovacuum does in the end.
ANALYZED = ["SELECT projections.analyze_grown()", "ANALYZE"]
FILTERS = {
    "a key": "WHERE network_id = 'n' AND segment_id = 1 AND user_id = 'u1'",
    "a user": "WHERE user_id = 'u1'",
    "a segment": "WHERE network_id = 'n' AND segment_id = 1",
    "everything": "",
}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def folded_rows(connection: asyncpg.Connection[Any], query: str, *parameters: object) -> int:
    """Run a query; gives how many rows went through its busiest fold, counted again each time it ran."""
    (row,) = await connection.fetch(
        f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}", *parameters
    )
    plan = json.loads(row[0])[0]["Plan"]
    return max(
        int(node["Actual Rows"] * node["Actual Loops"])
        for node in nodes(plan)
        if node["Node Type"] == "WindowAgg"
    )


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_history_and_results_fold_a_key_once_whatever_they_are_filtered_by(
    database: Settings, analyze: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(3, EVENTS, users=3))
        await fold(database)
    async with connected(database) as connection:
        await connection.execute(analyze)
        for view in ("membership_history", "result"):
            for what, where in FILTERS.items():
                folded = await folded_rows(connection, f"SELECT * FROM reporting.{view} {where}")
                assert folded <= ALLOWED, (view, what)


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_one_reference_or_position_folds_one_key(database: Settings, analyze: str) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(4, EVENTS, users=10))
        await fold(database)
    where = {
        "membership_history": ["reference_id = $1"],
        "result": [
            "reference_id = $1",
            "kafka_offset = substr($1, 2)::bigint AND kafka_partition = 0",
        ],
    }
    async with connected(database) as connection:
        await connection.execute(analyze)
        largest = await connection.fetchval(
            "SELECT max(count) FROM (SELECT count(*) FROM segments.event GROUP BY segment_key, person_id) AS k"
        )
        for view, filters in where.items():
            for one in filters:
                query = f"SELECT * FROM reporting.{view} WHERE {one}"
                assert await folded_rows(connection, query, "r7") <= largest, (view, one)


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_a_page_of_results_folds_a_key_once_however_many_of_its_events_are_on_it(
    database: Settings, analyze: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(5, EVENTS, users=1))
        await fold(database)
    async with connected(database) as connection:
        await connection.execute(analyze)
        offsets = list(range(0, EVENTS, 20))
        query = statements("projections.queries.sql")["results"]
        wanted = ("n", [lane.lane_id] * len(offsets), offsets)
        page = await connection.fetch(query, *wanted)
        assert [row["kafka_offset"] for row in page] == offsets
        assert await folded_rows(connection, query, *wanted) <= ALLOWED
