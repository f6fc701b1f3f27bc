"""Overrides lapse: the service publishes `expire` when the time has come, once, however many publish."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from projections.expiry import publish_expiries
from projections.rebuild import rebuild
from projections.status import UNSIGNED, read_status
from projections.worker import project
from schemas.headers import verify
from schemas.topics import Topics
from service import registry
from service.ingest.ingest import ingest
from tests.e2e.test_reporting_memberships import read_topic
from tests.histories import history
from tests.support.database import connected, folded, rows, sound, until
from tests.support.kafka import Said, publish
from tests.support.referee import differences
from tests.support.registries import make_registry
from tests.support.roles import processes, service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time())
STANDING = "SELECT count(*) FROM reporting.override"
ROLES = (ingest, project, publish_expiries)


async def expiries(settings: Settings) -> list[Any]:
    """Read the records on the commands topic that say expire."""
    records = await read_topic(settings, Topics(settings.topic_prefix).commands)
    return [record for record in records if b'"expire"' in (record.value or b"")]


async def outcomes(settings: Settings) -> list[tuple[str, str]]:
    """Tell what became of each expire: user and outcome."""
    found = await rows(
        settings,
        "SELECT user_id, outcome FROM reporting.result WHERE user_status = 'expire' ORDER BY 1, 2",
    )
    return [(row["user_id"], row["outcome"]) for row in found]


async def swept(settings: Settings, user: str = "witness") -> None:
    """Wait until an override that was due later than all others has lapsed."""
    await publish(settings, [Said(user=user, status_change_timestamp=NOW - 60, expires_at=NOW - 1)])
    await until(
        settings,
        f"SELECT count(*) FROM reporting.result WHERE user_id = '{user}' AND user_status = 'expire'",
    )
    await folded(settings)


async def test_an_override_lapses_within_seconds_of_its_time_and_says_why(ready: Settings) -> None:
    due = int(time.time()) + 2
    async with service(ready, *ROLES):
        await publish(
            ready,
            [
                Said(user=" Ann@X.com", expires_at=due, status_change_timestamp=due - 9),
                Said(user="rule", user_status="enter", status_change_timestamp=due - 30),
                Said(user="rule", user_status="block", expires_at=due, status_change_timestamp=due - 9),
            ],
        )  # fmt: skip
        await until(ready, STANDING, lambda found: found == 2)
        assert time.time() < due
        await until(ready, STANDING, lambda found: found == 0, seconds=10)
        assert due <= time.time() < due + 5
    await sound(ready)
    states = await rows(
        ready, "SELECT user_id, is_member, override FROM reporting.user_segment ORDER BY 1"
    )
    assert [tuple(state.values()) for state in states] == [
        ("ann@x.com", True, None),
        ("rule", False, None),
    ]
    (event,) = await rows(
        ready,
        "SELECT x.* FROM reporting.event AS x WHERE user_status = 'expire' AND user_id = 'ann@x.com'",
    )
    named = await rows(ready, "SELECT event_id FROM reporting.event WHERE user_status = 'add'")
    assert (event["source"], event["actor"]) == ("expiry", None)
    assert event["status_change_timestamp"].timestamp() == due
    assert event["reference_id"] == f"expire:{named[0]['event_id']}"
    assert await outcomes(ready) == [("ann@x.com", "applied"), ("rule", "applied")]
    for record in await expiries(ready):
        said = json.loads(record.value)
        assert record.key == f"n:{said['user']}".encode()
        assert set(said) == {
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
                Said(user=f"u{n}", status_change_timestamp=NOW - 9 * hour, expires_at=NOW - hour * (1 + n % 5))
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
            [Said(user="late", status_change_timestamp=NOW - 9 * hour, expires_at=NOW - 8 * hour)],
        )
        await until(ready, "SELECT count(*) FROM reporting.result WHERE user_id = 'late' AND outcome = 'applied'",
                    lambda found: found == 2)  # fmt: skip
        await until(ready, "SELECT count(*) = 0 FROM projections.expiry")
    assert len(await expiries(ready)) == 1201
    async with connected(ready, "segments_operate") as connection:
        assert (await read_status(connection, ready))["overdue_expiries"] == 0
    await sound(ready)


async def test_several_publishers_publish_each_once_also_while_the_ingest_stands_still(
    ready: Settings,
) -> None:
    many = 3000
    async with service(ready, ingest, project):
        await publish(
            ready,
            [
                Said(user=f"u{n}", status_change_timestamp=NOW - 900, expires_at=NOW - 600)
                for n in range(many)
            ],
        )
        await folded(ready)
    with processes(ready, "project", "project"):
        async with service(ready, project, publish_expiries, publish_expiries):
            await until(
                ready,
                f"SELECT count(*) = {many} FROM projections.expiry WHERE topic IS NOT NULL",
            )
            # Even when a second saying is due, it waits for what is on its way.
            async with connected(ready) as connection:
                await connection.execute("UPDATE projections.expiry SET again_at = now()")
            await _sweeps(ready, 6)
        assert len(await expiries(ready)) == many
        async with service(ready, ingest):
            await until(ready, STANDING, lambda found: found == 0)
    assert len(await expiries(ready)) == many
    assert len({record.value for record in await expiries(ready)}) == many


async def _sweeps(settings: Settings, count: int) -> None:
    """Wait for so many sweeps: at its end each forgets what no longer stands."""
    gone = "SELECT count(*) = 0 FROM projections.expiry WHERE segment_key = 0"
    for _ in range(count):
        async with connected(settings) as connection:
            await connection.execute(
                "INSERT INTO projections.expiry (segment_key, person_id, named_lane_id, named_offset, again_at)"
                " VALUES (0, 0, 0, 0, '-infinity')"
            )
        await until(settings, gone)


async def test_what_was_claimed_by_a_process_that_died_is_published_by_another(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [Said(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        async with connected(ready) as connection:
            await connection.execute(
                "INSERT INTO projections.expiry (segment_key, person_id, named_lane_id, named_offset, again_at)"
                " SELECT segment_key, person_id, lane_id, kafka_offset, clock_timestamp() + interval '2 s'"
                " FROM segments.event"
            )
        async with service(ready, publish_expiries):
            await until(ready, STANDING, lambda found: found == 0)
    assert len(await expiries(ready)) == 1


async def test_what_was_refused_is_published_again(ready: Settings) -> None:
    """Another signing key was in force, say: the ingest did not believe it."""
    other = ready.model_copy(update={"signing_key": None})
    async with service(ready, project, publish_expiries):
        async with service(other, ingest):
            await publish(
                ready, [Said(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
            )
            await until(
                ready, "SELECT count(*) FROM reporting.rejected WHERE reason = 'invalid_field'"
            )
            await folded(ready)
        async with connected(ready) as connection:
            await connection.execute("UPDATE projections.expiry SET again_at = now()")
        async with service(ready, ingest):
            await until(ready, STANDING, lambda found: found == 0)
    assert len(await expiries(ready)) == 2


async def test_an_override_restated_reset_or_replaced_does_not_lapse_early(ready: Settings) -> None:
    def say(user: str, status: str, at: int, **fields: Any) -> Said:
        return Said(user=user, user_status=status, status_change_timestamp=NOW + at, **fields)

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
            ready, [Said(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        async with connected(ready) as connection:
            await registry.set_archived(connection, network_id="n", segment_id=1, archived=True)
        async with service(ready, publish_expiries):
            await until(ready, STANDING, lambda found: found == 0)
    assert await outcomes(ready) == [("u", "applied")]


async def erase(settings: Settings, user: str) -> int:
    async with connected(settings, "segments_operate") as connection:
        number: int = await connection.fetchval(
            "SELECT segments.erase_person('n', $1, 'officer', 'asked')", user
        )
    return number


async def test_an_erased_persons_override_lapses_and_that_of_whoever_is_called_so_now_stays(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [Said(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        number = await erase(ready, "ann")
        await publish(ready, [Said(user="ann", status_change_timestamp=NOW - 900)])
        await folded(ready)
        async with service(ready, publish_expiries):
            await until(ready, STANDING, lambda found: found == 1)
    assert await outcomes(ready) == [(f"erased:{number}", "applied")]
    people = await rows(ready, "SELECT user_id, erased FROM segments.person ORDER BY 1, 2")
    assert [tuple(row.values()) for row in people] == [
        ("ann", 0), (f"erased:{number}", number),
    ]  # fmt: skip
    await sound(ready)


async def test_an_expiry_that_an_erasure_overtook_lapses_and_brings_no_identifier_back(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [Said(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
    async with service(ready, project, publish_expiries):
        await until(ready, "SELECT count(*) FROM projections.expiry WHERE topic IS NOT NULL")
        number = await erase(ready, "ann")
        (record,) = await expiries(ready)
        assert b'"ann"' in record.value
        again = Said(record.value, key=record.key, headers=record.headers, lane=record.partition)
        async with service(ready, ingest):
            await until(ready, STANDING, lambda found: found == 0)
            await publish(ready, [again])
            await folded(ready)
    assert await outcomes(ready) == [
        (f"erased:{number}", "applied"),
        (f"erased:{number}", "duplicate"),
    ]
    people = await rows(ready, "SELECT user_id FROM segments.person")
    assert [row["user_id"] for row in people] == [f"erased:{number}"]
    await sound(ready)


async def test_an_expiry_said_again_after_an_erasure_is_a_duplicate_still(ready: Settings) -> None:
    async with service(ready, *ROLES):
        await publish(
            ready, [Said(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await until(ready, "SELECT count(*) FROM reporting.result WHERE user_status = 'expire'")
        (record,) = await expiries(ready)
        number = await erase(ready, "ann")
        again = Said(record.value, key=record.key, headers=record.headers, lane=record.partition)
        await publish(ready, [again])
        await folded(ready)
    assert await outcomes(ready) == [
        (f"erased:{number}", "applied"),
        (f"erased:{number}", "duplicate"),
    ]


async def test_without_a_signing_key_nothing_is_published_and_log_and_status_say_so_once(
    ready: Settings,
) -> None:
    unsigned = ready.model_copy(update={"signing_key": None})
    with capture_logs() as logs:
        async with service(unsigned, ingest, project, publish_expiries, publish_expiries):
            await publish(
                ready, [Said(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
            )
            await folded(ready)
            await holds(lambda: len(_unsigned(logs)) == 2)  # one for each process
    assert len(_unsigned(logs)) == 2
    assert await expiries(ready) == []
    async with connected(ready, "segments_operate") as connection:
        assert (await read_status(connection, unsigned))["warnings"] == [UNSIGNED]
        assert (await read_status(connection, ready))["warnings"] == []


def _unsigned(logs: Any) -> list[Any]:
    return [entry for entry in logs if "SEGMENTS_SIGNING_KEY" in entry["event"]]


async def test_an_expire_of_anybody_else_is_refused(ready: Settings) -> None:
    async with service(ready, *ROLES):
        await publish(
            ready,
            [
                Said(user="u", user_status="expire", status_change_timestamp=NOW - 9, headers=headers,
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
    said = await expiries(settings)
    assert len(said) >= 10  # how many depends on when the history falls; none would prove nothing
    records = await read_topic(settings, Topics(settings.topic_prefix).commands)
    pairs = [(one, (one.topic, one.partition, one.offset, one.timestamp)) for one in records]
    secret = settings.signing_secret
    assert secret is not None

    def believes(record: Any) -> bool:
        source, signature = record.header("segments-source"), record.header("segments-signature")
        if not signature:
            return False
        key, value, request = record.key, record.value, record.header("segments-request-id")
        return verify(secret, key, value, source, None, request, signature)

    assert await differences(settings, segments, pairs, believes=believes) == []
    await rebuild(settings)
    await sound(settings)
    assert await differences(settings, segments, pairs, believes=believes) == []
