"""Publishing for the API: one producer, answers within two seconds, and never a wrong word on what was published."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from schemas.topics import Topics
from service.api.problems import unavailable
from service.kafka import producing
from service.kept import Kept
from service.telemetry import get_logger
from service.topic_ids import topics_there
from service.waiting import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from uuid import UUID

    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

    from service.deadlines import Deadlines
    from service.publish import Header
    from service.settings import Settings
    from service.topic_ids import Topic

log = get_logger("api.publisher")
# What a request waits for the broker, in all.
ANSWER_SECONDS = 1.8
ASK_SECONDS = 1.0
# The broker refused the record itself: it is not in the topic, and the producer is as good as before.
_REFUSED = (
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    UnknownTopicOrPartitionError,
)
_AWAY = "the broker does not answer"


class Publisher:
    """Publishes to the commands topic. `run` keeps a producer; a new one when the old one is of no more use.

    The producer is idempotent and retries for ever: a record that it took will be in Kafka once, whenever the broker
    is back. So while one hangs, nothing new is taken, and what is refused then is refused for certain.
    """

    def __init__(self, settings: Settings, deadlines: Deadlines) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self._topic = Topics(settings.topic_prefix).commands
        self._kept = Kept(self._producing, log.warning)
        self.run = self._kept.run
        self._hanging: set[asyncio.Future[RecordMetadata]] = set()
        self._seen: dict[str, Topic | None] = {}

    @property
    def is_away(self) -> bool:
        """Whether there is no producer, or a record of it hangs."""
        return self._kept.client is None or bool(self._hanging) or self._kept.is_broken

    @property
    def topic_id(self) -> UUID | None:
        """Kafka's id of the commands topic when the broker was last asked; None while it is not known."""
        topic = self._seen.get(self._topic)
        return None if topic is None else topic.topic_id

    async def ask_topics(self, names: Collection[str]) -> Mapping[str, Topic | None]:
        """Ask the broker that we publish to which topics these names are now; None: there is none.

        Raises: KafkaError, TimeoutError after ASK_SECONDS.
        """
        producer = self._kept.client
        if producer is None:
            raise TimeoutError
        async with asyncio.timeout(ASK_SECONDS):
            there = await topics_there(producer.client, names)
        self._seen |= there
        return there

    async def topics(self, names: Collection[str]) -> Mapping[str, Topic | None]:
        """Give the same, or what was last known where the broker does not answer."""
        with suppress(*INFRASTRUCTURE):
            return await self.ask_topics(names)
        return {name: self._seen.get(name) for name in names}

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[AIOKafkaProducer]:
        try:
            async with producing(self._settings, linger_ms=0) as producer:
                await producer.partitions_for(self._topic)
                self._seen |= await topics_there(producer.client, [self._topic])
                yield producer
        finally:
            self._hanging.clear()

    async def answers(self) -> bool:
        """Whether the broker answers now."""
        producer = self._kept.client
        if producer is None:
            return False
        known: bool = await producer.client.force_metadata_update()
        return known and not self.is_away

    async def submit(
        self, key: bytes, value: bytes, headers: list[Header], deadline: float
    ) -> asyncio.Future[RecordMetadata]:
        """Give a record to the producer; await `acknowledged` with what it gives. deadline: in the loop's time.

        Raises: Problem 503, `published: no`.
        """
        producer = self._kept.client
        if producer is None or self._hanging:
            raise unavailable("broker_away", _AWAY, "no")
        try:
            # Cancelled in here, the record has not been taken: the producer takes it with its last step.
            with self._deadlines.until(deadline):
                taken: asyncio.Future[RecordMetadata] = await producer.send(
                    self._topic, value, key, headers=headers
                )
        except TimeoutError:
            raise unavailable("broker_away", _AWAY, "no") from None
        except KafkaError as error:
            if not isinstance(error, _REFUSED):
                self._kept.replace()
            raise unavailable("broker_away", f"{type(error).__name__}", "no") from error
        return taken

    async def acknowledged(
        self, taken: asyncio.Future[RecordMetadata], deadline: float
    ) -> RecordMetadata:
        """Wait for the broker's acknowledgement, until the deadline.

        Raises: Problem 503, `published: no` where the broker refused it, else `unknown`.
        """
        try:
            with self._deadlines.until(deadline):
                sent = await asyncio.shield(taken)
        except TimeoutError:
            self._hanging.add(taken)
            taken.add_done_callback(self._no_longer_hangs)
            raise unavailable("broker_away", _AWAY, "unknown") from None
        except _REFUSED as error:
            raise unavailable("broker_refuses", type(error).__name__, "no") from error
        except KafkaError as error:
            self._kept.replace()
            raise unavailable("broker_away", type(error).__name__, "unknown") from error
        if sent.offset < 0:  # a retry of what the broker has already, and no longer remembers where
            raise unavailable("broker_away", "published, and not told where", "unknown")
        return sent

    def _no_longer_hangs(self, taken: asyncio.Future[RecordMetadata]) -> None:
        self._hanging.discard(taken)
        if not taken.cancelled() and taken.exception() is not None:
            self._kept.replace()
