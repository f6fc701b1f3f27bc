"""Publishes `expire` for overdue overrides: signed, on the commands topic, like any command.

Any number of processes sweep over the overdue overrides and claim them page by page until `again_at`. A published
expiry is remembered until its override is gone, so that it is not published again while ingest and workers are behind.
The claim of a crashed process runs out; an expiry that is published twice is a duplicate in the log.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from projections.fold.worker import PROJECTION, ROLE
from projections.fold.worker import SQL as FOLD_SQL
from schemas.command.rules import EXPIRY_REFERENCE, UserStatus
from schemas.position import Position
from schemas.topics import Topics
from service.kafka.clients import producing
from service.kafka.publish import Sender, record_key, signed_headers
from service.outbox.runner import run_outbox
from service.postgres.database import statements
from service.runtime.backoff import sleep_unless
from service.runtime.errors import NotSetUpError
from service.runtime.logs import get_logger
from service.runtime.telemetry import EXPIRIES_OVERDUE, set_gauge

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

    from service.postgres.database import Database
    from service.runtime.settings import Settings
    from service.runtime.supervise import Supervisor

log = get_logger("projections.outbox.expiries")
EVERY_SECONDS = 1.0
# While many expiries are pending, a sweep is followed by a pause of this many times its duration.
IDLE_SHARE = 4
PAGE = 500
CLAIM_SECONDS, SEND_SECONDS = 15, 10
_START = (datetime(1970, 1, 1, tzinfo=UTC), 0, 0)
SQL = statements("projections.outbox.sql")


async def publish_expiries(settings: Settings, stop: asyncio.Event) -> None:
    """Publish expiries until `stop` is set, while this installation owns the topic.

    Raises: NotSetUpError.
    """
    await run_outbox(settings, ROLE, stop, _publish, log, "expiries delayed")


async def _publish(database: Database, supervisor: Supervisor) -> None:
    try:
        if database.settings.signing_secret is None:
            await _warn_unsigned(database, supervisor.stop)
            return
        async with producing(database.settings) as producer:
            publisher = _Publisher(database, producer)
            await supervisor.repeat(partial(publisher.sweep, supervisor.stop))
    except asyncpg.UndefinedTableError as error:
        raise NotSetUpError from error


async def _warn_unsigned(database: Database, stop: asyncio.Event) -> None:
    """Warn once, as soon as an override has an expiry, that nothing expires: an unsigned expiry is not accepted."""
    while not stop.is_set():
        async with database.transaction() as connection:
            slot = await connection.fetchval(FOLD_SQL["serving"], PROJECTION)
            lapses = await connection.fetchval(SQL["has_expiries"], slot)
        if lapses:
            log.warning(
                "overrides do not expire: SEGMENTS_SIGNING_KEY is not set",
                fix="set it to the same value for all processes",
            )
            await stop.wait()
        await sleep_unless(stop, EVERY_SECONDS)


class _Publisher:
    def __init__(self, database: Database, producer: AIOKafkaProducer) -> None:
        self._database = database
        self._producer = producer
        self._settings = database.settings
        self._topic = Topics(database.settings.topic_prefix).commands

    async def sweep(self, stop: asyncio.Event) -> float:
        """Publish all that is overdue, and delete obsolete claims; return the seconds until the next sweep.

        Each sweep starts at the beginning, because a late `add` may be overdue on arrival.
        """
        began = time.monotonic()
        after: tuple[datetime, int, int] | None = _START
        overdue = 0
        while after is not None and not stop.is_set():
            count, after = await self._page(after)
            overdue += count
        set_gauge(EXPIRIES_OVERDUE, overdue)
        forgotten = PAGE
        while forgotten == PAGE and not stop.is_set():
            async with self._database.transaction() as connection:
                slot = await connection.fetchval(FOLD_SQL["serving"], PROJECTION)
                status = await connection.execute(SQL["forget_expiries"], slot, PAGE)
            forgotten = int(status.removeprefix("DELETE "))
        return max(EVERY_SECONDS, IDLE_SHARE * (time.monotonic() - began))

    async def _page(
        self, after: tuple[datetime, int, int]
    ) -> tuple[int, tuple[datetime, int, int] | None]:
        """Claim and publish the unclaimed expiries of one page.

        Returns: the number of overdue overrides on it, and the start of the next page, None at the end.
        """
        async with self._database.transaction() as connection:
            slot = await connection.fetchval(FOLD_SQL["serving"], PROJECTION)
            rows = await connection.fetch(SQL["claim_expiries"], slot, *after, PAGE, CLAIM_SECONDS)
        claimed = [row for row in rows if row["ours"]]
        if claimed:
            await self._publish(claimed)
        count = rows[-1]["page"] if rows else 0
        if count < PAGE:
            return count, None
        last = rows[-1]
        return count, (last["expires_at"], last["segment_key"], last["person_id"])

    async def _publish(self, rows: list[asyncpg.Record]) -> None:
        """Publish, and record what the broker has acknowledged; the other claims run out."""
        sent: dict[asyncio.Future[RecordMetadata], asyncpg.Record] = {}
        try:
            async with asyncio.timeout(SEND_SECONDS):
                for row in rows:
                    key, value, headers = _record(self._settings, row)
                    future = await self._producer.send(self._topic, value, key, headers=headers)
                    future.add_done_callback(_look_at)
                    sent[future] = row
                await asyncio.wait(sent)
        finally:
            acknowledged = [
                (row["segment_key"], row["person_id"], *future.result()[:2], future.result().offset)
                for future, row in sent.items()
                if future.done() and not _look_at(future)
            ]
            if acknowledged:
                async with self._database.transaction() as connection:
                    await connection.execute(
                        SQL["note_expiries"],
                        *map(list, zip(*acknowledged, strict=True)),
                        rows[0]["incarnation"],
                    )
        for future in sent:
            future.result()  # raises the broker's error
        log.info("published expiries", count=len(acknowledged))


def _look_at(future: asyncio.Future[RecordMetadata]) -> bool:
    """Whether it failed. Retrieves the exception, so that asyncio does not warn that it was never retrieved."""
    return future.cancelled() or future.exception() is not None


def _record(
    settings: Settings, row: asyncpg.Record
) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Return key, value and headers of one expiry. Its request id is the position of the event that it names."""
    value = json.dumps(
        {
            "network_id": row["network_id"],
            "user": row["user_id"],
            "segment_id": row["segment_id"],
            "user_status": UserStatus.EXPIRE.text,
            "status_change_timestamp": int(row["expires_at"].timestamp()),
            "reference_id": f"{EXPIRY_REFERENCE}{row['event_id']}",
        }
    ).encode()
    position = Position(row["topic"], row["partition"], row["epoch"], row["kafka_offset"])
    key = record_key(row["network_id"], row["user_id"])
    return key, value, signed_headers(settings, key, value, Sender("expiry", None, str(position)))
