"""Erasure takes identifier, salt and free text away everywhere, and no row."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import project
from service.ingest.role import ingest
from tests.projections.folding import fold, log
from tests.support.database import connected, erase, folded, rows, sound, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
SECRETS = ("anna@x.com", "ANNA@x.com", "why-she-came", "her-own-words", "misspelt-by-anna")
_ALL = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname ~ '^(segments|projections|migrations|reporting(_network)?)$' AND c.relkind IN ('r', 'v', 'm') ORDER BY 1
"""


async def found_in(settings: Settings, needle: str) -> list[str]:
    """Look through every table and view as text; bytes as hex and as text."""
    places = []
    hidden = needle.encode().hex()
    async with connected(settings) as connection:
        for (name,) in await connection.fetch(_ALL):
            if name == "migrations.applied":
                continue
            text = "\n".join(
                r[0] for r in await connection.fetch(f"SELECT t::text FROM {name} AS t")
            )
            if needle in text or hidden in text:
                places.append(name)
    return places


async def fill(lane: Any) -> None:
    outcomes = await lane.append(
        command_json(user=" ANNA@x.com", status_change_timestamp=AT, description="why-she-came",
             metadata={"note": "her-own-words"}, reference_id="campaign"),
        command_json(user="anna@x.com", status_change_timestamp=AT, description="why-she-came",
             metadata={"note": "her-own-words"}, reference_id="campaign"),
        command_json(user="anna@x.com", segment_id=9, description="why-she-came"),
        (command_json(user="anna@x.com", **{"misspelt-by-anna": "her-own-words"}),
         (("idempotency-key", b"anna@x.com"),), b"n:anna@x.com"),
        (command_json(user="anna@x.com", user_status="block", segment_id=2,
                      description="why-she-came"), (), b"n:anna@x.com"),
        command_json(user="bob", description="why-he-came"),
    )  # fmt: skip
    assert outcomes == ["event", "duplicate", "unknown_segment", "invalid_field", "event", "event"]


async def test_identifier_salt_and_free_text_are_gone_everywhere_and_the_rows_stay(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
        before = {secret: await found_in(database, secret) for secret in SECRETS}
        assert all(before.values()), before
        counts = "SELECT network_id, segment_id, members, added, blocked FROM reporting.segment_size ORDER BY 2"
        sizes = await rows(database, counts)
        salt = await value(
            database, "SELECT salt FROM segments.person WHERE user_id = 'anna@x.com'"
        )

        number = await erase(database, "anna@x.com")

        assert {s: await found_in(database, s) for s in SECRETS} == {s: [] for s in SECRETS}
        assert await found_in(database, "why-he-came") != []
        assert salt.hex() not in str(await rows(database, "SELECT salt::text FROM segments.person"))
        assert await rows(database, counts) == sizes
        states = await rows(
            database,
            "SELECT segment_id, user_id, is_member, override FROM reporting.user_segment ORDER BY user_id, segment_id",
        )
        assert [tuple(s.values()) for s in states] == [
            (1, "bob", True, "add"),
            (1, f"erased:{number}", True, "add"),
            (2, f"erased:{number}", False, "block"),
        ]
        assert (
            await value(database, "SELECT count(*) FROM reporting.rejected WHERE payload IS NULL")
            == 2
        )
        await sound(database)
    await rebuild(database)
    await sound(database)
    again = await rows(
        database,
        "SELECT segment_id, user_id, is_member, override FROM reporting.user_segment ORDER BY user_id, segment_id",
    )
    assert again == states


async def test_the_erasure_itself_is_recorded_with_actor_and_reason(database: Settings) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        number = await erase(database, "anna@x.com")
    (row,) = await rows(database, "SELECT * FROM segments.erasure")
    assert (row["erasure_id"], row["actor"], row["reason"]) == (number, "officer", "she asked")
    assert row["erased_at"] is not None


async def test_nobody_to_erase_gives_null_and_erasing_twice_erases_once(database: Settings) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        assert await erase(database, "nobody") is None
        assert await erase(database, "anna@x.com", "other") is None
        assert await erase(database, "anna@x.com") is not None
        assert await erase(database, "anna@x.com") is None
    assert await value(database, "SELECT count(*) FROM segments.erasure") == 1


async def test_nobody_to_erase_holds_up_no_append(database: Settings) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        async with connected(database) as appending, appending.transaction():
            await appending.execute("LOCK TABLE segments.erasure_gate IN ROW EXCLUSIVE MODE")
            assert await erase(database, "nobody") is None


async def test_the_same_identifier_afterwards_is_a_new_person(database: Settings) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        number = await erase(database, "anna@x.com")
        # The very command of before: nothing ties it to the erased one any more.
        assert await lane.append(
            command_json(user="anna@x.com", status_change_timestamp=AT, description="why-she-came",
                 metadata={"note": "her-own-words"}, reference_id="campaign")
        ) == ["event"]  # fmt: skip
        await fold(database)
    users = await rows(
        database, "SELECT user_id FROM reporting.user_segment WHERE segment_id = 1 ORDER BY 1"
    )
    assert [row["user_id"] for row in users] == ["anna@x.com", "bob", f"erased:{number}"]
    await sound(database)
    assert await erase(database, "anna@x.com") == number + 1


async def test_a_user_who_is_called_like_an_erased_one_shares_no_row_with_one(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        assert await lane.append(command_json(user="erased:1", status_change_timestamp=AT)) == [
            "event"
        ]
        number = await erase(database, "anna@x.com")
        await fold(database)
    assert number != 1
    doubled = await rows(
        database,
        "SELECT user_id FROM reporting.user_segment GROUP BY network_id, segment_id, user_id HAVING count(*) > 1",
    )
    assert doubled == []


async def test_only_the_operating_role_and_that_of_the_registry_may_erase(
    database: Settings,
) -> None:
    """The latter for keys of scope admin, whose network the API gives."""
    roles = (
        "segments_ingest",
        "segments_project",
        "segments_api",
        "segments_report",
        "segments_owner",
    )
    for role in roles:
        async with connected(database, role) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("SELECT segments.erase_person('n', 'u', 'a', 'r')")
    owner = await value(
        database,
        "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = "
        "'segments.erase_person(text, text, text, text)'::regprocedure",
    )
    assert owner == "segments_erase"


async def test_an_ingest_that_remembers_people_attaches_nothing_to_an_erased_one(
    ready: Settings,
) -> None:
    small = ready.model_copy(update={"ingest_batch_records": 50})
    users = [f"u{number}" for number in range(8)]
    commands = [
        NewRecord(user=user, segment_id=1, reference_id=f"{turn}", status_change_timestamp=AT + turn, lane=turn % 4)
        for turn in range(150)
        for user in users
    ]  # fmt: skip
    async with service(small, ingest, project):
        await publish(ready, commands[:8])
        await folded(ready)
        publishing = asyncio.create_task(publish(ready, commands[8:]))
        erased = {user: await erase(ready, user) for user in users}
        await publishing
        await folded(ready)
    await sound(ready)
    late = await rows(
        ready,
        "SELECT p.user_id, e.kafka_offset FROM segments.event AS e JOIN segments.person AS p USING (person_id)"
        " JOIN segments.erasure AS x ON x.person_id = p.person_id WHERE e.recorded_at > x.erased_at",
    )
    assert late == []
    assert all(erased.values())
    assert await value(ready, "SELECT count(*) FROM segments.event") == len(commands)
