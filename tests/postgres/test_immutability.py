"""What was written stays: no role may change it, and triggers refuse it to the owner and the superuser too."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from service.postgres.guards import GUARDED

pytestmark = pytest.mark.stack
# Tables that the service moves on by design. Every other one of the log's schema is append-only.
MUTABLE = {
    "installation",
    "topics_owner",
    "lane",
    "segment",
    "network",
    "source_version",
    "erasure_gate",
    "person",
    "idempotency",
    "rejected_outbox",
    "api_key",
    "signature",
    "signature_horizon",
    "invalid_signature",
    "seal_lease",
    "session",
    "sign_in_link",
    "import",
    "import_line",
    "task",
    "access_event",
}

SERVICE = (
    "segments_ingest",
    "segments_project",
    "segments_registry",
    "segments_operate",
    "segments_api",
    "segments_seal",
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


async def append_only(connection: asyncpg.Connection[Any]) -> list[str]:
    return [row[0] for row in await connection.fetch(_TABLES) if row[0] not in MUTABLE]


async def test_the_tables_that_may_change_are_known_and_each_other_one_has_a_row_to_try(
    filled: asyncpg.Connection[Any],
) -> None:
    tables = await append_only(filled)
    assert set(tables) == set(GUARDED) - MUTABLE
    assert set(tables) == {
        "event", "duplicate", "rejected", "hole", "registry_event", "lane_event", "retry", "erasure",
        "source_event", "analyst_event", "rejected_erasure", "key_event", "seal", "seal_round",
        "seal_stretch", "seal_checkpoint",
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


_DEFINITIONS = (
    "DROP TABLE segments.{0} CASCADE",
    "ALTER TABLE segments.{0} DISABLE TRIGGER ALL",
    "ALTER TABLE segments.{0} ADD COLUMN more text",
    "CREATE RULE r AS ON DELETE TO segments.{0} DO INSTEAD NOTHING",
    "CREATE TRIGGER t BEFORE INSERT ON segments.{0} FOR EACH ROW EXECUTE FUNCTION segments.refuse_change()",
)


# Columns that never change, of tables whose other columns do.
_STAYS = {
    "person": (
        "user_id = 'other'",
        "network_id = 'other'",
        "salt = 'other'",
        "salt = ''",
        "erased = 7",
        # No erasure: it keeps the identifier or the salt, or changes more.
        "erased = 7, salt = ''",
        "erased = 7, user_id = 'erased:7'",
        "erased = 7, user_id = 'other', salt = ''",
        "erased = 7, user_id = 'erased:8', salt = ''",
        "erased = 7, user_id = 'erased:7', salt = '', network_id = 'other'",
    ),
    "idempotency": ("request = 'other'", "kafka_offset = 99", "seen_at = now()"),
    "access_event": ("actor = 'other'", "last_at = now()", "reads = 0"),
    "segment": (
        "network_id = 'other'",
        "segment_id = 99",
        "created_by = 'other'",
        "created_at = now()",
    ),
}


@pytest.mark.parametrize("role", ["segments_owner", None, "segments_erase"])
async def test_what_never_changes_in_tables_that_move_on_is_refused_to_everybody(
    filled: asyncpg.Connection[Any], role: str | None
) -> None:
    """Also where the session says that it is a replica's."""
    await filled.execute(
        "INSERT INTO segments.idempotency VALUES ('n', 'k', now(), 1, 0, 'request')"
    )
    if role is not None:
        await filled.execute(f"GRANT USAGE ON SCHEMA segments TO {role}")
        await filled.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA segments TO {role}")
        await filled.execute(f"SET ROLE {role}")
    else:
        await filled.execute("SET session_replication_role = replica")
    for table, changed in _STAYS.items():
        # Each row by itself: one that is refused would hide another that is not.
        places = [row[0] for row in await filled.fetch(f"SELECT ctid::text FROM segments.{table}")]
        for change in (
            *(
                f"{change} WHERE ctid = '{place}'"
                for place in places
                for change in (
                    *(f"UPDATE segments.{table} SET {one}" for one in changed),
                    f"DELETE FROM segments.{table}",
                )
            ),
            f"TRUNCATE segments.{table} CASCADE",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="refused"):
                await filled.execute(change)
    for table in (row[0] for row in await filled.fetch(_TABLES) if row[0] not in MUTABLE):
        column = await filled.fetchval(_COLUMN, table)
        for change in changes(table, column):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
                await filled.execute(change)


async def test_no_service_role_may_redefine_a_table(filled: asyncpg.Connection[Any]) -> None:
    for role in SERVICE:
        for row in await filled.fetch(_TABLES):
            await filled.execute(f"SET ROLE {role}")
            for definition in _DEFINITIONS:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await filled.execute(definition.format(row[0]))
            await filled.execute("RESET ROLE")


async def test_the_registry_s_role_changes_of_a_segment_what_may_change(
    filled: asyncpg.Connection[Any],
) -> None:
    await filled.execute("SET ROLE segments_registry")
    await filled.execute("UPDATE segments.segment SET description = 'other', archived_at = now()")
    for change in _STAYS["segment"]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await filled.execute(f"UPDATE segments.segment SET {change}")


def test_every_table_that_is_append_only_or_keeps_something_is_looked_after() -> None:
    assert set(GUARDED) & MUTABLE == set(_STAYS)
