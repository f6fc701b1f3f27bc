"""What a dry run says is what then happens, in views result and user_segment, to the same commands appended."""

from __future__ import annotations

import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from projections.dry_run import NOTHING, STATE, DryRun, Verdict, dry_run, dry_runs
from projections.worker import ROLE, Worker
from schemas.command import Command, check_size, read_command
from schemas.headers import read_headers, sign
from schemas.refusal import Refusal
from service.database import connect, make_pool, transaction
from service.log.foresee import Asked
from tests.histories import Sent, history
from tests.projections.folding import fold, log
from tests.support.database import connected, rows, value
from tests.support.lane import Given, LogLane, log_lanes, said
from tests.support.registries import make_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.settings import Settings

pytestmark = pytest.mark.stack
READERS = ["segments_api", "segments_operate"]
AT = 1_700_000_000
_DUE = """
SELECT event_id, network_id, segment_id, user_id, extract(epoch FROM expires_at)::bigint AS at FROM reporting.event
WHERE expires_at <= now() ORDER BY recorded_at, kafka_partition, kafka_offset
"""


@dataclass
class World:
    """A log that is appended to one record at a time, and a worker that folds it when it is told to."""

    settings: Settings
    lanes: list[LogLane]
    reader: asyncpg.Connection[Any]
    worker: Worker

    async def append(self, sent: Sent, now_ms: int) -> tuple[int, int]:
        """Receive a record at a time; gives its partition and offset."""
        lane = self.lanes[sent.lane]
        record = Given(lane.next_offset, now_ms, sent.key, sent.value, sent.headers)
        await lane.store(await lane.prepare_records([record]))
        return sent.lane, record.offset

    async def fold(self) -> None:
        while await self.worker.step():
            pass

    async def state(self, command: Command) -> dict[str, Any]:
        """Give the key's state as the views show it."""
        row = await self.reader.fetchrow(
            "SELECT u.*, o.expires_at FROM reporting.user_segment AS u"
            " LEFT JOIN reporting.override AS o USING (network_id, segment_id, user_id)"
            " WHERE network_id = $1 AND segment_id = $2 AND user_id = $3",
            command.network_id, command.segment_id, command.user,
        )  # fmt: skip
        return {name: row[name] for name in STATE} if row else dict(NOTHING)

    async def outcome(self, position: tuple[int, int]) -> tuple[str, str | None, str | None]:
        row = await self.reader.fetchrow(
            "SELECT outcome, reason, (SELECT detail FROM reporting.rejected WHERE kafka_partition = $1"
            " AND kafka_offset = $2) FROM reporting.result WHERE kafka_partition = $1 AND kafka_offset = $2",
            *position,
        )  # fmt: skip
        assert row is not None
        return row[0], row[1], row[2]


@asynccontextmanager
async def world(settings: Settings, lanes: int, role: str) -> AsyncIterator[World]:
    async with (
        log_lanes(settings, lanes) as opened,
        make_pool(settings, ROLE, 1) as pool,
        connected(settings, role) as reader,
    ):
        yield World(settings, opened, reader, Worker(pool, settings))


def asked(sent: Sent) -> Asked | None:
    """Read what a record asks for; None if it is no command."""
    headers = read_headers(sent.headers, sent.key, sent.value or b"")
    try:
        check_size(sent.key, sent.value)
        command = read_command(sent.value)
        headers.check()
    except Refusal:
        return None
    return Asked(command, headers.idempotency_key)


async def expire(world: World, number: int, rng: random.Random) -> None:
    """Append the expiry of some override whose time has come, as the service signs it."""
    due = await rows(world.settings, _DUE)
    if not due:
        return
    one = rng.choice(due)
    content = said(
        network_id=one["network_id"], user=one["user_id"], segment_id=one["segment_id"], user_status="expire",
        status_change_timestamp=one["at"], reference_id=f"expire:{one['event_id']}",
    )  # fmt: skip
    secret = world.settings.signing_secret
    assert secret is not None
    headers = (
        ("segments-source", b"expiry"),
        ("segments-signature", sign(secret, None, content, "expiry")),
    )
    await world.append(Sent(number, 0, None, content, headers), int(time.time() * 1000))


@pytest.mark.parametrize("seed", range(2))
async def test_what_a_dry_run_says_of_each_command_then_happens(
    database: Settings, seed: int
) -> None:
    """The newest event is in the log and not yet projected when the next command is asked about."""
    await make_registry(database, 2, 3)
    rng = random.Random(seed)  # noqa: S311 - the same each time
    sent = history(
        seed, int(time.time()), commands=350, lanes=2, users=3, segments=3, networks=1, broken=0.15, due=True
    )  # fmt: skip
    seen: set[str] = set()
    async with world(database, 2, READERS[seed]) as all_:
        pending: list[tuple[Verdict, Command, tuple[int, int]]] = []
        for number, one in enumerate(sent):
            told, now_ms = asked(one), int(time.time() * 1000)
            if told is not None:
                async with dry_runs(all_.reader) as run:
                    (verdict,) = await run.judge([told])
                    now_ms = run.now_ms
            await settled(all_, pending)
            if told is None:
                await all_.append(one, now_ms)
                continue
            assert await all_.state(told.command) == verdict.before
            pending.append((verdict, told.command, await all_.append(one, now_ms)))
            seen.add(verdict.outcome)
            if rng.random() < 0.1:
                await settled(all_, pending)
                await expire(all_, number, rng)
    assert seen == {
        "applied", "no_change", "ineffective", "superseded", "duplicate", "rejected",
    }  # fmt: skip


async def settled(all_: World, pending: list[tuple[Verdict, Command, tuple[int, int]]]) -> None:
    """Fold, and compare what was said of the newest command with what happened."""
    await all_.fold()
    for one in pending:
        await agrees(all_, *one)
    pending.clear()


async def agrees(
    all_: World, verdict: Verdict, command: Command, position: tuple[int, int]
) -> None:
    what = (command, position)
    found = await all_.outcome(position)
    assert (verdict.outcome, verdict.reason, verdict.detail) == found, what
    assert await all_.state(command) == verdict.after, what


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_commands_of_one_dry_run_meet_what_those_before_them_did(
    database: Settings, batch: int
) -> None:
    await make_registry(database, 2, 3)
    sent = history(
        batch, int(time.time()), commands=240, lanes=1, users=3, segments=3, networks=1, due=True
    )
    async with world(database, 1, "segments_api") as all_:
        for one in sent[:60]:
            await all_.append(one, int(time.time() * 1000))
        await all_.fold()
        rest = [(one, told) for one in sent[60:] if (told := asked(one)) is not None]
        verdicts: list[Verdict] = []
        async with dry_runs(all_.reader) as run:
            for start in range(0, len(rest), batch):
                verdicts += await run.judge([told for _, told in rest[start : start + batch]])
            now_ms = run.now_ms
        for (one, told), verdict in zip(rest, verdicts, strict=True):
            assert await all_.state(told.command) == verdict.before
            position = await all_.append(one, now_ms)
            await all_.fold()
            await agrees(all_, verdict, told.command, position)
    assert len({verdict.outcome for verdict in verdicts}) == 6


def command(**fields: Any) -> Command:
    return read_command(said(**fields))


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
        await lane.append(said())
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
            said(user_status="enter", status_change_timestamp=AT + 10),
            said(user_status="leave", status_change_timestamp=AT + 20),
        )
    async with connected(database, "segments_api") as connection:
        verdict = await dry_run(connection, command(status_change_timestamp=AT))
        assert verdict.outcome == "applied"
        assert (verdict.before["is_member"], verdict.after["is_member"]) == (False, True)
        assert verdict.after["member_since"].timestamp() == AT
        assert verdict.after["automation_says"] == "leave"
        async with log_lanes(database) as (lane,):
            await lane.append(said(user_status="block", status_change_timestamp=AT + 30))
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
        await lane.append((said(), [("idempotency-key", b"k")]))
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
        await lane.append((said(user="ann"), [("idempotency-key", b"k")]))
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
        make_pool(pooled, "segments_operate", 1) as pool,
        transaction(pool, pooled, "segments_operate") as connection,
    ):
        assert (await dry_run(connection, command())).outcome == "applied"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await write(connection)


async def test_one_dry_run_sees_one_snapshot(database: Settings) -> None:
    async with log(database) as (lane,), connected(database, "segments_api") as connection:
        async with dry_runs(connection) as run:
            first = await once(run)
            await lane.append(said(user_status="block"))
            assert await value(database, "SELECT count(*) FROM segments.event") == 1
            second = await once(run)
        async with dry_runs(connection) as run:
            third = await once(run)
    assert (first.before["override"], second.before["override"]) == (None, "add")
    assert third.before["override"] == "block"


async def once(run: DryRun) -> Verdict:
    (verdict,) = await run.judge([Asked(command())])
    return verdict
