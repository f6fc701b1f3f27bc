"""Does what operators asked for on a page or over HTTP: verify and rebuild, one at a time, with progress and cancel."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from projections.fold.lease import leasing
from projections.fold.rebuild import rebuild
from projections.fold.worker import PROJECTION, ROLE
from projections.fold.worker import SQL as FOLD
from projections.operations.verify import verify
from service.operations.lanes import ROLE as OPERATE
from service.operations.tasks import SQL
from service.postgres.database import open_database, set_up_fault
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import NotSetUpError, SegmentsError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from service.postgres.database import Database
    from service.runtime.progress import Progress
    from service.runtime.settings import Settings

log = get_logger("projections.operations.tasks")
# How often a process looks for a task, and whether the one that it does was cancelled.
LOOK_SECONDS = 1.0
LEASE_SECONDS = 30
# A note of progress, or a look for a cancel; below the time that Postgres lets a verification's transaction idle.
NOTE_SECONDS = 2.0
# A whole verification, the wait for a connection included.
VERIFY_SECONDS = 6 * 3600
MOST_DIFFERENCES = 100
# In whose keys a user follows network and segment. An erasure does not reach what a task has found.
_OF_USERS = {
    "user_segment", "membership_history", "projections.kept_state", "projections.expiry",
}  # fmt: skip


class _Outcome(NamedTuple):
    word: str
    result: dict[str, Any] | None


async def run_tasks(settings: Settings, stop: asyncio.Event) -> None:
    """Do tasks until `stop` is set. One that is under way then is ended as interrupted.

    A process whose login may not act as segments_operate does none.
    """
    async with AsyncExitStack() as stack:
        leases = await stack.enter_async_context(open_database(settings, ROLE, 2))
        database = await stack.enter_async_context(open_database(settings, OPERATE, 3))
        supervisor = Supervisor(stop, log, "tasks delayed")
        try:
            await supervisor.run(partial(_look, leases, database, stop), LOOK_SECONDS)
        except NotSetUpError as error:
            log.warning("tasks are left to other processes", because=str(error))


async def _look(leases: Database, database: Database, stop: asyncio.Event) -> None:
    """Do the task that waits, unless another process does. Raises: NotSetUpError if the login may not."""
    try:
        async with database.single() as connection:
            if await connection.fetchrow(SQL["waiting_task"]) is None:
                return
    except asyncpg.InsufficientPrivilegeError as error:
        raise set_up_fault(error) or error from None
    async with leasing(leases, "task", LEASE_SECONDS) as lease:
        if lease is None:
            return
        async with database.single() as connection:
            task = await connection.fetchrow(SQL["waiting_task"])
        if task is None:
            return
        task_id: int = task["task_id"]
        if task["started_at"] is not None:  # whoever began it does not renew its lease
            await _end(database, task_id, _Outcome("interrupted", None))
            return
        async with database.single() as connection:
            if await connection.fetchval(SQL["begin_task"], task_id) is None:
                return
        log.info("task begun", task=task["kind"], task_id=task_id)
        serving = await _serving(database)
        outcome = await _until_cancelled(database, task_id, task["kind"], stop, lease.lost)
        is_cut_short = task["kind"] == "rebuild" and outcome.word != "done"
        if is_cut_short and await _serving(database) != serving:
            outcome = _Outcome("done", {})  # the new tables serve
        await _end(database, task_id, outcome)
        log.info("task ended", task=task["kind"], task_id=task_id, outcome=outcome.word)


async def _until_cancelled(
    database: Database, task_id: int, kind: str, stop: asyncio.Event, lost: asyncio.Event
) -> _Outcome:
    """Do a task until it is done, cancelled, or this process is to stop.

    A database that does not answer delays progress and cancel alone; the task itself fails if it can't go on.
    """

    async def progress(step: str, done: int, steps: int) -> None:
        with suppress(*INFRASTRUCTURE):
            async with database.hurried(NOTE_SECONDS) as connection:
                await connection.execute(SQL["move_task"], task_id, step, done, steps)

    async def is_cancelled() -> bool:
        with suppress(*INFRASTRUCTURE):
            async with database.hurried(NOTE_SECONDS) as connection:
                return bool(await connection.fetchval(SQL["is_cancelled"], task_id))
        return False

    work = asyncio.create_task(_WORK[kind](database.settings, database, progress), name=kind)
    try:
        while True:
            await asyncio.wait([work], timeout=LOOK_SECONDS)
            if work.done():
                return work.result()
            if await is_cancelled():
                return _Outcome("cancelled", None)
            if stop.is_set() or lost.is_set():
                return _Outcome("interrupted", None)
    except (SegmentsError, *INFRASTRUCTURE) as error:
        log.warning("task failed", task=kind, error=f"{type(error).__name__}: {error}")
        return _Outcome("failed", {"error": str(error) or type(error).__name__})
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _serving(database: Database) -> int:
    """Return the serving slot, which a rebuild changes."""
    async with database.single() as connection:
        slot: int = await connection.fetchval(FOLD["serving_slot"], PROJECTION)
    return slot


async def _verify(_settings: Settings, database: Database, progress: Progress) -> _Outcome:
    async with database.hurried(VERIFY_SECONDS, repeatable=True) as connection:
        differences = await verify(connection, progress)
    if not differences:
        return _Outcome("done", None)
    shown = [_without_user(one) for one in differences[:MOST_DIFFERENCES]]
    return _Outcome("differences", {"number": len(differences), "differences": shown})


def _without_user(difference: dict[str, str | None]) -> dict[str, str | None]:
    """Leave network and segment of the key. `segments verify` shows the rest to who may read it."""
    if difference["view"] not in _OF_USERS:
        return difference
    return difference | {"key": "/".join((difference["key"] or "").split("/")[:2])}


async def _rebuild(settings: Settings, _database: Database, progress: Progress) -> _Outcome:
    return _Outcome("done", {"events": await rebuild(settings, progress=progress)})


_WORK = {"verify": _verify, "rebuild": _rebuild}


async def _end(database: Database, task_id: int, outcome: _Outcome) -> None:
    result = None if outcome.result is None else json.dumps(outcome.result)
    async with database.single() as connection:
        await connection.execute(SQL["end_task"], task_id, outcome.word, result)
