"""Behind a transaction pooler every part works, though each transaction lands on another session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from projections.outbox.memberships import publish_memberships
from service.ingest.role import ingest
from service.outbox.rejected import publish_rejected
from service.postgres.migrate import require_set_up
from tests.support.command_line import run, system_user
from tests.support.database import connected, folded, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.pooler import pooled
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_ingest_projections_and_every_command_work_behind_a_transaction_pooler(
    settings: Settings,
) -> None:
    async with pooled(settings) as (pooler, through):
        made = await run(through, "segment", "create", "--network", "n", "--name", "one", "--json")
        assert (made.code, made.json["segment_id"]) == (0, 1)
        async with service(
            through, ingest, project, publish_rejected, publish_memberships, publish_expiries
        ):
            await publish(
                settings,
                [NewRecord(user=f"u{n % 40}", reference_id=f"{n}", lane=n % 4) for n in range(400)]
                + [NewRecord(user="x", segment_id=7), NewRecord(b"not JSON")],
            )
            await folded(settings)
            await publish(
                settings,
                [
                    NewRecord(
                        user="brief",
                        status_change_timestamp=1_700_000_000,
                        expires_at=1_700_000_060,
                    )
                ],
            )
            await until(settings, "SELECT count(*) FROM segments.event WHERE user_status = 6")
            status = await run(through, "status", "--wait", "300", "--json")
            assert status.code == 0, status.err
            assert status.json["behind"] == []
        await require_set_up(through)
        for arguments in (
            ["setup", "--check"],
            ["verify"],
            ["lane", "list"],
            ["segment", "list"],
            ["explain", "--network", "n", "--segment", "1", "--user", "u1"],
            ["segment", "edit", "--network", "n", "--id", "1", "--name", "other"],
            ["rebuild"],
            ["verify"],
        ):
            result = await run(through, *arguments, "--json")
            assert result.code == 0, (arguments, result.err)
        taken = await run(through, "segment", "create", "--network", "n", "--name", "other")
        assert (taken.code, "already" in taken.err) == (1, True)
        rejected = json.loads((await run(through, "rejected", "list", "--json")).out)
        assert {row["reason"] for row in rejected} == {"unknown_segment", "not_json"}
        assert pooler.refused == []
        assert pooler.transactions > 50
    assert await value(settings, "SELECT count(*) FROM segments.event") == 402
    await sound(settings)
    async with connected(settings) as connection:
        made_by = await connection.fetchval("SELECT created_by FROM segments.segment")
    assert made_by == system_user()
