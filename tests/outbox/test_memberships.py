"""`<prefix>.memberships` ends with the state of each key that the views show, and only with this service's keys."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.worker import project
from projections.outbox.memberships import publish_memberships
from schemas.topics import Topics
from service.ingest.role import ingest
from service.outbox.rejected import publish_rejected
from tests.support.database import connected, folded, make_segments, rows, until
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
PUBLISHED = """
SELECT bool_and(coalesce(t.next_offset, l.first_offset) >= l.next_offset)
FROM segments.lane AS l LEFT JOIN projections.membership_outbox AS t USING (lane_id)
"""


async def last_words(
    settings: Settings, isolation_level: str = "read_uncommitted"
) -> dict[str, Any]:
    """Give the last value of each key of the memberships topic, None for a tombstone."""
    topic = Topics(settings.topic_prefix).memberships
    return {
        record.key.decode(): record.value and json.loads(record.value)
        for record in await read_topic(settings, topic, isolation_level)
    }


async def standing(settings: Settings) -> dict[str, Any]:
    """Give what each key's last value should be."""
    return {
        f"{row['network_id']}:{row['segment_id']}:{row['user_id']}": {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in row.items()
        }
        for row in await rows(
            settings,
            "SELECT network_id, segment_id, user_id, is_member, override, last_change_at, last_recorded_at"
            " FROM reporting.user_segment",
        )
    }


async def test_the_last_word_on_each_key_is_the_state_that_the_views_show(
    settings: Settings,
) -> None:
    await make_segments(settings, [("n", 1), ("n", 2)])
    rng = random.Random(3)  # noqa: S311
    records = [
        NewRecord(
            user=f"u{rng.randrange(6)}", segment_id=rng.randint(1, 2), lane=rng.randrange(4), reference_id=f"{n}",
            user_status=rng.choice(["add", "block", "reset", "enter", "leave"]),
            status_change_timestamp=1_700_000_000 + rng.randrange(1000),
        )
        for n in range(200)
    ]  # fmt: skip
    async with service(settings, ingest, project, publish_memberships, publish_rejected):
        await publish(settings, [*records[:100], NewRecord(b"not JSON", lane=0)])
        await folded(settings)
        await publish(settings, records[100:])
        await folded(settings)
        await until(settings, PUBLISHED)
        # Again from the begin, as after a lost checkpoint: at least once, and still the last state.
        async with connected(settings) as connection:
            await connection.execute("DELETE FROM projections.membership_outbox WHERE lane_id = 1")
        await until(settings, PUBLISHED)
        await until(
            settings, "SELECT bool_and(r.next_offset >= l.next_offset) FROM segments.lane AS l"
            " LEFT JOIN segments.rejected_outbox AS r USING (lane_id)",
        )  # fmt: skip
    last, states = await last_words(settings), await standing(settings)
    assert len(states) == 12
    assert last == states
    (refused,) = await read_topic(settings, Topics(settings.topic_prefix).rejected)
    told = json.loads(refused.value)
    assert (told["reason"], told["payload_text"], told["payload_is_cut"]) == (
        "not_json",
        "not JSON",
        False,
    )


async def test_a_prefix_that_begins_another_tells_only_its_own(settings: Settings) -> None:
    await make_segments(settings)
    longer = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}.b"})
    async with connected(settings) as connection:
        for one in (settings, longer):
            await connection.execute(
                "WITH l AS (INSERT INTO segments.lane (topic, partition, first_offset, next_offset, holes)"
                " VALUES ($1, 0, 0, 1, 1) RETURNING lane_id) INSERT INTO projections.checkpoint"
                " (projection, slot, lane_id, next_offset) SELECT 'membership', 0, lane_id, 1 FROM l",
                Topics(one.topic_prefix).commands,
            )
    async with service(settings, publish_memberships, publish_rejected):
        await until(
            settings,
            "SELECT count(*) = 1 FROM projections.membership_outbox"
            " WHERE EXISTS (SELECT FROM segments.rejected_outbox)",
        )
    told = "SELECT topic FROM segments.lane WHERE lane_id IN (SELECT lane_id FROM {})"
    for table in ("projections.membership_outbox", "segments.rejected_outbox"):
        assert [row["topic"] for row in await rows(settings, told.format(table))] == [
            Topics(settings.topic_prefix).commands
        ]
