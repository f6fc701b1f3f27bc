"""The members of a segment: a page, all of them as a stream, or one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response
from starlette.responses import StreamingResponse

from projections.http import response_models
from projections.http.cursors import Cursors, MembersCursor, encoded, moment_of
from projections.http.formats import KINDS, STREAMS, answer, lines, not_found, reaches
from projections.http.query_parameters import MEMBERS_LIMIT, Members, OneUserAtMoment, User
from projections.queries.members import COLUMNS, read_page
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
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase
    from service.http.kit.problems import Problem

PATH = "/networks/{network_id}/segments/{segment_id}/members"
# Keys per piece of a stream; each piece is read in its own transaction.
PIECE = 1000


def member_routes(access: Access, shared: SharedDatabase) -> APIRouter:
    """Return the routes of members."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT))
    cursors = Cursors(shared.settings)

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
            if query.limit is not None or query.cursor is not None:
                raise wrong("user", "can't be combined with limit or cursor")
            negotiate(accept)
            return await _one(shared, admission.network_id, segment_id, query)
        kind = negotiate(accept, KINDS)
        respond = _page if kind == JSON else _stream
        return await respond(shared, cursors, admission.network_id, segment_id, query, kind)

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
        return await _one(shared, admission.network_id, segment_id, query, user)

    return router


def _place(
    cursors: Cursors, network_id: str, segment_id: int, query: MembersQuery
) -> tuple[Moment, int]:
    """Return the requested moment, and the person_id to continue after. Raises: Problem 400."""
    if query.cursor is None:
        return query.moment, 0
    cursor = cursors.read(query.cursor, MembersCursor)
    if (cursor.network_id, cursor.segment_id) != (network_id, segment_id):
        raise wrong("cursor", "belongs to another segment")
    return moment_of(cursor, query.moment), cursor.after


async def _page(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: MembersQuery,
    _kind: str = JSON,
) -> Response:
    moment, after = _place(cursors, network_id, segment_id, query)
    async with shared.transaction(network_id, repeatable=True) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        reach = await read_reach(connection, network_id, moment.snapshot)
        rows, last = await read_page(
            connection, segment, moment, after, query.limit or MEMBERS_LIMIT
        )
    cursor = None
    if last is not None:
        cursor = cursors.encode(MembersCursor(network_id, segment_id, *encoded(moment), last))
    return answer({"members": rows, "next": cursor}, reach)


async def _stream(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: MembersQuery,
    kind: str,
) -> Response:
    """Respond with all members, or `limit` of them. An error before the first member still sets the status."""
    moment, after = _place(cursors, network_id, segment_id, query)
    async with shared.transaction(network_id, repeatable=True) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        reach = await read_reach(connection, network_id, moment.snapshot)
        first = await read_page(connection, segment, moment, after, query.limit, PIECE)
    media_type, heading, encode = lines(kind, COLUMNS)
    if not any(moment):  # all pieces are of one snapshot
        moment = Moment(snapshot=reach.snapshot)
    pieces = _pieces(shared, segment, moment, first, query.limit, heading, encode)
    return StreamingResponse(pieces, media_type=media_type, headers=reaches(reach))


async def _pieces(
    shared: SharedDatabase,
    segment: Segment,
    moment: Moment,
    page: Page,
    limit: int | None,
    heading: bytes,
    encode: Callable[[Iterable[Row]], bytes],
) -> AsyncIterator[bytes]:
    """Yield members piece by piece. No connection is held between pieces, so a slow client blocks no other."""
    yield heading
    left = limit
    while True:
        left = None if left is None else left - len(page.members)
        after = page.last
        text = encode(page.members)
        del page  # only the text is kept while the client reads
        if text:
            yield text
        if after is None or left == 0:
            return
        async with shared.transaction(segment.network_id, repeatable=True) as connection:
            page = await read_page(connection, segment, moment, after, left, PIECE)


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
