"""The members of a segment: a page, all of them as a stream, or one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response
from msgspec.structs import replace
from starlette.responses import StreamingResponse

from projections.http import response_models
from projections.http.cursors import Cursors, MembersCursor, encoded, moment_of
from projections.http.formats import KINDS, STREAMS, answer, lines, not_found, reaches
from projections.http.query_parameters import (
    MEMBERS_LIMIT,
    Members,
    OneUserAtMoment,
    User,
    micros,
    of_micros,
)
from projections.queries.members import COLUMNS, SincePlace, read_page, read_page_by_since
from projections.queries.rows import Moment, find_segment, read_reach
from projections.queries.users import read_user
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import JSON, Accept, negotiate, takes_json
from service.http.kit.parameters import PathId, wrong
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from projections.http.query_parameters import MembersQuery, UserAtMomentQuery
    from projections.queries.members import Page
    from projections.queries.rows import Reach, Row, Segment
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase
    from service.http.kit.problems import Problem

PATH = "/networks/{network_id}/segments/{segment_id}/members"
ONE = PATH + "/{user}"
# Keys per piece of a stream; each piece is read in its own transaction.
PIECE = 1000


def member_routes(access: Access, shared: SharedDatabase, accesses: AccessLog) -> APIRouter:
    """Return the routes of members."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT))
    cursors = Cursors(shared.settings)

    async def one(
        admission: Admission,
        segment_id: int,
        query: UserAtMomentQuery,
        of_path: str | None = None,
    ) -> Response:
        response = await _one(shared, admission.network_id, segment_id, query, of_path)
        accesses.note(admission.key, "http", ONE, segment_id, query.which(of_path), rows=1)
        return response

    @router.get(
        PATH,
        summary="The members of a segment",
        description="A page of JSON; or all members as NDJSON or CSV, as selected by Accept.",
        responses={
            200: {"model": response_models.Members | response_models.OneMember, "content": STREAMS},
            404: {},
        },
    )
    async def members(
        segment_id: PathId,
        query: Members,
        accept: Accept = None,
        admission: Admission = admitted,
    ) -> Response:
        if query.user is not None:
            if (query.limit, query.cursor, query.sort) != (None, None, None):
                raise wrong("user", "can't be combined with limit, cursor or sort")
            negotiate(accept)
            return await one(admission, segment_id, query)
        kind = negotiate(accept, KINDS)
        respond = _page if kind == JSON else _stream
        count = partial(accesses.note, admission.key, "http", PATH, segment_id)
        return await respond(shared, cursors, admission.network_id, segment_id, query, kind, count)

    @router.get(
        PATH + "/{user:any}",
        summary="One user in a segment",
        responses={200: {"model": response_models.OneMember}, 404: {}},
    )
    async def member(
        segment_id: PathId,
        user: User,
        query: OneUserAtMoment,
        admission: Admission = admitted,
        _: None = takes_json,
    ) -> Response:
        return await one(admission, segment_id, query, user)

    return router


def _start(
    cursors: Cursors, network_id: str, segment_id: int, query: MembersQuery, kind: str
) -> tuple[MembersCursor, Moment]:
    """Return where to start, as a cursor, and the requested moment. Raises: Problem 400."""
    start = MembersCursor(network_id, segment_id, *encoded(query.moment), 0, query.sort)
    if query.cursor is not None:
        start = cursors.read(query.cursor, MembersCursor)
        if (start.network_id, start.segment_id) != (network_id, segment_id):
            raise wrong("cursor", "belongs to another segment")
        if query.sort not in (None, start.sort):
            raise wrong("cursor", "belongs to another sort")
    moment = moment_of(start, query.moment)
    if start.sort is not None and (kind != JSON or any(moment)):
        raise wrong("sort", "applies to pages of JSON of the present members")
    return start, moment


async def _page(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: MembersQuery,
    kind: str,
    count: Callable[..., None],
) -> Response:
    start, moment = _start(cursors, network_id, segment_id, query, kind)
    limit = query.limit or MEMBERS_LIMIT
    async with shared.transaction(network_id, repeatable=True) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        reach = await read_reach(connection, network_id, moment.snapshot)
        following = None
        if start.sort is None:
            rows, last = await read_page(connection, segment, moment, start.after, limit)
            if last is not None:
                following = cursors.encode(replace(start, after=last))
        else:
            after = SincePlace(of_micros(start.since), start.after)
            rows, place = await read_page_by_since(
                connection, segment, after, limit, latest_first=start.sort == "-since"
            )
            if place is not None:
                next_start = replace(start, after=place.person_id, since=micros(place.since))
                following = cursors.encode(next_start)
    count(rows=len(rows))
    return answer({"members": rows, "next": following}, reach)


async def _stream(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: MembersQuery,
    kind: str,
    count: Callable[..., None],
) -> Response:
    """Respond with all members, or `limit` of them. An error before the first member still sets the status."""
    start, moment = _start(cursors, network_id, segment_id, query, kind)
    async with shared.transaction(network_id, repeatable=True) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        reach = await read_reach(connection, network_id, moment.snapshot)
        first = await read_page(connection, segment, moment, start.after, query.limit, PIECE)
    media_type, heading, encode = lines(kind, COLUMNS)
    if not any(moment):  # all pieces are of one snapshot
        moment = Moment(snapshot=reach.snapshot)
    pieces = _pieces(shared, segment, moment, first, query.limit, heading, encode, count)
    return StreamingResponse(pieces, media_type=media_type, headers=reaches(reach))


async def _pieces(
    shared: SharedDatabase,
    segment: Segment,
    moment: Moment,
    page: Page,
    limit: int | None,
    heading: bytes,
    encode: Callable[[Iterable[Row]], bytes],
    count: Callable[..., None],
) -> AsyncIterator[bytes]:
    """Yield members piece by piece. No connection is held between pieces, so a slow client blocks no other."""
    yield heading
    left = limit
    rows = 0
    try:
        while True:
            left = None if left is None else left - len(page.members)
            after = page.last
            text = encode(page.members)
            rows += len(page.members)
            del page  # only the text is kept while the client reads
            if text:
                yield text
            if after is None or left == 0:
                return
            async with shared.transaction(segment.network_id, repeatable=True) as connection:
                page = await read_page(connection, segment, moment, after, left, PIECE)
    finally:
        count(rows=rows)


async def _one(
    shared: SharedDatabase,
    network_id: str,
    segment_id: int,
    query: UserAtMomentQuery,
    of_path: str | None = None,
) -> Response:
    user = query.which(of_path)
    async with shared.transaction(network_id, repeatable=True) as connection:
        await find_segment(connection, network_id, segment_id)
        reach = await read_reach(connection, network_id, query.moment.snapshot)
        rows, _ = await read_user(connection, network_id, user, segment_id, query.moment)
    if not rows:
        raise unknown_user(reach, user)
    (state,) = rows
    members = [{name: state[name] for name in COLUMNS}] if state["is_member"] else []
    return answer({"members": members, "next": None, "state": state}, reach)


def unknown_user(reach: Reach, user: str) -> Problem:
    """404: no event of that user in that segment within the requested bounds."""
    detail = "there is no event of this user in this segment"
    if user.endswith("/"):
        detail += "; the trailing slash is part of the user"
    return not_found("unknown_user", detail, reach)
