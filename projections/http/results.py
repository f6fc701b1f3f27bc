"""Outcomes of commands, by the publisher's reference or by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response

from projections.http import response_models
from projections.http.cursors import Cursors, ResultsCursor
from projections.http.formats import answer, not_found
from projections.http.query_parameters import Results, position_of_reference, read_position
from projections.queries import results as log_results
from projections.queries.results import Found
from projections.queries.rows import read_reach
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import takes_json
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, unavailable
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from projections.http.outcomes import AskTopics
    from projections.http.query_parameters import ResultsQuery
    from projections.http.queued import Queued
    from projections.http.queued_search import QueuedSearch
    from projections.queries.results import Fronts, PositionQuery
    from projections.queries.rows import Reach, Row
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PATH = "/networks/{network_id}/results"


def result_routes(access: Access, reader: ResultReader, accesses: AccessLog) -> APIRouter:
    """Return the route of results, for scopes publish and report."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT, Scope.PUBLISH))

    @router.get(
        PATH,
        summary="Outcomes of commands",
        responses={200: {"model": response_models.Results}, 404: {}},
    )
    async def results(
        query: Results, admission: Admission = admitted, _: None = takes_json
    ) -> Response:
        if (query.reference_id is None) == (query.position is None):
            raise wrong("reference_id", "send either reference_id or position")
        if query.position is not None:
            position = read_position(query.position)
            response = await reader.of_position(admission.network_id, position)
        else:
            response = await reader.of_reference(admission.network_id, query)
        accesses.note(admission.key, "http", PATH)
        return response

    return router


class ResultReader:
    """Reads outcomes of commands, in the log or queued."""

    def __init__(
        self, shared: SharedDatabase, queued: Queued, queued_search: QueuedSearch, topics: AskTopics
    ) -> None:
        """shared: with role segments_api. topics: returns the current or last known topics by name."""
        self._topics = topics
        self._shared = shared
        self._queued = queued
        self._queued_search = queued_search
        self._cursors = Cursors(shared.settings)

    async def of_position(self, network_id: str, position: PositionQuery) -> Response:
        """Respond with the outcome at a position. Raises: Problem 404, 503."""
        result, reach = await self.at(network_id, position)
        if result.row is None:
            raise _unknown(reach, result.hole)
        return answer({"results": [result.row], "next": None}, reach)

    async def of_reference(self, network_id: str, query: ResultsQuery) -> Response:
        """Respond with the outcomes that have a reference. Raises: Problem 400, 404, 503."""
        reference_id = query.reference_id or ""
        after = self._after(network_id, reference_id, query.cursor)
        async with self._shared.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            # Read before the rows, so that records appended in between are searched in Kafka.
            fronts = await log_results.read_fronts(connection, self._shared.settings)
            rows, last = await log_results.read_references(
                connection, network_id, reference_id, after or (-1, -1), query.limit
            )
            # A generated reference contains a position; in a recreated topic it is another command.
            position = position_of_reference(reference_id)
            result = position and await log_results.read_position(
                connection, self._shared.settings, network_id, position
            )
        if position and result:
            await self._check_lane(position, result)
        if not rows and after is None:
            rows, hole = await self._in_kafka(network_id, reference_id, fronts)
            rows = rows[: query.limit]
            if not rows:
                raise _unknown(reach, hole)
        cursor = last and self._cursors.encode(ResultsCursor(network_id, reference_id, *last))
        return answer({"results": rows, "next": cursor}, reach)

    def _after(
        self, network_id: str, reference_id: str, cursor: str | None
    ) -> tuple[int, int] | None:
        if cursor is None:
            return None
        decoded = self._cursors.read(cursor, ResultsCursor)
        if (decoded.network_id, decoded.reference_id) != (network_id, reference_id):
            raise wrong("cursor", "belongs to another reference_id")
        return decoded.lane_id, decoded.offset

    async def _in_kafka(
        self, network_id: str, reference_id: str, fronts: Fronts
    ) -> tuple[list[Row], str | None]:
        """Search queued records for a reference: at the position in a generated reference, else everywhere.

        Returns the rows, and why the log has no record at that position.
        """
        position = position_of_reference(reference_id)
        if position is None:
            fronts, stopped = await self._without_stopped(fronts)
            rows = await self._queued_search.rows(network_id, reference_id, fronts)
            if stopped and not rows:
                raise _stopped()
            return rows, None
        result, _ = await self.at(network_id, position)
        if result.row is None:
            return [], result.hole
        # A duplicate has the reference of the original, and a rejected record has none.
        stands = result.row["reference_id"] == reference_id
        stands = stands or result.row["outcome"] in ("duplicate", "rejected")
        return [result.row] if stands else [], None

    async def at(self, network_id: str, position: PositionQuery) -> tuple[Found, Reach]:
        """Read what stands at a position, in the log or on its way to it. Raises: Problem 503."""
        async with self._shared.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            result = await log_results.read_position(
                connection, self._shared.settings, network_id, position
            )
        await self._check_lane(position, result)
        if result.awaited is not None:
            row = await self._queued.row(network_id, position, result.awaited)
            if row is not None and row["network_id"] is None:
                async with self._shared.transaction(network_id) as connection:
                    if not await log_results.may_carry(connection, network_id, position.topic):
                        row = None
            result = Found(row)
        return result, reach

    async def _check_lane(self, position: PositionQuery, result: Found) -> None:
        """Raise Problem 503 if the topic is not the one that the lane reads.

        A record of the log in an explicit epoch is unambiguous; anything else depends on the current topic.
        """
        if result.lane is not None and (position.epoch is None or result.awaited is not None):
            now = (await self._topics([position.topic]))[position.topic]
            if result.lane.is_another(now):
                raise _stopped()

    async def _without_stopped(self, fronts: Fronts) -> tuple[Fronts, bool]:
        """Mark lanes whose topic is not the one that the log reads as stopped; return whether there are any."""
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
    """503: the lane's topic is not the one that the log has read, so the same position is another command."""
    return unavailable(
        "stopped",
        "the lane is stopped until an operator acts: the topic is not the one that the log has read",
    )


def _unknown(reach: Reach, hole: str | None) -> Problem:
    """404. hole: why the log has no record at that position."""
    detail = (
        "there is no such record in this network; a record that was received before complete_until and is not found"
        " belongs to another network, names no readable network, or does not exist"
    )
    if hole is not None:
        detail = f"the log has no record at that position: {hole}"
    return not_found("unknown_result", detail, reach)
