"""The rights of each role on tables, views and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from service.postgres.migrations import setup_sql
from tests.postgres.privileges import ALLOWED, COLUMNS, VIEWS
from tests.support.database import connected, rows, value

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_TABLES = """
SELECT format('%s.%s', n.nspname, c.relname) AS name, concat(
    CASE WHEN has_table_privilege($1, c.oid, 'SELECT') THEN 's' END,
    CASE WHEN has_table_privilege($1, c.oid, 'INSERT') THEN 'i' END,
    CASE WHEN has_table_privilege($1, c.oid, 'UPDATE') THEN 'u' END,
    CASE WHEN has_table_privilege($1, c.oid, 'DELETE') THEN 'd' END,
    CASE WHEN has_table_privilege($1, c.oid, 'TRUNCATE') THEN 't' END,
    CASE WHEN has_table_privilege($1, c.oid, 'REFERENCES') THEN 'r' END,
    CASE WHEN has_table_privilege($1, c.oid, 'TRIGGER') THEN 'g' END) AS rights
FROM pg_class AS c JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname ~ '^(segments|projections|migrations|reporting(_network)?)$' AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
"""
_COLUMNS = """
SELECT format('%s.%s', n.nspname, c.relname) AS name, array_agg(a.attname::text) AS columns
FROM pg_attribute AS a JOIN pg_class AS c ON a.attrelid = c.oid JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname ~ '^(segments|projections|migrations|reporting(_network)?)$' AND c.relkind IN ('r', 'p', 'v')
    AND a.attnum > 0 AND NOT has_table_privilege($1, c.oid, 'UPDATE')
    AND has_column_privilege($1, c.oid, a.attnum, 'UPDATE')
GROUP BY 1
"""


def test_every_role_that_setup_makes_is_in_the_table() -> None:
    made = {
        word.strip("', \n")
        for word in setup_sql("roles").split("ARRAY[")[1].split("]")[0].split(",")
    }
    assert made - {"segments_owner"} == set(ALLOWED)


async def test_each_role_has_exactly_these_rights_on_tables_and_views(database: Settings) -> None:
    for role, allowed in ALLOWED.items():
        rights = {
            row["name"]: row["rights"]
            for row in await rows(database, _TABLES, role)
            if row["rights"]
        }
        assert rights == allowed, role
        columns = {row["name"]: set(row["columns"]) for row in await rows(database, _COLUMNS, role)}
        assert columns == COLUMNS.get(role, {}), role


async def test_no_role_may_create_anything_log_in_or_is_a_member_of_another(
    database: Settings,
) -> None:
    for role in ALLOWED:
        assert not await value(
            database,
            "SELECT bool_or(has_schema_privilege($1, oid, 'CREATE')) FROM pg_namespace"
            " WHERE nspname ~ '^(segments|projections|migrations|reporting(_network)?)$'",
            role,
        ), role
        attributes = await rows(
            database,
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication OR rolbypassrls AS more,"
            " (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS of FROM pg_roles AS r WHERE rolname = $1",
            role,
        )
        assert attributes == [{"more": False, "of": 0}], role


async def test_public_has_nothing(database: Settings) -> None:
    schemas = await value(
        database,
        "SELECT array_agg(nspname) FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE a.grantee = 0"
        " AND nspname ~ '^(segments|projections|migrations|reporting(_network)?)$'",
    )
    tables = await value(
        database,
        "SELECT array_agg(relname) FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = 0"
        " AND relnamespace::regnamespace::text ~ '^(segments|projections|migrations|reporting(_network)?)$'",
    )
    functions = await value(
        database,
        "SELECT array_agg(proname) FROM pg_proc AS p, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a"
        " WHERE a.grantee = 0 AND pronamespace::regnamespace::text ~ '^(segments|projections|reporting(_network)?)$'",
    )
    assert (schemas, tables, functions) == (None, None, None)


async def test_the_reporting_role_reads_each_view_runs_each_function_and_nothing_else(
    database: Settings,
) -> None:
    async with connected(database, "segments_report") as connection:
        for view in VIEWS:
            await connection.fetch(f"SELECT * FROM reporting.{view}")
        assert await connection.fetchval("SELECT reporting.normalise_user(' A@x ')") == "a@x"
        assert await connection.fetch("SELECT * FROM reporting.membership_as_of()") == []
        token = await connection.fetchval("SELECT reporting.snapshot()")
        for function in ("membership_as_shown", "changes_between"):
            assert await connection.fetch(f"SELECT * FROM reporting.{function}($1)", token) == []
        for denied in (
            "SELECT * FROM segments.event",
            "SELECT * FROM projections.membership",
            "SELECT * FROM projections.named_interval",
            "SELECT projections.segments_named(NULL, NULL)",
            "SELECT * FROM migrations.applied",
            "SELECT segments.erase_person('n', 'u', 'a', 'r')",
            "SELECT segments.event_id('t', 0, 0, 0)",
            "CREATE TABLE reporting.mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(denied)


async def test_definer_functions_fix_their_search_path_and_are_known(
    database: Settings,
) -> None:
    found = await rows(
        database,
        "SELECT p.oid::regprocedure::text AS name, p.proconfig FROM pg_proc AS p WHERE p.prosecdef"
        " AND pronamespace::regnamespace::text ~ '^(segments|projections|reporting(_network)?)$' ORDER BY 1",
    )
    assert [row["name"].split("(")[0] for row in found] == [
        "projections.analyze_grown",
        "projections.changes_between",
        "projections.make_snapshot",
        "projections.membership_as_recorded",
        "projections.moved_days",
        "projections.people_named",
        "projections.read_snapshot",
        "projections.segments_named",
        "projections.serving_slot",
        "reporting.changed_keys",
        "reporting.changes_between",
        "reporting.membership_as_shown",
        "reporting.overlap",
        "reporting.segment_size_series",
        "reporting.snapshot",
        "reporting_network.changed_keys",
        "reporting_network.changes_between",
        "reporting_network.membership_as_of",
        "reporting_network.membership_as_shown",
        "reporting_network.overlap",
        "reporting_network.segment_size_series",
        "reporting_network.snapshot",
        "segments.erase_person",
        "segments.erase_rejected",
        "segments.forget_accesses",
        "segments.forget_keys",
        "segments.forget_signatures",
        "segments.installation_name",
        "segments.own",
        "segments.shown_lanes",
        "segments.visible_networks",
    ]
    assert all(row["proconfig"] == ["search_path=pg_catalog, pg_temp"] for row in found)
