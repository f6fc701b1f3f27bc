"""Several command topics: allowed while running, bounded, revoked, closed; all that looks at lanes looks at theirs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import NewTopic

from projections.fold.worker import project
from projections.outbox.memberships import publish_memberships
from schemas.topics import Topics
from service.ingest import monitor
from service.ingest.role import ingest
from service.kafka.clients import topic_faults
from service.outbox.rejected import publish_rejected
from tests.support.cases import cases
from tests.support.command_line import run
from tests.support.database import folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import processes, service
from tests.support.topics import administered, delete_topics
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
OPEN = "SELECT count(*) FROM segments.lane WHERE topic = '{}' AND NOT closed"


def crm(settings: Settings) -> str:
    """Name the test's second topic."""
    return f"crm-{settings.topic_prefix}"


async def source(settings: Settings, verb: str, *arguments: str) -> Any:
    """Run `segments source …` for the second topic."""
    done = await run(
        settings, "source", verb, "--topic", crm(settings), *arguments, "--actor", "ann", "--json"
    )
    assert done.code == 0, done.err
    return done.json


async def delete(settings: Settings, topic: str) -> None:
    async with administered(settings) as client:
        await delete_topics(client, topic)


async def test_two_topics_are_read_folded_told_and_waited_for(ready: Settings) -> None:
    made = await source(ready, "allow", "--networks", "n", "--statuses", "enter,leave")
    assert (made["change"], made["networks"], made["statuses"]) == (
        "allowed", ["n"], ["enter", "leave"],
    )  # fmt: skip
    both = NewRecord(
        lane=0, user="both", user_status="enter", status_change_timestamp=1_700_000_000
    )
    async with service(ready, ingest, project, publish_rejected, publish_memberships):
        await publish(ready, [both, NewRecord(lane=1, user="by hand")])
        await folded(ready)
        await publish(
            ready, [both, NewRecord(lane=3, user="rule", user_status="enter")], crm(ready)
        )
        await publish(ready, [NewRecord(lane=3, user="by hand")], crm(ready))
        waited = await run(ready, "status", "--wait", "300", "--json")
        assert waited.code == 0, waited.err
        await until(
            ready,
            "SELECT (SELECT sum(next_offset) FROM projections.membership_outbox) = 5"
            " AND (SELECT sum(next_offset) FROM segments.rejected_outbox) = 5",
        )
    assert {lane["kafka_topic"] for lane in waited.json["lanes"]} == {
        Topics(ready.topic_prefix).commands, crm(ready),
    }  # fmt: skip
    users = await rows(ready, "SELECT user_id, cause FROM reporting.membership ORDER BY 1")
    assert [tuple(row.values()) for row in users] == [
        ("both", "enter"), ("by hand", "add"), ("rule", "enter"),
    ]  # fmt: skip
    assert await value(ready, "SELECT count(*) FROM reporting.duplicate") == 1
    (refused,) = await rows(ready, "SELECT kafka_topic, reason, detail FROM reporting.rejected")
    assert tuple(refused.values()) == (
        crm(ready), "not_allowed", "/user_status: this topic may not carry add, only enter, leave",
    )  # fmt: skip
    await sound(ready)


async def test_a_topic_allowed_while_two_processes_run_is_read_within_seconds(
    ready: Settings,
) -> None:
    commands = Topics(ready.topic_prefix).commands
    with processes(ready, "ingest", "ingest", "project") as running:
        await publish(ready, [NewRecord(lane=n, user=f"before {n}") for n in range(4)])
        await folded(ready)
        await source(ready, "allow")
        await publish(ready, [NewRecord(lane=n, user=f"there {n}") for n in range(4)], crm(ready))
        await publish(ready, [NewRecord(lane=n, user=f"here {n}") for n in range(4)], commands)
        await until(ready, "SELECT count(*) = 12 FROM segments.event")
        await folded(ready)
        # The watermark goes on once all lanes of both are there, and does not pass what lies in the new ones.
        await until(ready, OPEN.format(crm(ready)), lambda found: found == 4)
        last = await value(ready, "SELECT max(received_at) FROM segments.event")
        await until(ready, f"SELECT complete_until > '{last.isoformat()}' FROM reporting.watermark")
        codes = [process.stop()[0] for process in running]
    assert codes == [0, 0, 0]
    await sound(ready)


async def test_what_a_revoked_topic_says_is_rejected_and_nothing_is_lost(ready: Settings) -> None:
    await source(ready, "allow")
    async with service(ready):
        await publish(ready, [NewRecord(lane=0, user="before")], crm(ready))
        await folded(ready)
        assert (await source(ready, "revoke"))["change"] == "revoked"
        await publish(ready, [NewRecord(lane=0, user="after")], crm(ready))
        await folded(ready)
        assert await value(ready, "SELECT reason FROM reporting.rejected") == "not_allowed"
        await source(ready, "allow")
        retried = await run(ready, "rejected", "retry", f"{crm(ready)}:0:0:1")
        assert retried.code == 0, retried.err
        await folded(ready)
    assert "after" in await value(ready, "SELECT payload_text FROM reporting.rejected")
    found = await rows(ready, "SELECT user_id FROM reporting.membership ORDER BY 1")
    assert [row["user_id"] for row in found] == ["after", "before"]
    await sound(ready)


async def test_a_deleted_topic_is_closed_and_holds_the_watermark_no_more(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "GONE_AFTER", 10_000)  # or its lanes are stopped meanwhile
    topic = crm(ready)
    await source(ready, "allow")
    async with service(ready):
        await publish(ready, [NewRecord(lane=0, user="there")], topic)
        await folded(ready)
        refused = await run(ready, "source", "close", "--topic", topic)
        assert (refused.code, "still exists in Kafka" in refused.err) == (1, True)
        await delete(ready, topic)
        early = await run(ready, "source", "close", "--topic", topic)
        assert (early.code, "must be revoked first" in early.err) == (1, True)
        await source(ready, "revoke")
        assert (await run(ready, "status", "--wait", "300")).code == 0
        assert (await source(ready, "close"))["change"] == "closed"
        await until(ready, OPEN.format(topic), lambda found: found == 0)
        now = await value(ready, "SELECT clock_timestamp()")
        await publish(ready, [NewRecord(lane=0, user="here")])
        await folded(ready)
        await until(ready, f"SELECT complete_until > '{now.isoformat()}' FROM reporting.watermark")
        # Made anew it is read from its begin, as a new epoch.
        await source(ready, "allow")
        await publish(ready, [NewRecord(lane=0, user="again")], topic)
        await until(ready, "SELECT count(*) = 3 FROM segments.event")
        await folded(ready)
    epochs = await rows(
        ready, "SELECT kafka_epoch, events FROM reporting.lane WHERE kafka_topic = $1 AND events > 0"
        " ORDER BY 1", topic,
    )  # fmt: skip
    assert [tuple(row.values()) for row in epochs] == [(0, 1), (1, 1)]
    await sound(ready)


async def test_setup_makes_checks_and_prints_the_allowed_topics(settings: Settings) -> None:
    topic = crm(settings)
    await source(settings, "allow", "--no-topics")
    checked = await run(settings, "setup", "--check")
    assert (checked.code, f"topic {topic}: existence is missing" in checked.out) == (1, True)
    printed = await run(settings, "setup", "--print")
    assert f"--topic {topic} " in printed.out
    done = await run(settings, "setup", "--json")
    assert f"created topic {topic} with 4 partitions" in done.json["done"]
    assert await topic_faults(settings, [topic]) == []
    await source(settings, "revoke")
    await delete(settings, topic)
    assert (await run(settings, "setup", "--check", "--json")).json["faults"] == []


async def test_setup_prints_that_a_topic_may_be_read_until_it_is_closed(database: Settings) -> None:
    """A revoked topic is read on: whoever takes the ACL away for it stops the ingest."""
    topic = crm(database)

    async def printed() -> set[tuple[str, str]]:
        listed = (await run(database, "setup", "--print", "--json")).json["acls"]
        return {(acl["role"], acl["operation"]) for acl in listed if acl["name"] == topic}

    reading = {(role, "Read") for role in ("api", "ingest", "operator")}
    await source(database, "allow", "--no-topics")
    assert await printed() > reading | {("publisher", "Write")}
    await source(database, "revoke")
    assert await printed() == reading
    await source(database, "close")
    assert await printed() == set()


async def test_a_topic_that_others_made_is_corrected_and_keeps_its_partitions(
    settings: Settings,
) -> None:
    """Hazard 8: its producers' clocks are not ours."""
    topic = crm(settings)
    async with administered(settings) as client:
        await client.create_topics([NewTopic(topic, 1, 1)])
    await source(settings, "allow")

    async def corrected() -> bool:
        return not await topic_faults(settings, [topic])

    await holds(corrected)
    async with administered(settings) as client:
        (described,) = await client.describe_topics([topic])
    assert len(described["partitions"]) == 1


@cases(
    ("arguments", "code", "message"),
    [
        (["allow", "--topic", "a b"], 2, "must be the name of a topic"),
        (["allow", "--topic", "__consumer_offsets"], 2, "must be the name of a topic"),
        (
            ["allow", "--topic", "t", "--networks", "a,,b"],
            2,
            "must be networks separated by commas",
        ),
        (
            ["allow", "--topic", "t", "--statuses", "expire"],
            2,
            "must be a comma-separated list of add, block",
        ),
        (["allow", "--topic", "{}.rejected", "--no-topics"], 2, "written by the service itself"),
        (["revoke", "--topic", "t"], 1, "t is not a source"),
        (["close", "--topic", "nowhere"], 1, "must be revoked first"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    database: Settings, arguments: list[str], code: int, message: str
) -> None:
    given = [one.format(database.topic_prefix) for one in arguments]
    result = await run(database, "source", *given)
    assert (result.code, message in result.err) == (code, True), result.err
    listed = (await run(database, "source", "list", "--json")).json
    assert [(one["topic"], one["change"], one["networks"]) for one in listed] == [
        (f"{database.topic_prefix}.commands", "allowed", None)
    ]
    assert (await run(database, "source", "list", "--history", "--json")).json == []


async def test_a_topic_of_another_installation_is_not_taken(database: Settings) -> None:
    await source(database, "allow", "--no-topics")
    other = database.model_copy(update={"topic_prefix": "other"})
    result = await run(other, "source", "allow", "--topic", crm(database), "--no-topics")
    assert (result.code, f"installation {database.topic_prefix}" in result.err) == (1, True)


async def test_a_dry_run_says_what_the_first_topic_may_not_say(ready: Settings) -> None:
    commands = Topics(ready.topic_prefix).commands
    result = await run(ready, "source", "allow", "--topic", commands, "--statuses", "enter,leave")
    assert result.code == 0, result.err
    dry = ["send", "--network", "n", "--user", "u", "--segment", "1", "--dry-run", "--status"]
    refused = await run(ready, *dry, "add", "--json")
    assert (refused.code, json.loads(refused.out)["reason"]) == (1, "not_allowed")
    assert (await run(ready, *dry, "enter")).code == 0
