"""What was written stays: no role may change it, and triggers refuse it to the owner and the superuser too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from service import sources
from tests.projections.folding import log
from tests.support.database import connected
from tests.support.lane import said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.settings import Settings

pytestmark = pytest.mark.stack
# Tables that the service moves on by design. Every other one of the log's schema is append-only.
MUTABLE = {
    "lane",
    "segment",
    "network",
    "source_version",
    "erasure_gate",
    "person",
    "idempotency",
    "relay",
    "api_key",
    "signature",
    "signature_horizon",
    "unbelieved",
}
SERVICE = (
    "segments_ingest",
    "segments_project",
    "segments_registry",
    "segments_operate",
    "segments_api",
    "segments_report",
    "segments_report_network",
)
_COLUMN = """
SELECT a.attname FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON a.attrelid = c.oid
JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = 'segments' AND c.relname = $1 AND a.attnum > 0 AND a.attidentity = '' ORDER BY a.attnum LIMIT 1
"""
_TABLES = """
SELECT c.relname FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""


@pytest.fixture
async def filled(database: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection as the superuser to a database with a row in every table of the log."""
    async with log(database) as (lane,):
        at = 1_700_000_000
        command = said(
            user="a@x.com", status_change_timestamp=at, reference_id="r", description="d"
        )
        assert await lane.append(command, command, b"{", said(user="b", segment_id=9), b"[") == [
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
            await sources.allow(connection, database, "t")
            await connection.execute(
                "INSERT INTO segments.analyst_event (role_name, network_id, change) VALUES ('ann', 'n', 'granted')"
            )
            await connection.fetchval("SELECT segments.erase_person('n', 'b', 'me', 'asked')")
            await connection.fetchval(
                "SELECT segments.erase_rejected(kafka_topic, kafka_partition, 0, kafka_offset, 'me', 'asked')"
                " FROM reporting.rejected WHERE kafka_offset = 2"
            )
            yield connection


async def append_only(connection: asyncpg.Connection[Any]) -> list[str]:
    return [row[0] for row in await connection.fetch(_TABLES) if row[0] not in MUTABLE]


async def test_the_tables_that_may_change_are_known_and_each_other_one_has_a_row_to_try(
    filled: asyncpg.Connection[Any],
) -> None:
    tables = await append_only(filled)
    assert set(tables) == {
        "event", "duplicate", "rejected", "hole", "registry_event", "lane_event", "retry", "erasure",
        "source_event", "analyst_event", "rejected_erasure",
    }  # fmt: skip
    for table in tables:
        assert await filled.fetchval(f"SELECT count(*) FROM segments.{table}") > 0, table


def changes(table: str, column: str) -> tuple[str, ...]:
    return (
        f"UPDATE segments.{table} SET {column} = {column}",
        f"DELETE FROM segments.{table}",
        f"TRUNCATE segments.{table} CASCADE",
    )


async def test_triggers_refuse_change_to_owner_superuser_and_the_erasing_role(
    filled: asyncpg.Connection[Any],
) -> None:
    for role in ("segments_owner", None, "segments_erase"):
        for table in await append_only(filled):
            column = await filled.fetchval(_COLUMN, table)
            if role is not None:
                # Even a grant would not help.
                await filled.execute(f"GRANT USAGE ON SCHEMA segments TO {role}")
                await filled.execute(f"GRANT ALL ON segments.{table} TO {role}")
                await filled.execute(f"SET ROLE {role}")
            for change in changes(table, column):
                with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
                    await filled.execute(change)
            await filled.execute("RESET ROLE")


async def test_no_service_role_has_the_right_to_change_what_was_written(
    filled: asyncpg.Connection[Any],
) -> None:
    for role in SERVICE:
        for table in await append_only(filled):
            column = await filled.fetchval(_COLUMN, table)
            await filled.execute(f"SET ROLE {role}")
            for change in changes(table, column):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await filled.execute(change)
            await filled.execute("RESET ROLE")


async def test_the_erasing_role_blanks_free_text_and_changes_nothing_else(
    filled: asyncpg.Connection[Any],
) -> None:
    await filled.execute("SET ROLE segments_erase")
    for change in (
        "UPDATE segments.event SET description = 'other'",
        "UPDATE segments.rejected SET payload = 'other'",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await filled.execute(change)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await filled.execute("UPDATE segments.event SET user_status = 2")
    assert (
        await filled.execute(
            "UPDATE segments.event SET description = NULL, metadata = NULL, user_sent = NULL"
        )
        == "UPDATE 1"
    )
