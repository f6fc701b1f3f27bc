"""What a dry run tells of a command, and that it writes nothing and sees one snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from projections.dry_run.dry_run import NOTHING, DryRun, Verdict, dry_run, dry_runs
from projections.dry_run.settle import DryCommand
from schemas.command import Command, read_command
from service.postgres.database import connect, open_database
from tests.projections.folding import fold, log
from tests.support.database import connected, rows, value
from tests.support.lane import command_json, log_lanes

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
READERS = ["segments_api", "segments_operate"]
AT = 1_700_000_000


def command(**fields: Any) -> Command:
    return read_command(command_json(**fields))


async def counts(settings: Settings) -> list[dict[str, Any]]:
    return await rows(
        settings,
        "SELECT relname, n FROM pg_class AS c CROSS JOIN LATERAL (SELECT (xpath('/row/c/text()', query_to_xml("
        "format('SELECT count(*) AS c FROM %s', c.oid::regclass), false, true, '')))[1]::text AS n) AS x"
        " WHERE relkind = 'r' AND relnamespace IN ('segments'::regnamespace, 'projections'::regnamespace)"
        " ORDER BY 1",
    )


@pytest.mark.parametrize("role", READERS)
async def test_a_dry_run_of_somebody_unknown_makes_nobody_and_writes_nothing(
    database: Settings, role: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json())
        await fold(database)
    before = await counts(database)
    connection = await connect(database, role)
    try:
        verdict = await dry_run(connection, command(user="nobody@x", expires_at=4_000_000_000), "k")
    finally:
        await connection.close()
    assert verdict.outcome == "applied"
    assert verdict.before == NOTHING
    since = verdict.after["member_since"]
    assert abs(since.timestamp() - time.time()) < 5
    assert since.microsecond == 0
    assert verdict.after == {
        "is_member": True, "override": "add", "automation_says": None, "member_since": since,
        "override_since": since, "expires_at": verdict.after["expires_at"],
    }  # fmt: skip
    assert verdict.after["expires_at"].timestamp() == 4_000_000_000
    assert await counts(database) == before


async def test_a_late_command_tells_what_it_would_do_then_and_what_would_stand_now(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user_status="enter", status_change_timestamp=AT + 10),
            command_json(user_status="leave", status_change_timestamp=AT + 20),
        )
    async with connected(database, "segments_api") as connection:
        verdict = await dry_run(connection, command(status_change_timestamp=AT))
        assert verdict.outcome == "applied"
        assert (verdict.before["is_member"], verdict.after["is_member"]) == (False, True)
        assert verdict.after["member_since"].timestamp() == AT
        assert verdict.after["automation_says"] == "leave"
        async with log_lanes(database) as (lane,):
            await lane.append(command_json(user_status="block", status_change_timestamp=AT + 30))
        verdict = await dry_run(connection, command(status_change_timestamp=AT))
    assert verdict.outcome == "superseded"
    assert verdict.before == verdict.after


async def test_a_command_for_a_segment_nobody_knows_or_an_archived_one_would_be_rejected(
    database: Settings,
) -> None:
    async with log(database):
        pass
    async with connected(database) as owner:
        await owner.execute("UPDATE segments.segment SET archived_at = now() WHERE segment_id = 2")
    async with connected(database, "segments_api") as connection:
        archived = await dry_run(connection, command(segment_id=2))
        unknown = await dry_run(connection, command(segment_id=77))
        elsewhere = await dry_run(connection, command(network_id="m"))
    assert (archived.outcome, archived.reason) == ("rejected", "segment_archived")
    assert (unknown.outcome, unknown.reason) == ("rejected", "unknown_segment")
    assert unknown.detail == "no such segment in this network"
    assert elsewhere == unknown
    assert archived.before == archived.after == NOTHING


async def test_a_retry_with_its_idempotency_key_would_be_a_duplicate_and_another_body_a_conflict(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append((command_json(), [("idempotency-key", b"k")]))
    async with connected(database, "segments_api") as connection:
        same = await dry_run(connection, command(), "k")
        other = await dry_run(connection, command(user="somebody else"), "k")
    assert same.outcome == "duplicate"
    assert same.before == same.after
    assert same.before["is_member"]
    assert (other.outcome, other.reason) == ("rejected", "conflict")


async def test_an_erased_persons_key_names_its_event_still_and_their_name_would_be_refused(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append((command_json(user="ann"), [("idempotency-key", b"k")]))
    async with connected(database, "segments_operate") as connection:
        number = await connection.fetchval("SELECT segments.erase_person('n', 'ann', 'o', 'asked')")
        again = await dry_run(connection, command(user="ann"), "k")
        alike = await dry_run(connection, command(user=f"erased:{number}"))
        free = await dry_run(connection, command(user=f"erased:{number + 1}"))
    assert again.outcome == "duplicate"
    assert (alike.outcome, alike.reason, free.outcome) == ("rejected", "invalid_field", "applied")


async def write(connection: Any) -> None:
    """Write as the role may, outside of a dry run."""
    await connection.execute(
        "INSERT INTO segments.person (network_id, user_id, salt) VALUES ('n', 'u', '')"
    )


async def test_a_dry_run_cannot_write_even_what_its_role_may(database: Settings) -> None:
    async with log(database), connected(database, "segments_operate") as connection:
        async with dry_runs(connection) as run:
            assert (await once(run)).outcome == "applied"
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await write(connection)
        await write(connection)


async def test_a_transaction_that_is_given_becomes_read_only(database: Settings) -> None:
    """As behind a transaction pooler, where the session is set up within the transaction."""
    pooled = database.model_copy(update={"database_pooler": "transaction"})
    async with (
        log(database),
        open_database(pooled, "segments_operate", 1) as connections,
        connections.transaction() as connection,
    ):
        assert (await dry_run(connection, command())).outcome == "applied"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await write(connection)


async def test_one_dry_run_sees_one_snapshot(database: Settings) -> None:
    async with log(database) as (lane,), connected(database, "segments_api") as connection:
        async with dry_runs(connection) as run:
            first = await once(run)
            await lane.append(command_json(user_status="block"))
            assert await value(database, "SELECT count(*) FROM segments.event") == 1
            second = await once(run)
        async with dry_runs(connection) as run:
            third = await once(run)
    assert (first.before["override"], second.before["override"]) == (None, "add")
    assert third.before["override"] == "block"


async def once(run: DryRun) -> Verdict:
    (verdict,) = await run.predict([DryCommand(command())])
    return verdict
