"""The members of a segment: a page, all of them as a stream, or one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response
from starlette.responses import StreamingResponse

from projections.http import response_models
from projections.http.cursors import Cursors, MembersCursor, moment_of
from projections.http.formats import KINDS, STREAMS, answer, lines, reaches
from projections.http.query_parameters import MEMBERS_LIMIT, Members, OneUserThen, User, micros
from projections.queries.members import COLUMNS, read_page
from projections.queries.rows import Moment, find_segment, read_complete_until
from projections.queries.users import read_user
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import JSON, Accept, negotiate, takes_json
from service.http.kit.parameters import PathId, wrong
from service.http.kit.problems import Problem
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from projections.http.query_parameters import MembersQuery, UserMomentQuery
    from projections.queries.members import Page
    from projections.queries.rows import Row, Segment
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PATH = "/networks/{network_id}/segments/{segment_id}/members"
# Keys of one piece of a stream, read in a transaction of its own.
PIECE = 1000


def member_routes(access: Access, shared: SharedDatabase) -> APIRouter:
    """Give the routes of members."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.REPORT))
    cursors = Cursors(shared.settings)

    @router.get(
        PATH,
        summary="The members of a segment",
        description="A page of JSON; all of them as lines of JSON or as CSV, where Accept says so.",
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
                raise wrong("user", "is one: it goes with neither limit nor cursor")
            negotiate(accept)
            return await _one(shared, admission.network_id, segment_id, query)
        kind = negotiate(accept, KINDS)
        give = _page if kind == JSON else _stream
        return await give(shared, cursors, admission.network_id, segment_id, query, kind)

    @router.get(
        PATH + "/{user:any}",
        summary="One user in a segment",
        responses={200: {"model": response_models.OneMember}, 404: {}},
    )
    async def member(
        segment_id: PathId,
        user: User,
        query: OneUserThen,
        admission: Admission = admitted,
        _: None = takes_json,
    ) -> Response:
        return await _one(shared, admission.network_id, segment_id, query, user)

    return router


def _place(
    cursors: Cursors, network_id: str, segment_id: int, query: MembersQuery
) -> tuple[Moment, int]:
    """Give the moment that is asked for, and the person_id to go on after. Raises: Problem 400."""
    if query.cursor is None:
        return query.moment, 0
    cursor = cursors.read(query.cursor, MembersCursor)
    if (cursor.network_id, cursor.segment_id) != (network_id, segment_id):
        raise wrong("cursor", "is of another segment")
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
    async with shared.transaction(network_id) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        until = await read_complete_until(connection)
        rows, last = await read_page(
            connection, segment, moment, after, query.limit or MEMBERS_LIMIT
        )
    cursor = None
    if last is not None:
        as_of, known_at = map(micros, moment)
        cursor = cursors.give(MembersCursor(network_id, segment_id, as_of, known_at, last))
    return answer({"members": rows, "next": cursor, "complete_until": until})


async def _stream(
    shared: SharedDatabase,
    cursors: Cursors,
    network_id: str,
    segment_id: int,
    query: MembersQuery,
    kind: str,
) -> Response:
    """Answer with all members, or `limit` of them. What is away before the first of them is still told by a status."""
    moment, after = _place(cursors, network_id, segment_id, query)
    async with shared.transaction(network_id) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        until = await read_complete_until(connection)
        first = await read_page(connection, segment, moment, after, query.limit, PIECE)
    media_type, heading, encode = lines(kind, COLUMNS)
    pieces = _pieces(shared, segment, moment, first, query.limit, heading, encode)
    return StreamingResponse(pieces, media_type=media_type, headers=reaches(until))


async def _pieces(
    shared: SharedDatabase,
    segment: Segment,
    moment: Moment,
    page: Page,
    limit: int | None,
    heading: bytes,
    encode: Callable[[Iterable[Row]], bytes],
) -> AsyncIterator[bytes]:
    """Give members piece by piece. Between two of them nothing is held: however slow a client is, nobody waits."""
    yield heading
    left = limit
    while True:
        left = None if left is None else left - len(page.members)
        after = page.last
        text = encode(page.members)
        del page  # a slow client costs the text alone
        if text:
            yield text
        if after is None or left == 0:
            return
        async with shared.transaction(segment.network_id) as connection:
            page = await read_page(connection, segment, moment, after, left, PIECE)


async def _one(
    shared: SharedDatabase,
    network_id: str,
    segment_id: int,
    query: UserMomentQuery,
    of_path: str | None = None,
) -> Response:
    user = query.which(of_path)
    async with shared.transaction(network_id) as connection:
        await find_segment(connection, network_id, segment_id)
        until = await read_complete_until(connection)
        found, _ = await read_user(connection, network_id, user, segment_id, query.moment)
    if not found:
        raise never_seen(until, user)
    (state,) = found
    members = [{name: state[name] for name in COLUMNS}] if state["is_member"] else []
    return answer({"members": members, "next": None, "state": state, "complete_until": until})


def never_seen(complete_until: Any, user: str) -> Problem:
    """404: no event of that user in that segment, as far as it is asked for."""
    detail = "this user was never seen in this segment"
    if user.endswith("/"):
        detail += "; the slash at the end is part of the user"
    return Problem(404, "unknown_user", detail, more={"complete_until": complete_until})
