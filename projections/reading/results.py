"""What became of commands, by reference or position, as far as the log knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.reading.rows import plain
from schemas.topics import Topics
from service.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.reading.rows import Row
    from service.settings import Settings

_SQL = statements("projections.reading")
_IS_READ = "SELECT EXISTS (SELECT FROM segments.source WHERE topic = $1)"


class Asked(NamedTuple):
    """A position that somebody asks for; without an epoch that of the open lane is meant."""

    topic: str
    partition: int
    epoch: int | None
    offset: int


class Found(NamedTuple):
    """What the log says of a position.

    awaited: the epoch in which the log may come to it yet; None: it never will. hole: why no record of it is there.
    """

    row: Row | None
    awaited: int | None = None
    hole: str | None = None


# Of each topic that commands are read from, by partition: epoch and next offset of its open lane.
Fronts = dict[str, dict[int, tuple[int, int]]]


async def read_fronts(connection: asyncpg.Connection[Any], settings: Settings) -> Fronts:
    """Read how far the log has come in all open lanes."""
    fronts: Fronts = {}
    for row in await connection.fetch(_SQL["fronts"], Topics(settings.topic_prefix).commands):
        lanes = fronts.setdefault(row["topic"], {})
        if row["partition"] is not None:
            lanes[row["partition"]] = (row["epoch"], row["next_offset"])
    return fronts


async def read_references(
    connection: asyncpg.Connection[Any],
    network_id: str,
    reference_id: str,
    after: tuple[int, int],
    limit: int,
) -> tuple[list[Row], tuple[int, int] | None]:
    """Read up to `limit` results with a reference, after a place (lane_id, offset), in the order of places.

    Returns: rows of view result, and the place to go on after; None when there are no more.
    """
    places = await connection.fetch(
        _SQL["result_places"], network_id, reference_id, *after, limit + 1
    )
    shown = places[:limit]
    rows = await connection.fetch(
        _SQL["results"],
        network_id,
        [place["lane_id"] for place in shown],
        [place["kafka_offset"] for place in shown],
    )
    last = tuple(shown[-1]) if len(places) > limit else None
    return [plain(row) for row in rows], last


async def read_position(
    connection: asyncpg.Connection[Any], settings: Settings, network_id: str, asked: Asked
) -> Found:
    """Read what the log says of a position, to a network."""
    lane = await connection.fetchrow(_SQL["place"], asked.topic, asked.partition, asked.epoch)
    if lane is None:
        # Nothing was read of that partition yet. Another topic than ours is not even asked for: that might make it.
        is_ours = asked.topic == Topics(settings.topic_prefix).commands
        is_ours = is_ours or await connection.fetchval(_IS_READ, asked.topic)
        return Found(None, 0 if is_ours and not asked.epoch else None)
    if asked.offset >= lane["next_offset"]:
        return Found(None, None if lane["closed"] else lane["epoch"])
    rows = await connection.fetch(_SQL["results"], network_id, [lane["lane_id"]], [asked.offset])
    if rows:
        return Found(plain(rows[0]))
    place = (lane["lane_id"], asked.offset)
    return Found(None, hole=await connection.fetchval(_SQL["hole"], network_id, *place))
