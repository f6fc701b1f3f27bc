"""The query plans of an analyst of one network reveal nothing of another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from service.registry import analysts
from service.registry import segments as registry
from tests.projections.folding import fold
from tests.projections.test_plans import nodes
from tests.registry.networks import BY_NETWORK, COLUMNS, logged_in
from tests.support.database import connected, rows
from tests.support.lane import command_json, log_lanes

if TYPE_CHECKING:
    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# In each view every column by which its rows may be looked for, with a value that only network b has and one that
# nobody has; both are of one length.
_ELSEWHERE = {
    "user_id": ("'of-b'", "'of-z'"),
    "reference_id": ("'ref-b'", "'ref-z'"),
    "segment_name": ("'only b'", "'only z'"),
    "segment_id": ("88888", "99999"),
    "created_by": ("'b-boss'", "'z-boss'"),
    "description": ("'of-b'", "'of-z'"),
    "actor": ("'b-boss'", "'z-boss'"),
    "user_sent": ("'OF-b'", "'OF-z'"),
    "kafka_topic": ("'b-crm'", "'z-crm'"),
}
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, COSTS, VERBOSE, TIMING OFF, SUMMARY OFF) "
_TIMES = """
SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = $1::text::regclass AND a.attnum > 0
    AND a.atttypid = 'timestamptz'::regtype ORDER BY a.attnum
"""
_SETTINGS = (
    "SET enable_seqscan = on",
    "SET enable_seqscan = off",
    "SET enable_indexscan = off; SET enable_bitmapscan = off",
    "SET enable_hashjoin = off; SET enable_nestloop = off",
)


async def plan(connection: asyncpg.Connection[Any], query: str, value: str) -> str:
    """Give the plan of a query as it ran, without the value that it asks for."""
    # What it may hit or read, and what planning took, hangs on what was asked before.
    for _ in range(2):
        plan_rows = await connection.fetch(_EXPLAIN + query)
    lines = [row[0].replace(value, "?").replace(value.strip("'"), "?") for row in plan_rows]
    planning = next((at for at, line in enumerate(lines) if line == "Planning:"), len(lines))
    return "\n".join(lines[:planning])


async def differing_plans(
    connection: asyncpg.Connection[Any], query: str, there: str, nowhere: str
) -> str | None:
    """Give the plans for two values, if they differ each time: an automatic ANALYZE makes them differ once."""
    differing = None
    for _ in range(3):
        found = await plan(connection, query + there, there)
        wanted = await plan(connection, query + nowhere, nowhere)
        if found == wanted:
            return None
        differing = f"{found}\n--- and nowhere\n{wanted}"
    return differing


@pytest.fixture
async def elsewhere(filled: Settings) -> Settings:
    """The same with what b alone has in every column that can be asked for."""
    async with connected(filled) as owner:
        await owner.execute("UPDATE segments.segment SET description = 'of-' || network_id")
        for network_id in ("a", "b"):
            await registry.create(
                owner,
                network_id=network_id,
                segment_id={"a": 77777, "b": 88888}[network_id],
                name=f"only {network_id}",
                actor=f"{network_id}-boss",
            )
    async with log_lanes(filled, 2) as lanes:
        for network_id in ("a", "b"):
            content = command_json(
                network_id=network_id, user=f"OF-{network_id}", reference_id=f"x{network_id}"
            )
            assert await lanes[1].append(content) == ["event"]
    await fold(filled)
    async with connected(filled) as owner:
        await owner.execute("ANALYZE")
    return filled


async def test_no_plan_tells_what_another_network_has(elsewhere: Settings, ann: str) -> None:
    """What EXPLAIN ANALYZE shows of a look-up is the same for what only b has as for what nobody has."""
    await analysts.grant(elsewhere, ann, "a")
    told = []
    async with logged_in(elsewhere, ann) as connection:
        # The statements of a function are planned anew for its first five calls, whatever is asked.
        for _ in range(6):
            await connection.fetch("SELECT * FROM reporting_network.retroactive_change")
        for settings in _SETTINGS:
            await connection.execute(f"RESET ALL; SET jit = off; {settings}")
            await connection.execute("SET search_path = reporting_network")
            for row in await rows(elsewhere, COLUMNS, "reporting_network"):
                view, column = row["relname"], row["attname"]
                if view == "watermark" or column not in _ELSEWHERE:
                    continue
                query = f"SELECT * FROM {view} WHERE {column} = "
                there, nowhere = _ELSEWHERE[column]
                if differing := await differing_plans(connection, query, there, nowhere):
                    told.append(f"{settings}: {view}.{column}\n{differing}")
    assert not told, "\n\n".join(told)


async def test_a_look_up_by_reference_reads_no_event_but_those_that_it_finds(
    elsewhere: Settings, ann: str
) -> None:
    """However many events her network has: an index finds them, and takes nothing of theirs away again."""
    await analysts.grant(elsewhere, ann, "a")
    many = [
        command_json(network_id="a", user=f"u{number}", reference_id=f"r{number}")
        for number in range(1000)
    ]
    async with log_lanes(elsewhere) as (lane,):
        await lane.append(*many)
    await fold(elsewhere)
    async with connected(elsewhere) as owner:
        await owner.execute("ANALYZE")
    async with logged_in(elsewhere, ann) as connection:
        await connection.execute("SET search_path = reporting_network; SET jit = off")
        for view in ("event", "result", "membership", "membership_history"):
            query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT * FROM {view} WHERE reference_id = 'r7'"
            whole = json.loads(await connection.fetchval(query))[0]["Plan"]
            assert whole["Actual Rows"] == 1, view
            for node in nodes(whole):
                if node.get("Relation Name") == "event":
                    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    assert read * node["Actual Loops"] <= 1, (view, node)


async def test_no_plan_tells_when_another_network_did_something(
    elsewhere: Settings, ann: str
) -> None:
    """Its estimates apart, which are made of what is frequent in all networks together."""
    await analysts.grant(elsewhere, ann, "a")
    async with connected(elsewhere) as owner:
        await owner.execute("DELETE FROM pg_statistic WHERE starelid::regclass::text LIKE '%.%'")
    told = []
    async with logged_in(elsewhere, ann) as connection:
        for view in BY_NETWORK | {"duplicate"}:
            for column in await rows(elsewhere, _TIMES, f"reporting.{view}"):
                name = column["attname"]
                moments = (
                    f"SELECT DISTINCT {name}::text FROM reporting.{view} AS b WHERE {name} IS NOT NULL"
                    f" AND NOT EXISTS (SELECT FROM reporting_network.{view} AS a WHERE a.{name} = b.{name})"
                )
                async with connected(elsewhere) as owner:
                    found = await owner.fetch(moments)
                query = f"SELECT * FROM {view} WHERE {name} = "
                for there in [f"'{moment[0]}'" for moment in found][:3]:
                    nowhere = f"'2001{there[5:]}"
                    if differing := await differing_plans(connection, query, there, nowhere):
                        told.append(f"{view}.{name}\n{differing}")
    assert not told, "\n\n".join(told)
