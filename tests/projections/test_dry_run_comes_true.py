"""What a dry run says is what then happens, in views result and user_segment, to the same commands appended."""

from __future__ import annotations

import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from projections.dry_run.dry_run import NOTHING, STATE, Verdict, dry_runs
from projections.dry_run.settle import DryCommand
from projections.fold.worker import ROLE, Worker
from schemas.command import Command, check_size, read_command
from schemas.command.refusal import Refusal
from schemas.headers import read_headers
from service.kafka.publish import Sender, signed_headers
from service.postgres.database import open_database
from tests.histories import Sent, history
from tests.support.database import connected, rows
from tests.support.lane import Given, LogLane, command_json, log_lanes
from tests.support.registries import make_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
READERS = ["segments_api", "segments_operate"]
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
        open_database(settings, ROLE, 1) as connections,
        connected(settings, role) as reader,
    ):
        yield World(settings, opened, reader, Worker(connections))


def dry_command(sent: Sent) -> DryCommand | None:
    """Read what a record asks for; None if it is no command."""
    headers = read_headers(sent.headers, sent.key, sent.value or b"")
    try:
        check_size(sent.key, sent.value)
        command = read_command(sent.value)
        headers.check()
    except Refusal:
        return None
    return DryCommand(command, headers.idempotency_key)


async def expire(world: World, number: int, rng: random.Random) -> None:
    """Append the expiry of some override whose time has come, as the service signs it."""
    due = await rows(world.settings, _DUE)
    if not due:
        return
    one = rng.choice(due)
    content = command_json(
        network_id=one["network_id"], user=one["user_id"], segment_id=one["segment_id"], user_status="expire",
        status_change_timestamp=one["at"], reference_id=f"expire:{one['event_id']}",
    )  # fmt: skip
    headers = tuple(signed_headers(world.settings, None, content, Sender("expiry", None)))
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
            command, now_ms = dry_command(one), int(time.time() * 1000)
            if command is not None:
                async with dry_runs(all_.reader) as run:
                    (verdict,) = await run.predict([command])
                    now_ms = run.now_ms
            await settled(all_, pending)
            if command is None:
                await all_.append(one, now_ms)
                continue
            assert await all_.state(command.command) == verdict.before
            pending.append((verdict, command.command, await all_.append(one, now_ms)))
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
        rest = [(one, command) for one in sent[60:] if (command := dry_command(one)) is not None]
        verdicts: list[Verdict] = []
        async with dry_runs(all_.reader) as run:
            for start in range(0, len(rest), batch):
                verdicts += await run.predict(
                    [command for _, command in rest[start : start + batch]]
                )
            now_ms = run.now_ms
        for (one, command), verdict in zip(rest, verdicts, strict=True):
            assert await all_.state(command.command) == verdict.before
            position = await all_.append(one, now_ms)
            await all_.fold()
            await agrees(all_, verdict, command.command, position)
    assert len({verdict.outcome for verdict in verdicts}) == 6
