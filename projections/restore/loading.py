"""Files of Parquet into a table: read on a thread, as text of COPY, while Postgres takes the text before."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from projections.export.copying import SECONDS, TIME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    import asyncpg

_ROWS = 2048
# Of a piece that is written as text at once.
_PIECE_BYTES = 512 * 1024
_FORMAT = csv.WriteOptions(include_header=False)


async def load_files(
    connection: asyncpg.Connection[Any],
    table: str,
    columns: list[str],
    paths: Iterable[Path],
    report: Callable[[int], None],
) -> int:
    """Copy the rows of files into a table of schema `segments`; return their number.

    report: is told the number of rows of each piece that was sent.
    """
    tag: str = await connection.copy_to_table(
        table, schema_name="segments", columns=columns, source=_texts(paths, report), format="csv",
        timeout=SECONDS,
    )  # fmt: skip
    return int(tag.rsplit(maxsplit=1)[-1])


async def _texts(paths: Iterable[Path], report: Callable[[int], None]) -> AsyncIterator[bytes]:
    pieces = (piece for path in paths for piece in read_pieces(path))
    following = _following(pieces)
    try:
        while (piece := await following) is not None:
            following = _following(pieces)
            text, rows = piece
            yield text
            report(rows)
    finally:
        await asyncio.wait([following])


def _following(pieces: Iterator[tuple[bytes, int]]) -> asyncio.Task[tuple[bytes, int] | None]:
    return asyncio.create_task(asyncio.to_thread(next, pieces, None))


def read_pieces(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the rows of a file as text of COPY in CSV format, some at a time, with their number."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS, use_threads=False):
            length = (
                math.ceil(len(batch) / math.ceil(batch.nbytes / _PIECE_BYTES)) if len(batch) else 1
            )
            for start in range(0, len(batch), length):
                rows = batch.slice(start, length)
                yield format_rows(pa.Table.from_batches([rows])), len(rows)


def format_rows(rows: pa.Table) -> bytes:
    """Write rows as COPY reads them in CSV format: an empty field is null, and "" an empty text."""
    for place, field in enumerate(rows.schema):
        if field.type == pa.binary():
            rows = rows.set_column(place, field.name, _encoded(rows[field.name]))
        elif field.type == TIME:
            # The session's zone is UTC; with a zone, Arrow would need the time zones of the machine.
            rows = rows.set_column(place, field.name, rows[field.name].cast(pa.timestamp("us")))
    text = pa.BufferOutputStream()
    csv.write_csv(rows, text, _FORMAT)
    content: bytes = text.getvalue().to_pybytes()
    return content


def _encoded(column: pa.ChunkedArray) -> pa.Array:
    r"""Write a column of bytes as \x and hexadecimal digits."""
    return pa.array(
        [None if value is None else f"\\x{value.hex()}" for value in column.to_pylist()],
        pa.string(),
    )
