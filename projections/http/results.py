"""What became of commands: by the publisher's reference, or by the position that was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response

from projections.http import response_models
from projections.http.cursors import Cursors, ResultsCursor
from projections.http.formats import answer
from projections.http.query_parameters import Results, position_of_reference, read_position
from projections.queries import results as log_results
from projections.queries.results import Found
from projections.queries.rows import read_complete_until
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import takes_json
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, unavailable
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from projections.http.outcomes import AskTopics
    from projections.http.query_parameters import ResultsQuery
    from projections.http.queued import Queued
    from projections.http.queued_search import QueuedSearch
    from projections.queries.results import Fronts, PositionQuery
    from projections.queries.rows import Row
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PATH = "/networks/{network_id}/results"


def result_routes(
    access: Access,
    shared: SharedDatabase,
    queued: Queued,
    queued_search: QueuedSearch,
    topics: AskTopics,
) -> APIRouter:
    """Give the route of results, for who publishes and for who reports. topics: as reading_routes has it."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT, Scope.PUBLISH))
    reader = _ResultReader(shared, queued, queued_search, topics)

    @router.get(
        PATH,
        summary="What became of commands",
        responses={200: {"model": response_models.Results}, 404: {}},
    )
    async def results(
        query: Results, admission: Admission = admitted, _: None = takes_json
    ) -> Response:
        if (query.reference_id is None) == (query.position is None):
            raise wrong("reference_id", "give either reference_id or position")
        if query.position is not None:
            position = read_position(query.position)
            return await reader.of_position(admission.network_id, position)
        return await reader.of_reference(admission.network_id, query)

    return router


class _ResultReader:
    """Tells what became of commands, of the log or on their way to it."""

    def __init__(
        self, shared: SharedDatabase, queued: Queued, queued_search: QueuedSearch, topics: AskTopics
    ) -> None:
        self._topics = topics
        self._shared = shared
        self._queued = queued
        self._queued_search = queued_search
        self._cursors = Cursors(shared.settings)

    async def of_position(self, network_id: str, position: PositionQuery) -> Response:
        found, until = await self._at(network_id, position)
        if found.row is None:
            raise _unknown(until, found.hole)
        return answer({"results": [found.row], "next": None, "complete_until": until})

    async def of_reference(self, network_id: str, query: ResultsQuery) -> Response:
        reference_id = query.reference_id or ""
        after = self._after(network_id, reference_id, query.cursor)
        async with self._shared.transaction(network_id) as connection:
            until = await read_complete_until(connection)
            # Before the rows: what is appended meanwhile is looked for in Kafka.
            fronts = await log_results.read_fronts(connection, self._shared.settings)
            rows, last = await log_results.read_references(
                connection, network_id, reference_id, after or (-1, -1), query.limit
            )
            # Made of a position: at the same one of another topic lies another command.
            position = position_of_reference(reference_id)
            found = position and await log_results.read_position(
                connection, self._shared.settings, network_id, position
            )
        if position and found:
            await self._check_lane(position, found)
        if not rows and after is None:
            rows, hole = await self._on_its_way(network_id, reference_id, fronts)
            rows = rows[: query.limit]
            if not rows:
                raise _unknown(until, hole)
        cursor = last and self._cursors.give(ResultsCursor(network_id, reference_id, *last))
        return answer({"results": rows, "next": cursor, "complete_until": until})

    def _after(
        self, network_id: str, reference_id: str, cursor: str | None
    ) -> tuple[int, int] | None:
        if cursor is None:
            return None
        found = self._cursors.read(cursor, ResultsCursor)
        if (found.network_id, found.reference_id) != (network_id, reference_id):
            raise wrong("cursor", "is of another reference_id")
        return found.lane_id, found.offset

    async def _on_its_way(
        self, network_id: str, reference_id: str, fronts: Fronts
    ) -> tuple[list[Row], str | None]:
        """Look for a reference on its way: at the position that it says, if it was made for one; else everywhere.

        Gives the rows, and why the log has no record of that position.
        """
        position = position_of_reference(reference_id)
        if position is None:
            fronts, stopped = await self._without_stopped(fronts)
            rows = await self._queued_search.rows(network_id, reference_id, fronts)
            if stopped and not rows:
                raise _stopped()
            return rows, None
        found, _ = await self._at(network_id, position)
        if found.row is None:
            return [], found.hole
        # A repeat has the reference of what it repeats, and what was refused has none.
        stands = found.row["reference_id"] == reference_id
        stands = stands or found.row["outcome"] in ("duplicate", "rejected")
        return [found.row] if stands else [], None

    async def _at(self, network_id: str, position: PositionQuery) -> tuple[Found, datetime | None]:
        async with self._shared.transaction(network_id) as connection:
            until = await read_complete_until(connection)
            found = await log_results.read_position(
                connection, self._shared.settings, network_id, position
            )
        await self._check_lane(position, found)
        if found.awaited is not None:
            row = await self._queued.row(network_id, position, found.awaited)
            if row is not None and row["network_id"] is None:
                async with self._shared.transaction(network_id) as connection:
                    if not await log_results.may_speak(connection, network_id, position.topic):
                        row = None
            found = Found(row)
        return found, until

    async def _check_lane(self, position: PositionQuery, found: Found) -> None:
        """Raise Problem 503 where the topic is not the one that the lane reads.

        What the log has in an epoch that was named is what it is; anything else goes by the topic that is there now.
        """
        if found.lane is not None and (position.epoch is None or found.awaited is not None):
            now = (await self._topics([position.topic]))[position.topic]
            if found.lane.is_another(now):
                raise _stopped()

    async def _without_stopped(self, fronts: Fronts) -> tuple[Fronts, bool]:
        """Leave out lanes whose topics are not those that the log reads; and whether there are any."""
        there = await self._topics(list(fronts))
        kept = {
            topic: {
                number: front._replace(is_stopped=front.is_another(there[topic]))
                for number, front in lanes.items()
            }
            for topic, lanes in fronts.items()
        }
        return kept, any(front.is_stopped for lanes in kept.values() for front in lanes.values())


def _stopped() -> Problem:
    """Say that a lane's topic is not the one that the log has read: at the same position lies another command."""
    return unavailable(
        "stopped",
        "the lane is stopped: the topic is not the one that the log has read, until an operator lets it go on",
    )


def _unknown(complete_until: datetime | None, hole: str | None) -> Problem:
    """Say that nothing is known. hole: why the log has no record of that position."""
    detail = (
        "nothing of it is known in this network; what was received before complete_until and is not found names"
        " another network or none that can be read, or does not exist"
    )
    if hole is not None:
        detail = f"the log has no record of that position: {hole}"
    return Problem(404, "unknown_result", detail, more={"complete_until": complete_until})
