"""What Postgres refuses: for what a record holds, that record alone; for any other reason, nothing at all."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.database import connected, rows
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600


@asynccontextmanager
async def postgres_objects(
    settings: Settings, sqlstate: str, times: int = -1
) -> AsyncIterator[None]:
    """Let Postgres raise an error at each event described as `marked`; times: so often, then no more."""
    async with connected(settings) as connection:
        await connection.execute(
            f"""
            CREATE SEQUENCE public.objections; -- not rolled back with what it counts
            GRANT ALL ON SEQUENCE public.objections TO PUBLIC;
            CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF coalesce(new.description, '') = 'marked'
                    AND ({times} < 0 OR nextval('public.objections') <= {times}) THEN
                    RAISE EXCEPTION 'as the test wishes' USING ERRCODE = '{sqlstate}';
                END IF;
                RETURN new;
            END $$;
            CREATE TRIGGER object BEFORE INSERT ON segments.event FOR EACH ROW EXECUTE FUNCTION public.object();
            """
        )
        yield
        await connection.execute(
            "DROP TRIGGER object ON segments.event; DROP FUNCTION public.object; DROP SEQUENCE public.objections"
        )


def good(number: int, **fields: object) -> bytes:
    return command_json(**({"user": f"u{number}", "status_change_timestamp": NOW} | fields))


MARKED = good(99, description="marked")


async def test_every_number_that_is_taken_can_be_stored_and_shown(lane: LogLane) -> None:
    numbers = [
        "0e-99999",
        "0E999999999999",
        "10e-16384",
        "1e-16383",
        "1e-400",
        "1.7976931348623157e308",
        "0e1073741822",
    ]
    values = [
        command_json(reference_id=n, metadata={"a": [0.5]}).replace(b"0.5", n.encode())
        for n in numbers
    ]
    assert await lane.append(*values) == ["event"] * len(numbers)
    found = await rows(
        lane.settings, "SELECT reference_id, metadata->'a'->>0 AS kept FROM reporting.event"
    )
    assert {row["reference_id"]: Decimal(row["kept"]) for row in found} == {
        n: Decimal(n) for n in numbers
    }


async def test_only_the_record_that_postgres_refuses_is_rejected(lane: LogLane) -> None:
    """Hazard 13: classes 22 and 54, met with the record alone, make `unstorable`; the rest of the batch is stored."""
    expected = ["event"] * 20
    expected[7] = expected[15] = expected[11] = "unstorable"
    expected[12], expected[13] = "not_json", "duplicate"
    for sqlstate in ("22003", "22P05", "54000"):
        batch = [good(n, reference_id=sqlstate) for n in range(20)]
        batch[7] = batch[15] = MARKED
        batch[11] = good(98, description="marked")
        batch[12] = b"{"
        batch[13] = batch[2]
        start = lane.next_offset
        async with postgres_objects(lane.settings, sqlstate):
            assert await lane.append(*batch) == expected
            assert await lane.append(MARKED) == ["unstorable"]
        found = await rows(
            lane.settings,
            "SELECT detail, payload, network_id, person_id IS NOT NULL AS known FROM segments.rejected"
            " WHERE reason = 'unstorable' AND kafka_offset = $1",
            start + 7,
        )
        assert found == [
            {
                "detail": f"Postgres refuses it: {sqlstate}",
                "payload": MARKED,
                "network_id": "n",
                "known": True,
            }
        ]
    assert await lane.append(MARKED) == ["event"]


async def test_an_idempotency_key_of_an_unstorable_record_names_nothing(lane: LogLane) -> None:
    """Hazard 13."""
    key = [("idempotency-key", b"k")]
    async with postgres_objects(lane.settings, "22000"):
        assert await lane.append((MARKED, key), (good(1), key), (good(1), key)) == [
            "unstorable", "event", "duplicate",
        ]  # fmt: skip


async def test_a_fault_of_the_infrastructure_rejects_nothing(lane: LogLane) -> None:
    """Hazard 13: missing partition, deadlock, full disk and all else: roll back, and the same batch again."""
    for sqlstate in ("23514", "40P01", "53100", "57P01", "XX000", "42501", "0A000"):
        marked = good(99, description="marked", reference_id=sqlstate)
        async with postgres_objects(lane.settings, sqlstate, times=2):
            batch = await lane.prepare(good(1, reference_id=sqlstate), marked, b"{")
            before = await lane.outcomes()
            for _ in range(2):
                with pytest.raises(asyncpg.PostgresError) as caught:
                    await lane.store(batch)
                assert caught.value.sqlstate == sqlstate
                assert await lane.outcomes() == before
            await lane.store(batch)
    outcomes = await lane.outcomes()
    assert [outcomes[offset] for offset in sorted(outcomes)] == ["event", "event", "not_json"] * 7


async def test_a_fault_while_the_refused_record_is_sought_rejects_nothing(lane: LogLane) -> None:
    """Hazard 13: halving meets a deadlock; the next try finds the record, and rejects it once."""
    async with connected(lane.settings) as connection:
        await connection.execute(
            """
            CREATE SEQUENCE public.calls;
            GRANT ALL ON SEQUENCE public.calls TO PUBLIC;
            CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF new.description = 'marked' THEN
                    RAISE EXCEPTION 'as the test wishes' USING ERRCODE =
                        CASE WHEN nextval('public.calls') IN (2, 4) THEN '40P01' ELSE '22000' END;
                END IF;
                RETURN new;
            END $$;
            CREATE TRIGGER object BEFORE INSERT ON segments.event FOR EACH ROW EXECUTE FUNCTION public.object();
            """
        )
    batch = await lane.prepare(good(1), MARKED, good(2), good(3))
    for _ in range(2):
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await lane.store(batch)
        assert await lane.outcomes() == {}
    await lane.store(batch)
    assert await lane.outcomes() == {0: "event", 1: "unstorable", 2: "event", 3: "event"}
