"""A login that owns nothing, a member of the service's roles only, runs the whole service (guarantee 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from projections.fold.worker import project
from projections.outbox.memberships import publish_memberships
from service.ingest.role import ingest
from service.kafka.clients import set_up_topics
from service.outbox.rejected import publish_rejected
from service.postgres.database import database_url
from tests.support.command_line import run
from tests.support.database import folded, rows, sound
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_every_role_and_command_works_for_a_login_that_owns_nothing(
    plain: Settings, database: Settings
) -> None:
    done = await run(plain, "setup", "--json")
    assert done.code == 0, done.err
    checked = await run(plain.model_copy(update={"setup_database_url": None}), "setup", "--check")
    assert (checked.code, checked.out) == (0, "everything is set up\n"), checked.err
    await set_up_topics(plain)
    made = await run(plain, "segment", "create", "--network", "n", "--name", "one")
    assert (made.code, made.out) == (0, "1\n")
    async with service(plain, ingest, project, publish_rejected, publish_memberships):
        sent = await run(
            plain, "send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add"
        )
        assert sent.code == 0, sent.err
        await publish(
            plain, [NewRecord(user="late", segment_id=2, lane=0), NewRecord(b"{", lane=0)]
        )
        assert (await run(plain, "status", "--wait", "300")).code == 0
        (row, *_) = (
            await run(plain, "rejected", "list", "--reason", "unknown_segment", "--json")
        ).json
        await run(plain, "segment", "create", "--network", "n", "--name", "two")
        retried = await run(plain, "rejected", "retry", row["position"])
        assert retried.code == 0, retried.err
        await folded(plain)
    await publish(plain, [NewRecord(b"poison", lane=1)])
    end = next(
        one["next_offset"] + 1
        for one in (await run(plain, "lane", "list", "--json")).json
        if one["kafka_partition"] == 1
    )
    for arguments in (
        ["lane", "skip", "--partition", "1", "--to", str(end), "--reason", "r"],
        ["lane", "adopt", "--partition", "2", "--from", "earliest", "--reason", "r", "--force"],
        ["explain", "--network", "n", "--segment", "1", "--user", "u"],
        ["verify"],
        ["rebuild"],
        ["verify"],
        ["segment", "archive", "--network", "n", "--id", "2"],
        ["rejected", "show", row["position"]],
        ["source", "allow", "--topic", "t", "--no-topics"],
        ["source", "revoke", "--topic", "t"],
        ["source", "list", "--history"],
        ["analyst", "list"],
    ):
        result = await run(plain, *arguments)
        assert result.code == 0, (arguments, result.err)
    users = await rows(database, "SELECT user_id, segment_id FROM reporting.membership ORDER BY 2")
    assert [tuple(one.values()) for one in users] == [("u", 1), ("late", 2)]
    await sound(database)


async def test_that_login_may_change_nothing_that_was_written(plain: Settings) -> None:
    assert (await run(plain, "setup", "--no-topics")).code == 0
    connection = await asyncpg.connect(database_url(plain))
    try:
        for change in (
            "DELETE FROM segments.event",
            "UPDATE segments.rejected SET reason = 'x'",
            "TRUNCATE segments.hole",
            "ALTER TABLE segments.event DISABLE TRIGGER ALL",
            "DROP TABLE segments.event",
            "SET ROLE segments_owner",
            "SET ROLE segments_erase",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
    finally:
        await connection.close()
