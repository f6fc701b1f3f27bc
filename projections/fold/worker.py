"""A projection worker: claims lanes, folds a batch, moves rows and checkpoints in one transaction; any number run."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
from opentelemetry.trace import SpanKind

from projections.fold import long_keys
from projections.fold.long_keys import HeavyError
from service.postgres.database import open_database, statements
from service.postgres.migrations import migration_file
from service.postgres.notifications import APPENDED, Listener, Wakeups
from service.runtime.errors import FoldDriftError, NotSetUpError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor
from service.runtime.telemetry import (
    BATCH_SECONDS,
    COMPLETE_UNTIL,
    PROJECTION_LAG,
    REFOLDS,
    measures,
    set_gauge,
)
from service.runtime.tracing import TRACER, carried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("projections.fold.worker")
SQL = statements("projections.fold.sql")
ROLE = "segments_project"
PROJECTION = "membership"
# What says, in the migrations, which state events lead to.
FOLD_FILES = (
    "0001_initial/segments/fold.sql",
    *(f"0001_initial/projections/{name}.sql" for name in ("fold_key", "refold", "rewrite")),
)
# A worker with nothing to do looks again when it is woken, at most every FIRST_PAUSE, or after SAFE_PAUSE. Without
# notifications it looks after pauses that grow up to LAST_PAUSE. Seconds.
FIRST_PAUSE, LAST_PAUSE, SAFE_PAUSE = 0.002, 0.03, 0.25
# Lanes in which no more records wait are folded together in one transaction: each has its price.
LITTLE = 250
# Of long keys so many events are folded beside others; what takes more waits until nobody waits with it.
MOST_LATE = 5_000
ADVANCE_SECONDS = 0.5


def fold_digest() -> str:
    """Digest the SQL that decides what the projection's rows are: a slot made by other SQL is not added to."""
    folds = (migration_file(path) for path in FOLD_FILES)
    parts = (SQL[name] for name in ("apply", "supersede_earlier", "settle_long", "whole"))
    text = "".join((*folds, *parts, str(long_keys.EVERY)))
    return hashlib.sha256(text.encode()).hexdigest()


async def project(settings: Settings, stop: asyncio.Event) -> None:
    """Fold until `stop` is set; then finish the batches under way.

    Raises: FoldDriftError, NotSetUpError; faults of Postgres are waited out.
    """
    measures(REFOLDS)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings, ROLE, settings.project_tasks + 2)
        )
        heavy: dict[int, int] = {}
        appended, much = Listener(settings, ROLE, APPENDED), Wakeups()
        first = Worker(database, heavy=heavy, wakeups=appended, wakes=much)
        others = [
            Worker(database, heavy=heavy, wakeups=much, least=LITTLE)
            for _ in range(1, settings.project_tasks)
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(appended.run(stop))
            for worker in (first, *others):
                tasks.create_task(worker.run(stop))
            watermarks = Supervisor(stop, log, "watermarks delayed")
            tasks.create_task(watermarks.run(partial(_advance, database), ADVANCE_SECONDS))


class Worker:
    """Folds one batch after another, of whichever lanes are free."""

    def __init__(
        self,
        database: Database,
        slot: int | None = None,
        *,
        least: int = 0,
        heavy: dict[int, int] | None = None,
        wakeups: Wakeups | None = None,
        wakes: Wakeups | None = None,
    ) -> None:
        """Make it.

        least: with no more records waiting in any lane it leaves them to another worker beside it. heavy: shared with
        workers beside it, the lanes with a long key that takes long to fold, by lane_id: the offset where it stands.
        wakeups: end its pauses. wakes: wakes the workers beside it when there is work for them.
        """
        self._least = least
        self._heavy = {} if heavy is None else heavy
        self._heavy_first = False
        self._database = database
        self._settings = database.settings
        self._wakeups = Wakeups() if wakeups is None else wakeups
        self._wakes = wakes
        self._slot = slot  # None: the serving one
        self._digest = fold_digest()

    async def run(self, stop: asyncio.Event) -> None:
        """Fold until `stop` is set."""
        supervisor = Supervisor(stop, log, "waiting", level="warning", logs_recovery=True)
        await supervisor.run(partial(self._fold_until, stop, supervisor))
        if self._wakes is not None:
            self._wakes.wake()

    async def _fold_until(self, stop: asyncio.Event, supervisor: Supervisor) -> None:
        pause, worked = FIRST_PAUSE, False
        while not stop.is_set():
            seen = self._wakeups.count
            try:
                waits = (worked and not self._least) or await self._waits()
                worked = waits and await self.step()
            except asyncpg.UndefinedTableError as error:
                raise NotSetUpError from error
            supervisor.succeeded()
            if worked:
                pause = FIRST_PAUSE
            else:
                await asyncio.sleep(FIRST_PAUSE)
                # Nobody tells when a checkpoint that another transaction held is free again.
                polls = waits or self._wakeups.can_be_missed
                await self._wakeups.wait_beyond(seen, pause if polls else SAFE_PAUSE)
                pause = min(pause * 1.5, LAST_PAUSE)

    async def _waits(self) -> bool:
        """Ask, cheaply, whether there is something to fold, and enough for this worker."""
        async with self._database.single() as connection:
            waits: int = await connection.fetchval(SQL["waiting"], PROJECTION)
        if self._wakes is not None and (waits > LITTLE or self._heavy):
            self._wakes.wake()
        return waits > (0 if self._heavy else self._least)

    async def step(self) -> bool:
        """Fold one batch, of one lane or of several in which little waits; or make checkpoints of new lanes.

        False when there is nothing to do, or others are at it.
        """
        try:
            async with self._database.transaction() as connection:
                slot = self._slot if self._slot is not None else await self._serving(connection)
                spans = await self._claim(connection, slot)
                if not spans:
                    return await adopt_lanes(connection, slot)
                began, began_ns = time.perf_counter(), time.time_ns()
                await fold_ranges(connection, slot, spans, MOST_LATE)
                traced = await self._take_traces(connection, spans)
        except HeavyError as error:
            # Nothing was written. What is before it goes on, and all other lanes do; then it is folded alone.
            self._heavy[error.lane_id] = error.offset
            return True
        for lane_id, _, until in spans:
            if self._heavy.get(lane_id, until) < until:
                del self._heavy[lane_id]
        for row in traced:
            context = carried(row["traceparent"])
            TRACER.start_span("fold", context, SpanKind.CONSUMER, start_time=began_ns).end()
        BATCH_SECONDS.labels("fold").observe(time.perf_counter() - began)
        return True

    async def _claim(
        self, connection: asyncpg.Connection[Any], slot: int
    ) -> list[tuple[int, int, int]]:
        """Claim lanes; gives spans as fold_ranges takes them. Heavy lanes come before others every other time."""
        self._heavy_first = not self._heavy_first
        limit = self._settings.project_batch_records
        lanes = await connection.fetch(
            SQL["claim"], PROJECTION, slot, LITTLE, max(limit // LITTLE - 1, 0), list(self._heavy),
            self._heavy_first,
        )  # fmt: skip
        spans = []
        for lane_id, first, log_offset in lanes:
            until = min(log_offset, first + limit)
            heavy_offset = self._heavy.get(lane_id, 0)
            spans.append((lane_id, first, heavy_offset if first < heavy_offset < until else until))
        return spans

    async def _take_traces(
        self, connection: asyncpg.Connection[Any], spans: Sequence[tuple[int, int, int]]
    ) -> list[asyncpg.Record]:
        """Take the traces that go on here, if they are told to anybody."""
        if self._settings.otlp_endpoint is None:
            return []
        batch = (list(part) for part in zip(*spans, strict=True))
        return await connection.fetch(SQL["take_traces"], *batch)

    async def _serving(self, connection: asyncpg.Connection[Any]) -> int:
        # Shared: a swap waits for the batches under way, and none begins on the slot that it takes away.
        row = await connection.fetchrow(
            SQL["serving"],
            PROJECTION,
        )
        if row is None:
            raise NotSetUpError
        if row["digest"] is None:
            await connection.execute(
                SQL["note_digest"],
                PROJECTION,
                self._digest,
            )
        elif row["digest"] != self._digest:
            raise FoldDriftError
        slot: int = row["slot"]
        return slot


async def adopt_lanes(connection: asyncpg.Connection[Any], slot: int) -> bool:
    """Give a checkpoint to lanes that have none in the serving slot; gives whether there were any."""
    made: str = await connection.execute(SQL["adopt_lanes"], PROJECTION, slot)
    return made != "INSERT 0 0"


async def fold_range(
    connection: asyncpg.Connection[Any], slot: int, lane_id: int, first: int, end: int
) -> None:
    """Fold the offsets [first, end) of a claimed lane into a slot, and move its checkpoint."""
    await fold_ranges(connection, slot, [(lane_id, first, end)])


async def fold_ranges(
    connection: asyncpg.Connection[Any],
    slot: int,
    spans: Sequence[tuple[int, int, int]],
    most: int | None = None,
) -> None:
    """Fold ranges of claimed lanes into a slot in one go, and move their checkpoints.

    spans: lane_id, first offset, next offset; each lane once. most: of long keys that are late, so many events.
    Raises: HeavyError, where that is not enough; nothing is to be committed then.
    """
    batch = tuple(list(part) for part in zip(*spans, strict=True))
    missing = await connection.fetchval(SQL["lock_keys"], slot, *batch)
    if missing:
        made = await connection.execute(SQL["make_keys"], slot, *batch)
        # Rows of our own making are ours; if another worker made some of them, those are to be locked too.
        if made != f"INSERT 0 {missing}" and await connection.fetchval(
            SQL["lock_keys"], slot, *batch
        ):
            raise AssertionError("a key's row is missing after it was made")
    done = await connection.fetchrow(SQL["apply"], slot, *batch, PROJECTION, long_keys.EVERY)
    if done is None or done["not_found"] or done["keys"] != done["stated"] + len(done["long"]):
        raise AssertionError(f"{done} at {spans}")
    if done["long"] or done["grown"]:
        whole = long_keys.Batch(PROJECTION, slot, *batch)
        late = [long_keys.LateKey(*key) for key in done["long"]]
        await long_keys.fold_late(connection, whole, late, most)
        await long_keys.keep_states(connection, whole, done["grown"])
    REFOLDS.inc(done["late"])
    status = await connection.execute(SQL["move"], PROJECTION, slot, *batch)
    if status != f"UPDATE {len(spans)}":
        raise AssertionError(f"a checkpoint is not where its batch begins: {spans}")


async def _advance(database: Database) -> None:
    """Bring the watermarks of drained lanes, and the gauges, up to date."""
    async with database.transaction() as connection:
        # Shared, as in a batch: what is said of the slot that a swap takes away would be lost.
        slot = await connection.fetchval(
            SQL["serving"],
            PROJECTION,
        )
        await adopt_lanes(connection, slot)
        await connection.execute(SQL["advance"], PROJECTION, slot)
        row = await connection.fetchrow(SQL["progress"])
    await _look_after_tables(database)
    if row is not None:
        PROJECTION_LAG.labels(PROJECTION).set(row["projection_behind"])
        if row["complete_until"] is not None:
            set_gauge(COMPLETE_UNTIL, row["complete_until"].timestamp())


async def _look_after_tables(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT projections.analyze_grown()")
        await connection.execute(SQL["forget_traces"])
