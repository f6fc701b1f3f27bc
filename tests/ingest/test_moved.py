"""A move to another Kafka, whose topics are made anew with fewer partitions; and partitions that are added."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiokafka.admin import NewPartitions

from projections.fold.worker import project
from projections.outbox import memberships
from projections.outbox.memberships import publish_memberships
from schemas.topics import Topics
from service.ingest import monitor
from service.ingest import role as ingest_module
from service.ingest.role import ingest
from service.kafka.clients import set_up_topics
from stack.ports import free_port
from tests.outbox.test_memberships import last_words, standing
from tests.support.command_line import run
from tests.support.database import folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.roles import processes, service
from tests.support.topics import administered, delete_topics
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
STOPPED = "SELECT count(*) FROM segments.lane WHERE NOT closed AND stopped_because IS NOT NULL"
ADOPT = ("lane", "adopt", "--reason", "moved", "--actor", "ann", "--json")


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    monkeypatch.setattr(monitor, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(memberships, "MOVED_SECONDS", 0.1)


async def tell(settings: Settings, *users: str, lanes: int = 4) -> None:
    await publish(settings, [NewRecord(user=user, lane=n % lanes) for n, user in enumerate(users)])


async def told(settings: Settings) -> bool:
    return await last_words(settings) == await standing(settings)


async def move(settings: Settings, partitions: int) -> Settings:
    """Make all topics anew, as those of another Kafka are."""
    moved = settings.model_copy(update={"topic_partitions": partitions})
    topics = Topics(settings.topic_prefix)
    names = [topics.commands, topics.rejected, topics.memberships, topics.owner]
    async with administered(settings) as client:
        await delete_topics(client, *names)
    await set_up_topics(moved)
    return moved


@pytest.mark.usefixtures("_hurried")
async def test_after_a_move_every_lane_is_stopped_adopted_by_one_command_and_told_anew(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project, publish_memberships):
        await tell(ready, *(f"u{n}" for n in range(40)))
        await folded(ready)
        await holds(lambda: told(ready))
    moved = await move(ready, 2)
    await tell(moved, "new 0", "new 1", lanes=2)
    incomplete = await run(moved, "verify")
    assert incomplete.code == 1
    assert "projections.membership_topic" in incomplete.out
    with processes(moved.model_copy(update={"health_port": (port := free_port())}), "ingest"):
        await until(moved, STOPPED, lambda count: count == 4)
        reasons = {
            row["partition"]: row["stopped_because"]
            for row in await rows(moved, "SELECT partition, stopped_because FROM segments.lane")
        }
        assert all("remade" in reasons[n] for n in (0, 1))
        assert all("2 partitions and this one no more" in reasons[n] for n in (2, 3))
        assert all("lane adopt" in because for because in reasons.values())
        lanes = [f"{moved.topic_prefix}.commands-{n}" for n in range(4)]

        async def all_told() -> bool:
            health = await readiness(port)
            return health["status"] == "degraded" and all(
                lane in health["faults"]["lanes"] for lane in lanes
            )

        await holds(all_told)
    waited = await run(moved, "status", "--wait", "300")  # at once, as lanes are stopped
    assert waited.code == 1
    assert "this one no more" in waited.out + waited.err
    assert "open transaction" not in waited.out
    began = time.monotonic()
    refused = await run(moved, *ADOPT, "--partition", "3", "--from", "earliest")
    assert (refused.code, "no partition 3" in refused.err) == (1, True)
    assert time.monotonic() - began < 38  # it was 40 s
    done = {row["kafka_partition"]: row["done"] for row in (await run(moved, *ADOPT, "--all")).json}
    assert done == {0: "adopted", 1: "adopted", 2: "closed", 3: "closed"}
    assert (await run(moved, *ADOPT, "--all")).json == []
    async with service(moved, ingest, project, publish_memberships):
        await folded(moved)
        await holds(lambda: told(moved))
        await until(moved, "SELECT NOT republish FROM projections.membership_topic")
    assert len(await last_words(moved)) == 42
    verified = await run(moved, "verify", "--memberships")
    assert verified.code == 0, verified.out
    await sound(moved)
    actions = await rows(
        moved, "SELECT action, actor FROM segments.lane_event WHERE reason = 'moved'"
    )
    assert sorted(row["action"] for row in actions) == ["adopted"] * 2 + ["closed"] * 2
    assert {row["actor"] for row in actions} == {"ann"}


async def readiness(port: int) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE)
    assert response.status_code == httpx.codes.OK
    health: dict[str, Any] = response.json()
    return health


async def test_a_lane_whose_topic_is_back_as_it_was_goes_on_where_it_stood(ready: Settings) -> None:
    """Whoever named the wrong Kafka for a while lost nothing."""
    async with service(ready, ingest, project):
        await tell(ready, "a", "b", "c", "d")
        await folded(ready)
    async with administered(ready):
        await value(ready, "UPDATE segments.lane SET stopped_because = 'it was not there'")
    done = (await run(ready, *ADOPT, "--all")).json
    assert [row["done"] for row in done] == ["resumed"] * 4
    async with service(ready, ingest, project):
        await tell(ready, "e")
        await folded(ready)
    assert await value(ready, "SELECT max(epoch) FROM segments.lane") == 0
    await sound(ready)


async def test_of_a_topic_that_is_not_there_no_lane_is_closed(ready: Settings) -> None:
    async with service(ready, ingest):
        await tell(ready, "a", "b", "c", "d")
        await until(ready, "SELECT count(*) FROM segments.event", lambda count: count == 4)
    async with administered(ready) as client:
        await delete_topics(client, Topics(ready.topic_prefix).commands)
    left = await run(ready, *ADOPT, "--all")
    assert left.code == 1
    assert all(row["done"].startswith("left: ") for row in json.loads(left.out))
    one = await run(ready, *ADOPT, "--partition", "0", "--from", "earliest")
    assert (one.code, "has no topic" in one.err) == (1, True)
    assert await value(ready, "SELECT count(*) FROM segments.lane WHERE closed") == 0


@pytest.mark.usefixtures("_hurried")
async def test_setup_lets_the_topics_that_are_told_keep_their_partitions(ready: Settings) -> None:
    """In a compacted topic a key that moved would have two last words, one of them stale for ever."""
    async with service(ready, ingest, project, publish_memberships):
        await tell(ready, *(f"u{n}" for n in range(40)))
        await folded(ready)
        await holds(lambda: told(ready))
    grown = ready.model_copy(update={"topic_partitions": 8})
    before = await run(grown, "setup", "--check")
    assert before.code == 1
    assert "has 4 partitions, and SEGMENTS_TOPIC_PARTITIONS is 8; run" in before.out
    assert (await run(grown, "setup")).code == 0
    checked = await run(grown, "setup", "--check")
    assert (checked.code, checked.out.count("setup does not add any")) == (0, 2)
    async with service(grown, ingest, project, publish_memberships):
        block = [NewRecord(user=f"u{n}", lane=n % 8, user_status="block") for n in range(40)]
        await publish(grown, block)
        await folded(grown)
        await holds(lambda: told(ready))
    assert await stale(ready, 4) == []


async def stale(settings: Settings, partitions: int) -> list[bytes]:
    """Give the keys that have a last word in more than one partition."""
    wide = settings.model_copy(update={"topic_partitions": partitions})
    last: dict[tuple[bytes, int], Any] = {}
    for record in await read_topic(wide, Topics(settings.topic_prefix).memberships):
        last[record.key, record.partition] = record.value
    keys = [key for (key, _), value in last.items() if value is not None]
    return sorted({key for key in keys if keys.count(key) > 1})


@pytest.mark.usefixtures("_hurried")
async def test_partitions_added_by_hand_are_left_empty_until_the_topic_is_told_anew(
    ready: Settings,
) -> None:
    topic = Topics(ready.topic_prefix).memberships
    users = [f"u{n}" for n in range(40)]
    async with service(ready, ingest, project, publish_memberships):
        await tell(ready, *users)
        await folded(ready)
        await holds(lambda: told(ready))
    async with administered(ready) as client:
        await client.create_partitions({topic: NewPartitions(8)})
    wide = ready.model_copy(update={"topic_partitions": 8})
    await holds(lambda: _has(wide, topic, 8))
    async with service(ready, ingest, project, publish_memberships):
        await publish(ready, [NewRecord(user=u, user_status="block", lane=0) for u in users])
        await folded(ready)
        await holds(lambda: told(ready))
        assert await stale(wide, 8) == []
        checked = await run(ready, "setup", "--check")
        assert (checked.code, "memberships republish" in checked.out) == (0, True)
        result = await run(
            ready, "memberships", "republish", "--reason", "wider", "--wait", "300", "--json"
        )
        assert (result.code, result.json) == (0, {"done": True}), result.err
        await holds(lambda: told(wide))
    assert await stale(wide, 8) == []
    ends = {r.partition for r in await read_topic(wide, topic)}
    assert ends & {4, 5, 6, 7}
    assert (await run(ready, "verify", "--memberships")).code == 0


async def _has(settings: Settings, topic: str, partitions: int) -> bool:
    async with administered(settings) as client:
        (described,) = await client.describe_topics([topic])
    return len(described["partitions"]) == partitions


async def test_verify_finds_what_the_topic_of_memberships_lacks(ready: Settings) -> None:
    async with service(ready, ingest, project, publish_memberships):
        await tell(ready, "a", "b", "c")
        await folded(ready)
        await holds(lambda: told(ready))
    assert (await run(ready, "verify", "--memberships")).code == 0
    (last,) = [
        record
        for record in await read_topic(ready, Topics(ready.topic_prefix).memberships)
        if record.key == b"n:1:b"
    ]
    empty = [NewRecord(key=b"n:1:b", lane=last.partition)]
    strange = [NewRecord(b'{"is_member": true, "override": null}', key=b"n:1:z", lane=0)]
    await publish(ready, [*empty, *strange], Topics(ready.topic_prefix).memberships)
    result = await run(ready, "verify", "--memberships", "--json")
    assert result.code == 1
    assert [(row["key"], row["found"]) for row in result.json["differences"]] == [
        ("n:1:b", "nothing"), ("n:1:z", "not a record of this service"),
    ]  # fmt: skip
    assert (await run(ready, "verify")).code == 0  # it has not read the topic
