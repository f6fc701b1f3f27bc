"""The leaves of the tree, read from the rows: in the order that a stretch notes, or those that are not sealed yet.

A stretch is consecutive leaves of one lane, or the one leaf of a row with a number (`segments.seal_stretch`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

SQL = statements("service.seal.sql")
LANE = "lane"
"""The kind of a stretch of a lane; another is the name of a table."""
LEAVES_PER_ROUND = 65_536
# What is read at once of a lane: 8 MiB at most of a leaf each.
OFFSETS_PER_STRETCH = 4096
NUMBERED_PER_ROUND = 1000
STRETCHES_AT_ONCE = 256
FOREVER = "infinity"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which leaves are which rows. lane_id: None for a row with a number, which is first_offset then."""

    first_leaf: int
    leaves: int
    kind: str
    lane_id: int | None
    first_offset: int
    next_offset: int


class LeavesError(Exception):
    """The rows of a stretch are not as many as were sealed."""


async def read_stretches(
    connection: asyncpg.Connection[Any], seal_id: int, first: int, end: int
) -> AsyncIterator[Stretch]:
    """Read the stretches of a seal with leaves in [first, end), in order."""
    while first < end:
        rows = await connection.fetch(SQL["stretches"], seal_id, first, end, STRETCHES_AT_ONCE)
        for row in rows:
            yield Stretch(*row)
        if len(rows) < STRETCHES_AT_ONCE:
            return
        first = rows[-1]["first_leaf"] + rows[-1]["leaves"]


async def read_entries(connection: asyncpg.Connection[Any], stretch: Stretch) -> list[bytes]:
    """Read the entries of a stretch, as many as there are now."""
    if stretch.lane_id is None:
        entry = await connection.fetchval(SQL["numbered_entry"], stretch.kind, stretch.first_offset)
        return [] if entry is None else [entry.encode()]
    row = await connection.fetchrow(
        SQL["lane_entries"], stretch.lane_id, stretch.first_offset, stretch.next_offset, FOREVER
    )
    assert row is not None  # noqa: S101 - an aggregate has a row
    return _lines(row["entries"])


async def read_bundle(
    connection: asyncpg.Connection[Any], seal_id: int, first: int, end: int
) -> list[bytes]:
    """Read the leaves [first, end) of a seal. Raises: LeavesError."""
    leaves: list[bytes] = []
    async for stretch in read_stretches(connection, seal_id, first, end):
        skipped = max(first - stretch.first_leaf, 0)
        until = min(end - stretch.first_leaf, stretch.leaves)
        if stretch.next_offset - stretch.first_offset == stretch.leaves:  # a leaf for each offset
            start = stretch.first_offset
            wanted = replace(
                stretch, leaves=until - skipped, first_offset=start + skipped, next_offset=start + until,
            )  # fmt: skip
            leaves += await _read_sealed(connection, wanted)
        else:
            leaves += (await _read_sealed(connection, stretch))[skipped:until]
    return leaves


async def read_hashes(connection: asyncpg.Connection[Any], stretch: Stretch) -> bytes:
    """Read the leaf hashes of a stretch, in sequence. Raises: LeavesError."""
    return hash_entries(await _read_sealed(connection, stretch))


async def _read_sealed(connection: asyncpg.Connection[Any], stretch: Stretch) -> list[bytes]:
    """Read the entries of a stretch. Raises: LeavesError if they are not as many as were sealed."""
    entries = await read_entries(connection, stretch)
    if len(entries) != stretch.leaves:
        raise LeavesError(stretch)
    return entries


def hash_entries(entries: Sequence[bytes]) -> bytes:
    """Hash leaves; returns their hashes in sequence."""
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


async def read_unsealed(
    connection: asyncpg.Connection[Any], seal_id: int, size: int
) -> tuple[list[Stretch], bytes, str]:
    """Read what comes after the sealed leaves: stretches, leaf hashes, and until when it is all of what was recorded.

    Rows with a number first, then lane after lane, at most LEAVES_PER_ROUND and what one stretch has.
    """
    # Read first: whatever was recorded until then is visible to the statements that follow.
    until: str = await connection.fetchval(SQL["recorded_until"])
    stretches, hashes = [], []
    for kind, number, entry in await connection.fetch(
        SQL["unsealed_numbered"], seal_id, NUMBERED_PER_ROUND
    ):
        stretches.append(Stretch(size, 1, kind, None, number, number + 1))
        hashes.append(hash_entries([entry.encode()]))
        size += 1
    start = size
    for lane_id, first, end in await connection.fetch(SQL["unsealed_lanes"], seal_id):
        offset = first
        while offset < end and size - start < LEAVES_PER_ROUND:
            row = await connection.fetchrow(
                SQL["lane_entries"], lane_id, offset, min(offset + OFFSETS_PER_STRETCH, end), until
            )
            assert row is not None  # noqa: S101 - an aggregate has a row
            if not row["leaves"]:
                break
            stretches.append(
                Stretch(size, row["leaves"], LANE, lane_id, offset, row["next_offset"])
            )
            hashes.append(hash_entries(_lines(row["entries"])))
            size, offset = size + row["leaves"], row["next_offset"]
    return stretches, b"".join(hashes), until


def _lines(entries: str | None) -> list[bytes]:
    """Split entries: JSON without raw newlines, one a line."""
    return entries.encode().split(b"\n") if entries else []
