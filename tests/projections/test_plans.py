"""Views that fold a key when they are asked do it once a key, and what is said once in SQL costs no call."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from projections.queries.audit import NEWEST, TrailFilter
from service.postgres.database import statements
from tests.docs.questions import LARGE_SEGMENTS, read_queries
from tests.projections.folding import commands, fold, log
from tests.support.database import connected, make_segments
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_QUERIES = statements("projections.queries.sql")
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
    folds = (node for node in nodes(plan) if node["Node Type"] == "WindowAgg")
    return max((int(node["Actual Rows"] * node["Actual Loops"]) for node in folds), default=0)


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


# Functions that say once what many statements need; Postgres puts their bodies in their places.
VOCABULARY = (
    "status_word",
    "outcome",
    "outcome_code",
    "code_in",
    "state_of",
    "is_superseded",
    "state_at_times",
    "state_at_positions",
    "framed",
    "personal_digest",
    "event_digest",
    "row_digest",
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
STATEMENTS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("projections.queries.sql", "members"): (1, 0, 100, MOMENT, None, [1], [1], MOMENT),
    ("projections.queries.sql", "user_segments"): (
        "n",
        "u1",
        None,
        MOMENT,
        None,
        [1],
        [1],
        MOMENT,
        0,
    ),
    ("projections.queries.sql", "members_by_since"): (1, 100, True, None, 0, "n", 1),
    ("projections.queries.sql", "explained"): (1, 1, 10, None, None, 100),
    ("projections.queries.sql", "results"): ("n", [1], [1]),
    ("projections.dry_run.sql", "dry_run_standing"): ([1], [1]),
    ("projections.dry_run.sql", "dry_run"): (
        [1],
        [1],
        [1],
        [1],
        [1],
        [None],
        [1],
        [1],
        [True],
        [None],
        [],
        [],
        [],
        [],
        [],
        [],
    ),
    ("projections.outbox.sql", "states"): (1, 0, 10, [], []),
    ("projections.operations.sql", "verify_digests"): (),
    ("service.log.sql", "event_digests"): (),
}
VIEWS = """
SELECT table_schema || '.' || table_name FROM information_schema.views
WHERE table_schema IN ('reporting', 'projections')
"""


async def test_no_plan_calls_a_function_of_the_vocabulary(database: Settings) -> None:
    async with connected(database) as connection:
        asked: list[tuple[str, str, tuple[Any, ...]]] = [
            (f"{package}: {name}", statements(package)[name], parameters)
            for (package, name), parameters in STATEMENTS.items()
        ]
        asked += [(row[0], f"SELECT * FROM {row[0]}", ()) for row in await connection.fetch(VIEWS)]
        for name, query, parameters in asked:
            plan = await connection.fetch(f"EXPLAIN (VERBOSE) {query}", *parameters)
            text = "\n".join(row[0] for row in plan)
            assert [word for word in VOCABULARY if f"{word}(" in text] == [], name


async def test_the_rows_of_the_serving_slot_are_found_by_one_look_at_it(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(6, EVENTS, users=EVENTS))
        await fold(database)
    async with connected(database) as connection:
        await connection.execute("ANALYZE")
        user_id = await connection.fetchval(
            "SELECT user_id FROM reporting.user_segment WHERE segment_id = 1 LIMIT 1"
        )
        (row,) = await connection.fetch(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT * FROM reporting.user_segment"
            " WHERE network_id = 'n' AND segment_id = 1 AND user_id = $1", user_id
        )  # fmt: skip
    plan = list(nodes(json.loads(row[0])[0]["Plan"]))
    assert [node["Actual Loops"] for node in plan if node.get("Relation Name") == "generation"] == [
        1
    ]
    read = [
        node
        for node in plan
        if node.get("Relation Name", "").startswith("membership_") and node["Actual Loops"]
    ]
    assert [node["Relation Name"] for node in read] == ["membership_0"]
    assert read[0]["Actual Rows"] <= 1
    assert read[0].get("Rows Removed by Filter", 0) == 0


PAGES = read_queries(LARGE_SEGMENTS)
PAGED = {
    "List the newest members": "membership_since",
    "Page by since": "membership_since",
    "Page by user": "person_once",
}
MEMBERS = 5000
_INDEXES = """
SELECT c.relname, coalesce(p.relname, c.relname) FROM pg_index AS i
JOIN pg_class AS c ON i.indexrelid = c.oid
LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid LEFT JOIN pg_class AS p ON h.inhparent = p.oid
"""


async def test_a_page_of_a_large_segment_reads_an_index_from_its_place_on(
    database: Settings,
) -> None:
    """By the queries of the documentation."""
    said = [
        command_json(
            network_id="acme",
            user=f"u{number:05}",
            segment_id=1 + number % 5 // 4,
            status_change_timestamp=1_748_736_000 + number,
        )
        for number in range(MEMBERS)
    ]
    async with log(database, segments=[("acme", 1), ("acme", 2), ("other", 1)]) as (lane,):
        for first in range(0, MEMBERS, 1000):
            await lane.append(*said[first : first + 1000])
        await fold(database)
    async with connected(database) as connection:
        await connection.execute("VACUUM ANALYZE")
        indexes = dict(await connection.fetch(_INDEXES))
        for heading, index in PAGED.items():
            query = PAGES[heading].replace("jo@example.com", "u01000")
            query = query.replace("LIMIT 500", "LIMIT 50")
            (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}")
            plan = list(nodes(json.loads(row[0])[0]["Plan"]))
            used = {indexes.get(node["Index Name"]) for node in plan if "Index Name" in node}
            assert index in used, (heading, used)
            large = ("membership", "person", "event")
            scanned = [
                node["Relation Name"]
                for node in plan
                if node["Node Type"].endswith("Seq Scan") and node["Actual Loops"]
            ]
            assert [name for name in scanned if name.startswith(large)] == [], heading


async def test_the_trail_of_a_network_reads_its_own_segments_alone(database: Settings) -> None:
    await make_segments(database, [("n", 1), *(("m", number) for number in range(1, 50))])
    async with connected(database) as connection:
        await connection.execute("ANALYZE")
        sorted_rows = await folded_rows(
            connection, _QUERIES["admin_events"], *TrailFilter("n"), *NEWEST, 51
        )
    assert sorted_rows == 1


async def test_who_read_of_a_user_is_found_by_the_person(database: Settings) -> None:
    async with connected(database) as connection:
        await connection.execute(
            "INSERT INTO segments.person (network_id, user_id, salt) VALUES ('n', 'u@x.org', '')"
        )
        await connection.execute(
            "INSERT INTO segments.access_event (network_id, person_id, actor, via, route, reads, first_at, last_at)"
            " SELECT 'n', CASE WHEN g = 1 THEN p.person_id END, 'ann', 'page', '/route', 1, now(), now()"
            " FROM segments.person AS p, generate_series(1, 5000) AS g"
        )
        await connection.execute("ANALYZE")
        parameters = (*TrailFilter("n", object="U@X.org "), *NEWEST, 51)
        found = await connection.fetch(_QUERIES["access_events"], *parameters)
        assert [row["user_id"] for row in found] == ["u@x.org"]
        plan = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) {_QUERIES['access_events']}", *parameters
        )
    scans = {
        node["Index Name"] for node in nodes(json.loads(plan)[0]["Plan"]) if "Index Name" in node
    }
    assert "access_event_person" in scans
    assert "access_event_of_network" not in scans
