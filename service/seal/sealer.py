"""The sealer: gives leaves their order in rounds, and signs the tree of each.

A round is fixed before anything of it is signed: its stretches and its root are committed first. Then tiles, checkpoint
file, table and topic follow, each durable before the next. After a crash the round is carried out again from its
stretches: the rows are immutable and Ed25519 signatures deterministic, so that everything comes out as it was.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from service.postgres.database import statements
from service.runtime.errors import SealStoppedError
from service.runtime.logs import get_logger
from service.runtime.telemetry import SEAL_STOPPED, SEALED_UNTIL, set_gauge
from service.seal.leaves import (
    LEAVES_PER_ROUND,
    LeavesError,
    read_hashes,
    read_stretches,
    read_unsealed,
)
from service.seal.note import Checkpoint
from service.seal.outside import REOPEN, read_outside
from service.seal.topic import publish_checkpoint
from service.seal.tree import EMPTY_ROOT, Edge, edge_of

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from service.postgres.database import Database
    from service.seal.folder import Folder
    from service.seal.leaves import Stretch
    from service.seal.note import Signer
    from service.seal.outside import Outside

log = get_logger("seal")
SQL = statements("service.seal.sql")
LEASE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Seal:
    """The log that goes on: its last round, and whether that one is signed and noted."""

    seal_id: int
    origin: str
    size: int
    root: bytes
    note: str | None


class Sealer:
    """Seals what was recorded. A failed round leaves nothing that the next one does not correct."""

    def __init__(
        self, database: Database, producer: AIOKafkaProducer, folder: Folder, signer: Signer
    ) -> None:
        """signer: under the name of the first log's origin."""
        self._database = database
        self._producer = producer
        self._folder = folder
        self._base = signer
        self._holder = uuid4()
        # The tree as it was last signed, and of which log.
        self._edge = Edge()
        self._loaded: tuple[int, int] | None = None

    async def run_round(self) -> float:
        """Seal what was recorded since the last round; return the seconds until the next."""
        every = self._database.settings.seal_every_seconds
        began = time.time()
        async with self._database.single() as connection:
            lease = await connection.fetchrow(
                SQL["take_lease"], self._holder, max(LEASE_SECONDS, 3 * every)
            )
        if lease is None:
            self._loaded = None
            set_gauge(SEAL_STOPPED, 0)
            return every
        try:
            sealed = await self._seal()
        except _LostError:
            self._loaded = None
            return every
        except SealStoppedError as error:
            self._loaded = None
            set_gauge(SEAL_STOPPED, 1)
            await self._note_stop(str(error), lease["stopped_because"])
            return every
        set_gauge(SEAL_STOPPED, 0)
        await self._note_stop(None, lease["stopped_because"])
        if sealed >= LEAVES_PER_ROUND:
            return 0
        set_gauge(SEALED_UNTIL, began)
        return every

    async def _note_stop(self, reason: str | None, before: str | None) -> None:
        if reason == before:
            return
        if reason is not None:
            log.error("sealing is stopped", because=reason)
        async with self._database.single() as connection:
            await connection.execute(SQL["note_stop"], reason)

    async def _seal(self) -> int:
        """Carry out a round; returns the number of its leaves. Raises: SealStoppedError."""
        seal = await self._current()
        if seal.note is None and seal.size:
            before = await self._signed_size(seal)
            await self._load(seal, before)
            await self._complete(seal, before)
            return LEAVES_PER_ROUND
        if not await self._is_loaded(seal):
            await self._load(seal, seal.size)
        async with self._database.transaction() as connection:
            stretches, hashes, until = await read_unsealed(connection, seal.seal_id, seal.size)
        if not stretches:
            return 0
        edge = self._edge.copy()
        tiles = list(edge.append(hashes))
        await self._plan(seal, stretches, edge, until)
        await self._sign(seal, edge, tiles)
        return edge.size - seal.size

    async def _is_loaded(self, seal: Seal) -> bool:
        """Whether the tree in memory is the last one that was signed, and the folder has its checkpoint."""
        if self._loaded != (seal.seal_id, seal.size) or self._edge.root != seal.root:
            return False
        note = await asyncio.to_thread(self._folder.read_checkpoint)
        return (note or "").startswith(Checkpoint(seal.origin, seal.size, seal.root).text()) or (
            note is None and not seal.size
        )

    async def _current(self) -> Seal:
        async with self._database.single() as connection:
            row = await connection.fetchrow(SQL["newest_seal"])
            if row is None:
                await self._check_outside(Seal(0, self._base.verifier.name, 0, EMPTY_ROOT, None))
                await connection.execute(SQL["open_seal"], self._base.verifier.name, None, None)
                row = await connection.fetchrow(SQL["newest_seal"])
        assert row is not None  # noqa: S101 - it was just opened
        seal = Seal(
            row["seal_id"], row["origin"], row["tree_size"], row["root"] or EMPTY_ROOT, row["note"]
        )
        base = self._base.verifier.name
        if seal.origin != base and not seal.origin.startswith(base + "/"):
            raise SealStoppedError(
                f"SEGMENTS_SEAL_ORIGIN is {base}, but the log's origin is {seal.origin}. {REOPEN}"
            )
        return seal

    async def _signed_size(self, seal: Seal) -> int:
        async with self._database.single() as connection:
            row = await connection.fetchrow(SQL["last_checkpoint"], seal.seal_id)
        return row["tree_size"] if row else 0

    async def _load(self, seal: Seal, size: int) -> None:
        """Read the tree as it was signed with this size, if nothing outside contradicts the rounds.

        Raises: SealStoppedError.
        """
        await self._set_aside(seal.origin)
        async with self._database.single() as connection:
            last = await connection.fetchrow(SQL["last_checkpoint"], seal.seal_id)
        outside = await self._check_outside(seal)
        root = last["root"] if last else EMPTY_ROOT
        edge = await asyncio.to_thread(self._read_edge, size)
        if edge is None or edge.root != root:
            log.info("tiles are made again", origin=seal.origin, size=size)
            edge = await self._rebuild(seal, size)
        if edge.root != root:
            raise SealStoppedError(
                f"The rows are not those that were sealed as the first {size} leaves. {REOPEN}"
            )
        if last:
            if outside.in_folder < size:
                await asyncio.to_thread(self._folder.write_checkpoint, last["note"])
            if outside.in_topic < size:
                await self._publish(seal.origin, last["note"])
        self._edge, self._loaded = edge, (seal.seal_id, size)

    async def _set_aside(self, origin: str) -> None:
        """Move the folder's files away if they are of an earlier log of this database."""
        note = await asyncio.to_thread(self._folder.read_checkpoint)
        if note is None or (found := note.partition("\n")[0]) == origin:
            return
        async with self._database.single() as connection:
            origins = [row["origin"] for row in await connection.fetch(SQL["origins"])]
        if found in origins:
            await asyncio.to_thread(self._folder.set_aside, str(origins.index(found) + 1))

    async def _check_outside(self, seal: Seal) -> Outside:
        """Compare folder and topic with the rounds. Raises: SealStoppedError."""
        verifier = self._base.named(seal.origin).verifier
        outside = await read_outside(self._database.settings, self._folder, verifier)
        sizes = [checkpoint.size for checkpoint, _ in outside.checkpoints]
        async with self._database.single() as connection:
            rows = await connection.fetch(SQL["round_roots"], seal.seal_id, sizes)
        outside.check({0: EMPTY_ROOT} | {row["tree_size"]: row["root"] for row in rows}, seal.size)
        return outside

    async def _publish(self, origin: str, note: str) -> None:
        await publish_checkpoint(self._producer, self._database.settings, origin, note)

    def _read_edge(self, size: int) -> Edge | None:
        """Read the right edge from its tiles; None if one is missing."""
        try:
            return Edge(
                size,
                [self._folder.read_tile(tile) if tile.width else b"" for tile in edge_of(size)],
            )
        except FileNotFoundError:
            return None

    async def _rebuild(self, seal: Seal, size: int) -> Edge:
        edge = Edge()
        async with self._database.single() as connection:
            async for stretch in read_stretches(connection, seal.seal_id, 0, size):
                await self._append(connection, edge, stretch)
        await asyncio.to_thread(self._folder.write_tiles, list(edge.partial_tiles()))
        return edge

    async def _append(self, connection: Any, edge: Edge, stretch: Stretch) -> None:
        try:
            tiles = list(edge.append(await read_hashes(connection, stretch)))
        except LeavesError as error:
            raise SealStoppedError(
                f"There are not as many rows as were sealed as the leaves from {stretch.first_leaf} on. {REOPEN}"
            ) from error
        await asyncio.to_thread(self._folder.write_tiles, tiles)

    async def _plan(self, seal: Seal, stretches: list[Stretch], edge: Edge, until: str) -> None:
        """Commit the order of a round's leaves. Raises: _LostError if another process seals."""
        async with self._database.transaction() as connection:
            held = await connection.fetchval(SQL["lock_lease"], self._holder)
            row = await connection.fetchrow(SQL["newest_seal"])
            if not held or row is None or (row["seal_id"], row["tree_size"]) != (
                seal.seal_id, seal.size
            ):  # fmt: skip
                raise _LostError
            await connection.execute(SQL["plan_round"], seal.seal_id, edge.size, edge.root, until)
            columns = zip(*map(astuple, stretches), strict=True)
            await connection.execute(SQL["plan_stretches"], seal.seal_id, *map(list, columns))

    async def _complete(self, seal: Seal, size: int) -> None:
        """Carry out a round that was planned and not signed, or not noted."""
        edge = self._edge.copy()
        async with self._database.single() as connection:
            async for stretch in read_stretches(connection, seal.seal_id, size, seal.size):
                await self._append(connection, edge, stretch)
        if edge.root != seal.root:
            raise SealStoppedError(
                f"The rows are not those that were to be sealed as the leaves from {size} on. {REOPEN}"
            )
        await self._sign(seal, edge, [])

    async def _sign(self, seal: Seal, edge: Edge, tiles: list[Any]) -> None:
        """Make tiles, checkpoint file, table and topic say the same, in this order."""
        await asyncio.to_thread(self._folder.write_tiles, [*tiles, *edge.partial_tiles()])
        note = self._base.named(seal.origin).sign(
            Checkpoint(seal.origin, edge.size, edge.root).text()
        )
        await asyncio.to_thread(self._folder.write_checkpoint, note)
        async with self._database.single() as connection:
            await connection.execute(SQL["note_checkpoint"], seal.seal_id, edge.size, note)
        await self._publish(seal.origin, note)
        self._edge, self._loaded = edge, (seal.seal_id, edge.size)
        log.debug("sealed", origin=seal.origin, size=edge.size)


class _LostError(Exception):
    """Another process seals, or a new log was begun."""
