"""Snapshot tokens: what the views showed with one is what membership_as_shown says of it, whatever arrived later."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import PROJECTION, ROLE, fold_range
from schemas.position import Lane
from service.registry import segments as registry
from tests.projections.folding import commands, fold, log
from tests.projections.logged import moment, put
from tests.projections.test_history import drawn_histories
from tests.support.database import connected, erase, make_segments, value
from tests.support.lane import command_json, log_lanes

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
Row = tuple[Any, ...]
_SHOWN = "SELECT network_id, segment_id, user_id, is_member, override FROM reporting.user_segment"
_AS_OF = "SELECT * FROM reporting.membership_as_of($1, network_id => $2)"
_AS_SHOWN = "SELECT * FROM reporting.membership_as_shown($1, $2, $3, $4, $5)"
PEOPLE = """
INSERT INTO segments.person (person_id, network_id, user_id, salt)
OVERRIDING SYSTEM VALUE SELECT n, 'n0', 'u' || n, '' FROM generate_series(1, $1::bigint) AS n
"""


_NEXT_EPOCH = """
INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset) VALUES ($1, $2, 1, 0, 0)
RETURNING lane_id
"""


class Shown(NamedTuple):
    """What was read with a token: all states, and those at a moment."""

    token: str
    now: list[Row]
    at: datetime
    then: list[Row]


async def ask(connection: asyncpg.Connection[Any], query: str, *given: Any) -> list[Row]:
    return sorted((tuple(row) for row in await connection.fetch(query, *given)), key=repr)


async def look(connection: asyncpg.Connection[Any], at: datetime) -> Shown:
    """Read the views and a token in one snapshot of Postgres."""
    async with connection.transaction(isolation="repeatable_read"):
        return Shown(
            await connection.fetchval("SELECT reporting.snapshot()"),
            await ask(connection, _SHOWN),
            at,
            await ask(connection, _AS_OF, at, None),
        )


async def holds(connection: asyncpg.Connection[Any], shown: Shown) -> None:
    """Hold what is said of a token against what was read with it."""
    named = (None, None, None)
    infinity = await connection.fetchval("SELECT 'infinity'::timestamptz")
    assert await ask(connection, _AS_SHOWN, shown.token, infinity, *named) == shown.now
    assert await ask(connection, _AS_SHOWN, shown.token, shown.at, *named) == shown.then


async def take(settings: Settings) -> str:
    token: str = await value(settings, "SELECT reporting.snapshot()")
    return token


async def shown_by(settings: Settings, token: str, **given: Any) -> list[Row]:
    named = "".join(f", {name} => ${nth}" for nth, name in enumerate(given, 2))
    async with connected(settings, "segments_report") as connection:
        query = f"SELECT * FROM reporting.membership_as_shown($1{named})"
        return await ask(connection, query, token, *given.values())


async def test_what_the_views_showed_with_a_token_is_said_of_it_ever_after(
    database: Settings,
) -> None:
    """Late, tied and expiring events, lanes and epochs at different places, and a slot that is swapped."""
    histories = drawn_histories(150)
    rng = random.Random(5)  # noqa: S311 - the same each time
    taken: list[Shown] = []
    async with connected(database) as connection:
        await put(connection, histories)
        await connection.execute(PEOPLE, len(histories))
        await connection.execute("UPDATE projections.checkpoint SET next_offset = 0")
        lanes = dict(await connection.fetch("SELECT lane_id, next_offset FROM segments.lane"))
        places = dict.fromkeys(lanes, 0)
        while lanes:
            at = moment(rng.randrange(-1, 5))
            assert at is not None
            taken.append(await look(connection, at))
            await holds(connection, taken[rng.randrange(len(taken))])
            lane = rng.choice(list(lanes))
            until = min(lanes[lane], places[lane] + rng.choice([1, 5, 20]))
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {ROLE}")
                await fold_range(connection, 0, lane, places[lane], until)
            places[lane] = until
            if until == lanes[lane]:
                del lanes[lane]
        assert len(taken) > 20
        assert len({shown.token for shown in taken}) == len(taken)
        for shown in taken:
            await holds(connection, shown)
    await rebuild(database, PROJECTION)
    async with connected(database) as connection:
        for shown in taken:
            await holds(connection, shown)


async def test_equal_states_have_equal_tokens_and_a_change_of_the_registry_another(
    database: Settings,
) -> None:
    async with log(database, lanes=2) as (first, _):
        await first.append(command_json())
        empty = await take(database)
        await fold(database)
        token = await take(database)
        assert await take(database) == token != empty
        assert await shown_by(database, empty) == []
        assert await shown_by(database, token) == [("n", 1, "u", True, "add")]
        async with connected(database) as connection:
            await registry.edit(connection, network_id="n", segment_id=2, name="other")
        renamed = await take(database)
        assert renamed != token
        await make_segments(database, [("m", 1)])
        async with connected(database) as connection:
            version = "SELECT version FROM projections.read_snapshot($1)"
            versions = [await connection.fetchval(version, one) for one in (token, renamed)]
        assert versions == [2, 3]
        assert await take(database) != renamed


async def test_filters_narrow_it_to_network_segment_and_user_however_written(
    database: Settings,
) -> None:
    async with log(database, segments=[("n", 1), ("n", 2), ("m", 1)]) as (lane,):
        await lane.append(
            command_json(user="A@x"),
            command_json(user="A@x", segment_id=2),
            command_json(user="a@x", network_id="m"),
        )
        await fold(database)
        token = await take(database)
        await lane.append(command_json(user="a@x", user_status="block"), command_json(user="new"))
        await fold(database)
    every = [
        ("m", 1, "a@x", True, "add"),
        ("n", 1, "a@x", True, "add"),
        ("n", 2, "a@x", True, "add"),
    ]
    assert await shown_by(database, token) == every
    assert await shown_by(database, token, network_id="m") == every[:1]
    assert await shown_by(database, token, segment_id=1) == every[:2]
    assert await shown_by(database, token, user_id=" A@X\t", network_id="n") == every[1:]
    assert await shown_by(database, token, user_id="new") == []


async def test_lanes_that_are_added_or_adopted_later_are_not_in_a_token(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(1, 60))
        await fold(database)
        async with connected(database) as connection:
            before = await look(connection, datetime.fromtimestamp(AT + 90_000, UTC))
            await connection.execute("UPDATE segments.lane SET closed = true")
            lane.lane_id = await connection.fetchval(_NEXT_EPOCH, *lane.lane[:2])
        lane.lane, lane.next_offset = Lane(*lane.lane[:2], 1), 0
        await lane.append(*commands(2, 40))
        await fold(database)
        async with connected(database) as connection:
            between = await look(connection, before.at)
        async with log_lanes(database, 2) as (_, second):
            await second.append(*commands(3, 40))
            await fold(database)
        async with connected(database) as connection:
            assert before.now != between.now
            await holds(connection, before)
            await holds(connection, between)


async def test_an_erased_user_is_erased_in_every_snapshot(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="jo"))
        await fold(database)
        token = await take(database)
        number = await erase(database, "jo")
        await lane.append(command_json(user="jo", user_status="block"))
        await fold(database)
    assert await shown_by(database, token) == [("n", 1, f"erased:{number}", True, "add")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda token: token[:-1], "is no snapshot"),
        (
            lambda token: token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
            "is no snapshot",
        ),
        (lambda _: "", "is no snapshot"),
        (lambda _: "s1", "is no snapshot"),
        (lambda _: "s1AAAA", "is no snapshot"),
        (lambda token: token + "==", "is no snapshot"),
        (lambda _: None, "is no snapshot"),
    ],
)
async def test_what_is_no_token_is_refused(database: Settings, change: Any, message: str) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json())
        await fold(database)
    token = await take(database)
    with pytest.raises(asyncpg.InvalidParameterValueError, match=message):
        await shown_by(database, change(token))


async def test_tokens_of_another_installation_or_of_a_log_that_went_on_otherwise_are_refused(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json())
        await fold(database)
        token = await take(database)
        async with connected(database) as connection:
            refused = asyncpg.InvalidParameterValueError
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute("UPDATE projections.checkpoint SET next_offset = 0")
                with pytest.raises(refused, match="came back older, and has not caught up"):
                    await connection.fetch("SELECT reporting.membership_as_shown($1)", token)
        # As after a restore: the same position has an event that was recorded at another time.
        async with connected(database) as connection:
            await connection.execute("UPDATE projections.checkpoint SET next_offset = 1")
            await connection.execute("ALTER TABLE segments.event DISABLE TRIGGER ALL")
            await connection.execute("UPDATE segments.event SET digest = sha256('other')")
            with pytest.raises(refused, match="of another log"):
                await connection.fetch("SELECT reporting.membership_as_shown($1)", token)
            await connection.execute(
                "UPDATE segments.installation SET installation_id = gen_random_uuid()"
            )
            with pytest.raises(refused, match="of another installation"):
                await connection.fetch("SELECT reporting.membership_as_shown($1)", token)


async def test_a_token_of_many_lanes_is_compact(database: Settings) -> None:
    async with connected(database) as connection:
        await connection.execute(
            "INSERT INTO segments.lane (topic, partition, first_offset, next_offset, events)"
            " SELECT 't', n, 0, 1000000, 1000000 FROM generate_series(1, 64) AS n;"
            " INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset)"
            " SELECT 'membership', 0, lane_id, 1000000 - lane_id FROM segments.lane"
        )
        token = await connection.fetchval("SELECT reporting.snapshot()")
        read = "SELECT lanes, positions FROM projections.read_snapshot($1)"
        row = await connection.fetchrow(read, token)
        wanted = await connection.fetch(
            "SELECT lane_id, next_offset FROM projections.checkpoint ORDER BY 1"
        )
    assert row is not None
    assert list(zip(row["lanes"], row["positions"], strict=True)) == [tuple(one) for one in wanted]
    assert len(token) < 64 * 6
