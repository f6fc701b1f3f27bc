"""Outcomes of commands in the log, by reference or position."""

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
    """A requested position; without an epoch it is in the open lane."""

    topic: str
    partition: int
    epoch: int | None
    offset: int


class Front(NamedTuple):
    """The position of the log in an open lane. topic_id: Kafka's id of the topic that it has read, if known."""

    epoch: int
    next_offset: int
    topic_id: UUID | None
    is_stopped: bool

    def is_another(self, topic: Topic | None) -> bool:
        """Whether the topic in Kafka is not the one that the lane reads. topic: the current one, if known."""
        return self.is_stopped or (topic is not None and topic.is_another(self.topic_id))


class Found(NamedTuple):
    """What the log has at a position.

    awaited: the epoch in which the log may still reach it; None: it never will. hole: why there is no record.
    lane: the open lane of its partition.
    """

    row: Row | None
    awaited: int | None = None
    hole: str | None = None
    lane: Front | None = None


# The open lanes of each command topic, by partition.
Fronts = dict[str, dict[int, Front]]


async def read_fronts(connection: asyncpg.Connection[Any], settings: Settings) -> Fronts:
    """Read the log's positions in all open lanes."""
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

    Returns: rows of view result with `detail`, and the place to continue after; None at the end.
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
    """Read a network's results at places (lane_id, offset) in the log; return rows of view result by place."""
    if not places:
        return {}
    lanes, offsets = (list(part) for part in zip(*places, strict=True))
    found = {}
    for row in await connection.fetch(_SQL["results"], network_id, lanes, offsets):
        result = dict(row)
        found[result.pop("lane_id"), row["kafka_offset"]] = result
    return found


async def may_carry(connection: asyncpg.Connection[Any], network_id: str, topic: str) -> bool:
    """Whether a topic may carry commands of the network."""
    return bool(await connection.fetchval(_SQL["may_carry"], network_id, topic))


async def read_position(
    connection: asyncpg.Connection[Any],
    settings: Settings,
    network_id: str,
    position: PositionQuery,
) -> Found:
    """Read what the log has at a position, for a network.

    A record without a readable network belongs to the network in its key, `network_id:user`.
    """
    lane = await connection.fetchrow(_SQL["place"], *position)
    if lane is None:
        # The partition was not read yet. Other topics are not requested from Kafka, which might create them.
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
