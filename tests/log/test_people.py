"""People are made before the append, in a transaction of their own; only who is really there is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.database import connected, rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
ORPHANS = "SELECT count(*) FROM segments.event WHERE person_id NOT IN (SELECT person_id FROM segments.person)"


async def test_people_whose_commit_failed_are_made_again(lane: LogLane) -> None:
    """Guarantee 1: what was not committed must not be remembered, or events of nobody would follow."""
    async with connected(lane.settings) as connection:
        await connection.execute(
            """
            CREATE SEQUENCE public.commits;
            GRANT ALL ON SEQUENCE public.commits TO PUBLIC;
            CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('public.commits') <= 1 THEN
                    RAISE EXCEPTION 'as the test wishes' USING ERRCODE = '57P01';
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON segments.person DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.fail();
            """
        )
    with pytest.raises(asyncpg.AdminShutdownError):
        await lane.prepare(command_json(user="new"))
    assert await value(lane.settings, "SELECT count(*) FROM segments.person") == 0
    assert await lane.append(command_json(user="new")) == ["event"]
    assert await value(lane.settings, ORPHANS) == 0
    assert await rows(lane.settings, "SELECT user_id FROM reporting.event") == [{"user_id": "new"}]


async def test_a_readable_user_of_a_refused_record_is_a_person(lane: LogLane) -> None:
    """Guarantee 4: so that erasure finds it."""
    assert await lane.append(
        command_json(user="Refused@X", segment_id=77), command_json(user="odd", unknown=1), b"{"
    ) == ["unknown_segment", "invalid_field", "not_json"]
    found = await rows(
        lane.settings,
        "SELECT p.user_id FROM segments.rejected AS r LEFT JOIN segments.person AS p USING (person_id)"
        " ORDER BY r.kafka_offset",
    )
    assert [row["user_id"] for row in found] == ["refused@x", "odd", None]


async def test_a_memory_that_is_too_small_forgets_and_finds_again(lane: LogLane) -> None:
    lane.appender._memory.people._limit = 10  # noqa: SLF001 - the setting's least is 1000
    for _ in range(3):
        outcomes = await lane.append(*[command_json(user=f"u{n}") for n in range(25)])
        assert outcomes == ["event"] * 25
    assert await value(lane.settings, "SELECT count(*) FROM segments.person") == 25
    assert len(lane.appender._memory.people.known) <= 10  # noqa: SLF001
