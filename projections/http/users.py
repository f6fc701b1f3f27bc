"""The segments of a user, explanations, and the sizes of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response

from projections.http import response_models
from projections.http.cursors import Cursors, EventsCursor, SegmentsCursor, encoded, moment_of
from projections.http.formats import KINDS, STREAMS, answer, lines, reaches
from projections.http.members import PATH as MEMBERS
from projections.http.members import unknown_user
from projections.http.query_parameters import (
    OneUserEvents,  # noqa: TC001 - FastAPI reads them
    OneUserSegments,  # noqa: TC001
    User,  # noqa: TC001
)
from projections.queries.explain import EventPlace, explain
from projections.queries.rows import SIZE_COLUMNS, read_reach, read_sizes
from projections.queries.users import read_user
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import JSON, Accept, negotiate, takes_json
from service.http.kit.parameters import Nothing, PathId, wrong
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from projections.http.query_parameters import EventsQuery, SegmentsQuery
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

NETWORK = "/networks/{network_id}"
SEGMENTS = NETWORK + "/users/{user}/segments"
EXPLANATION = MEMBERS + "/{user}/explanation"
SIZES = NETWORK + "/sizes"


def user_routes(access: Access, shared: SharedDatabase, accesses: AccessLog) -> APIRouter:
    """Return the routes of users and sizes."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT))
    segments: Any = {200: {"model": response_models.UserSegments}}
    cursors = Cursors(shared.settings)
    explanation: Any = {200: {"model": response_models.Explanation}, 404: {}}

    async def of_user(
        admission: Admission, query: SegmentsQuery, of_path: str | None = None
    ) -> Response:
        response = await _segments(shared, cursors, admission.network_id, query, of_path)
        accesses.note(admission.key, "http", SEGMENTS, user=query.which(of_path))
        return response

    async def explained(
        admission: Admission, segment_id: int, query: EventsQuery, of_path: str | None = None
    ) -> Response:
        response = await _explain(shared, cursors, admission.network_id, segment_id, query, of_path)
        accesses.note(admission.key, "http", EXPLANATION, segment_id, query.which(of_path))
        return response

    @router.get(
        NETWORK + "/users/segments",
        summary="The segments of a user in the query string",
        responses=segments,
    )
    async def segments_of(
        query: OneUserSegments, admission: Admission = admitted, _: None = takes_json
    ) -> Response:
        return await of_user(admission, query)

    @router.get(
        NETWORK + "/users/{user:any}/segments",
        summary="The segments of a user",
        responses=segments,
    )
    async def segments_of_user(
        user: User, query: OneUserSegments, admission: Admission = admitted, _: None = takes_json
    ) -> Response:
        return await of_user(admission, query, user)

    @router.get(
        MEMBERS.removesuffix("members") + "explanation",
        summary="Why a user in the query string is in a segment, or not",
        responses=explanation,
    )
    async def explain_one(
        segment_id: PathId,
        query: OneUserEvents,
        admission: Admission = admitted,
        _: None = takes_json,
    ) -> Response:
        return await explained(admission, segment_id, query)

    @router.get(
        MEMBERS + "/{user:any}/explanation",
        summary="Why a user is in a segment, or not",
        responses=explanation,
    )
    async def explain_user(
        segment_id: PathId,
        user: User,
        query: OneUserEvents,
        admission: Admission = admitted,
        _: None = takes_json,
    ) -> Response:
        return await explained(admission, segment_id, query, user)

    @router.get(
        SIZES,
        summary="The sizes of all segments",
        responses={200: {"model": response_models.Sizes, "content": STREAMS}},
    )
    async def sizes(_: Nothing, admission: Admission = admitted, accept: Accept = None) -> Response:
        kind = negotiate(accept, KINDS)
        async with shared.transaction(admission.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, admission.network_id)
            rows = await read_sizes(connection, admission.network_id)
        accesses.note(admission.key, "http", SIZES, rows=len(rows))
        if kind == JSON:
            return answer({"sizes": rows}, reach)
        media_type, heading, encode = lines(kind, SIZE_COLUMNS)
        return Response(heading + encode(rows), media_type=media_type, headers=reaches(reach))

    return router


async def _segments(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    query: SegmentsQuery,
    of_path: str | None = None,
) -> Response:
    user = query.which(of_path)
    moment, after = query.moment, 0
    if query.cursor is not None:
        cursor = cursors.read(query.cursor, SegmentsCursor)
        if (cursor.network_id, cursor.user) != (network_id, user):
            raise wrong("cursor", "belongs to another user")
        moment, after = moment_of(cursor, moment), cursor.after
    async with shared.transaction(network_id, repeatable=True) as connection:
        reach = await read_reach(connection, network_id, moment.snapshot)
        rows, last = await read_user(connection, network_id, user, None, moment, after)
    following = None
    if last is not None:
        following = cursors.encode(SegmentsCursor(network_id, user, *encoded(moment), last))
    return answer({"segments": rows, "next": following}, reach)


async def _explain(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: EventsQuery,
    of_path: str | None = None,
) -> Response:
    user = query.which(of_path)
    before = None
    if query.cursor is not None:
        cursor = cursors.read(query.cursor, EventsCursor)
        if (cursor.network_id, cursor.segment_id, cursor.user) != (network_id, segment_id, user):
            raise wrong("cursor", "belongs to another user and segment")
        before = EventPlace(cursor.lane_id, cursor.offset)
    async with shared.transaction(network_id, repeatable=True) as connection:
        reach = await read_reach(connection, network_id)
        explanation = await explain(connection, network_id, segment_id, user, query.limit, before)
    if not explanation["events"]:
        raise unknown_user(reach, user)
    earlier = explanation.pop("earlier")
    following = earlier and cursors.encode(EventsCursor(network_id, segment_id, user, *earlier))
    return answer({**explanation, "next": following}, reach)
