"""A superuser with triggers off changes rows, tiles and checkpoints: the audit finds and names each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.seal.audit import Auditor
from service.seal.leaves import hash_entries
from service.seal.note import Checkpoint
from service.seal.tree import Edge
from tests.seal.conftest import audited
from tests.support.database import UNGUARDED, connected, erase, rows
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.seal.conftest import Site

pytestmark = pytest.mark.stack
# Of each table the columns that stand for no row's content: keys of other tables are found through what they name.
TABLES = {
    "event": "kafka_offset = 1",
    "duplicate": "kafka_offset = 4",
    "rejected": "kafka_offset = 3",
    "hole": "first_offset = 5",
    "registry_event": "version = 1",
    "lane_event": "lane_event_id = 1",
    "retry": "retry_id = 1",
    "erasure": "erasure_id = 1",
    "rejected_erasure": "rejected_erasure_id = 1",
    "source_event": "version = 1",
    "analyst_event": "analyst_event_id = 1",
    "segment": "segment_key = 1",
    "person": "person_id = 2",
}
# Another value of each type.
ANOTHER = {
    "integer": "coalesce({0}, 0) + 1000",
    "bigint": "coalesce({0}, 0) + 1000",
    "smallint": "6 - coalesce({0}, 0)",
    "text": "coalesce({0}, '') || 'x'",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 microsecond'",
    "bytea": r"coalesce({0}, '') || '\x00'",
    "json": "'{{\"other\": 1}}'",
    "jsonb": "'{{\"other\": 1}}'",
    "boolean": "NOT {0}",
    "ARRAY": "'{{add}}'",
}
SWAPPED = """
UPDATE segments.event SET kafka_offset = 101 - kafka_offset WHERE kafka_offset < 2;
UPDATE segments.event SET kafka_offset = kafka_offset - 100 WHERE kafka_offset >= 100
"""
# What the leaf of the change that made the segment says, under its time and actor.
UNCOVERED = {("segment", "created_at"), ("segment", "created_by")}


async def filled(site: Site) -> None:
    """Append a row of every kind, and erase somebody else."""
    await site.lane.append(
        command_json(user="gone", description="what she said"),
        command_json(
            user="u", description="why", metadata={"a": 1}, status_change_timestamp=1_700_000_000
        ),
        command_json(user="w"),
        b"{",
        command_json(
            user="u", description="why", metadata={"a": 1}, status_change_timestamp=1_700_000_000
        ),
    )
    await site.lane.store(await site.lane.appender.prepare(
        site.lane.lane, site.lane.lane_id, 5, 8, [], site.lane.received_ms, site.lane.incarnation
    ))  # fmt: skip
    await erase(site.settings, "gone")
    async with connected(site.settings) as connection:
        await connection.execute(
            "INSERT INTO segments.retry (lane_id, kafka_offset, actor) VALUES (1, 3, 'a');"
            "INSERT INTO segments.rejected_erasure (lane_id, kafka_offset, actor, reason) VALUES (1, 9, 'a', 'b');"
            "INSERT INTO segments.source_event (version, topic, topic_prefix, change, actor)"
            " VALUES (1, 't', 'p', 'allowed', 'a');"
            "INSERT INTO segments.analyst_event (role_name, network_id, change) VALUES ('r', 'n', 'granted')"
        )
    await site.seal()


async def forge(site: Site, statement: str) -> None:
    async with connected(site.settings) as connection:
        await connection.execute(UNGUARDED + statement)


async def test_an_untouched_log_has_no_difference_also_after_an_erasure(site: Site) -> None:
    await filled(site)
    assert await audited(site) == []
    await erase(site.settings, "u")
    assert await audited(site) == []
    await site.seal()
    assert await audited(site) == []


async def test_each_altered_column_of_each_table_is_found(site: Site) -> None:
    await filled(site)
    columns = await rows(
        site.settings,
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'segments'"
        " AND table_name = ANY ($1::text[])",
        list(TABLES),
    )
    missed, seen = [], 0
    for table, column, kind in (row.values() for row in columns):
        if (table, column) in UNCOVERED:
            continue
        seen += 1
        async with connected(site.settings) as connection:
            await connection.execute("BEGIN;" + UNGUARDED)
            await connection.execute(_unchecked(table))
            done = await connection.execute(
                f"UPDATE segments.{table} SET {column} = {ANOTHER[kind].format(column)} WHERE {TABLES[table]}"
            )
            assert done == "UPDATE 1", (table, column)
            await connection.execute(
                "SET LOCAL ROLE segments_seal; SET LOCAL search_path = pg_catalog, segments"
            )
            faults = (await Auditor(connection, site.folder, site.signer.verifier).run({})).faults
            if not faults:
                missed.append((table, column))
            await connection.execute("ROLLBACK")
    assert missed == []
    assert seen > 90


def _unchecked(table: str) -> str:
    """Drop what would refuse another value."""
    return f"""
    DO $$ DECLARE c name; BEGIN
        FOR c IN SELECT conname FROM pg_constraint
            WHERE conrelid = 'segments.{table}'::regclass AND contype IN ('c', 'f')
        LOOP EXECUTE format('ALTER TABLE segments.{table} DROP CONSTRAINT %I', c); END LOOP;
        FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'segments.{table}'::regclass AND attidentity <> ''
        LOOP EXECUTE format('ALTER TABLE segments.{table} ALTER COLUMN %I DROP IDENTITY', c); END LOOP;
    END $$;
    """


@pytest.mark.parametrize(
    ("statement", "place", "fault"),
    [
        ("DELETE FROM segments.event WHERE kafka_offset = 1", ":0:0:1", "missing"),
        ("DELETE FROM segments.event WHERE kafka_offset = 0", ":0:0", "missing"),
        (
            "INSERT INTO segments.hole SELECT lane_id, 6, 7, cause, recorded_at, digest FROM segments.hole",
            ":0:0:6", "inserted",
        ),
        (SWAPPED, ":0:0:0", "altered"),
        ("UPDATE segments.person SET user_id = 'x' WHERE erased > 0", "1", "erasure"),
        ("DELETE FROM segments.lane_event WHERE lane_event_id = 2", "lane_event 2", "missing"),
    ],
)  # fmt: skip
async def test_deleted_inserted_and_swapped_rows_are_named(
    site: Site, statement: str, place: str, fault: str
) -> None:
    await filled(site)
    await forge(site, statement)
    first = (await audited(site))[0]
    assert place in first["key"]
    assert fault in first["fault"]


async def forged_seal(site: Site) -> list[tuple[Any, bytes]]:
    """Make the tiles that the rows have now."""
    async with connected(site.settings, "segments_seal") as connection:
        from service.seal.leaves import read_entries, read_stretches  # noqa: PLC0415

        edge = Edge()
        tiles: list[tuple[Any, bytes]] = []
        async for stretch in read_stretches(connection, 1, 0, site.checkpoint().size):
            entries = await read_entries(connection, stretch)
            tiles += edge.append(hash_entries(entries))
        return [*tiles, *edge.partial_tiles()]


async def test_tiles_altered_to_match_the_rows_contradict_the_checkpoint(site: Site) -> None:
    await filled(site)
    await forge(site, "UPDATE segments.event SET actor = 'nobody' WHERE kafka_offset = 1")
    site.folder.write_tiles(await forged_seal(site))
    faults = await audited(site)
    assert "the tiles do not make its root" in {fault["fault"] for fault in faults}
    assert "the rows do not make its root" in {fault["fault"] for fault in faults}


async def test_everything_altered_contradicts_a_checkpoint_that_was_kept_elsewhere(
    site: Site,
) -> None:
    await filled(site)
    kept = site.folder.read_checkpoint()
    await forge(
        site,
        "UPDATE segments.event AS e SET actor = 'nobody', digest = digest WHERE kafka_offset = 1",
    )
    tiles = await forged_seal(site)
    edge = Edge()
    list(edge.append(b"".join(content for tile, content in tiles if tile.level == 0)))
    note = site.signer.sign(Checkpoint("example.com/seal", edge.size, edge.root).text())
    site.folder.write_tiles(tiles)
    site.folder.write_checkpoint(note)
    async with connected(site.settings) as connection:
        await connection.execute(UNGUARDED + "SELECT 1")
        await connection.execute("UPDATE segments.seal_round SET root = $1", edge.root)
        await connection.execute("UPDATE segments.seal_checkpoint SET note = $1", note)
    assert "the given checkpoint" not in {f["key"] for f in await audited(site)}
    assert "the given checkpoint" in {f["key"] for f in await audited(site, kept)}


async def test_a_missing_tile_and_an_altered_inner_tile_are_found(site: Site) -> None:
    await site.lane.append(*(command_json(user=f"u{n}") for n in range(300)))
    await site.seal()
    assert await audited(site) == []
    inner = site.folder.path / "tile" / "1" / "000.p" / "1"
    kept = inner.read_bytes()
    inner.write_bytes(bytes(32))
    assert [fault["kind"] for fault in await audited(site)] == ["tile"]
    inner.write_bytes(kept)
    (site.folder.path / "tile" / "0" / "000").unlink()
    assert await audited(site) != []


async def test_a_replaced_checkpoint_is_found(site: Site) -> None:
    await filled(site)
    checkpoint = site.checkpoint()
    for other in (
        Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)),
        Checkpoint(checkpoint.origin, checkpoint.size + 1, checkpoint.root),
        Checkpoint(checkpoint.origin, checkpoint.size - 1, checkpoint.root),
        Checkpoint("elsewhere", checkpoint.size, checkpoint.root),
    ):
        site.folder.write_checkpoint(site.signer.sign(other.text()))
        assert {fault["kind"] for fault in await audited(site)} == {"checkpoint"}


async def test_without_tiles_an_altered_row_is_named_by_its_round(site: Site) -> None:
    await site.lane.append(command_json(user="u"))
    await site.seal()
    await site.lane.append(command_json(user="v"))
    await site.seal()
    await forge(site, "UPDATE segments.event SET source = 'cli' WHERE kafka_offset = 1")
    faults = await audited(site, tiles=False)
    assert faults[0]["kind"] == "round"
    assert faults[0]["key"].endswith(":0:0:1")
