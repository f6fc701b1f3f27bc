"""Fills the log by SQL as the owner: a shortcut for benchmarks; the service never writes the log like this.

The rows are like those of ingest: same lanes, people with salts, digests of the same length, references as in the load.
Lane rows, counters and checkpoints are consistent, so that guarantees and views hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.load import NETWORK, SEGMENTS

if TYPE_CHECKING:
    from benchmarks.world import World

FILLED = "prefill"  # the topic of the filled lanes; it is never read
_PEOPLE = """
INSERT INTO segments.person (network_id, user_id, salt)
SELECT $1, 'customer' || lpad(n::text, greatest(6, length(n::text)), '0') || '@example.com', decode(md5(n::text), 'hex')
FROM generate_series(0, $2::integer - 1) AS n
"""
_LANES = """
INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset, events,
    received_at, recorded_at, end_offset, end_seen_at, quiet_offset, quiet_at, closed)
SELECT $1, n, 0, 0, $2::bigint, $2::bigint, $3, $3, $2::bigint, $3, $2::bigint, $3, true
FROM generate_series(0, $4::integer - 1) AS n
"""
# Event n of lane l: person and segment by multiplicative hashing, so that keys are spread over every lane.
_EVENTS = """
INSERT INTO segments.event (lane_id, segment_key, kafka_offset, person_id, status_change_timestamp,
    received_at, recorded_at, user_status, content, reference_id, discriminator, metadata, digest)
SELECT l.lane_id, s.segment_key, n, p.first + (n * $3::bigint + l.partition) * 7919 % $4::bigint,
    t.at, t.at, t.at, (ARRAY[4, 4, 5, 1, 4, 5, 2, 3])[1 + (n * 31 + l.partition) % 8],
    decode(md5(n::text || l.partition), 'hex'),
    $6::text || lpad(((n * $3::bigint + l.partition) % $7::bigint)::text, 9, '0'), '',
    jsonb_build_object('rule', 'rfm-' || n % 97, 'score', n % 1000 / 10.0, 'run', 'nightly-segments'),
    decode(md5(n::text), 'hex')
FROM segments.lane AS l
CROSS JOIN (SELECT min(person_id) AS first FROM segments.person) AS p
CROSS JOIN generate_series($1::bigint, $2::bigint - 1) AS n
CROSS JOIN LATERAL (SELECT $8::timestamptz + n * $9::interval AS at) AS t
INNER JOIN segments.segment AS s ON s.segment_id = 1 + (n / 7) % $10::integer
WHERE l.topic = $5
"""
_CHECKPOINTS = """
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset)
SELECT 'membership', 0, lane_id, next_offset FROM segments.lane WHERE topic = $1
"""
LANES = 8
STEP = 125_000  # rows per lane and statement


@dataclass(frozen=True, slots=True)
class Filling:
    """What to fill the log with: events of some people in the first segments.

    campaigns: how many references there are; None: one for each event. every: the time between two events of a lane.
    """

    events: int
    people: int
    segments: int = SEGMENTS
    campaigns: int | None = None
    began: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    every: timedelta = timedelta(seconds=30)


async def fill(world: World, filling: Filling) -> None:
    """Insert events into the log, with checkpoints at the end of the lanes, for `segments rebuild`."""
    owner = world.owner
    await owner.execute(_PEOPLE, NETWORK, filling.people)
    each = filling.events // LANES
    ended = filling.began + each * filling.every
    await owner.execute(_LANES, FILLED, each, ended, LANES)
    campaign = "filled-" if filling.campaigns is None else "campaign-"
    said = (FILLED, campaign, filling.campaigns or filling.events, filling.began, filling.every)
    for first in range(0, each, STEP):
        until = min(first + STEP, each)
        await owner.execute(
            _EVENTS, first, until, LANES, filling.people, *said, filling.segments, timeout=1200
        )
    await owner.execute(_CHECKPOINTS, FILLED)
    await owner.execute("VACUUM ANALYZE", timeout=1200)
