"""What became of commands, by reference or position, as far as the log knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.topics import Topics
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from projections.queries.rows import Row
    from service.kafka.topic_ids import Topic
    from service.runtime.settings import Settings

_SQL = statements("projections.queries.sql")


class PositionQuery(NamedTuple):
    """A position that somebody asks for; without an epoch that of the open lane is meant."""

    topic: str
    partition: int
    epoch: int | None
    offset: int


class Front(NamedTuple):
    """How far the log has come in an open lane. topic_id: Kafka's id of the topic that it has read, if it is known."""

    epoch: int
    next_offset: int
    topic_id: UUID | None
    is_stopped: bool

    def is_another(self, topic: Topic | None) -> bool:
        """Whether what Kafka has is not what the lane reads. topic: as it is there now, if that is known."""
        return self.is_stopped or (topic is not None and topic.is_another(self.topic_id))


class Found(NamedTuple):
    """What the log says of a position.

    awaited: the epoch in which the log may come to it yet; None: it never will. hole: why no record of it is there.
    lane: the open lane, where it is looked for.
    """

    row: Row | None
    awaited: int | None = None
    hole: str | None = None
    lane: Front | None = None


# Of each topic that commands are read from, by partition: its open lane.
Fronts = dict[str, dict[int, Front]]


async def read_fronts(connection: asyncpg.Connection[Any], settings: Settings) -> Fronts:
    """Read how far the log has come in all open lanes."""
    fronts: Fronts = {}
    for row in await connection.fetch(_SQL["fronts"], Topics(settings.topic_prefix).commands):
        lanes = fronts.setdefault(row["topic"], {})
        if row["partition"] is not None:
            lanes[row["partition"]] = _front(row)
    return fronts


async def read_references(
    connection: asyncpg.Connection[Any],
    network_id: str,
    reference_id: str,
    after: tuple[int, int],
    limit: int,
) -> tuple[list[Row], tuple[int, int] | None]:
    """Read up to `limit` results with a reference, after a place (lane_id, offset), in the order of places.

    Returns: rows of view result with `detail`, and the place to go on after; None when there are no more.
    """
    places = await connection.fetch(
        _SQL["result_places"], network_id, reference_id, *after, limit + 1
    )
    shown = places[:limit]
    found = await read_places(connection, network_id, [tuple(place) for place in shown])
    last = tuple(shown[-1]) if len(places) > limit else None
    return list(found.values()), last


async def read_places(
    connection: asyncpg.Connection[Any], network_id: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Row]:
    """Read a network's results at places (lane_id, offset) that the log has; gives rows of view result by place."""
    if not places:
        return {}
    lanes, offsets = (list(part) for part in zip(*places, strict=True))
    found = {}
    for row in await connection.fetch(_SQL["results"], network_id, lanes, offsets):
        result = dict(row)
        found[result.pop("lane_id"), row["kafka_offset"]] = result
    return found


async def may_speak(connection: asyncpg.Connection[Any], network_id: str, topic: str) -> bool:
    """Whether a topic is not for other networks alone."""
    return bool(await connection.fetchval(_SQL["may_speak"], network_id, topic))


async def read_position(
    connection: asyncpg.Connection[Any],
    settings: Settings,
    network_id: str,
    position: PositionQuery,
) -> Found:
    """Read what the log says of a position, to a network.

    A record whose network could not be read is that one's whose key it has, `network_id:user`.
    """
    lane = await connection.fetchrow(_SQL["place"], *position)
    if lane is None:
        # Nothing was read of that partition yet. Another topic than ours is not even asked for: that might make it.
        is_ours = position.topic == Topics(settings.topic_prefix).commands
        is_ours = is_ours or await connection.fetchval(_SQL["is_read"], position.topic)
        return Found(None, 0 if is_ours and not position.epoch else None)
    front = None if lane["closed"] else _front(lane)
    if position.offset >= lane["next_offset"]:
        return Found(None, None if lane["closed"] else lane["epoch"], lane=front)
    place = (lane["lane_id"], lane["kafka_offset"])
    row = (await read_places(connection, network_id, [place])).get(place)
    if row is not None:
        return Found(row, lane=front)
    unread = await connection.fetchrow(_SQL["unread"], network_id, *place)
    if unread is not None:
        return Found(dict(unread), lane=front)
    hole = await connection.fetchval(_SQL["hole"], network_id, *place)
    return Found(None, hole=hole, lane=front)


def _front(row: asyncpg.Record) -> Front:
    return Front(
        row["epoch"], row["next_offset"], row["topic_id"], row["stopped_because"] is not None
    )
