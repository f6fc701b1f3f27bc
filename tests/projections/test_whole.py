"""The fold of whole keys that a rebuild uses gives what segments.fold gives, for any history (guarantee 5)."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.rebuild import SHARES
from projections.fold.worker import ROLE, SQL
from tests.projections.logged import (
    ADD,
    BLOCK,
    ENTER,
    EXPIRE,
    LANES,
    LEAVE,
    RESET,
    LoggedEvent,
    put,
)
from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# projections.history is the log below slot 0's checkpoints, with segments.fold's state after each event.
_STATES = """
SELECT segment_key, person_id, expected.state::text AS expected, found.state::text AS found
FROM (
    SELECT DISTINCT ON (h.segment_key, h.person_id) h.segment_key, h.person_id, h.state
    FROM projections.history AS h ORDER BY h.segment_key, h.person_id, h.place DESC
) AS expected
FULL JOIN (
    SELECT m.segment_key, m.person_id, projections.state_of(m) AS state
    FROM projections.membership AS m WHERE m.slot = 1
) AS found USING (segment_key, person_id)
WHERE expected.state IS DISTINCT FROM found.state OR expected.state::text IS DISTINCT FROM found.state::text
ORDER BY 1, 2 LIMIT 10
"""
_SIZES = """
SELECT * FROM (
    SELECT m.segment_key, count(*) FILTER (WHERE m.is_member) AS members,
        count(*) FILTER (WHERE m.override = 1) AS added,
        count(*) FILTER (WHERE m.override = 2) AS blocked
    FROM projections.membership AS m WHERE m.slot = 1 GROUP BY m.segment_key
) AS expected
FULL JOIN (SELECT * FROM projections.size WHERE slot = 1) AS found USING (segment_key)
WHERE (expected.members, expected.added, expected.blocked) IS DISTINCT FROM (found.members, found.added, found.blocked)
"""
_DAYS = """
SELECT * FROM (
    SELECT h.segment_key, (h.status_change_timestamp AT TIME ZONE 'UTC')::date AS day,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND (h.state).is_member) AS joined,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND NOT (h.state).is_member) AS departed,
        max(e.recorded_at) AS restated_at,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND h.user_status = 1) AS added,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND h.user_status = 2) AS blocked
    FROM projections.history AS h INNER JOIN segments.event AS e USING (lane_id, kafka_offset) GROUP BY 1, 2
) AS expected
FULL JOIN (SELECT * FROM projections.size_daily WHERE slot = 1) AS found USING (segment_key, day)
WHERE (expected.joined, expected.departed, expected.restated_at, expected.added, expected.blocked)
    IS DISTINCT FROM (found.joined, found.departed, found.restated_at, found.added, found.blocked)
"""
_INTERVALS = """
WITH expected AS (
    SELECT b.segment_key, b.person_id, b.valid_from, b.valid_to, CASE WHEN b.is_change THEN b.lane_id END AS lane_id,
        CASE WHEN b.is_change THEN b.kafka_offset END AS kafka_offset,
        CASE WHEN b.is_change THEN b.user_status END AS user_status, b.is_member, b.override
    FROM (
        SELECT h.*, h.status_change_timestamp AS valid_from, (h.state).effect & 3 <> 0 AS is_change,
            (h.state).is_member, (h.state).override,
            lead(h.status_change_timestamp) OVER (PARTITION BY h.segment_key, h.person_id ORDER BY h.place) AS valid_to
        FROM projections.history AS h WHERE (h.state).effect & 3 <> 0 OR h.place = 1
    ) AS b
    WHERE b.valid_to IS NOT NULL
), found AS (
    SELECT segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, is_member, override
    FROM projections.past_interval WHERE slot = 1
)
(TABLE expected EXCEPT ALL TABLE found) UNION ALL (TABLE found EXCEPT ALL TABLE expected) LIMIT 10
"""
_SAME_OFFSET = """
SELECT count(*) > 0 FROM segments.event AS e
INNER JOIN segments.event AS f
    USING (segment_key, person_id, status_change_timestamp, received_at, kafka_offset)
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.lane AS m ON f.lane_id = m.lane_id
WHERE l.topic = m.topic AND l.partition = m.partition AND l.epoch < m.epoch
"""


def short_histories(longest: int) -> Iterator[list[LoggedEvent]]:
    """Every history of up to `longest` events, in their order: restated overrides and expires of each before."""
    kinds = [(ADD, None), (ADD, 1), (ADD, 2), (BLOCK, None), (BLOCK, 1), (RESET, None), (ENTER, None), (LEAVE, None),
             (EXPIRE, 1), (EXPIRE, 2)]  # fmt: skip
    offset = itertools.count()
    for length in range(1, longest + 1):
        for history in itertools.product(kinds, repeat=length):
            events: list[LoggedEvent] = []
            for nth, (status, more) in enumerate(history):
                # An expire names the event so many before it, whatever that is.
                named = events[-more] if status == EXPIRE and more and more <= nth else None
                lapses = more if status < RESET else None
                events.append(
                    LoggedEvent(
                        status, nth % 2, next(offset), nth * 20_000, nth, nth, lapses, named
                    )
                )
            yield events


def long_histories(rng: random.Random, keys: int) -> Iterator[list[LoggedEvent]]:
    """Histories with ties in each column of the order, late and early, over all lanes."""
    for key in range(keys):
        lapsing = rng.random() < 0.3
        # Each key has a range of offsets to itself, the same in all lanes: one offset in two epochs is frequent.
        places = itertools.product(range(len(LANES)), range(key * 8, key * 8 + 8))
        events: list[LoggedEvent] = []
        for lane, offset in rng.sample(list(places), rng.randint(1, 30)):
            status = rng.choice([ADD, BLOCK, RESET, ENTER, LEAVE, EXPIRE][: 6 if lapsing else 5])
            events.append(
                LoggedEvent(
                    status,
                    lane,
                    offset,
                    at=rng.randrange(6) * 30_000,
                    received=rng.randrange(3),
                    recorded=rng.randrange(50),
                    lapses=rng.choice([None, 7, 8]) if lapsing and status < RESET else None,
                    names=rng.choice(events) if events and status == EXPIRE else None,
                )
            )
        yield events


async def fold_whole(connection: asyncpg.Connection[Any]) -> int:
    """Fold all below slot 0's checkpoints into slot 1, as a rebuild does; gives the number of events."""
    ends = await connection.fetch("SELECT lane_id, next_offset FROM projections.checkpoint")
    await connection.execute(f"SET ROLE {ROLE}; SET search_path = pg_catalog, segments")
    counts = [
        await connection.fetchval(
            SQL["whole"], 1, [end["lane_id"] for end in ends], [end["next_offset"] for end in ends], SHARES, share
        )
        for share in range(SHARES)
    ]  # fmt: skip
    await connection.execute("RESET ROLE")
    return sum(counts)


async def check(connection: asyncpg.Connection[Any]) -> None:
    """Hold slot 1 against segments.fold."""
    counted = await fold_whole(connection)
    assert counted == await connection.fetchval("SELECT count(*) FROM projections.history")
    assert counted > 0
    for query in (_STATES, _INTERVALS, _SIZES, _DAYS):
        assert [dict(row) for row in await connection.fetch(query)] == []


async def test_every_short_history_folded_whole_is_what_the_fold_gives(database: Settings) -> None:
    async with connected(database) as connection:
        await put(connection, short_histories(4))
        await check(connection)


@pytest.mark.parametrize("seed", range(4))
async def test_long_histories_with_ties_and_lapses_folded_whole_are_what_the_fold_gives(
    database: Settings, seed: int
) -> None:
    async with connected(database) as connection:
        rng = random.Random(seed)  # noqa: S311 - the same each time
        await put(connection, long_histories(rng, 1500), above=1000 * seed)
        assert await connection.fetchval(_SAME_OFFSET), (
            "the last column of the order decides nowhere"
        )
        await check(connection)
