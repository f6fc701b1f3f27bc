"""What Postgres prints is read as it was stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from projections.export.copying import copy_rows, schema_of
from tests.support.database import connected

if TYPE_CHECKING:
    import pyarrow as pa

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
QUERY = """
SELECT v.* FROM (VALUES
    (1, 'a'::text, '\\x00ff'::bytea, true, '2026-01-02 03:04:05.678901+02'::timestamptz, '{"a": 1.0}'::jsonb,
        '{x,NULL}'::text[]),
    (2, '', '\\x', false, '1990-01-01 00:00:00+00', 'null', '{}'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, E'"\\n,\\t\\\\N\\r\\u2028', '\\x0a', true, '2242-01-01 00:00:00.000001+00', '"x"', '{"a b"}')
) AS v (number, words, bytes, flag, moment, document, list)
"""


async def read(settings: Settings, query: str, **options: Any) -> list[tuple[Any, ...]]:
    tables: list[pa.Table] = []
    async with connected(settings) as connection:
        await connection.execute("SET timezone = 'UTC'")
        schema = await schema_of(connection, query, **options)
        await copy_rows(connection, query, (), schema, tables.append)
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


async def test_nulls_empty_values_odd_characters_and_bytes_are_kept(database: Settings) -> None:
    found = await read(database, QUERY)
    moments = [
        datetime(2026, 1, 2, 1, 4, 5, 678901, tzinfo=UTC), datetime(1990, 1, 1, tzinfo=UTC), None,
        datetime(2242, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    ]  # fmt: skip
    assert [row[4] and row[4].astimezone(UTC) for row in found] == moments
    assert [row[:4] + row[5:] for row in found] == [
        (1, "a", b"\x00\xff", True, '{"a": 1.0}', "{x,NULL}"),
        (2, "", b"", False, "null", "{}"),
        (3, None, None, None, None, None),
        (4, '"\n,\t\\N\r\u2028', b"\n", True, '"x"', '{"a b"}'),
    ]


async def test_infinite_times_are_kept_as_text(database: Settings) -> None:
    query = "SELECT '-infinity'::timestamptz AS a, '2026-01-02 03:04:05+00'::timestamptz AS b"
    assert await read(database, query, times_as_text=True) == [
        ("-infinity", "2026-01-02 03:04:05+00")
    ]


async def test_many_rows_are_passed_on_by_pieces_and_none_is_lost(database: Settings) -> None:
    query = "SELECT n, repeat('x', 1000) AS words FROM generate_series(1, 20000) AS n"
    assert [row[0] for row in await read(database, query)] == list(range(1, 20_001))


async def test_a_table_that_can_not_be_taken_ends_the_copy(database: Settings) -> None:
    def refuse(_rows: pa.Table) -> None:
        raise OSError("full")

    query = "SELECT n, repeat('x', 1000) AS words FROM generate_series(1, 20000) AS n"
    async with connected(database) as connection:
        schema = await schema_of(connection, query)
        with pytest.raises(OSError, match="full"):
            await copy_rows(connection, query, (), schema, refuse)
