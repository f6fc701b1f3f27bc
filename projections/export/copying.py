"""The rows of a query as Arrow tables: the text of COPY, parsed on a thread while Postgres sends on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

SECONDS = 24 * 3600
# Of text that is parsed at once.
_CHUNK_BYTES = 1024 * 1024
TIME = pa.timestamp("us", "UTC")
_TYPES = {
    "bool": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "float8": pa.float64(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "timestamptz": TIME,
}
"""Type in Postgres → type in Arrow. Any other is text, as Postgres prints it: uuid, jsonb, arrays."""


def return_memory() -> None:
    """Let Arrow use the pool that keeps the least of what it freed: some 20 MiB less than the default one."""
    with suppress(NotImplementedError):  # not built for every system
        pa.set_memory_pool(pa.jemalloc_memory_pool())


async def schema_of(
    connection: asyncpg.Connection[Any], query: str, *, times_as_text: bool = False
) -> pa.Schema:
    """Return the columns of a query. times_as_text: of tables with infinite times, which Arrow can't hold."""
    statement = await connection.prepare(query)
    types = _TYPES | ({"timestamptz": pa.string()} if times_as_text else {})
    return pa.schema(
        [(one.name, types.get(one.type.name, pa.string())) for one in statement.get_attributes()]
    )


async def copy_rows(
    connection: asyncpg.Connection[Any],
    query: str,
    arguments: tuple[Any, ...],
    schema: pa.Schema,
    take: Callable[[pa.Table], None],
) -> None:
    """Pass the rows of a query to `take`, which is called on a thread with one table after another."""
    parts: list[bytes] = []
    size = 0
    parsing: asyncio.Future[None] | None = None

    async def parse() -> None:
        nonlocal parsing, size
        text = b"".join(parts)
        parts.clear()
        size = 0
        if parsing is not None:
            await parsing
        if text:
            parsing = asyncio.ensure_future(asyncio.to_thread(_pass, text, schema, take))

    async def receive(rows: bytes) -> None:
        nonlocal size
        parts.append(rows)
        size += len(rows)
        if size >= _CHUNK_BYTES:
            await parse()

    try:
        await connection.copy_from_query(
            query, *arguments, output=receive, format="csv", timeout=SECONDS
        )
        await parse()
    finally:
        if parsing is not None:
            await parsing


def _pass(text: bytes, schema: pa.Schema, take: Callable[[pa.Table], None]) -> None:
    take(parse_rows(text, schema))


def parse_rows(text: bytes, schema: pa.Schema) -> pa.Table:
    """Parse whole rows of COPY in CSV format."""
    hexadecimal = [field.name for field in schema if field.type == pa.binary()]
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=schema.names),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types={
                field.name: pa.string() if field.name in hexadecimal else field.type
                for field in schema
            },
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for name in hexadecimal:
        place = schema.get_field_index(name)
        table = table.set_column(place, schema.field(place), _decoded(table[name]))
    return table


def _decoded(column: pa.ChunkedArray) -> pa.Array:
    r"""Decode a column of bytea, which COPY prints as \x and hexadecimal digits."""
    digits = pc.utf8_slice_codeunits(column.combine_chunks(), 2)
    if len(digits) == 0:
        return pa.array([], pa.binary())
    bits, offsets, data = digits.buffers()
    places = pa.Array.from_buffers(pa.int32(), len(digits) + 1, [None, offsets])
    halved = pc.divide(places, pa.scalar(2, pa.int32()))
    content = bytes.fromhex(data.to_pybytes().decode()) if data is not None else b""
    return pa.Array.from_buffers(
        pa.binary(), len(digits), [bits, halved.buffers()[1], pa.py_buffer(content)]
    )
