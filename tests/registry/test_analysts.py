"""Grants to analysts: what they add up to, what a revocation ends, and the limits of a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from service.registry import analysts
from tests.registry.networks import BY_NETWORK, COLUMNS, logged_in
from tests.support.database import connected, rows, value

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_LEAK = """
CREATE FUNCTION pg_temp.leak(seen text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE NOTICE 'seen %', seen;
    RETURN true;
END $$
"""


async def test_the_views_are_those_of_schema_reporting_with_the_same_columns_and_words(
    database: Settings,
) -> None:
    every = await rows(database, COLUMNS, "reporting")
    mine = await rows(database, COLUMNS, "reporting_network")
    for row in (*every, *mine):
        assert row["words"], row
        if row["relname"] == "rejected":
            row["words"] = ""  # one word more is said there
    assert mine == every
    barriers = await value(
        database,
        "SELECT bool_and('security_barrier=true' = ANY (reloptions)) FROM pg_class"
        " WHERE relnamespace = 'reporting_network'::regnamespace AND relkind = 'v'",
    )
    assert barriers
    functions = (
        "SELECT proname, pg_get_function_arguments(oid) AS takes FROM pg_proc"
        " WHERE pronamespace = '{}'::regnamespace ORDER BY 1"
    )
    assert await rows(database, functions.format("reporting_network")) == await rows(
        database, functions.format("reporting")
    )


async def test_a_column_appended_to_a_view_comes_to_the_view_by_network_with_its_words(
    database: Settings,
) -> None:
    async with connected(database) as connection:
        await connection.execute("SET search_path = pg_catalog; SET ROLE segments_owner")
        query = await connection.fetchval("SELECT pg_get_viewdef('reporting.override'::regclass)")
        columns, _, tables = query.partition("\n   FROM ")
        await connection.execute(
            f"CREATE OR REPLACE VIEW reporting.override AS {columns}, e.received_at FROM {tables}"
            "COMMENT ON COLUMN reporting.override.received_at IS 'When it came.';"
            "CALL segments.make_network_view('override')"
        )
        with pytest.raises(asyncpg.RaiseError, match="of no table that is told apart by network"):
            await connection.execute(
                "CREATE VIEW reporting.one AS SELECT 1 AS one; CALL segments.make_network_view('one')"
            )
        with pytest.raises(asyncpg.RaiseError, match="cannot show nothing"):
            await connection.execute("CALL segments.make_network_view('hole', shows => 'nothing')")
    mine = await rows(database, COLUMNS, "reporting_network")
    assert mine[-1]["relname"] == "watermark"
    added = [row for row in mine if row["relname"] == "override"][-1]
    assert (added["attname"], added["comment"]) == ("received_at", "When it came.")
    async with connected(database, "segments_report_network") as connection:
        assert await connection.fetch("SELECT received_at FROM reporting_network.override") == []


async def test_she_sees_all_rows_of_her_network_and_none_of_another_in_every_view(
    filled: Settings, ann: str
) -> None:
    await analysts.grant(filled, ann, "a")
    async with logged_in(filled, ann) as connection:
        for view in BY_NETWORK:
            every = await rows(
                filled, f"SELECT v::text FROM reporting.{view} AS v WHERE network_id = 'a'"
            )
            mine = await connection.fetch(f"SELECT v::text FROM {view} AS v")
            assert every, view
            assert sorted(map(str, (row["v"] for row in mine))) == sorted(
                row["v"] for row in every
            ), view
        duplicates = await connection.fetch("SELECT duplicate_of_event_id FROM duplicate")
        events = await connection.fetch("SELECT event_id FROM event WHERE reference_id = 'ref-a'")
        assert [tuple(row) for row in duplicates] == [tuple(row) for row in events]
        watermark = await connection.fetchrow("SELECT * FROM watermark")
    assert dict(watermark or {}) == (await rows(filled, "SELECT * FROM reporting.watermark"))[0]


async def test_a_snapshot_is_of_her_networks_and_of_lanes_that_may_speak_for_them(
    filled: Settings, ann: str
) -> None:
    await analysts.grant(filled, ann, "a")
    read = "SELECT networks, lanes FROM projections.read_snapshot($1)"
    async with connected(filled) as owner:
        hers = await owner.fetchval(
            "SELECT array_agg(lane_id) FROM segments.lane WHERE topic <> 'b-crm'"
        )
        every = await owner.fetchval("SELECT reporting.snapshot()")
    async with logged_in(filled, ann) as connection:
        token = await connection.fetchval("SELECT snapshot()")
        for one in (token, every):
            shown = await connection.fetch(
                "SELECT network_id, user_id FROM membership_as_shown($1)", one
            )
            assert {row["network_id"] for row in shown} == {"a"}
            assert len(shown) == 3
            assert (
                await connection.fetch(
                    "SELECT * FROM membership_as_shown($1, network_id => 'b')", one
                )
                == []
            )
        assert await connection.fetch("SELECT * FROM changes_between($1)", token) == []
    async with connected(filled, "segments_operate") as operator:
        row = await operator.fetchrow(read, token)
        assert row is not None
        assert row["networks"] == ["a"]
        assert set(row["lanes"]) <= set(hers)
        with pytest.raises(asyncpg.InvalidParameterValueError, match="is of network a"):
            await operator.fetch(
                "SELECT * FROM reporting.membership_as_shown($1, network_id => 'b')", token
            )
        shown = await operator.fetch(
            "SELECT network_id FROM reporting.membership_as_shown($1)", token
        )
        assert {row["network_id"] for row in shown} == {"a"}
    await analysts.revoke(filled, ann, "a", "boss")
    async with connected(filled, "segments_report_network") as nobody:
        assert await nobody.fetchval("SELECT reporting_network.snapshot()") is None


async def test_lanes_of_a_topic_that_speaks_for_others_alone_are_not_shown(
    filled: Settings, ann: str
) -> None:
    await analysts.grant(filled, ann, "a")
    commands = f"{filled.topic_prefix}.commands"
    async with logged_in(filled, ann) as connection:
        for view, expected in (
            ("lane", {commands, "both"}), ("freshness", {commands, "both"}), ("hole", {"both"}),
        ):  # fmt: skip
            found = {row[0] for row in await connection.fetch(f"SELECT kafka_topic FROM {view}")}
            assert found == expected, view
        await analysts.grant(filled, ann, "b")
        assert {row[0] for row in await connection.fetch("SELECT kafka_topic FROM hole")} == {
            "both",
            "b-crm",
        }


async def test_a_leaky_function_sees_no_other_row(filled: Settings, ann: str) -> None:
    await analysts.grant(filled, ann, "a")
    heard: list[str] = []
    async with logged_in(filled, ann) as connection:
        connection.add_log_listener(lambda _connection, notice: heard.append(notice.message))
        await connection.execute(_LEAK)
        for view in BY_NETWORK:
            heard.clear()
            await connection.fetch(f"SELECT FROM {view} AS v WHERE pg_temp.leak(v::text)")
            assert heard, view
            # Nor does one that Postgres could evaluate on a single column, or make of a join.
            await connection.fetch(
                f"SELECT FROM {view} AS v JOIN {view} AS w USING (network_id)"
                " WHERE pg_temp.leak(v.network_id) AND pg_temp.leak(w.network_id)"
            )
            assert not [one for one in heard if one == "seen b"], view
            assert not [one for one in heard if "of-b" in one], view
        for view in ("duplicate", "lane", "hole", "freshness"):
            heard.clear()
            mine = await connection.fetch(f"SELECT FROM {view} AS v WHERE pg_temp.leak(v::text)")
            assert len(heard) == len(mine) > 0, view
        heard.clear()
        await connection.fetch("SELECT FROM membership_as_of() AS m WHERE pg_temp.leak(m::text)")
        assert heard
        assert not [one for one in heard if "of-b" in one]


async def test_without_the_barrier_that_function_would_have_seen_them(
    filled: Settings, ann: str
) -> None:
    """So that the test before can fail: the barrier, and no accident, keeps the rows away."""
    await analysts.grant(filled, ann, "a")
    async with connected(filled) as owner:
        await owner.execute(
            "CREATE VIEW reporting_network.plain AS SELECT * FROM reporting.segment WHERE network_id <> 'b';"
            " GRANT SELECT ON reporting_network.plain TO segments_report_network"
        )
    heard: list[str] = []
    async with logged_in(filled, ann) as connection:
        connection.add_log_listener(lambda _connection, notice: heard.append(notice.message))
        await connection.execute(_LEAK)
        await connection.fetch("SELECT FROM plain AS v WHERE pg_temp.leak(v.network_id)")
    assert "seen b" in heard


async def test_the_functions_answer_for_her_network(filled: Settings, ann: str) -> None:
    await analysts.grant(filled, ann, "a")
    every = "SELECT * FROM reporting.membership_as_of(network_id => 'a') ORDER BY user_id"
    async with logged_in(filled, ann) as connection:
        mine = await connection.fetch("SELECT * FROM membership_as_of() ORDER BY user_id")
        assert [dict(row) for row in mine] == await rows(filled, every)
        assert mine
        assert await connection.fetch("SELECT * FROM membership_as_of(network_id => 'b')") == []
        assert await connection.fetch("SELECT * FROM membership_as_of(user_id => 'of-b')") == []
        assert len(await connection.fetch("SELECT * FROM membership_as_of(user_id => 'of-a')")) == 1
        assert await connection.fetchval("SELECT normalise_user(' A@x ')") == "a@x"


async def test_she_reads_nothing_but_her_schema(filled: Settings, ann: str) -> None:
    await analysts.grant(filled, ann, "a")
    async with logged_in(filled, ann) as connection:
        for denied in (
            "SELECT * FROM reporting.membership",
            "SELECT * FROM reporting.membership_as_of()",
            "SELECT * FROM segments.event",
            "SELECT * FROM segments.analyst",
            "SELECT segments.own(current_user)",
            "SELECT * FROM segments.source",
            "INSERT INTO segments.analyst_event (role_name, network_id, change) VALUES (current_user, 'b', 'granted')",
            "ALTER VIEW reporting_network.event RESET (security_barrier)",
            "SET ROLE segments_report",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(denied)
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="cannot update view"):
            await connection.execute("UPDATE reporting_network.segment SET segment_name = 'mine'")
