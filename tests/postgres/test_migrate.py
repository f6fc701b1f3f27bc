"""`setup`: safe to repeat, for two at once, from an older state; and what --check warns of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from service.postgres import migrate as module
from service.postgres.database import database_url
from service.postgres.migrate import check_database, set_up_database
from service.postgres.migrations import Migration, migrations
from service.runtime.errors import MigrationDriftError, NotSetUpError, RefusedError
from tests.support.command_line import run
from tests.support.database import connected, rows, value

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# All that a migration makes, with rights and texts.
_OBJECTS = """
SELECT relname AS name, relkind::text AS kind, relacl::text AS acl, pg_get_userbyid(relowner) AS owner,
    CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) END AS text FROM pg_class
WHERE relnamespace::regnamespace::text IN ('segments', 'projections', 'reporting')
UNION ALL SELECT oid::regprocedure::text, 'function', proacl::text, pg_get_userbyid(proowner), prosrc FROM pg_proc
WHERE pronamespace::regnamespace::text IN ('segments', 'projections', 'reporting') ORDER BY 1, 2
"""


async def objects(settings: Settings) -> list[dict[str, Any]]:
    return await rows(settings, _OBJECTS)


async def test_two_at_once_on_one_database_and_on_two_all_succeed_and_repeat_does_nothing(
    empty: list[Settings], database: Settings
) -> None:
    one, two = empty
    done = await asyncio.gather(
        *(set_up_database(settings) for settings in (one, two, one, two, one))
    )
    assert sorted(len(applied) for applied in done) == [
        0,
        0,
        0,
        len(migrations()),
        len(migrations()),
    ]
    assert await set_up_database(one) == []
    assert await objects(one) == await objects(two) == await objects(database)


async def test_an_older_state_is_brought_up_to_date(
    empty: list[Settings], database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = empty[0]
    old = [f"applied {migration.name}" for migration in migrations()]
    new = ["applied 9997_note", "applied 9998_planner"]
    assert await set_up_database(one) == old
    # The last changes what setup gave to another role.
    every = [
        *migrations(),
        Migration(9997, "9997_note", "CREATE TABLE segments.note (words text);"),
        Migration(9998, "9998_planner", "ALTER FUNCTION segments.erase_person SET jit = off;"),
    ]
    monkeypatch.setattr(module, "migrations", lambda: every)
    with pytest.raises(NotSetUpError, match="9997_note, 9998_planner"):
        await check_database(one)
    assert await set_up_database(one) == new
    assert await set_up_database(one) == []
    await check_database(one)
    assert await set_up_database(empty[1]) == [*old, *new]
    made = await objects(one)
    assert made == await objects(empty[1])
    assert made != await objects(database)


async def test_a_migration_that_was_changed_after_it_was_applied_is_refused(
    database: Settings,
) -> None:
    async with connected(database) as connection:
        await connection.execute(
            "UPDATE migrations.applied SET checksum = 'another' WHERE number = 1"
        )
    with pytest.raises(MigrationDriftError, match="0001_initial"):
        await set_up_database(database)
    with pytest.raises(MigrationDriftError):
        await check_database(database)
    result = await run(database, "setup", "--no-topics")
    assert (result.code, result.out) == (1, "")
    assert "0001_initial" in result.err


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = empty[0]
    broken = Migration(9999, "9999_broken", "CREATE TABLE segments.half (); SELECT 1/0")
    every = [*migrations(), broken]
    monkeypatch.setattr(module, "migrations", lambda: every)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await set_up_database(one)
    monkeypatch.undo()
    assert await objects(one) == []
    with pytest.raises(NotSetUpError):
        await check_database(one)


async def test_setup_makes_database_and_topics_prints_what_it_would_and_checks(
    empty: list[Settings],
) -> None:
    one = empty[0]
    missing = await run(one, "setup", "--check")
    assert (missing.code, "not set up" in missing.err) == (1, True)
    printed = await run(one, "setup", "--print")
    for text in (
        migrations()[0].sql,
        "CREATE ROLE",
        f"--topic {one.topic_prefix}.commands",
        "OWNER TO segments_erase",
    ):
        assert text in printed.out
    assert (
        (await run(one, "setup", "--print", "--no-topics", "--json"))
        .json["print"][0]
        .startswith("-- Roles")
    )
    done = await run(one, "setup", "--json")
    assert done.code == 0, done.err
    assert (
        len(done.json["done"]) == len(migrations()) + 6
    )  # four topics, and the claim of their ownership
    again = await run(one, "setup")
    assert (again.code, again.out) == (0, "nothing to do\n")
    checked = await run(one, "setup", "--check")
    # The tests log in as a superuser.
    assert checked.code == 0
    assert "warning: DATABASE_URL logs in as" in checked.out
    assert (await run(one, "setup", "--check", "--json")).json["faults"] == []


async def test_the_sql_that_setup_prints_makes_the_same_database(
    empty: list[Settings], database: Settings
) -> None:
    one = empty[0]
    printed = await run(one, "setup", "--print", "--no-topics")
    async with connected(one) as connection:
        await connection.execute(printed.out)
    assert await objects(one) == await objects(database)


async def test_check_warns_of_a_superuser_and_of_a_member_of_the_owner_and_of_nobody_else(
    database: Settings, plain: Settings
) -> None:
    login = await value(plain, "SELECT session_user")
    assert len(await check_database(database)) == 1
    await set_up_database(plain)
    roles = await value(
        database,
        "SELECT array_agg(roleid::regrole::text ORDER BY 1) FROM pg_auth_members"
        " WHERE member = $1::text::regrole",
        login,
    )
    assert set(roles) == set(module.SERVICE_ROLES)
    assert await check_database(plain) == []
    async with connected(database) as connection:
        await connection.execute(f"GRANT segments_owner TO {login}")
    assert login in (await check_database(plain))[0]


async def test_what_role_or_database_set_does_not_change_what_setup_makes(
    empty: list[Settings], database: Settings
) -> None:
    one = empty[0]
    name = database_url(one).rpartition("/")[2]
    async with connected(one) as connection:
        for setting in (
            "search_path = 'nowhere'", "standard_conforming_strings = off", "bytea_output = 'escape'",
            "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'", "timezone = 'Asia/Kolkata'",
            "statement_timeout = '1ms'",
            "lock_timeout = '1ms'", "default_transaction_isolation = 'serializable'", "escape_string_warning = off",
        ):  # fmt: skip
            await connection.execute(f"ALTER DATABASE {name} SET {setting}")
    await set_up_database(one)
    async with connected(database) as connection:
        await connection.execute(f"ALTER DATABASE {name} RESET ALL")
    assert await objects(one) == await objects(database)


async def test_setup_waits_for_a_lock_a_while_and_then_says_so(
    empty: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = empty[0]
    monkeypatch.setitem(module.SESSION, "lock_timeout", "50ms")
    await set_up_database(one)
    async with connected(one) as holder:
        holding = holder.transaction()
        await holding.start()
        await holder.execute("LOCK TABLE migrations.applied IN EXCLUSIVE MODE")
        with pytest.raises(RefusedError, match="Another session holds a lock"):
            await set_up_database(one)
        waiting = asyncio.create_task(set_up_database(one))
        await holder.execute("SELECT pg_sleep(0.2)")
        await holding.rollback()
        assert await waiting == []


async def test_check_tells_of_a_trigger_that_is_off(settings: Settings) -> None:
    async with connected(settings) as connection:
        await connection.execute("ALTER TABLE segments.event DISABLE TRIGGER event_is_immutable")
    checked = await run(settings, "setup", "--check")
    assert checked.code == 1
    assert (
        "segments.event: trigger for UPDATE should be refuse_all_but_erasure(), always, and is disabled"
        in checked.out
    )
    verified = await run(settings, "verify")
    assert (verified.code, "trigger for UPDATE" in verified.out) == (1, True)
