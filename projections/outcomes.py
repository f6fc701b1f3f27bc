"""Outcomes of commands for those who publish them: foreseen, or waited for with one question for all who wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from projections.dry_run import dry_run
from projections.worker import PROJECTION
from schemas.topics import Topics
from service.access.ring import ROLE
from service.api.desk import Desk
from service.database import hurried
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE, Backoff, sleep_unless

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    import asyncpg

    from schemas.command import Command
    from service.api.commands import Handle
    from service.settings import Settings
    from service.topic_ids import Topic

    AskTopics = Callable[[Collection[str]], Awaitable[Mapping[str, Topic | None]]]

log = get_logger("projections.outcomes")
POLL_SECONDS = 0.02
LOOK_SECONDS = 5
# How far the log, and the projections, have come in the open lanes of these records, where these are of their topics:
# at the same place of another topic lies another command.
_REACHED = """
SELECT w.nth::integer - 1 AS nth, l.epoch, l.next_offset > w.kafka_offset AS logged,
    c.next_offset > w.kafka_offset AS projected
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::uuid[])
    WITH ORDINALITY AS w (topic, partition, kafka_offset, topic_id, nth)
INNER JOIN segments.lane AS l ON l.topic = w.topic AND l.partition = w.partition AND NOT l.closed
INNER JOIN projections.generation AS g ON g.projection = $1
LEFT JOIN projections.checkpoint AS c ON c.projection = g.projection AND c.slot = g.slot AND c.lane_id = l.lane_id
WHERE l.next_offset > w.kafka_offset AND l.stopped_because IS NULL AND l.topic_id = w.topic_id IS NOT FALSE
"""
_RESULT = """
SELECT r.*, j.detail
FROM reporting.result AS r
INNER JOIN segments.lane AS l ON r.kafka_topic = l.topic AND r.kafka_partition = l.partition AND r.kafka_epoch = l.epoch
LEFT JOIN segments.rejected AS j ON l.lane_id = j.lane_id AND r.kafka_offset = j.kafka_offset
WHERE r.kafka_topic = $1 AND r.kafka_partition = $2 AND r.kafka_epoch = $3 AND r.kafka_offset = $4
"""


@dataclass(slots=True, eq=False)
class _Waiter:
    handle: Handle
    result: asyncio.Future[dict[str, Any]]
    # Seen in the log, with an outcome that only the projections can tell.
    queued: bool = field(default=False)


class Outcomes:
    """Tells those who wait what became of their records. `run` asks Postgres."""

    def __init__(self, pool: asyncpg.Pool[Any], settings: Settings, ask_topics: AskTopics) -> None:
        """ask_topics: asks the broker which topics some names are now; raises faults of Kafka."""
        self._ask_topics = ask_topics
        self._pool = pool
        self._settings = settings
        self._desk = Desk(pool, settings)
        self._waiting: set[_Waiter] = set()
        self._wanted = asyncio.Event()

    async def wait(self, handle: Handle, seconds: float) -> dict[str, Any] | None:
        """Give a record's row of view result, with `detail`, once it is not `queued`; None when the seconds pass."""
        waiter = _Waiter(handle, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        self._wanted.set()
        try:
            await asyncio.wait((waiter.result,), timeout=seconds)
        finally:
            self._waiting.discard(waiter)
        return waiter.result.result() if waiter.result.done() else None

    async def foresee(self, command: Command, idempotency_key: str | None) -> dict[str, Any]:
        """Say what would become of a command: outcome, before and after; of a rejected one also reason and detail.

        Raises: DatabaseAwayError.
        """
        async with self._desk.transaction() as connection:
            topic = Topics(self._settings.topic_prefix).commands
            verdict = await dry_run(connection, command, idempotency_key, topic)
        foreseen: dict[str, Any] = {
            "outcome": verdict.outcome,
            "before": verdict.before,
            "after": verdict.after,
        }
        if verdict.reason is not None:
            foreseen |= {"reason": verdict.reason, "detail": verdict.detail}
        return foreseen

    async def run(self, stop: asyncio.Event) -> None:
        """Ask for all who wait, as long as anybody does, until `stop` is set."""
        backoff = Backoff()
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            if not self._waiting:
                self._wanted.clear()
                wanted = asyncio.ensure_future(self._wanted.wait())
                await asyncio.wait((wanted, stopping), return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
                continue
            try:
                await self._look()
            except INFRASTRUCTURE as error:
                log.info("outcomes are not looked for", error=f"{type(error).__name__}: {error}")
                await sleep_unless(stop, backoff.next())
            else:
                backoff.reset()
                await sleep_unless(stop, POLL_SECONDS)
        stopping.cancel()

    async def _look(self) -> None:
        waiting = list(self._waiting)
        async with hurried(self._pool, self._settings, ROLE, LOOK_SECONDS) as connection:
            reached = await connection.fetch(
                _REACHED,
                PROJECTION,
                *([waiter.handle[part] for waiter in waiting] for part in range(4)),
            )
        if not reached:
            return
        # It was this topic before the record was sent, and is now: so the record lies in it.
        there = await self._ask_topics({waiting[row["nth"]].handle.topic for row in reached})
        async with hurried(self._pool, self._settings, ROLE, LOOK_SECONDS) as connection:
            for row in reached:
                waiter = waiting[row["nth"]]
                if waiter.queued and not row["projected"]:
                    continue
                topic, partition, offset, topic_id, received_ms = waiter.handle
                now = there[topic]
                if now is None or now.is_another(topic_id):
                    continue
                result = await connection.fetchrow(_RESULT, topic, partition, row["epoch"], offset)
                if result is None or result["outcome"] == "queued":
                    waiter.queued = True
                elif not _is_older(result, received_ms) and not waiter.result.done():
                    waiter.result.set_result(dict(result))


def _is_older(result: asyncpg.Record, received_ms: int | None) -> bool:
    """Whether it was received before our record was: another one, of a topic that lost its tail since."""
    return received_ms is not None and result["received_at"].timestamp() * 1000 < received_ms - 1
