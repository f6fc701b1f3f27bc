"""Outcomes of commands for those who publish them: foreseen, or waited for.

How far the log has come is one question for all who wait. What became of their commands is asked for each network by
itself: a network whose answers take long waits alone.
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
# Records of one network asked for in one question, and when one that failed is asked again.
TOGETHER = 20
AGAIN_SECONDS = 0.5
_SQL = statements("projections.queries.sql")


@dataclass(slots=True, eq=False)
class _Waiter:
    network_id: str
    handle: Handle
    result: asyncio.Future[dict[str, Any]]
    # Seen in the log, with an outcome that only the projections can tell.
    queued: bool = field(default=False)


class Outcomes:
    """Tells those who wait what became of their records. `run` asks Postgres."""

    def __init__(self, database: Database, shared: SharedDatabase, ask_topics: AskTopics) -> None:
        """database, shared: act as segments_api; with the first it is asked how far the log has come.

        ask_topics: asks the broker which topics some names are now; raises faults of Kafka.
        """
        self._ask_topics = ask_topics
        self._database = database
        self._settings = shared.settings
        self._shared = shared
        self._waiting: set[_Waiter] = set()
        # Of each network that is being asked for.
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._wanted = asyncio.Event()

    async def wait(self, network_id: str, handle: Handle, seconds: float) -> dict[str, Any] | None:
        """Give a record's row of view result, with `detail`, once it is not `queued`; None when the seconds pass."""
        waiter = _Waiter(network_id, handle, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        self._wanted.set()
        try:
            await asyncio.wait((waiter.result,), timeout=seconds)
        finally:
            self._waiting.discard(waiter)
        return waiter.result.result() if waiter.result.done() else None

    async def foresee(self, command: Command, idempotency_key: str | None) -> dict[str, Any]:
        """Say what would become of a command: outcome, before and after; of a rejected one also reason and detail.

        Raises: DatabaseAwayError; Problem 503, as shared has it.
        """
        async with self._shared.transaction(command.network_id) as connection:
            topic = Topics(self._settings.topic_prefix).commands
            verdict = await dry_run(connection, command, idempotency_key, topic)
        foreseen: dict[str, Any] = {
            "outcome": verdict.outcome,
            "before": verdict.before,
            "after": verdict.after,
        }
        if verdict.reason is not None:
            foreseen |= {"reason": verdict.reason, "detail": verdict.detail}
        return foreseen

    async def run(self, stop: asyncio.Event) -> None:
        """Ask for all who wait, as long as anybody does, until `stop` is set."""
        supervisor = Supervisor(stop, log, "outcomes are not looked for")
        stopping = asyncio.ensure_future(stop.wait())

        async def look() -> None:
            if not self._waiting:
                self._wanted.clear()
                wanted = asyncio.ensure_future(self._wanted.wait())
                await asyncio.wait((wanted, stopping), return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
                return
            await self._look()
            supervisor.well()
            await sleep_unless(stop, POLL_SECONDS)

        await supervisor.run(look)
        stopping.cancel()
        for task in self._telling.values():
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
        # It was this topic before the record was sent, and is now: so the record lies in it.
        there = await self._ask_topics({waiting[row["nth"]].handle.topic for row in reached})
        found: dict[str, list[tuple[_Waiter, int]]] = {}
        for row in reached:
            waiter = waiting[row["nth"]]
            now = there[waiter.handle.topic]
            is_there = now is not None and not now.is_another(waiter.handle.topic_id)
            if is_there and (row["projected"] or not waiter.queued):
                found.setdefault(waiter.network_id, []).append((waiter, row["lane_id"]))
        for network_id, some in found.items():
            if network_id not in self._telling:
                task = asyncio.create_task(self._tell(network_id, some), name=f"tell {network_id}")
                self._telling[network_id] = task
                task.add_done_callback(partial(self._told, network_id))

    def _told(self, network_id: str, _task: asyncio.Task[None]) -> None:
        del self._telling[network_id]

    async def _tell(self, network_id: str, waiting: Sequence[tuple[_Waiter, int]]) -> None:
        """Tell some who wait, of one network, what became of their records; each with its lane_id."""
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
            log.info("outcomes are not told", network_id=network_id, error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)


def _is_older(result: Row, received_ms: int | None) -> bool:
    """Whether it was received before our record was: another one, of a topic that lost its tail since."""
    return received_ms is not None and result["received_at"].timestamp() * 1000 < received_ms - 1
