"""Topics that are not what they were: remade, truncated, outrun by retention, grown, made by somebody else."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from aiokafka import TopicPartition

from projections.fold.worker import project
from schemas.topics import Topics
from service.ingest import monitor
from service.ingest import role as ingest_module
from service.ingest.role import ingest
from service.kafka.clients import set_up_topics, topic_faults
from service.operations import lanes
from service.operations.skip import skip as skip_records
from service.postgres.database import open_database
from service.runtime.errors import RefusedError
from tests.support.accounts import logged, outcomes
from tests.support.database import folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import command_line, service
from tests.support.topics import (
    administered,
    delete_commands,
    delete_records,
    grow_commands,
    make_commands,
    remake_commands,
)
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
STOPPED = "SELECT stopped_because FROM segments.lane WHERE partition = 0 AND NOT closed"


async def publish_users(settings: Settings, *users: str, lane: int = 0) -> None:
    await publish(settings, [NewRecord(lane=lane, user=user) for user in users])


async def lane_command(settings: Settings, *arguments: str) -> dict[str, Any]:
    """Run `segments lane …` of the first lane."""
    done = await asyncio.to_thread(
        command_line, settings, "lane", *arguments, "--partition", "0", "--reason", "a test",
        "--actor", "tester", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def adopt(settings: Settings, start: int | None = None) -> dict[str, Any]:
    async with open_database(settings, lanes.ROLE, 1) as connections:
        return await lanes.adopt(connections, first_lane(settings), start, "a test", "tester")


async def skip(settings: Settings, to: int) -> dict[str, Any]:
    async with open_database(settings, lanes.ROLE, 1) as connections:
        return await skip_records(connections, first_lane(settings), to, "a test", "tester")


def first_lane(settings: Settings) -> TopicPartition:
    return TopicPartition(Topics(settings.topic_prefix).commands, 0)


async def users(settings: Settings) -> list[str]:
    found = await rows(
        settings,
        "SELECT user_id FROM reporting.event ORDER BY kafka_partition, kafka_epoch, kafka_offset",
    )
    return [row["user_id"] for row in found]


async def read_and_stop(settings: Settings, *users: str) -> None:
    """Read some records with a process that then ends."""
    await publish_users(settings, *users)
    async with service(settings, ingest):
        await logged(settings)


async def test_a_remade_topic_with_more_records_stops_its_lane_and_adopt_goes_on(
    ready: Settings,
) -> None:
    """Hazard 6: nothing of Kafka's would have said so."""
    await read_and_stop(ready, "a", "b")
    await remake_commands(ready)
    await publish_users(ready, "new 0", "new 1", "new 2", "new 3")
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "offset 1" in because
        assert "remade" in because
        assert "segments lane adopt" in because
        await publish_users(ready, "other lane", lane=1)
        await until(ready, "SELECT count(*) FROM segments.event", lambda count: count == 3)
        status = await asyncio.to_thread(command_line, ready, "status", "--wait", "300")
        assert status.returncode == 1
        assert "remade" in status.stdout + status.stderr
        assert await users(ready) == ["a", "b", "other lane"]
        done = await lane_command(ready, "adopt", "--from", "earliest")
        assert (done["kafka_epoch"], done["next_offset"]) == (1, 0)
        await folded(ready)
    assert await outcomes(ready, epoch=0) == ["event"] * 2
    assert await outcomes(ready, epoch=1) == ["event"] * 4
    assert await users(ready) == ["a", "b", "new 0", "new 1", "new 2", "new 3", "other lane"]
    recorded = await rows(ready, "SELECT action, reason, actor FROM segments.lane_event"
                          " WHERE action <> 'opened' ORDER BY lane_event_id")  # fmt: skip
    assert [row["action"] for row in recorded] == ["stopped", "adopted"]
    assert recorded[1] == {"action": "adopted", "reason": "a test", "actor": "tester"}
    await sound(ready)


async def test_a_lane_whose_topic_is_what_was_read_is_not_adopted_by_mistake(
    ready: Settings,
) -> None:
    """Read anew, commands without a time would count twice."""
    await read_and_stop(ready, "a", "b")
    with pytest.raises(RefusedError, match="count twice"):
        await adopt(ready)
    assert await value(ready, "SELECT count(*) FROM segments.lane WHERE epoch > 0") == 0


async def test_status_waits_for_a_topic_that_is_not_the_logs_and_for_earlier_epochs(
    ready: Settings,
) -> None:
    await read_and_stop(ready, "a", "b")  # and nothing folds them
    await remake_commands(ready)
    waited = await asyncio.to_thread(command_line, ready, "status", "--wait", "0.2")
    assert waited.returncode == 1
    await adopt(ready)
    waited = await asyncio.to_thread(command_line, ready, "status", "--wait", "0.2")
    assert waited.returncode == 1
    async with service(ready, project):
        await folded(ready)


async def test_a_truncated_topic_stops_its_lane_and_adopt_goes_on_from_an_offset(
    ready: Settings,
) -> None:
    """Hazard 6: remade with fewer records than were read; what lies before the offset is a hole."""
    await read_and_stop(ready, "a", "b", "c", "d")
    await remake_commands(ready)
    await publish_users(ready, "skipped", "new 1", "new 2")
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "ends at 3, before 4" in because
        with pytest.raises(RefusedError, match="0 to 3; 9"):
            await adopt(ready, 9)
        done = await adopt(ready, 1)
        assert (done["first_offset"], done["next_offset"]) == (0, 1)
        await folded(ready)
    assert await outcomes(ready, epoch=1) == ["hole", "event", "event"]
    assert await users(ready) == ["a", "b", "c", "d", "new 1", "new 2"]
    await sound(ready)


async def test_a_lane_that_retention_outran_stops_and_adopt_makes_a_hole(ready: Settings) -> None:
    """Hazard 6: records were deleted that nobody had read."""
    await read_and_stop(ready, "a", "b")
    await publish_users(ready, "gone", "gone", "kept")
    await delete_records(ready, 0, 4)
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "begins at 4, after 2" in because
        assert "retention" in because
        await adopt(ready)
        await folded(ready)
    assert await users(ready) == ["a", "b", "kept"]
    (hole,) = await rows(
        ready, "SELECT kafka_epoch, first_offset, next_offset, cause FROM reporting.hole"
    )
    assert (hole["kafka_epoch"], hole["first_offset"], hole["next_offset"]) == (1, 2, 4)
    assert (
        hole["cause"] == "no longer in the topic when the lane was adopted: retention, or deleted"
    )
    await sound(ready)


async def test_what_retention_took_and_what_an_operator_passed_by_are_two_holes(
    ready: Settings,
) -> None:
    await read_and_stop(ready, "a", "b")
    await publish_users(ready, "gone", "gone", "there", "kept")
    await delete_records(ready, 0, 4)
    done = await adopt(ready, 5)
    assert (done["first_offset"], done["next_offset"]) == (2, 5)
    async with service(ready):
        await folded(ready)
    assert await users(ready) == ["a", "b", "kept"]
    found = await rows(
        ready, "SELECT first_offset, next_offset, cause FROM reporting.hole ORDER BY 1"
    )
    assert [tuple(row.values()) for row in found] == [
        (2, 4, "no longer in the topic when the lane was adopted: retention, or deleted"),
        (4, 5, "skipped by an operator at the adoption: a test"),
    ]
    await sound(ready)


async def test_a_topic_that_was_away_for_a_while_stops_its_lane_when_it_is_back(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 6: the process ran on meanwhile, and what aged out under it before did not disturb it."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    monkeypatch.setattr(monitor, "GONE_AFTER", 10_000)  # or the lane is stopped before it is back
    await publish_users(ready, "a", "b")
    async with service(ready, ingest):
        await logged(ready)
        await delete_records(ready, 0, 2)
        await publish_users(ready, "c")
        await logged(ready)  # an idle lane goes on
        assert await value(ready, STOPPED) is None
        await delete_commands(ready)
        await no_lanes(ready)
        await make_commands(ready)
        because = await until(ready, STOPPED)
        assert "before 3 where the log stands" in because


async def no_lanes(settings: Settings) -> None:
    """Wait until the group has noticed that the topic is gone."""
    name = await value(settings, "SELECT segments.installation_name()")
    async with administered(settings) as client:

        async def unassigned() -> bool:
            (group,) = await client.describe_consumer_groups(
                [Topics(settings.topic_prefix, name).ingest_group]
            )
            assigned = [member[4] for member in group.groups[0][5]]
            return not any(settings.topic_prefix.encode() in one for one in assigned)

        await holds(unassigned)


async def test_a_topic_remade_under_a_running_process_stops_its_lane(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 6: with more records than were read, at once."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    monkeypatch.setattr(monitor, "GONE_AFTER", 10_000)  # or the lane is stopped before it is back
    await publish_users(ready, "a", "b")
    async with service(ready, ingest):
        await logged(ready)
        await remake_commands(ready)
        await publish_users(ready, "new 0", "new 1", "new 2", "new 3")
        because = await until(ready, STOPPED)
        assert "remade" in because
    assert await users(ready) == ["a", "b"]


async def test_a_stop_that_meets_a_rebalance_ends_the_process(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that began between the end of the others and the leaving of the group would go on for ever."""
    stop = asyncio.Event()

    async def meet_rebalance(watching: monitor.Monitor) -> None:
        if stop.is_set():
            consumer = watching._consumer  # noqa: SLF001 - as aiokafka does
            assigned = consumer.assignment()  # type: ignore[no-untyped-call]
            await consumer._subscription.listener.on_partitions_assigned(assigned)  # noqa: SLF001

    monkeypatch.setattr(monitor.Monitor, "commit", meet_rebalance)
    running = asyncio.create_task(ingest(ready, stop))
    await publish_users(ready, "a")
    await logged(ready)
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await running


async def test_an_idle_lane_whose_last_record_aged_out_goes_on(ready: Settings) -> None:
    """Hazard 6: nothing is left to compare with, and nothing was missed."""
    await read_and_stop(ready, "a", "b")
    await delete_records(ready, 0, 2)
    async with service(ready):
        await publish_users(ready, "c")
        await folded(ready)
    assert await users(ready) == ["a", "b", "c"]
    assert await value(ready, STOPPED) is None
    await sound(ready)


async def test_a_topic_that_comes_back_as_it_was_goes_on(ready: Settings) -> None:
    """Hazard 6: the same process started again compares and finds nothing."""
    for user in "abc":
        await read_and_stop(ready, user)
    assert await users(ready) == ["a", "b", "c"]
    assert (
        await value(ready, "SELECT count(*) FROM segments.lane_event WHERE action <> 'opened'") == 0
    )


async def test_skip_passes_records_by_and_keeps_them_as_skipped(ready: Settings) -> None:
    """Their readable parts too; a time claimed by a producer is not believed here either."""
    await read_and_stop(ready, "a")
    await publish_users(ready, "b@X", "c")
    await publish(ready, [NewRecord(b"{", lane=0), NewRecord(lane=0, user="d")])
    done = await lane_command(ready, "skip", "--to", "4")
    assert (done["next_offset"], done["rejected"], done["holes"]) == (4, 3, 0)
    async with service(ready):
        await folded(ready)
    assert await outcomes(ready) == ["event", "skipped", "skipped", "skipped", "event"]
    found = await rows(
        ready,
        "SELECT network_id, user_id, detail FROM reporting.rejected"
        " INNER JOIN reporting.result USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset, network_id)"
        " ORDER BY kafka_offset",
    )
    assert [(row["network_id"], row["user_id"]) for row in found] == [("n", "b@x"), ("n", "c")]
    assert "a test" in found[0]["detail"]
    await sound(ready)


async def test_skip_goes_no_further_than_the_topic(ready: Settings) -> None:
    await read_and_stop(ready, "a")
    for to in (1, 2):
        with pytest.raises(RefusedError, match=f"can't skip to {to}"):
            await skip(ready, to)


async def test_a_skipped_record_stamped_by_its_producer_does_not_move_received_at(
    database: Settings,
) -> None:
    """Hazard 8: a stamp of the year 3000 would be the floor of all that follows."""
    from tests.support.database import make_segments  # noqa: PLC0415

    await make_segments(database)
    await make_commands(database, 1, {"message.timestamp.type": "CreateTime"})
    await read_and_stop(database, "a")
    await publish_stamped(database, time.time() + 1800, "b")
    await skip(database, 2)
    ahead = await value(
        database,
        "SELECT extract(epoch FROM max(received_at) - clock_timestamp())::int FROM reporting.rejected",
    )
    assert ahead <= 0
    floor = await value(
        database, "SELECT (max(received_at) - clock_timestamp())::text FROM segments.lane"
    )
    assert floor.startswith("-")


async def publish_stamped(settings: Settings, at: float, *users: str) -> None:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415

    from service.kafka.clients import connection_options  # noqa: PLC0415
    from tests.support.lane import command_json  # noqa: PLC0415

    async with AIOKafkaProducer(**connection_options(settings)) as producer:
        for user in users:
            await producer.send_and_wait(
                Topics(settings.topic_prefix).commands, command_json(user=user), partition=0,
                timestamp_ms=int(at * 1000),
            )  # fmt: skip


async def test_a_partition_added_later_is_read_from_its_start(ready: Settings) -> None:
    """Hazard 7: while a process runs, and while none does."""
    async with service(ready, ingest):
        await publish_users(ready, "a")
        await logged(ready)
        await grow_commands(ready, 6)
        await publish_users(ready, "early in 4", lane=4)
    await publish_users(ready, "early in 5", lane=5)
    async with service(ready, ingest):
        await logged(ready)
    assert await users(ready) == ["a", "early in 4", "early in 5"]
    assert await value(ready, "SELECT max(first_offset) FROM segments.lane") == 0


async def test_a_running_process_finds_an_added_partition(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 7."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    async with service(ready, ingest):
        await publish_users(ready, "a")
        await logged(ready)
        await grow_commands(ready, 5)
        await publish_users(ready, "first of the new one", "second", lane=4)
        await logged(ready)
    assert await users(ready) == ["a", "first of the new one", "second"]


async def test_a_topic_that_somebody_else_made_is_told_and_corrected(database: Settings) -> None:
    """Hazard 8: CreateTime; records stamped by a producer are received by the database's clock."""
    from tests.support.database import make_segments  # noqa: PLC0415

    async def corrected() -> bool:
        return not await topic_faults(database)

    await make_segments(database)
    await make_commands(database, 2, {"message.timestamp.type": "CreateTime"})
    await publish_stamped(database, 1_000_000_000, "old stamp")
    await publish_stamped(database, time.time() + 1800, "stamp ahead")
    with structlog.testing.capture_logs() as lines:
        async with service(database, ingest):
            await logged(database)
            warned = [line["fault"] for line in lines if line["event"] == "topic misconfigured"]
            assert any("message.timestamp.type is CreateTime" in fault for fault in warned)
            done = await set_up_topics(database)
            assert f"corrected topic {database.topic_prefix}.commands" in done
            assert any(line.startswith("grew topic") for line in done)
            await holds(corrected)  # the broker's answers take a moment to agree
            await publish_stamped(database, 1_000_000_000, "after")
            await logged(database)
    for row in await rows(
        database,
        "SELECT abs(extract(epoch FROM received_at - clock_timestamp())) AS off,"
        " abs(extract(epoch FROM status_change_timestamp - clock_timestamp())) AS time_off"
        " FROM reporting.event",
    ):
        assert row["off"] < 1500  # no stamp is nearer
        assert row["time_off"] < 1500
    assert await outcomes(database) == ["event"] * 3
