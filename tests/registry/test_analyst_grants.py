"""Grants to analysts: what they add up to, what a revocation ends, and the limits of a login."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest

from service.registry import analysts
from service.runtime.errors import RefusedError
from tests.registry.networks import logged_in
from tests.support.command_line import run
from tests.support.database import connected, rows, sound, value
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_group_s_networks_are_its_members_and_two_grants_add_up(
    filled: Settings, ann: str
) -> None:
    group = f"group_{uuid.uuid4().hex[:12]}"
    seen = "SELECT array_agg(DISTINCT network_id ORDER BY network_id) FROM reporting_network.event"
    async with connected(filled) as owner:
        await owner.execute(f"CREATE ROLE {group}; GRANT {group} TO {ann}")
        try:
            await analysts.grant(filled, group, "a")
            async with logged_in(filled, ann) as connection:
                assert await connection.fetchval(seen) == ["a"]
                await analysts.grant(filled, ann, "b")
                assert await connection.fetchval(seen) == ["a", "b"]
                # Having taken on the group's role she sees what the group sees.
                await connection.execute(f"SET ROLE {group}")
                assert await connection.fetchval(seen) == ["a"]
                asked = "SELECT array_agg(DISTINCT network_id) FROM reporting_network.membership_as_of()"
                assert await connection.fetchval(asked) == ["a"]
        finally:
            await owner.execute(f"DROP OWNED BY {group}; DROP ROLE {group}")


async def test_what_is_revoked_is_not_seen_any_more_in_a_session_that_is_open(
    filled: Settings, ann: str
) -> None:
    await analysts.grant(filled, ann, "a", "boss")
    await analysts.grant(filled, ann, "b", "boss")
    async with logged_in(filled, ann) as connection:
        assert await connection.fetchval("SELECT count(DISTINCT network_id) FROM event") == 2
        await analysts.revoke(filled, ann, "b", "boss")
        assert await connection.fetchval("SELECT array_agg(DISTINCT network_id) FROM event") == [
            "a"
        ]
        await analysts.revoke(filled, ann, "a", "boss")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM reporting_network.event")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM reporting_network.membership_as_of()")
    changes = await rows(
        filled, "SELECT network_id, change, actor FROM segments.analyst_event WHERE role_name = $1"
        " ORDER BY analyst_event_id", ann,
    )  # fmt: skip
    assert [tuple(row.values()) for row in changes] == [
        ("a", "granted", "boss"), ("b", "granted", "boss"), ("b", "revoked", "boss"), ("a", "revoked", "boss"),
    ]  # fmt: skip


async def test_a_new_role_of_an_old_name_does_not_inherit_its_networks(
    filled: Settings, ann: str
) -> None:
    await analysts.grant(filled, ann, "b")
    async with connected(filled) as owner:
        await owner.execute(
            f"DROP OWNED BY {ann}; DROP ROLE {ann}; CREATE ROLE {ann} LOGIN PASSWORD 'pw'"
        )
    async with logged_in(filled, ann) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM reporting_network.event")
    await analysts.grant(filled, ann, "a")
    async with logged_in(filled, ann) as connection:
        assert await connection.fetchval("SELECT array_agg(DISTINCT network_id) FROM event") == [
            "a"
        ]


async def test_the_reporting_role_sees_every_network_as_before(filled: Settings, ann: str) -> None:
    async with connected(filled) as owner:
        await owner.execute(f"GRANT segments_report TO {ann}")
    async with logged_in(filled, ann) as connection:
        assert (
            await connection.fetchval("SELECT count(DISTINCT network_id) FROM reporting.event") == 2
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM reporting_network.event")
    with pytest.raises(RefusedError, match="sees every network as a member of segments_report"):
        await analysts.grant(filled, ann, "a")
    await sound(filled)


async def test_a_login_s_query_ends_when_its_client_is_gone(filled: Settings, ann: str) -> None:
    assert (await run(filled, "analyst", "grant", ann, "--network", "a")).code == 0
    asks = "SELECT count(*) FROM generate_series(1, 100000000000)"

    async def is_asked() -> bool:
        query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = $1)"
        return bool(await value(filled, query, asks))

    async def is_over() -> bool:
        return not await is_asked()

    async with logged_in(filled, ann) as connection:
        asking = asyncio.create_task(connection.fetch(asks))
        await holds(is_asked)
        connection.terminate()
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), asyncpg.PostgresConnectionError)
        await holds(is_over)


async def test_a_login_s_queries_end_after_five_minutes_unless_told_otherwise(
    filled: Settings, ann: str
) -> None:
    async def timeout() -> object:
        async with logged_in(filled, ann) as connection:
            return await connection.fetchval("SHOW statement_timeout")

    async def listed() -> object:
        (row,) = (await run(filled, "analyst", "list", "--network", "a", "--json")).json
        return row["statement_timeout"]

    grant = ("analyst", "grant", ann, "--network", "a")
    assert (await run(filled, *grant)).code == 0
    assert (await timeout(), await listed()) == ("5min", "300s")
    assert (await run(filled, *grant, "--statement-timeout", "7")).code == 0
    assert (await timeout(), await listed()) == ("7s", "7s")
    # What she has stays.
    assert (await run(filled, *grant)).code == 0
    assert await timeout() == "7s"
    assert (await run(filled, *grant, "--statement-timeout", "0")).code == 0
    assert await timeout() == "0"
    assert (await run(filled, *grant, "--statement-timeout", "-1")).code == 2


async def test_a_login_has_five_sessions_at_once_unless_told_otherwise(
    filled: Settings, ann: str
) -> None:
    grant = ("analyst", "grant", ann, "--network", "a")

    async def listed() -> object:
        (row,) = (await run(filled, "analyst", "list", "--network", "a", "--json")).json
        return row["connection_limit"]

    assert (await run(filled, *grant)).code == 0
    assert await listed() == 5
    assert (await run(filled, *grant, "--connection-limit", "1")).code == 0
    async with logged_in(filled, ann):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            async with logged_in(filled, ann):
                pass
    # What she has stays, no limit too.
    assert (await run(filled, *grant)).code == 0
    assert await listed() == 1
    assert (await run(filled, *grant, "--connection-limit", "0")).code == 0
    assert (await run(filled, *grant)).code == 0
    assert await listed() is None


async def test_the_commands_grant_list_and_revoke(filled: Settings, ann: str) -> None:
    granted = await run(
        filled, "analyst", "grant", ann, "--network", "a", "--actor", "boss", "--json"
    )
    assert (granted.json["role_name"], granted.json["network_id"], granted.json["change"]) == (
        ann,
        "a",
        "granted",
    )
    assert granted.err.count("warning: ") == 1  # of what can fill the disk
    again = await run(filled, "analyst", "grant", ann, "--network", "a", "--json")
    assert (again.code, again.json["actor"]) == (0, "boss")
    (listed,) = (await run(filled, "analyst", "list", "--network", "a", "--json")).json
    assert (listed["role_name"], listed["actor"]) == (ann, "boss")
    assert (await run(filled, "analyst", "list", "--network", "b", "--json")).json == []
    revoked = await run(filled, "analyst", "revoke", ann, "--network", "a", "--json")
    assert revoked.json["change"] == "revoked"
    assert len((await run(filled, "analyst", "list", "--history", "--json")).json) == 2
    for arguments, code, says in (
        (["revoke", ann, "--network", "a"], 1, "was not granted network a"),
        (["grant", "nobody-at-all", "--network", "a"], 1, "There is no role nobody-at-all"),
        (["grant", ann, "--network", "a b"], 2, "must be 1 to 64"),
    ):
        result = await run(filled, "analyst", *arguments)
        assert (result.code, says in result.err) == (code, True), result.err
    misspelt = await run(filled, "analyst", "grant", ann, "--network", "aa")
    assert (misspelt.code, "network aa has no segments" in misspelt.err) == (0, True)
