"""Outcomes of commands for their publishers: predicted by a dry run, or waited for.

The progress of the log is read once for all waiting requests. Outcomes are read per network, so that slow queries of
one network delay no other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from projections.dry_run.dry_run import dry_run
from projections.queries.results import read_places
from schemas.topics import Topics
from service.http.kit.problems import Problem
from service.postgres.database import statements
from service.runtime.backoff import sleep_unless
from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from projections.queries.rows import Row
    from schemas.command import Command
    from service.http.kit.database import SharedDatabase
    from service.http.publishing.routes import Handle
    from service.kafka.topic_ids import Topic
    from service.postgres.database import Database

    AskTopics = Callable[[Collection[str]], Awaitable[Mapping[str, Topic | None]]]

log = get_logger("projections.http.outcomes")
POLL_SECONDS = 0.02
LOOK_SECONDS = 5
# Records of one network per query, and the delay after a failed query.
TOGETHER = 20
AGAIN_SECONDS = 0.5
_SQL = statements("projections.queries.sql")


@dataclass(slots=True, eq=False)
class _Waiter:
    network_id: str
    handle: Handle
    result: asyncio.Future[dict[str, Any]]
    # In the log, with an outcome that depends on the projections.
    queued: bool = field(default=False)


class Outcomes:
    """Returns the outcomes of records to waiting requests. `run` queries Postgres."""

    def __init__(self, database: Database, shared: SharedDatabase, ask_topics: AskTopics) -> None:
        """database, shared: with role segments_api; the first is for the progress of the log.

        ask_topics: returns the broker's current topics by name; raises errors of Kafka.
        """
        self._ask_topics = ask_topics
        self._database = database
        self._settings = shared.settings
        self._shared = shared
        self._waiting: set[_Waiter] = set()
        # The running query of each network.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted = asyncio.Event()

    async def wait(self, network_id: str, handle: Handle, seconds: float) -> dict[str, Any] | None:
        """Return a record's row of view result, with `detail`, once it is not `queued`; None after `seconds`."""
        waiter = _Waiter(network_id, handle, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        self._wanted.set()
        try:
            await asyncio.wait((waiter.result,), timeout=seconds)
        finally:
            self._waiting.discard(waiter)
        return waiter.result.result() if waiter.result.done() else None

    async def predict(self, command: Command, idempotency_key: str | None) -> dict[str, Any]:
        """Return the predicted outcome of a command, the state before and after, and reason and detail of a rejection.

        Raises: DatabaseAwayError; Problem 503, as `shared` does.
        """
        async with self._shared.transaction(command.network_id) as connection:
            topic = Topics(self._settings.topic_prefix).commands
            verdict = await dry_run(connection, command, idempotency_key, topic)
        predicted: dict[str, Any] = {
            "outcome": verdict.outcome,
            "before": verdict.before,
            "after": verdict.after,
        }
        if verdict.reason is not None:
            predicted |= {"reason": verdict.reason, "detail": verdict.detail}
        return predicted

    async def run(self, stop: asyncio.Event) -> None:
        """Query the outcomes of all waiting requests until `stop` is set."""
        supervisor = Supervisor(stop, log, "outcomes delayed")
        stopping = asyncio.ensure_future(stop.wait())

        async def look() -> None:
            if not self._waiting:
                self._wanted.clear()
                wanted = asyncio.ensure_future(self._wanted.wait())
                await asyncio.wait((wanted, stopping), return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
                return
            await self._look()
            supervisor.succeeded()
            await sleep_unless(stop, POLL_SECONDS)

        await supervisor.run(look)
        stopping.cancel()
        for task in self._tasks.values():
            task.cancel()

    async def _look(self) -> None:
        waiting = list(self._waiting)
        async with self._database.hurried(LOOK_SECONDS) as connection:
            reached = await connection.fetch(
                _SQL["reached"],
                *([waiter.handle[part] for waiter in waiting] for part in range(4)),
            )
        if not reached:
            return
        # The topic was this one before the record was sent, and is now, so it contains the record.
        there = await self._ask_topics({waiting[row["nth"]].handle.topic for row in reached})
        ready: dict[str, list[tuple[_Waiter, int]]] = {}
        for row in reached:
            waiter = waiting[row["nth"]]
            now = there[waiter.handle.topic]
            is_there = now is not None and not now.is_another(waiter.handle.topic_id)
            if is_there and (row["projected"] or not waiter.queued):
                ready.setdefault(waiter.network_id, []).append((waiter, row["lane_id"]))
        for network_id, some in ready.items():
            if network_id not in self._tasks:
                task = asyncio.create_task(
                    self._resolve(network_id, some), name=f"outcomes {network_id}"
                )
                self._tasks[network_id] = task
                task.add_done_callback(partial(self._done, network_id))

    def _done(self, network_id: str, _task: asyncio.Task[None]) -> None:
        del self._tasks[network_id]

    async def _resolve(self, network_id: str, waiting: Sequence[tuple[_Waiter, int]]) -> None:
        """Read the outcomes for waiting requests of one network, each with its lane_id."""
        try:
            for start in range(0, len(waiting), TOGETHER):
                some = waiting[start : start + TOGETHER]
                places = [(lane_id, waiter.handle.offset) for waiter, lane_id in some]
                async with self._shared.transaction(network_id) as connection:
                    rows = await read_places(connection, network_id, places)
                for (waiter, _), place in zip(some, places, strict=True):
                    row = rows.get(place)
                    if row is None or row["outcome"] == "queued":
                        waiter.queued = True
                    elif not _is_older(row, waiter.handle.received_ms) and not waiter.result.done():
                        waiter.result.set_result(row)
        except (DatabaseAwayError, Problem) as error:
            log.info("reading outcomes failed", network_id=network_id, error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)


def _is_older(result: Row, received_ms: int | None) -> bool:
    """Whether the row is of another record, received earlier, because the topic lost its tail in between."""
    return received_ms is not None and result["received_at"].timestamp() * 1000 < received_ms - 1
