"""The export. One transaction takes the snapshot and copies what changes; then the log, by ranges of offsets."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, Protocol

from projections.export.copying import SECONDS, copy_rows, schema_of
from projections.export.journal import FORMAT, FolderError
from projections.export.parts import Parts
from projections.export.tables import (
    BASE,
    BASE_LOG,
    LOG,
    REGISTRY,
    REJECTED,
    SQL,
    STATES,
    tables_of,
)
from projections.queries.snapshots import refused_snapshots
from service.postgres.database import give_longer
from service.postgres.migrations import migrations
from service.runtime.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    import asyncpg
    import pyarrow as pa

    from projections.export.journal import File, Folder
    from projections.export.tables import Table

    Connect = Callable[
        [Literal["read_committed", "repeatable_read"]],
        AbstractAsyncContextManager[asyncpg.Connection[Any]],
    ]

_OFFSETS_PER_UNIT = 131_072
_ATTEMPTS = 3
_STATES = "states"
_EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Request:
    """What to export. network: None for all. since: only what is newer. full: what a restore needs, too."""

    network: str | None = None
    since: str | None = None
    full: bool = False


class Progress(Protocol):
    """Who is told how far it is."""

    def expect(self, rows: int) -> None:
        """Be told how many rows of the log there are to copy, at most."""

    def advance(self, table: str, rows: int) -> None:
        """Be told that rows were written."""


class Exporter:
    """Writes one export into a folder."""

    def __init__(
        self, connect: Connect, folder: Folder, request: Request, progress: Progress
    ) -> None:
        self._connect = connect
        self._folder = folder
        self._request = request
        self._progress = progress
        self._schemas: dict[str, pa.Schema] = {}

    async def run(self) -> dict[str, Any]:
        """Write what is not written yet; return the manifest. Raises: FolderError, SnapshotError."""
        for _ in range(_ATTEMPTS):
            if _STATES not in self._folder.done or await self._is_outdated():
                self._folder.clear()
                await self._begin()
            async with self._connect("read_committed") as connection:
                await self._copy_log(connection)
                await self._write_empty(connection)
            if not await self._is_outdated():
                manifest = self._manifest()
                self._folder.finish(manifest)
                return manifest
        raise FolderError(f"(People were erased during each of {_ATTEMPTS} attempts.)")

    @property
    def _begun(self) -> dict[str, Any]:
        assert self._folder.begun is not None  # noqa: S101 - begun before
        return self._folder.begun

    async def _is_outdated(self) -> bool:
        """Tell whether something was erased since the export began: some files may name whom others do not."""
        async with self._connect("read_committed") as connection:
            with refused_snapshots():
                await connection.fetchrow(SQL["read_snapshot"], self._begun["snapshot"])
            erasures = await connection.fetchval(SQL["erasures"], self._request.network)
        return bool(erasures != self._begun["erasures"])

    async def _begin(self) -> None:
        """Take the snapshot, and copy in its transaction what changes later."""
        network, since = self._request.network, self._request.since
        async with (
            self._connect("repeatable_read") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await give_longer(connection, SECONDS)
            networks = None if network is None else [network]
            snapshot = await connection.fetchval("SELECT projections.make_snapshot($1)", networks)
            with refused_snapshots():
                lanes = await connection.fetch(SQL["lanes"], snapshot, since, network)
                earlier = since and await connection.fetchrow(SQL["read_snapshot"], since)
            if earlier and earlier["networks"] and network is None:
                raise WrongUseError(
                    f"(The snapshot is of network {', '.join(earlier['networks'])} only: add --network.)"
                )
            seal = await connection.fetchrow(SQL["newest_checkpoint"])
            begun = {
                "made_at": datetime.now(UTC).isoformat(),
                "snapshot": snapshot,
                "erasures": await connection.fetchval(SQL["erasures"], network),
                "lanes": [dict(lane) | {"recorded_until": _iso(lane)} for lane in lanes],
                "seal": dict(seal) if seal else None,
            }
            files = await self._copy(connection, REGISTRY, (network,), "0")
            for table in STATES:
                moved = earlier["unmoved_before"] if earlier else datetime.min.replace(tzinfo=UTC)
                files += await self._copy(connection, table, (network, moved), "0")
            for name, place in self._places(begun["lanes"], "last_position"):
                files += await self._copy(connection, REJECTED, (*place[1:], network), name)
            for table in BASE if self._request.full else ():
                files += await self._copy(connection, table, (), "0")
        self._folder.begin(begun)
        # Only with this unit has the export begun: its files are as of the snapshot, and can't be copied again later.
        self._folder.finish_unit(_STATES, files)

    def _places(
        self, lanes: list[dict[str, Any]], until: str
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield units of the log by name: lane_id, topic, partition, epoch, first offset, the one after the last."""
        number = 0
        for lane in lanes:
            which = (lane["lane_id"], lane["topic"], lane["partition"], lane["epoch"])
            for first in range(lane["first_position"], lane[until], _OFFSETS_PER_UNIT):
                end = min(first + _OFFSETS_PER_UNIT, lane[until])
                yield f"{number:05}", (*which, first, end)
                number += 1

    async def _copy_log(self, connection: asyncpg.Connection[Any]) -> None:
        """Copy the log by units; what was copied before an interruption is kept."""
        lanes, full = self._begun["lanes"], self._request.full
        ends = [("last_position", LOG), ("log_position", BASE_LOG)][: 1 + full]
        self._progress.expect(
            sum(max(lane[end] - lane["first_position"], 0) for lane in lanes for end, _ in ends)
        )
        for end, tables in ends:
            for name, place in self._places(lanes, end):
                for table in tables:
                    await self._copy_unit(connection, table, place, name)

    async def _copy_unit(
        self, connection: asyncpg.Connection[Any], table: Table, place: tuple[Any, ...], name: str
    ) -> None:
        unit = f"{table.name} {name}"
        if unit in self._folder.done:
            self._progress.advance(table.name, sum(f.rows for f in self._folder.done[unit]))
            return
        arguments: tuple[Any, ...] = place[1:]
        if table.personal:
            arguments = (place[0], *place[-2:])
        elif table.by_network:
            arguments = (*place[1:], self._request.network)
        async with connection.transaction():
            await give_longer(connection, SECONDS)
            files = await self._copy(connection, table, arguments, name)
        self._folder.finish_unit(unit, files)

    async def _copy(
        self,
        connection: asyncpg.Connection[Any],
        table: Table,
        arguments: tuple[Any, ...],
        name: str,
    ) -> list[File]:
        """Copy the rows of one statement; return the files."""
        parts = Parts(
            self._folder, table.name, name, by_network=table.by_network, by_month=table.by_month,
            personal=table.personal, report=lambda rows: self._progress.advance(table.name, rows),
        )  # fmt: skip
        schema = await self._schema(connection, table)
        await copy_rows(connection, table.query, arguments, schema, parts.take)
        await asyncio.to_thread(parts.flush)
        return parts.files

    async def _schema(self, connection: asyncpg.Connection[Any], table: Table) -> pa.Schema:
        if table.name not in self._schemas:
            self._schemas[table.name] = await schema_of(
                connection, table.query, times_as_text=table.times_as_text
            )
        return self._schemas[table.name]

    async def _write_empty(self, connection: asyncpg.Connection[Any]) -> None:
        """Write a file without rows for each table that has none, so that every table can be read."""
        done = self._folder.done
        written = {
            _table(file.path) for unit, files in done.items() if unit != _EMPTY for file in files
        }
        files = []
        for table in tables_of(full=self._request.full):
            schema = await self._schema(connection, table)
            if table.name not in written:
                files.append(
                    self._folder.write(
                        f"{table.name}/part-{_EMPTY}.parquet", schema.empty_table(), personal=table.personal
                    )
                )  # fmt: skip
        self._folder.finish_unit(_EMPTY, files)

    def _manifest(self) -> dict[str, Any]:
        tables: dict[str, Any] = {
            name: {
                "columns": [{"name": one.name, "type": str(one.type)} for one in schema],
                "rows": 0,
                "files": [],
            }
            for name, schema in self._schemas.items()
        }
        for files in self._folder.done.values():
            for file in files:
                tables[_table(file.path)]["files"].append(asdict(file))
                tables[_table(file.path)]["rows"] += file.rows
        network, begun = self._request.network, self._begun
        return {
            "format": FORMAT,
            "service_version": version("segments"),
            "schema": migrations()[-1].number,
            "made_at": begun["made_at"],
            "snapshot": begun["snapshot"],
            "since": self._request.since,
            "networks": None if network is None else [network],
            "erasures": begun["erasures"],
            "full": self._request.full,
            "lanes": begun["lanes"],
            "seal": begun["seal"],
            "tables": tables,
        }


def _iso(lane: asyncpg.Record) -> str | None:
    until = lane["recorded_until"]
    return until.isoformat() if isinstance(until, datetime) else None


def _table(path: str) -> str:
    """Return the table of a file."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "personal" else parts[0]
