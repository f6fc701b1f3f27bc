"""complete_until and recorded_until: never falling, never saying too much, and moving on when nothing comes."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from projections.fold.worker import ROLE, Worker, adopt_lanes, project
from service.ingest.role import ingest
from service.kafka.topic_ids import Topic
from service.operations.lanes import ROLE as OPERATE
from service.operations.lanes import _adopt, _Seen
from service.postgres.database import open_database
from tests.projections.folding import fold, log
from tests.support.database import connected, folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import LogLane, command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_SAMPLE = """
SELECT complete_until, recorded_until, (
    SELECT jsonb_object_agg(l.lane_id, c.next_offset) FROM segments.lane AS l
    JOIN projections.checkpoint AS c ON c.lane_id = l.lane_id
    JOIN projections.generation AS g ON g.projection = c.projection AND g.slot = c.slot
)::text AS projected FROM reporting.watermark
"""
# Events that were not in the projections when the sample was taken, although the watermark said so.
_TOO_EARLY = """
SELECT count(*) FROM segments.event AS e
JOIN jsonb_each_text($1::jsonb) AS p (lane_id, next_offset) ON e.lane_id = p.lane_id::integer
WHERE e.kafka_offset >= p.next_offset::bigint AND (e.received_at < $2 OR e.recorded_at < $3)
"""


async def sample_until(settings: Settings, stop: asyncio.Event, samples: list[Any]) -> None:
    async with connected(settings, "segments_project") as connection:
        await connection.execute("RESET ROLE")
        while not stop.is_set():
            samples.append(await connection.fetchrow(_SAMPLE))
            await asyncio.sleep(0.01)


def have_moved(samples: list[Any]) -> bool:
    """Whether both watermarks were seen at more than three times."""
    return all(
        len({sample[name] for sample in samples} - {None}) > 3
        for name in ("complete_until", "recorded_until")
    )


async def test_watermarks_never_fall_and_never_say_too_much_under_load_and_drained_lanes_advance(
    ready: Settings,
) -> None:
    small = ready.model_copy(update={"ingest_batch_records": 60, "project_batch_records": 40})
    stop = asyncio.Event()
    async with service(small, ingest, project):
        samples: list[Any] = []
        sampling = asyncio.create_task(sample_until(ready, stop, samples))
        turns = itertools.count()
        while (turn := next(turns)) < 12 or not have_moved(samples):
            await publish(
                ready,
                [NewRecord(user=f"u{n}", reference_id=f"{turn}", lane=n % 4) for n in range(100)],
            )
        await folded(ready)
        # Nothing comes any more: what is complete follows the clock at 5 s.
        reached = await until(
            ready,
            "SELECT complete_until FROM reporting.watermark"
            " WHERE complete_until > (SELECT max(received_at) FROM segments.lane)",
        )
        assert reached <= datetime.now(UTC) - timedelta(seconds=4.9)
        await until(
            ready,
            "SELECT recorded_until > clock_timestamp() - interval '4 seconds' FROM reporting.watermark",
        )
        stop.set()
        await sampling
    for name in ("complete_until", "recorded_until"):
        known = [sample[name] for sample in samples]
        first = next(n for n, one in enumerate(known) if one is not None)
        assert None not in known[first:]
        assert known[first:] == sorted(known[first:])
        assert len(set(known[first:])) > 3
    async with connected(ready) as connection:
        for sample in samples[:: max(1, len(samples) // 150)]:
            if sample["complete_until"] is not None and sample["recorded_until"] is not None:
                assert not await connection.fetchval(
                    _TOO_EARLY,
                    sample["projected"],
                    sample["complete_until"],
                    sample["recorded_until"],
                )


async def test_a_stopped_lane_holds_the_watermark_while_the_others_go_on(
    database: Settings,
) -> None:
    async with log(database, 2) as lanes, service(database, project):
        for lane in lanes:
            await lane.append(command_json(user=f"u{lane.lane.partition}"))
        await until(
            database,
            "SELECT complete_until IS NOT NULL AND projection_behind = 0 FROM reporting.watermark",
        )
        held = await value(database, "SELECT complete_until FROM reporting.watermark")
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE segments.lane SET stopped_because = 'a test' WHERE partition = 0"
            )
            await connection.execute(
                "UPDATE segments.lane SET end_offset = next_offset, quiet_offset = next_offset, quiet_at = now(),"
                " end_seen_at = now() + interval '1 hour'"
            )
        await until(
            database,
            "SELECT complete_until > now() + interval '59 minutes' FROM projections.checkpoint AS c"
            " JOIN segments.lane AS l USING (lane_id) WHERE l.partition = 1",
        )
        (row,) = await rows(database, "SELECT * FROM reporting.watermark")
        assert row["stopped_lanes"] == 1
        assert row["complete_until"] <= held + timedelta(seconds=1)
        async with connected(database) as connection:
            await connection.execute("UPDATE segments.lane SET stopped_because = NULL")
        await until(
            database,
            "SELECT complete_until > now() + interval '59 minutes' FROM reporting.watermark",
        )


async def test_freshness_says_how_far_log_and_projection_are_behind(database: Settings) -> None:
    small = database.model_copy(update={"project_batch_records": 4})
    async with log(database, 2) as (lane, other):
        await lane.append(*(command_json(user=f"u{n}") for n in range(10)))
        await other.append(command_json(user="x"))
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE segments.lane SET end_offset = next_offset + 3, end_seen_at = now() WHERE partition = 0"
            )
        async with open_database(small, ROLE, 1) as connections:
            await Worker(connections).step()
            await Worker(connections).step()
    found = await rows(
        database,
        "SELECT kafka_partition, kafka_end_offset, log_offset, projected_offset, ingest_behind, projection_behind"
        " FROM reporting.freshness ORDER BY 1",
    )
    assert [tuple(row.values()) for row in found] in (
        [(0, 13, 10, 4, 3, 6), (1, None, 1, 1, 0, 0)],
        [(0, 13, 10, 8, 3, 2), (1, None, 1, 0, 0, 1)],
    )
    behind = await rows(
        database, "SELECT ingest_behind, projection_behind FROM reporting.watermark"
    )
    assert [tuple(row.values()) for row in behind] in ([(3, 6)], [(3, 3)])


async def test_a_closed_lane_counts_until_it_is_folded(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json())
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE projections.checkpoint SET complete_until = '2024-01-01', recorded_until = '2024-01-01'"
            )
            await connection.execute("UPDATE segments.lane SET closed = true")
        assert (
            await value(database, "SELECT complete_until FROM reporting.watermark")
        ).year == 2024
        await fold(database)
    assert await value(database, "SELECT complete_until FROM reporting.watermark") is None
    assert await value(database, "SELECT projection_behind FROM reporting.watermark") == 0


async def test_a_lane_without_a_checkpoint_yet_neither_lowers_nor_raises_the_watermark(
    database: Settings,
) -> None:
    """Workers alone make checkpoints: a lane that was opened, or adopted, has none until one sees it."""
    watermark = "SELECT complete_until, recorded_until FROM reporting.watermark"
    missing = "SELECT count(*) FROM projections.progress WHERE NOT has_checkpoint"
    async with log(database, 2) as (lane, _):
        await lane.append(command_json())
        await fold(database)
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE projections.checkpoint AS c SET complete_until = d.day, recorded_until = d.day"
                " FROM segments.lane AS l, LATERAL (SELECT '2024-01-01'::timestamptz + l.partition * interval '1 day'"
                " AS day) AS d WHERE c.lane_id = l.lane_id"
            )
        before = await rows(database, watermark)
        assert before[0]["complete_until"].day == 1
        opened = LogLane(lane.database, lane.lane.topic, 2)
        await opened.open()
        await opened.append(command_json(user="x"))
        async with open_database(database, OPERATE, 1) as operating:
            seen = _Seen(Topic(None, frozenset({0})), 0, 1, None, is_as_read=False)
            await _adopt(operating, TopicPartition(*lane.lane[:2]), seen, 0, "a test", None)
        assert await value(database, missing) == 2
        assert await rows(database, watermark) == before
        async with (
            open_database(database, ROLE, 1) as connections,
            connections.transaction() as one,
        ):
            assert await adopt_lanes(one, 0)
        assert await value(database, missing) == 0
        assert await rows(database, watermark) == before
        assert await fold(database) == 1
    assert await value(database, "SELECT projection_behind FROM reporting.watermark") == 0
    await sound(database)
