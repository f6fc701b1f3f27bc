"""The import: one transaction loads the log as it was and checks it; then the views are rebuilt from it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from projections.export.copying import SECONDS, schema_of
from projections.export.tables import BASE
from projections.fold.rebuild import rebuild
from projections.operations.verify import SQL as VERIFY
from projections.restore.loading import load_files
from projections.restore.source import check_files, read_full_export
from service.postgres.database import open_connection, setup_url, statements
from service.postgres.migrate import SESSION, check_database
from service.runtime.errors import RefusedError, SegmentsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from projections.export.exporter import Progress
    from projections.restore.source import FullExport, Part
    from service.runtime.settings import Settings

SQL = statements("projections.restore.sql")
ROLE = "segments_owner"
# What is compared within the transaction; `segments verify` and `segments audit` compare the rest.
_CHECKS = ("verify_tiling", "verify_counters", "verify_references")
_TIMES_AS_TEXT = {table.name.removeprefix("personal/") for table in BASE}


class RestoreError(SegmentsError):
    """Nothing was imported."""


async def restore(settings: Settings, root: Path, progress: Progress) -> FullExport:
    """Load the log of a full export into an empty database, and rebuild the views.

    If it is interrupted after all of the log was committed, `segments rebuild`, or the workers, do the rest.

    Raises: ManifestError, RestoreError, RefusedError, NotSetUpError.
    """
    export = await load_log(settings, root, progress)
    await rebuild(settings)
    return export


async def load_log(
    settings: Settings, root: Path, progress: Progress, *, dry_run: bool = False
) -> FullExport:
    """Load the log, all of it or nothing. dry_run: only check that it can be done. Raises: as restore."""
    export = read_full_export(root)
    await check_database(settings)
    async with _owning(settings) as connection:
        await _require_empty(connection)
        for table, part in export.parts.items():
            await _require_columns(connection, table, part)
        progress.expect(sum(table["rows"] for table in export.manifest["tables"].values()))
        for rows in check_files(root, export.manifest):
            progress.advance("checking", rows)
        if not dry_run:
            progress.expect(export.rows)
            await _load(connection, export, progress)
    return export


@asynccontextmanager
async def _owning(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Run one transaction as the owner of the log, and keep all others from writing it."""
    session = SESSION | {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    connection = await open_connection(setup_url(settings), server_settings=session)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {ROLE}")
            await connection.execute(SQL["lock_log"])
            yield connection
    except asyncpg.LockNotAvailableError as error:
        raise RefusedError(
            "Another session writes the log: stop all processes of Segments, and import again."
        ) from error
    finally:
        await connection.close()


async def _require_empty(connection: asyncpg.Connection[Any]) -> None:
    if filled := await connection.fetch(SQL["filled_tables"]):
        names = ", ".join(row["name"] for row in filled)
        raise RefusedError(
            f"The database is not empty: it has rows of {names}. Make another one with `segments setup`, and start no"
            " process before the import."
        )


async def _require_columns(connection: asyncpg.Connection[Any], table: str, part: Part) -> None:
    """Check that the table has the columns of the export. Raises: RestoreError."""
    schema = await schema_of(
        connection, f"TABLE segments.{table}", times_as_text=table in _TIMES_AS_TEXT
    )
    there = {field.name: str(field.type) for field in schema}
    if there != part.columns:
        differing = sorted(
            f"{name} {kind}" for name, kind in set(there.items()) ^ set(part.columns.items())
        )
        raise RestoreError(
            f"(Table {table} of the export has other columns than that of the database: {', '.join(differing)}.)"
        )


async def _load(
    connection: asyncpg.Connection[Any], export: FullExport, progress: Progress
) -> None:
    await connection.execute(SQL["empty_single_rows"])
    for table, part in export.parts.items():
        loaded = await load_files(
            connection, table, list(part.columns), part.paths, partial(progress.advance, table)
        )
        if loaded != part.rows:
            raise RestoreError(f"({table} has {loaded} rows, and {part.rows} in the manifest.)")
        await connection.execute(f"ANALYZE segments.{table}")
    for check in _CHECKS:
        if faults := await connection.fetch(VERIFY[check], timeout=SECONDS):
            view, key, expected, found = faults[0]
            raise RestoreError(
                f"(The log of the export has a fault: {view} {key}: expected {expected}, found {found}.)"
            )
    for sequence, highest in await connection.fetch(SQL["highest_numbers"]):
        await connection.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {highest + 1}")
