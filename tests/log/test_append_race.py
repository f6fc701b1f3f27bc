"""The same commands in two lanes at once, and two processes on one lane: every record is accounted for once."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from service.log.append import EXACT_BATCHES
from service.runtime.errors import LaneLostError, LaneStoppedError
from tests.support.database import connected, rows, sound, value
from tests.support.lane import LogLane, command_json, log_lanes

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600


def command(number: int, **fields: Any) -> bytes:
    given = {"user": f"u{number}", "status_change_timestamp": NOW, "reference_id": f"r{number}"}
    return command_json(**(given | fields))


async def _three(settings: Settings) -> list[int]:
    return [
        await value(settings, f"SELECT count(*) FROM segments.{table}")
        for table in ("event", "duplicate", "rejected")
    ]


async def until_stored(lane: LogLane, values: list[Any]) -> None:
    """Store a batch as the ingest does: what the infrastructure objects to is tried again."""
    batch = await lane.prepare(*values)
    for _ in range(20):
        try:
            await lane.store(batch)
        except asyncpg.DeadlockDetectedError:
            continue
        return
    raise AssertionError("deadlocked 20 times")


async def test_the_same_commands_in_several_lanes_at_once_are_one_event_each(
    registered: Settings,
) -> None:
    """Hazards 13 and 14: each identity once, in whatever order the lanes hold them."""
    rng = random.Random(5)  # noqa: S311 - no secret
    async with log_lanes(registered, 4) as lanes:
        for round_ in range(6):
            numbers = list(range(round_ * 40, round_ * 40 + 60))  # 20 of the round before too
            plans = []
            for _ in lanes:
                shuffled = rng.sample(numbers, len(numbers))
                plans.append([command(number) for number in shuffled])
            await asyncio.gather(*map(until_stored, lanes, plans))
    identities = 5 * 40 + 60
    assert await _three(registered) == [identities, 4 * 6 * 60 - identities, 0]
    assert (
        await value(registered, "SELECT count(*) FROM segments.duplicate AS d JOIN segments.event AS e"
                    " ON (e.lane_id, e.kafka_offset) = (d.of_lane_id, d.of_offset)")
        == 4 * 6 * 60 - identities
    )  # fmt: skip
    await sound_log(registered)


async def test_conflicting_commands_in_two_lanes_at_once_leave_one_event(
    registered: Settings,
) -> None:
    """Hazards 13 and 14: who comes second is a conflict, and never both or none."""
    async with log_lanes(registered, 2) as lanes:
        for round_ in range(6):
            numbers = range(round_ * 20, round_ * 20 + 20)
            await asyncio.gather(
                until_stored(lanes[0], [command(n) for n in numbers]),
                until_stored(
                    lanes[1], [command(n, user_status="block") for n in reversed(numbers)]
                ),
            )
    assert await _three(registered) == [120, 0, 120]
    assert await rows(registered, "SELECT DISTINCT reason FROM segments.rejected") == [
        {"reason": "conflict"}
    ]


async def test_one_idempotency_key_in_two_lanes_at_once_names_one_command(
    registered: Settings,
) -> None:
    """Hazards 13 and 14: keys race too, beside identities, in both orders."""

    def keyed(number: int, **fields: Any) -> Any:
        return command_json(user=f"u{number}", **fields), [
            ("idempotency-key", f"k{number}".encode())
        ]

    async with log_lanes(registered, 3) as lanes:
        for round_ in range(5):
            numbers = list(range(round_ * 20, round_ * 20 + 20))
            await asyncio.gather(
                until_stored(lanes[0], [keyed(n) for n in numbers]),
                until_stored(lanes[1], [keyed(n) for n in reversed(numbers)]),
                until_stored(lanes[2], [keyed(n, description="other") for n in numbers]),
            )
    events, duplicates, rejected = await _three(registered)
    assert (events, duplicates + rejected) == (100, 200)
    assert await value(registered, "SELECT count(*) FROM segments.idempotency") == 100
    first_of_plain = "SELECT count(*) FROM segments.event WHERE description IS NULL"
    plain = await value(registered, first_of_plain)
    # Where a plain one was first, the other plain one is its duplicate and the third conflicts; else both conflict.
    assert (duplicates, rejected) == (plain, plain + 2 * (100 - plain))


async def test_new_people_met_by_two_processes_at_once_are_made_once(registered: Settings) -> None:
    """Hazard 14: people go in identifier order."""
    rng = random.Random(6)  # noqa: S311 - no secret
    async with log_lanes(registered, 4) as lanes:
        for round_ in range(5):
            users = [f"{rng.random()}-{round_}" for _ in range(200)]
            plans = [[command_json(user=user) for user in rng.sample(users, 200)] for _ in lanes]
            await asyncio.gather(
                *(lane.prepare(*plan) for lane, plan in zip(lanes, plans, strict=True))
            )
    assert await value(registered, "SELECT count(*) FROM segments.person") == 1000


async def test_a_lane_stays_on_the_exact_way_for_some_batches_after_a_duplicate(
    lane: LogLane,
) -> None:
    """Hazard 15: no failed COPY for each batch that holds a duplicate."""

    async def tries() -> int:
        return int(await value(lane.settings, "SELECT last_value FROM public.tries"))

    async with connected(lane.settings) as connection:
        await connection.execute(
            "CREATE SEQUENCE public.tries; GRANT USAGE ON SEQUENCE public.tries TO PUBLIC;"
            "CREATE FUNCTION public.count_try() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM nextval('public.tries'); RETURN NULL; END $$;"
            "CREATE TRIGGER count_try BEFORE INSERT ON segments.event"
            " FOR EACH STATEMENT EXECUTE FUNCTION public.count_try()"
        )
    assert await lane.append(command(0)) == ["event"]
    assert await tries() == 1
    assert await lane.append(command(0), command(1)) == ["duplicate", "event"]
    assert await tries() == 3  # it objected, then the exact way
    for batch in range(EXACT_BATCHES - 1):
        assert await lane.append(command(0), command(2 + batch)) == ["duplicate", "event"]
    assert await tries() == 3 + EXACT_BATCHES - 1  # one COPY a batch
    for batch in range(EXACT_BATCHES + 1):
        await lane.append(command(100 + batch))
    before = await tries()
    assert await lane.append(command(0), command(200)) == ["duplicate", "event"]
    assert await tries() == before + 2  # clean for so long: optimistic again


async def test_of_two_processes_on_one_lane_the_loser_writes_nothing(registered: Settings) -> None:
    """Hazard 12 and guarantee 2: neither events, nor refused records, nor counters."""
    async with log_lanes(registered) as (winner,):
        loser = LogLane(winner.database, winner.lane.topic, 0)
        await loser.open()
        theirs = await loser.prepare(
            command_json(user="loser"), b"{", (command_json(), [("idempotency-key", b"k")])
        )
        assert await winner.append(command_json(user="winner")) == ["event"]
        with pytest.raises(LaneLostError):
            await loser.store(theirs)
        assert await _three(registered) == [1, 0, 0]
        assert await value(registered, "SELECT count(*) FROM segments.idempotency") == 0
        (row,) = await rows(registered, "SELECT next_offset, events, rejected FROM segments.lane")
        assert row == {"next_offset": 1, "events": 1, "rejected": 0}
        await sound_log(registered)


async def test_of_many_appends_to_one_lane_at_once_one_gets_through(registered: Settings) -> None:
    """Hazard 12 and guarantee 2."""
    async with log_lanes(registered) as (first,):
        others = [LogLane(first.database, first.lane.topic, 0) for _ in range(3)]
        for other in others:
            await other.open()
        contenders = [first, *others]
        for round_ in range(5):
            for one in contenders:
                one.next_offset = round_ * 3
            batches = [
                await one.prepare(command(round_, user=f"{at}"), b"{", command_json(user=f"{at}"))
                for at, one in enumerate(contenders)
            ]
            done = await asyncio.gather(
                *(one.store(batch) for one, batch in zip(contenders, batches, strict=True)),
                return_exceptions=True,
            )
            lost = [error for error in done if isinstance(error, LaneLostError)]
            assert len(lost) == 3, done
    assert await _three(registered) == [10, 0, 5]
    await sound_log(registered)


async def test_a_stopped_and_a_closed_lane_take_nothing(lane: LogLane) -> None:
    """Guarantee 2."""
    batch = await lane.prepare(command_json(), b"{")
    async with connected(lane.settings) as connection:
        await connection.execute("UPDATE segments.lane SET stopped_because = 'a test'")
        with pytest.raises(LaneStoppedError, match="a test"):
            await lane.store(batch)
        await connection.execute("UPDATE segments.lane SET stopped_because = NULL, closed = true")
        with pytest.raises(LaneLostError):
            await lane.store(batch)
    assert await _three(lane.settings) == [0, 0, 0]


async def sound_log(settings: Settings) -> None:
    """Check guarantee 1 where nothing is projected: counters, and offsets that tile each lane."""
    found = await rows(
        settings,
        "SELECT l.lane_id, l.next_offset, l.events, l.duplicates, l.rejected,"
        " (SELECT count(*) FROM segments.event AS e WHERE e.lane_id = l.lane_id) AS e,"
        " (SELECT count(*) FROM segments.duplicate AS d WHERE d.lane_id = l.lane_id) AS d,"
        " (SELECT count(*) FROM segments.rejected AS r WHERE r.lane_id = l.lane_id) AS r,"
        " (SELECT count(DISTINCT kafka_offset) FROM (SELECT lane_id, kafka_offset FROM segments.event"
        "   UNION ALL SELECT lane_id, kafka_offset FROM segments.duplicate"
        "   UNION ALL SELECT lane_id, kafka_offset FROM segments.rejected) AS x"
        "   WHERE x.lane_id = l.lane_id AND x.kafka_offset < l.next_offset) AS offsets"
        " FROM segments.lane AS l",
    )
    for row in found:
        assert (row["e"], row["d"], row["r"]) == (row["events"], row["duplicates"], row["rejected"])
        assert row["offsets"] == row["next_offset"] == row["e"] + row["d"] + row["r"]
    await sound(settings)
