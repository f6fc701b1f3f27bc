"""Proofs that a record is in the log, as files of C2SP tlog-proof.

The extra line is base64 of a JSON object: `entry`, the leaf as text, and what its digest is made of, so that a reader
sees what the record said. The digest is the first 16 bytes of SHA-256 of `personal` and `covered`, both hex; `personal`
likewise of `salt` (hex), the members of `record` in order, and `who`. A member of `record` is null, text, or an object
with `hex`; it counts as its length in four bytes and itself, null as four bytes ff. Once a person is erased, `personal`
stands in the place of `salt`, `record` and `who`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from service.postgres.database import statements
from service.runtime.errors import NotSealedError, NotThereError
from service.seal.leaves import Stretch
from service.seal.tree import Tree, leaf_hash, root_of_inclusion

if TYPE_CHECKING:
    import asyncpg

    from schemas.position import Position
    from service.seal.folder import Folder

SQL = statements("service.seal.sql")
HEADER = "c2sp.org/tlog-proof@v1"
_RECORDS = {
    "event": ("event_record", ("user_sent", "description", "metadata")),
    "rejected": (
        "rejected_record", ("detail", "record_key", "payload", "payload_text", "headers"),
    ),
}  # fmt: skip


async def prove(
    connection: asyncpg.Connection[Any],
    folder: Folder,
    position: Position,
    network_id: str | None = None,
) -> str:
    """Prove that a record is in the log. network_id: whose it must be; None: anybody's.

    Raises: NotThereError if there is no such record, or it is another network's; NotSealedError if it is not sealed
    yet, or the folder lacks the tiles.
    """
    seal, last = await read_sealed(connection)
    place = seal and await connection.fetchrow(
        SQL["leaf_place"], seal["seal_id"], position.topic, position.partition, position.epoch,
        position.offset,
    )  # fmt: skip
    if not last or not place or place["first_leaf"] + place["leaves"] > last["tree_size"]:
        raise NotSealedError(f"({position})")
    stretch = Stretch(*place)
    rows = await connection.fetch(
        SQL["lane_rows"], stretch.lane_id, stretch.first_offset, position.offset + 1
    )
    if not rows or rows[-1]["next_offset"] <= position.offset:
        raise NotThereError(f"({position}: its row is missing; `segments audit` says more)")
    row, index = rows[-1], stretch.first_leaf + len(rows) - 1
    if network_id is not None and json.loads(row["entry"]).get("network_id") != network_id:
        raise NotThereError(f"({position})")
    tree = Tree(last["tree_size"], folder.read_tile)
    try:
        hashes = await asyncio.to_thread(tree.inclusion, index)
    except FileNotFoundError as error:
        raise NotSealedError(f"({folder.path} lacks a tile)") from error
    entry = row["entry"].encode()
    if root_of_inclusion(index, tree.size, leaf_hash(entry), hashes) != last["root"]:
        raise NotThereError(f"({position}: its row is not what was sealed; run `segments audit`)")
    extra = {"entry": row["entry"]} | await _record(connection, stretch.lane_id, row)
    return "\n".join(
        (
            HEADER,
            f"extra {base64.b64encode(json.dumps(extra, ensure_ascii=False).encode()).decode()}",
            f"index {index}",
            *(base64.b64encode(one).decode() for one in hashes),
            "",
            last["note"],
        )
    )


async def read_sealed(
    connection: asyncpg.Connection[Any],
) -> tuple[asyncpg.Record | None, asyncpg.Record | None]:
    """Read the seal that goes on and its newest checkpoint; None where there is none yet."""
    seal = await connection.fetchrow(SQL["newest_seal"])
    last = seal and await connection.fetchrow(SQL["last_checkpoint"], seal["seal_id"])
    return seal, last


async def read_state(connection: asyncpg.Connection[Any]) -> dict[str, Any]:
    """Return origin, opened_at, tree_size, signed_at (null: nothing is sealed), stopped_because, and is_running."""
    row = await connection.fetchrow(SQL["seal_state"])
    assert row is not None  # noqa: S101 - the lease has one row
    return dict(row)


async def _record(
    connection: asyncpg.Connection[Any], lane_id: int | None, row: asyncpg.Record
) -> dict[str, Any]:
    """Give what a row's digest is made of; nothing for kinds whose entry says it all."""
    if row["kind"] not in _RECORDS:
        return {}
    statement, members = _RECORDS[row["kind"]]
    record = await connection.fetchrow(SQL[statement], lane_id, row["first_offset"])
    assert record is not None  # noqa: S101 - its entry was just read
    covered = {"covered": record["covered"].hex()}
    if record["blanked"] is not None:
        return covered | {"personal": record["blanked"].hex()}
    return covered | {
        "salt": record["salt"].hex(),
        "who": record["who"],
        "record": {name: _member(record[name]) for name in members},
    }


def _member(value: str | bytes | None) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value
