"""Overrides lapse although their people are erased, and no identifier comes back with that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from service.ingest.role import ingest
from tests.support.database import erase, folded, rows, sound, until
from tests.support.expiring import NOW, ROLES, STANDING, expiries, outcomes, resigned_expiry
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_an_erased_persons_override_lapses_and_that_of_whoever_is_called_so_now_stays(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project):
        await publish(
            ready, [NewRecord(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
        number = await erase(ready, "ann")
        await publish(ready, [NewRecord(user="ann", status_change_timestamp=NOW - 900)])
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
            ready, [NewRecord(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await folded(ready)
    async with service(ready, project, publish_expiries):
        await until(ready, "SELECT count(*) FROM projections.expiry WHERE topic IS NOT NULL")
        number = await erase(ready, "ann")
        (record,) = await expiries(ready)
        assert b'"ann"' in record.value
        again = resigned_expiry(ready, record)
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
            ready, [NewRecord(user="ann", status_change_timestamp=NOW - 900, expires_at=NOW - 600)]
        )
        await until(ready, "SELECT count(*) FROM reporting.result WHERE user_status = 'expire'")
        (record,) = await expiries(ready)
        number = await erase(ready, "ann")
        again = resigned_expiry(ready, record)
        await publish(ready, [again])
        await folded(ready)
    assert await outcomes(ready) == [
        (f"erased:{number}", "applied"),
        (f"erased:{number}", "duplicate"),
    ]
