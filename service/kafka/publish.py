"""Publishes signed commands to Kafka, for the command line and for retries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command import normalise_user
from schemas.headers import ACTOR, NONCE, REQUEST_ID, SIGNATURE, SOURCE, make_nonce, sign
from schemas.topics import Topics

if TYPE_CHECKING:
    import asyncio

    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

    from schemas.command import Command
    from service.runtime.settings import Settings

Header = tuple[str, bytes]


class Sender(NamedTuple):
    """The signed origin of a command; source is cli, import, retry and so on."""

    source: str
    actor: str | None
    request_id: str | None = None


def record_key(network_id: str, user: str) -> bytes:
    """Return the key that keeps a user's commands in one lane: `network_id:user`, with the user normalised."""
    return f"{network_id}:{normalise_user(user)}".encode()


def signed_headers(
    settings: Settings,
    key: bytes | None,
    value: bytes,
    sender: Sender,
    extra: tuple[Header, ...] = (),
    topic: str | None = None,
) -> list[Header]:
    """Build the headers of a record for a topic (None: the commands topic): `extra`, and the signed origin.

    extra: at most one per name; the signature covers those that matter. Without a signing key only `extra` is returned,
    because unsigned headers are ignored.
    """
    secret = settings.signing_secret
    if secret is None:
        return list(extra)
    headers = [
        (NONCE, make_nonce(time.time()).encode()),
        (SOURCE, sender.source.encode()),
        *extra,
    ]
    if sender.actor is not None:
        headers.append((ACTOR, sender.actor.encode()))
    if sender.request_id is not None:
        headers.append((REQUEST_ID, sender.request_id.encode()))
    topic = topic or Topics(settings.topic_prefix).commands
    headers.append((SIGNATURE, sign(secret, topic, key, value, dict(headers))))
    return headers


async def publish(
    producer: AIOKafkaProducer,
    settings: Settings,
    key: bytes | None,
    value: bytes,
    sender: Sender,
    extra: tuple[Header, ...] = (),
) -> RecordMetadata:
    """Publish one record and wait for the broker's acknowledgement."""
    return await (await enqueue(producer, settings, key, value, sender, extra))


async def enqueue(
    producer: AIOKafkaProducer,
    settings: Settings,
    key: bytes | None,
    value: bytes,
    sender: Sender,
    extra: tuple[Header, ...] = (),
    topic: str | None = None,
) -> asyncio.Future[RecordMetadata]:
    """Hand one record to the producer, for the commands topic or another; await the result for the acknowledgement."""
    topic = topic or Topics(settings.topic_prefix).commands
    headers = signed_headers(settings, key, value, sender, extra, topic)
    future: asyncio.Future[RecordMetadata] = await producer.send(topic, value, key, headers=headers)
    return future


def queued(command: Command, sent: RecordMetadata) -> dict[str, Any]:
    """Describe an acknowledged command. Without a time of its own it has the broker's, and the reference auto:….

    Returns: status, reference_id, status_change_timestamp (Unix seconds), topic, partition, offset.
    """
    at, reference_id = command.status_change_timestamp, command.reference_id
    if reference_id is None and at is None:
        reference_id = f"auto:{sent.topic}-{sent.partition}-{sent.offset}"
    return {
        "status": "queued",
        "reference_id": reference_id,
        "status_change_timestamp": (sent.timestamp or 0) // 1000 if at is None else at,
        "topic": sent.topic,
        "partition": sent.partition,
        "offset": sent.offset,
    }
