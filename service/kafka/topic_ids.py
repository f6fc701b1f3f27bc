"""Topic ids and partitions by topic name. A topic that is created again under the same name has another id.

aiokafka implements Metadata up to version 5; ids exist from version 10 on (Kafka 2.8, KIP-516). So the request is
defined here; older brokers get aiokafka's version, without ids. Unlike aiokafka's own requests it never lets the broker
create the topic. Source: Kafka's protocol guide, Metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka.errors import (
    KafkaConnectionError,
    LeaderNotAvailableError,
    NoError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BytesIO

_NONE = UUID(int=0)
_IDS_FROM = 10


@dataclass(frozen=True, slots=True)
class Topic:
    """An existing topic. topic_id: None if the broker is too old."""

    topic_id: UUID | None
    partitions: frozenset[int]

    def is_another(self, known: UUID | None) -> bool:
        """Whether it is certainly not the topic with this id."""
        return None not in (known, self.topic_id) and known != self.topic_id


class _Uuid(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _Response(Response):
    API_KEY = 3
    API_VERSION = _IDS_FROM
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class _Request(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = _IDS_FROM
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[MetadataRequest_v5 | _Request]):
    """Requests topics by name, with the newest version that both sides support."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is _Request:
            named: list[Any] = [(_NONE, topic, {}) for topic in self._topics]
            return _Request(named, False, False, False, {})  # noqa: FBT003 - the protocol's order
        return request_struct_class(self._topics, False)  # noqa: FBT003 - the protocol's order


async def topics_there(client: Any, names: Iterable[str]) -> dict[str, Topic | None]:
    """Request topics from a broker; None for a topic that does not exist.

    client: a started AIOKafkaClient.
    Raises: KafkaError if the broker does not respond or an ACL is missing.
    """
    node = client.get_random_node()
    if node is None:
        raise KafkaConnectionError("no broker is known")
    answer = await client.send(node, _TopicsRequest(list(names)))
    there: dict[str, Topic | None] = {}
    for code, name, *rest in answer.topics:
        error = for_code(code)
        if error is UnknownTopicOrPartitionError:
            there[name] = None
        elif error in (NoError, LeaderNotAvailableError):
            topic_id = rest[0] if answer.API_VERSION >= _IDS_FROM else _NONE
            partitions = rest[2] if answer.API_VERSION >= _IDS_FROM else rest[1]
            there[name] = Topic(
                None if topic_id == _NONE else topic_id, frozenset(one[1] for one in partitions)
            )
        else:
            raise error(name)
    return there
