"""Lane 0 in tests: its records, and what an operator does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.topics import Topics
from service.ingest.role import ingest
from service.kafka.clients import connection_options
from service.operations import lanes
from service.operations.skip import skip as skip_records
from service.postgres.database import open_database
from tests.support.accounts import logged
from tests.support.command_line import run
from tests.support.database import rows
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

STOPPED = "SELECT stopped_because FROM segments.lane WHERE partition = 0 AND NOT closed"


async def publish_users(settings: Settings, *users: str, lane: int = 0) -> None:
    await publish(settings, [NewRecord(lane=lane, user=user) for user in users])


async def lane_command(settings: Settings, *arguments: str) -> dict[str, Any]:
    """Run `segments lane …` of the first lane."""
    done = await run(
        settings, "lane", *arguments, "--partition", "0", "--reason", "a test", "--actor", "tester",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    result: dict[str, Any] = done.json
    return result


async def adopt(settings: Settings, start: int | None = None) -> dict[str, Any]:
    async with open_database(settings, lanes.ROLE, 1) as connections:
        return await lanes.adopt(connections, first_lane(settings), start, "a test", "tester")


async def skip(settings: Settings, to: int) -> dict[str, Any]:
    async with open_database(settings, lanes.ROLE, 1) as connections:
        return await skip_records(connections, first_lane(settings), to, "a test", "tester")


def first_lane(settings: Settings) -> TopicPartition:
    return TopicPartition(Topics(settings.topic_prefix).commands, 0)


async def users(settings: Settings) -> list[str]:
    """Return the users of all events in the order of their positions."""
    events = await rows(
        settings,
        "SELECT user_id FROM reporting.event ORDER BY kafka_partition, kafka_epoch, kafka_offset",
    )
    return [row["user_id"] for row in events]


async def read_and_stop(settings: Settings, *users: str) -> None:
    """Read some records with a process that then ends."""
    await publish_users(settings, *users)
    async with service(settings, ingest):
        await logged(settings)


async def publish_stamped(settings: Settings, at: float, *users: str) -> None:
    """Publish commands with a producer's timestamp, in Unix seconds."""
    async with AIOKafkaProducer(**connection_options(settings)) as producer:
        for user in users:
            await producer.send_and_wait(
                Topics(settings.topic_prefix).commands, command_json(user=user), partition=0,
                timestamp_ms=int(at * 1000),
            )  # fmt: skip
