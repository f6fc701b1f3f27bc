"""The last value of a key in `<prefix>.memberships` is the newest, whichever process is frozen while publishing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from projections.outbox.memberships import SQL
from tests.outbox.test_memberships import PUBLISHED, last_words, standing
from tests.outbox.test_tombstones import TOMBSTONES_PUBLISHED
from tests.support.database import connected, erase, make_segments, until, value
from tests.support.lane import command_json, log_lanes
from tests.support.roles import Process, processes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from stack import Stack
    from tests.support.lane import LogLane

pytestmark = [pytest.mark.stack, pytest.mark.fault]
# More states than one request holds, so that some of them are only in the memory of the leader.
USERS = [f"u{number}" for number in range(4000)]
LEVELS = ("read_uncommitted", "read_committed")
# All events are projected, and the leader waits for the lock of this table, before it reads what to publish.
_HELD = """
SELECT (
    SELECT bool_and(c.next_offset = l.next_offset)
    FROM projections.checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
) AND EXISTS (
    SELECT FROM pg_locks WHERE NOT granted AND relation = 'projections.membership_outbox'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
# The leader has read states since then, and is about to publish them. Postgres shows the beginning of a statement.
_IN_HAND = f"""
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle%' AND starts_with(query, $${SQL["states"][:900]}$$)
        AND state_change > '{{}}'::timestamptz
)
"""


async def say(lane: LogLane, status: str, users: list[str] = USERS) -> None:
    """Append a command for each user; the log has it, and Kafka is not asked."""
    await lane.append(*(command_json(user=user, user_status=status) for user in users))


@asynccontextmanager
async def in_hand(own_stack: Stack, settings: Settings) -> AsyncIterator[tuple[LogLane, Process]]:
    """Give a lane, and a project process that is about to publish states while the broker is frozen."""
    settings = settings.model_copy(update={"project_batch_records": 5000})
    await make_segments(settings)
    async with log_lanes(settings) as (lane,):
        with processes(settings, "project") as (leader,):
            await say(lane, "add", USERS[:10])
            await until(settings, PUBLISHED)  # from now on it publishes at once
            try:
                async with connected(settings) as holder, holder.transaction():
                    await holder.execute("LOCK TABLE projections.membership_outbox")
                    await say(lane, "add")
                    await until(settings, _HELD)
                    await asyncio.to_thread(own_stack.kafka.pause)
                    since = await value(settings, "SELECT clock_timestamp()::text")
                await until(settings, _IN_HAND.format(since))
                yield lane, leader
            finally:
                await asyncio.to_thread(own_stack.kafka.resume)


async def wrong(settings: Settings, level: str) -> dict[str, tuple[Any, Any]]:
    """List the keys whose last published value is not their state: the value, the state."""
    told, states = await last_words(settings, level), await standing(settings)
    return {
        key: (told.get(key), states.get(key))
        for key in told.keys() | states.keys()
        if told.get(key) != states.get(key)
    }


@pytest.mark.parametrize("erased", [[], USERS[-100:]], ids=["states", "erased"])
async def test_a_leader_that_was_frozen_adds_nothing_when_it_wakes(
    own_stack: Stack, faulty: Settings, erased: list[str]
) -> None:
    async with in_hand(own_stack, faulty) as (lane, stopped):
        stopped.pause()
        await asyncio.to_thread(own_stack.kafka.resume)
        with processes(faulty, "project"):
            await say(lane, "block")
            await until(faulty, PUBLISHED)
            number = max([await erase(faulty, user) for user in erased], default=0)
            await until(faulty, TOMBSTONES_PUBLISHED.format(number))
            stopped.resume()
            # It has sent, or tried to send, all that it had read; then it uses its session, which was ended.
            await stopped.wait_for_output("memberships delayed")
            for level in LEVELS:
                assert await wrong(faulty, level) == {}, level


async def test_states_are_published_later_if_the_broker_is_frozen(
    own_stack: Stack, faulty: Settings
) -> None:
    async with in_hand(own_stack, faulty) as (lane, leader):
        open_too_long = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'segments_project'"
            " AND datname = current_database() AND xact_start < now() - interval '2 s'"
        )
        await leader.wait_for_output("memberships delayed")
        assert await value(faulty, open_too_long) == 0
        await asyncio.to_thread(own_stack.kafka.resume)
        await say(lane, "block")
        await until(faulty, PUBLISHED)
        for level in LEVELS:
            assert await wrong(faulty, level) == {}, level
