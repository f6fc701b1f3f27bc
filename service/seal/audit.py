"""The audit: all leaves are computed from the rows again and compared with tiles, rounds and checkpoints."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.postgres.database import statements
from service.seal.audit_stretch import Row, describe_difference
from service.seal.leaves import read_stretches
from service.seal.note import Checkpoint, NoteError, Verifier, open_checkpoint
from service.seal.tree import HASH_BYTES, TILE_WIDTH, Edge, Tile, leaf_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import asyncpg

    from service.seal.folder import Folder
    from service.seal.leaves import Stretch

SQL = statements("service.seal.sql")
LIMIT = 100
# Of the statement that computes all digests.
LONGEST_SECONDS = 86_400
_ROUNDS_AT_ONCE = 1000


@dataclass(slots=True)
class Audit:
    """What an audit found. leaves: how many were compared."""

    origin: str = ""
    leaves: int = 0
    faults: list[dict[str, str]] = field(default_factory=list)

    def add(self, kind: str, key: str, fault: str) -> None:
        """Add a fault, unless there are LIMIT already."""
        if len(self.faults) < LIMIT:
            self.faults.append({"kind": kind, "key": key, "fault": fault})


class Auditor:
    """Compares the rows with what was sealed, within one transaction of the connection."""

    def __init__(
        self,
        connection: asyncpg.Connection[Any],
        folder: Folder | None,
        verifier: Verifier | None,
    ) -> None:
        """folder: of tiles; without it an altered row is named by its round. verifier: whose signatures are checked."""
        self._connection = connection
        self._folder = folder
        self._verifier = verifier
        self.found = Audit()
        # Roots by what they are made of.
        self._edges = {"rows": Edge()} | ({"tiles": Edge()} if folder else {})
        self._checkpoints: list[tuple[str, Checkpoint]] = []
        self._lanes: dict[int, asyncpg.Record] = {}
        self._ends: dict[int, int] = {}
        self._is_right = True

    async def run(self, notes: Mapping[str, str]) -> Audit:
        """Compare everything. notes: signed checkpoints by where they are, read before the transaction began."""
        fetch, found = self._connection.fetch, self.found
        seal = await self._connection.fetchrow(SQL["newest_seal"])
        if seal is None:
            found.add("checkpoint", "", "nothing was sealed")
            return found
        found.origin = seal["origin"]
        if self._verifier is not None:
            self._verifier = Verifier(seal["origin"], self._verifier.public)
        last = await self._connection.fetchrow(SQL["last_checkpoint"], seal["seal_id"])
        size: int = last["tree_size"] if last else 0
        checkpoints = [(where, self._read(where, note)) for where, note in notes.items()]
        # A sealer that runs, or was killed, has signed the newest round perhaps, and not noted that yet.
        if any(
            checkpoint and checkpoint.size == seal["tree_size"] for _, checkpoint in checkpoints
        ):
            size = seal["tree_size"]
        if last:
            checkpoints.append(("the table", self._read("the table", last["note"])))
        for where, checkpoint in checkpoints:
            if checkpoint is not None:
                self._trust(where, checkpoint, size)
        self._lanes = {row["lane_id"]: row for row in await fetch(SQL["lanes"])}
        self._ends = {lane_id: row["first_offset"] for lane_id, row in self._lanes.items()}
        await self._walk(seal["seal_id"], size)
        for row in await fetch(SQL["leaf_digests"], LIMIT, timeout=LONGEST_SECONDS):
            found.add(row["kind"], row["key"], "its columns are not those that its digest covers")
        for row in await fetch(SQL["altered_segments"], LIMIT):
            found.add("segment", row["key"], "it is not what its newest change made it")
        for row in await fetch(SQL["altered_people"], LIMIT, timeout=LONGEST_SECONDS):
            found.add("person", row["key"], "the erasure is not as it was recorded")
        return found

    def _trust(self, where: str, checkpoint: Checkpoint, size: int) -> None:
        """Take a checkpoint as what the rows must make, if it is one of the first size leaves of this log."""
        if checkpoint.origin != self.found.origin:
            fault = f"it is of {checkpoint.origin}, not of {self.found.origin}"
        elif checkpoint.size > size:
            fault = f"it has {checkpoint.size} leaves, and the database knows of {size}"
        else:
            self._checkpoints.append((where, checkpoint))
            return
        self.found.add("checkpoint", where, fault)

    def _read(self, where: str, note: str) -> Checkpoint | None:
        try:
            if self._verifier is not None:
                return open_checkpoint(note, self._verifier)
            return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
        except NoteError as error:
            self.found.add("checkpoint", where, str(error))
            return None

    async def _walk(self, seal_id: int, size: int) -> None:
        """Walk over all leaves, and compare the roots at the end of each round."""
        rounds = _rounds(self._connection, seal_id)
        due = await anext(rounds, None)
        async for stretch in read_stretches(self._connection, seal_id, 0, size):
            await self._compare(stretch, size)
            if self.found.leaves != stretch.first_leaf + stretch.leaves:
                return
            if due is not None and due["tree_size"] <= self.found.leaves:
                self._compare_round(due, self._name(stretch))
                due = await anext(rounds, None)
        if "tiles" in self._edges:
            for tile, content in self._edges["tiles"].partial_tiles():
                self._compare_tile(tile, content)
        if self.found.leaves != size:
            self.found.add("stretch", f"leaf {self.found.leaves}", "it is of no row")
        for where, checkpoint in self._checkpoints:
            self.found.add("checkpoint", where, f"no round has {checkpoint.size} leaves")

    async def _compare(self, stretch: Stretch, size: int) -> None:
        """Compare a stretch's rows with the tiles of the tree, and go on."""
        name, found = self._name(stretch), self.found
        if stretch.first_leaf != found.leaves:
            found.add("stretch", name, f"leaf {found.leaves} is of no row")
            return
        if stretch.lane_id is not None:
            if stretch.first_offset != self._ends.get(stretch.lane_id):
                found.add("stretch", name, "it does not begin where the lane's last one ended")
            self._ends[stretch.lane_id] = stretch.next_offset
        rows = await self._rows(stretch)
        if self._folder is not None:
            sealed = await asyncio.to_thread(_read_leaves, self._folder, stretch, size)
            for tile, content in self._edges["tiles"].append(b"".join(sealed)):
                self._compare_tile(tile, content)
            if difference := describe_difference(name, rows, sealed):
                found.add(*difference)
        list(self._edges["rows"].append(b"".join(row.hash for row in rows)))
        found.leaves += stretch.leaves

    def _compare_round(self, due: asyncpg.Record, name: str) -> None:
        """Compare what rows and tiles make with a round, its note, and the checkpoints of its size."""
        size, key = due["tree_size"], f"{due['tree_size']} leaves, up to {name}"
        if due["note"] is not None:
            checkpoint = self._read(key, due["note"])
            if checkpoint and (checkpoint.size, checkpoint.root) != (size, due["root"]):
                self.found.add("round", key, "its checkpoint says another root")
        is_right = self._edges["rows"].root == due["root"]
        if self._is_right and not is_right:
            self.found.add("round", key, "the rows do not make its root")
        self._is_right = is_right
        for where, checkpoint in self._checkpoints:
            if checkpoint.size == size:
                for what, edge in self._edges.items():
                    if edge.root != checkpoint.root:
                        self.found.add("checkpoint", where, f"the {what} do not make its root")
        self._checkpoints = [one for one in self._checkpoints if one[1].size != size]

    def _compare_tile(self, tile: Tile, content: bytes) -> None:
        assert self._folder is not None  # noqa: S101 - there are tiles
        try:
            is_same = tile.level == 0 or self._folder.read_tile(tile) == content
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self.found.add("tile", tile.path, "it does not follow from the tiles below it")

    async def _rows(self, stretch: Stretch) -> list[Row]:
        """Read the rows of a stretch as they are now."""
        name = self._name(stretch)
        if stretch.lane_id is None:
            entry = await self._connection.fetchval(
                SQL["numbered_entry"], stretch.kind, stretch.first_offset
            )
            if entry is None:
                return []
            return [Row(stretch.kind, name, name, leaf_hash(entry.encode()))]
        lane = name.rpartition(":")[0]
        rows = await self._connection.fetch(
            SQL["lane_rows"], stretch.lane_id, stretch.first_offset, stretch.next_offset
        )
        return [
            Row(kind, f"{lane}:{first}", f"{lane}:{end}", leaf_hash(entry.encode()))
            for kind, first, end, entry in rows
        ]

    def _name(self, stretch: Stretch) -> str:
        if stretch.lane_id is None:
            return f"{stretch.kind} {stretch.first_offset}"
        lane = self._lanes.get(stretch.lane_id)
        return f"{lane['name'] if lane else stretch.lane_id}:{stretch.first_offset}"


def _read_leaves(folder: Folder, stretch: Stretch, size: int) -> list[bytes]:
    """Read the leaf hashes of a stretch from the tiles of a tree of this size; empty ones where a tile is missing."""
    hashes: list[bytes] = []
    first, end = stretch.first_leaf, stretch.first_leaf + stretch.leaves
    for number in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
        start = number * TILE_WIDTH
        try:
            content = folder.read_tile(Tile(0, number, min(TILE_WIDTH, size - start)))
        except FileNotFoundError:
            content = bytes(TILE_WIDTH * HASH_BYTES)
        hashes += [
            content[(leaf - start) * HASH_BYTES : (leaf - start + 1) * HASH_BYTES]
            for leaf in range(max(first, start), min(end, start + TILE_WIDTH))
        ]
    return hashes


async def _rounds(connection: asyncpg.Connection[Any], seal_id: int) -> AsyncIterator[Any]:
    size = 0
    while rows := await connection.fetch(SQL["rounds"], seal_id, size, _ROUNDS_AT_ONCE):
        for row in rows:
            yield row
        size = rows[-1]["tree_size"]
