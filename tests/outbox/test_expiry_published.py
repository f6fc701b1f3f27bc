"""Each expiry is published once, whoever publishes, dies or stands still; unsigned ones are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from projections.fold.worker import project
from projections.operations.status import UNSIGNED, read_status
from projections.outbox import expiries as expiry
from projections.outbox.expiries import publish_expiries
from service.ingest.role import ingest
from tests.support.database import connected, folded, until
from tests.support.expiring import NOW, STANDING, expiries
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_several_publishers_publish_each_once_also_while_the_ingest_stands_still(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 3000
    # No claim runs out because the machine is busy: then another publisher would say it again.
    monkeypatch.setattr(expiry, "SEND_SECONDS", PATIENCE)
    monkeypatch.setattr(expiry, "CLAIM_SECONDS", 2 * PATIENCE)
    async with service(ready, ingest, project):
        await publish(
            ready,
            [
                NewRecord(user=f"u{n}", status_change_timestamp=NOW - 900, expires_at=NOW - 600)
                for n in range(many)
            ],
        )
        await folded(ready)
    async with service(ready, project, project, *[publish_expiries] * 4):
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
                "INSERT INTO projections.expiry (segment_key, person_id, stated_lane_id, stated_offset, again_at)"
                " VALUES (0, 0, 0, 0, '-infinity')"
            )
        await until(settings, gone)


async def test_what_was_claimed_by_a_process_that_died_is_published_by_another(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [NewRecord(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        async with connected(ready) as connection:
            await connection.execute(
                "INSERT INTO projections.expiry (segment_key, person_id, stated_lane_id, stated_offset, again_at)"
                " SELECT segment_key, person_id, lane_id, kafka_offset, clock_timestamp() + interval '2 s'"
                " FROM segments.event"
            )
        async with service(ready, publish_expiries):
            await until(ready, STANDING, lambda found: found == 0)
    assert len(await expiries(ready)) == 1


async def test_what_was_refused_is_published_again(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another signing key was in force, say: the ingest did not accept it."""
    monkeypatch.setattr(expiry, "CLAIM_SECONDS", 600)  # when it is due again is said below
    other = ready.model_copy(update={"signing_key": None})
    async with service(ready, project, publish_expiries):
        async with service(other, ingest):
            await publish(
                ready,
                [NewRecord(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)],
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


async def test_without_a_signing_key_nothing_is_published_and_log_and_status_say_so_once(
    ready: Settings,
) -> None:
    unsigned = ready.model_copy(update={"signing_key": None})
    with capture_logs() as logs:
        async with service(unsigned, ingest, project, publish_expiries, publish_expiries):
            await publish(
                ready,
                [NewRecord(user="u", status_change_timestamp=NOW - 900, expires_at=NOW - 600)],
            )
            await folded(ready)
            await holds(lambda: len(_unsigned(logs)) == 2)  # one for each process
    assert len(_unsigned(logs)) == 2
    assert await expiries(ready) == []
    async with connected(ready, "segments_operate") as connection:
        assert UNSIGNED in (await read_status(connection, unsigned))["warnings"]
        assert UNSIGNED not in (await read_status(connection, ready))["warnings"]


def _unsigned(logs: Any) -> list[Any]:
    return [entry for entry in logs if "SEGMENTS_SIGNING_KEY" in entry["event"]]
