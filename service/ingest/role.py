"""The ingest role: FastStream's batch subscriber on LaneConsumer, with a lane per assigned partition."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage

from schemas.topics import Topics
from service.ingest.consumer import FETCH_BYTES, LaneConsumer
from service.ingest.lane_writer import LaneWriter
from service.ingest.monitor import Monitor
from service.ingest.preconditions import look_at_topics, name_of_installation
from service.ingest.stalls import log_stalls
from service.kafka.clients import connection_options
from service.kafka.login import refused
from service.log.append import ROLE, Appender
from service.postgres.database import open_database
from service.postgres.notifications import APPENDED, Notifier
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.denied import DENIED
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor
from service.runtime.telemetry import MISKEYED, measures

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from service.ingest.open_lane import Reached
    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("ingest")
DRAIN_SECONDS = 4.0
CANCEL_SECONDS = 1.0
FETCH_RECORDS = 8000
# The delay until an added partition, or a topic that was missing, is found. aiokafka's default is five minutes.
METADATA_MAX_AGE_MS = 2_000
# How long FastStream sleeps after an empty fetch.
EMPTY_FETCH_MS = 2
# Batches that are prepared or wait while others are stored.
BATCHES_AHEAD = 2
_PARTITION = attrgetter("topic", "partition")


async def ingest(settings: Settings, stop: asyncio.Event) -> None:
    """Append commands to the log until `stop` is set; then finish the batches in progress and leave the group.

    Raises: errors that must end the process; faults of Kafka and Postgres are retried.
    """
    measures(MISKEYED)
    topics = await look_at_topics(settings, stop)
    postgres = Supervisor(stop, log, "waiting", level="warning", logs_recovery=True)
    name = await postgres.until_done(partial(name_of_installation, settings))
    if name is None:
        return
    async with (
        open_database(settings, ROLE, settings.ingest_lanes_at_once * 2 + 5) as database,
        asyncio.TaskGroup() as tasks,
    ):
        role = _Ingest(database, tasks, topics, Topics(settings.topic_prefix, name))
        if await role.start(stop):
            # Exclude long-lived objects from garbage collection; else each 50,000 records it visits them again.
            gc.freeze()
            tasks.create_task(role.stop_when(stop))


class _Ingest(ConsumerRebalanceListener):
    """Holds the broker, the consumer and the lanes together."""

    def __init__(
        self,
        database: Database,
        tasks: asyncio.TaskGroup,
        topics: Sequence[str],
        names: Topics,
    ) -> None:
        self._names = names
        self._settings = settings = database.settings
        self._database = database
        self._tasks = tasks
        self._appender = Appender(database)
        self._notifier = Notifier(database, APPENDED)
        self._appender.on_another(self._open_anew)
        self._slots = asyncio.Semaphore(settings.ingest_lanes_at_once)
        self._batches = asyncio.Semaphore(settings.ingest_lanes_at_once + BATCHES_AHEAD)
        self._lanes: dict[TopicPartition, LaneWriter] = {}
        self._reached: dict[TopicPartition, Reached] = {}
        self._running: dict[TopicPartition, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()  # cancelled, and not at their end
        self._consumer: LaneConsumer | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_leaving = False
        self._broker = self._make_broker(topics)

    def _make_broker(self, read: Sequence[str]) -> KafkaBroker:
        broker = KafkaBroker(
            self._settings.kafka_bootstrap_servers.split(","),  # type: ignore[union-attr]
            logger=None,
            consumer_only=True,
            # With True, FastStream would pass each fetch through another thread.
            apply_types=False,
            graceful_timeout=DRAIN_SECONDS,
        )
        subscriber = broker.subscriber(
            *read,
            group_id=self._names.ingest_group,
            batch=True,
            batch_timeout_ms=EMPTY_FETCH_MS,
            max_records=FETCH_RECORDS,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_500,
            listener=self,
            parser=_raw,
            decoder=_undecoded,
        )
        subscriber(self._take)
        return broker

    def _make_consumer(self, **options: Any) -> LaneConsumer:
        options |= connection_options(self._settings) | {
            "enable_auto_commit": False,
            "metadata_max_age_ms": METADATA_MAX_AGE_MS,
            "fetch_max_bytes": FETCH_BYTES,
        }
        self._consumer = LaneConsumer(**options)
        self._consumer.lanes = self._lanes
        self._consumer.fail = self._fail
        return self._consumer

    async def _take(self, fetched: Sequence[Any]) -> None:
        """Feed a fetch to its lanes. FastStream swallows errors, so an error here is stored and ends the process."""
        try:
            batches: dict[TopicPartition, list[Any]] = {}
            for partition, records in groupby(fetched, key=_PARTITION):
                batches.setdefault(TopicPartition(*partition), []).extend(records)
            if self._consumer is not None:
                self._consumer.hand_over(batches)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def start(self, stop: asyncio.Event) -> bool:
        """Join the group, waiting for Kafka if needed; return False if stopped before."""
        kafka = Supervisor(stop, log, "waiting for Kafka", level="warning")
        if not await kafka.until_done(self._join):
            return False
        self._begin_watch(stop)
        return True

    async def _join(self) -> bool:
        try:
            await self._broker.connect()
            # FastStream builds its consumer by this; LaneConsumer feeds lanes and uses the settings' connection.
            self._broker.config.broker_config.builder = self._make_consumer
            await self._broker.start()
        except INFRASTRUCTURE as error:
            if self._consumer is not None:
                await self._consumer.stop()
            if isinstance(error, DENIED):
                raise refused(error) from error
            raise
        return True

    def _begin_watch(self, stop: asyncio.Event) -> None:
        assert self._consumer is not None  # noqa: S101 - made by the broker's start
        watch = Monitor(
            self._database, self._consumer, self._lanes, self._subscribe, self._appender.saw
        )  # fmt: skip
        self._watch = watch
        self._notifying = self._tasks.create_task(self._notifier.run(stop), name="notifier")
        self._watching = self._tasks.create_task(watch.run(stop), name="watch")
        self._stalls = self._tasks.create_task(log_stalls(self._settings, stop), name="stalls")

    def _open_anew(self) -> None:
        """Open each lane again at its row's position, because Postgres was restored or replaced."""
        for lane in self._lanes.values():
            lane.look_again()

    async def _subscribe(self, topics: Collection[str]) -> None:
        """Change the topics to read, because one was allowed or closed. It causes a rebalance."""
        assert self._consumer is not None  # noqa: S101 - the watch is its
        log.info("topics changed", topics=sorted(topics))
        # After subscribing nothing is assigned until the rebalance, so no lane may use its partition.
        while self._lanes:
            await self._close(set(self._lanes))
        self._consumer.subscribe(sorted(topics), listener=self)

    async def stop_when(self, stop: asyncio.Event) -> None:
        """Wait for `stop` or a failure; then finish the batches in progress and leave the group."""
        stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopping, self._failed], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self._is_leaving = True
        self._watching.cancel()
        self._stalls.cancel()
        self._notifying.cancel()
        await self._close(set(self._lanes))
        left = await _unfinished(
            {self._watching, self._stalls, self._notifying, *self._leaving, *self._appender.stop()}
        )
        if left:
            log.warning("Postgres does not respond: connections are dropped")
            self._database.terminate()
        await self._watch.commit()
        await self._broker.stop()
        for task in left:
            # Before Python 3.12, asyncio.wait_for loses a cancellation that coincides with the result.
            task.cancel()
        if self._failed.done():
            self._failed.result()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Start a lane for each partition; it is read once its row is open."""
        try:
            self._begin(assigned)
        except Exception as error:  # aiokafka only logs it
            self._fail(error)
            raise

    def _begin(self, assigned: set[TopicPartition]) -> None:
        consumer = self._consumer
        assert consumer is not None  # noqa: S101 - it is calling
        for partition in assigned:
            # With a pause and a position of its own, the consumer does not request the committed offset.
            consumer.pause(partition)
            consumer.seek(partition, 0)
        if self._is_leaving:
            return  # a rebalance during the stop: nothing would end a lane started now
        for partition in assigned:
            lane = LaneWriter(
                partition,
                consumer,
                self._appender,
                self._database,
                self._slots,
                self._batches,
                self._notifier.notify,
                self._reached.pop(partition, None),
            )
            self._lanes[partition] = lane
            self._running[partition] = self._tasks.create_task(lane.run(), name=str(partition))
        log.info("lanes assigned", lanes=sorted(f"{p.topic}-{p.partition}" for p in assigned))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the appends in progress, and drop the rest; the next owner reads it again."""
        await self._close(set(revoked))

    async def _close(self, partitions: set[TopicPartition]) -> None:
        closing = [p for p in partitions if p in self._lanes]
        await asyncio.gather(*(self._lanes[p].drain(DRAIN_SECONDS) for p in closing))
        # The monitor and a rebalance may close lanes concurrently.
        tasks = [
            self._running.pop(partition) for partition in closing if partition in self._running
        ]
        for partition in closing:
            lane = self._lanes.pop(partition, None)
            if lane is not None and lane.reached is not None:
                self._reached[partition] = lane.reached
        for task in tasks:
            task.cancel()
        # A lane that waits for an unresponsive Postgres delays neither the group nor a stop.
        self._leaving = {task for task in self._leaving if not task.done()} | await _unfinished(
            tasks
        )


async def _unfinished(tasks: Collection[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Return the tasks that have not ended a while after their cancellation."""
    return (await asyncio.wait(tasks, timeout=CANCEL_SECONDS))[1] if tasks else set()


async def _raw(message: Any) -> Any:
    """Parse nothing: lanes read headers and values, and nothing here may fail."""
    return KafkaMessage(body=b"", raw_message=message, consumer=None)  # type: ignore[arg-type]


async def _undecoded(message: Any) -> Any:
    return message.raw_message
