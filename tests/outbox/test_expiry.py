"""Overrides lapse: the service publishes `expire` when the time has come, once, however many publish."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import project
from projections.operations.status import read_status
from projections.outbox.expiries import publish_expiries
from schemas.headers import SIGNED, sign
from schemas.topics import Topics
from service.ingest.role import ingest
from service.registry import segments as registry
from tests.histories import history
from tests.support.database import connected, folded, rows, sound, until
from tests.support.expiring import NOW, ROLES, STANDING, expiries, outcomes, swept
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.referee import differences
from tests.support.registries import make_registry
from tests.support.roles import service
from tests.support.waiting import taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_an_override_lapses_within_seconds_of_its_time_and_says_why(ready: Settings) -> None:
    async with service(ready, *ROLES):
        await publish(ready, [NewRecord(user="first")])
        await folded(ready)
        due = int(time.time()) + 6
        await publish(
            ready,
            [
                NewRecord(user=" Ann@X.com", expires_at=due, status_change_timestamp=due - 9),
                NewRecord(user="rule", user_status="enter", status_change_timestamp=due - 30),
                NewRecord(user="rule", user_status="block", expires_at=due, status_change_timestamp=due - 9),
            ],
        )  # fmt: skip
        with taking() as usual:
            await folded(ready)
        begun = max(due, time.time())
        await until(ready, STANDING, lambda found: found == 1)
        assert time.time() < begun + 30 + 10 * usual.seconds
    await sound(ready)
    states = await rows(
        ready, "SELECT user_id, is_member, override FROM reporting.user_segment ORDER BY 1"
    )
    assert [tuple(state.values()) for state in states] == [
        ("ann@x.com", True, None),
        ("first", True, "add"),
        ("rule", False, None),
    ]
    (event,) = await rows(
        ready,
        "SELECT x.* FROM reporting.event AS x WHERE user_status = 'expire' AND user_id = 'ann@x.com'",
    )
    named = await rows(
        ready,
        "SELECT event_id FROM reporting.event WHERE user_status = 'add' AND user_id = 'ann@x.com'",
    )
    assert (event["source"], event["actor"]) == ("expiry", None)
    assert event["status_change_timestamp"].timestamp() == due
    assert event["received_at"].timestamp() >= due
    assert event["reference_id"] == f"expire:{named[0]['event_id']}"
    assert await outcomes(ready) == [("ann@x.com", "applied"), ("rule", "applied")]
    for record in await expiries(ready):
        body = json.loads(record.value)
        assert record.key == f"n:{body['user']}".encode()
        assert set(body) == {
            "network_id", "user", "segment_id", "user_status", "status_change_timestamp", "reference_id",
        }  # fmt: skip


async def test_after_a_stop_of_hours_all_that_is_overdue_lapses_and_a_late_add_too(
    ready: Settings,
) -> None:
    hour = 3600
    async with service(ready, ingest, project):
        await publish(
            ready,
            [
                NewRecord(user=f"u{n}", status_change_timestamp=NOW - 9 * hour, expires_at=NOW - hour * (1 + n % 5))
                for n in range(1200)
            ],
        )  # fmt: skip
        await folded(ready)
    async with connected(ready, "segments_operate") as connection:
        assert (await read_status(connection, ready))["overdue_expiries"] == 1200
    async with service(ready, *ROLES):
        await until(ready, STANDING, lambda found: found == 0)
        await publish(
            ready,
            [
                NewRecord(
                    user="late", status_change_timestamp=NOW - 9 * hour, expires_at=NOW - 8 * hour
                )
            ],
        )
        await until(ready, "SELECT count(*) FROM reporting.result WHERE user_id = 'late' AND outcome = 'applied'",
                    lambda found: found == 2)  # fmt: skip
        await until(ready, "SELECT count(*) = 0 FROM projections.expiry")
    assert len(await expiries(ready)) == 1201
    async with connected(ready, "segments_operate") as connection:
        assert (await read_status(connection, ready))["overdue_expiries"] == 0
    await sound(ready)


async def test_an_override_restated_reset_or_replaced_does_not_lapse_early(ready: Settings) -> None:
    def say(user: str, status: str, at: int, **fields: Any) -> NewRecord:
        return NewRecord(user=user, user_status=status, status_change_timestamp=NOW + at, **fields)

    before = [
        say("longer", "add", -100, expires_at=NOW - 50),
        say("longer", "add", -90, expires_at=NOW + 9000),
        say("for good", "add", -100, expires_at=NOW - 50),
        say("for good", "add", -90),
        say("reset", "add", -100, expires_at=NOW - 50),
        say("reset", "reset", -90),
        say("replaced", "add", -100, expires_at=NOW - 50),
        say("replaced", "block", -90, expires_at=NOW + 9000),
        say("too late", "add", -100, expires_at=NOW - 50),
    ]
    async with service(ready, ingest, project):
        await publish(ready, before)
        await folded(ready)
    async with service(ready, *ROLES):
        await swept(ready)
        assert await outcomes(ready) == [("too late", "applied"), ("witness", "applied")]
        # A restatement that was said in time and arrives when all is over: the override has not lapsed.
        await publish(ready, [say("too late", "add", -60, expires_at=NOW + 9000)])
        await folded(ready)
    await sound(ready)
    standing = await rows(ready, "SELECT user_id, override FROM reporting.override ORDER BY 1")
    assert [tuple(row.values()) for row in standing] == [
        ("for good", "add"), ("longer", "add"), ("replaced", "block"), ("too late", "add"),
    ]  # fmt: skip
    assert ("too late", "ineffective") in await outcomes(ready)


async def test_an_override_of_an_archived_segment_lapses(ready: Settings) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [NewRecord(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        async with connected(ready) as connection:
            await registry.set_archived(connection, network_id="n", segment_id=1, archived=True)
        async with service(ready, publish_expiries):
            await until(ready, STANDING, lambda found: found == 0)
    assert await outcomes(ready) == [("u", "applied")]


async def test_an_expire_of_anybody_else_is_refused(ready: Settings) -> None:
    async with service(ready, *ROLES):
        await publish(
            ready,
            [
                NewRecord(user="u", user_status="expire", status_change_timestamp=NOW - 9, headers=headers,
                     reference_id="expire:00000000-0000-8000-a000-000000000000")
                for headers in ((), (("segments-source", b"expiry"), ("segments-signature", b"0" * 64)))
            ],
        )  # fmt: skip
        await folded(ready)
    refused = await rows(ready, "SELECT reason FROM reporting.rejected")
    assert [row["reason"] for row in refused] == ["invalid_field"] * 2


async def test_views_equal_the_oracle_while_overrides_lapse_and_after_a_rebuild(
    settings: Settings,
) -> None:
    small = settings.model_copy(
        update={"ingest_batch_records": 40, "project_batch_records": 30, "project_tasks": 3}
    )
    segments = await make_registry(settings, 2, 3)
    sent = history(7, int(time.time()), commands=2000, lanes=4, users=60, segments=3, due=True)
    async with service(small, ingest, project, project, publish_expiries, publish_expiries):
        for at in range(0, len(sent), 400):
            await publish(settings, sent[at : at + 400])
            await folded(settings)
        await until(
            settings, "SELECT count(*) = 0 FROM reporting.override WHERE expires_at < now()"
        )
        await until(settings, "SELECT count(*) = 0 FROM projections.expiry")
        await folded(settings)
    published = await expiries(settings)
    assert (
        len(published) >= 10
    )  # how many depends on when the history falls; none would prove nothing
    records = await read_topic(settings, Topics(settings.topic_prefix).commands)
    pairs = [(one, (one.topic, one.partition, one.offset, one.timestamp)) for one in records]
    secret = settings.signing_secret
    assert secret is not None

    def accepts(record: Any) -> bool:
        given = {name: record.header(name) for name in SIGNED}
        signature = record.header("segments-signature")
        topic = Topics(settings.topic_prefix).commands
        return signature is not None and signature == sign(
            secret, topic, record.key, record.value, given
        )

    assert await differences(settings, segments, pairs, accepts=accepts) == []
    await rebuild(settings)
    await sound(settings)
    assert await differences(settings, segments, pairs, accepts=accepts) == []
