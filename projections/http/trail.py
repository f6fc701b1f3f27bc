"""The audit trail of a network, for keys of scope admin: what was done besides commands, and who read its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, Field

from projections.http import response_models_of_lists as response_models
from projections.http.cursors import Cursors
from projections.http.formats import STREAMS
from projections.http.listing import Listing, PageQuery
from projections.http.query_parameters import Time, is_text
from projections.queries.audit import (
    ACCESS_COLUMNS,
    ADMIN_COLUMNS,
    FIRST,
    LAST,
    NEWEST,
    TrailFilter,
    TrailPlace,
    place_of,
    read_access_events,
    read_admin_events,
)
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import Accept  # noqa: TC001
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from projections.queries.rows import Row
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

    _Read = Callable[[asyncpg.Connection[Any], TrailFilter, TrailPlace, int], Awaitable[list[Row]]]

EVENTS = "/networks/{network_id}/admin/events"
ACCESSES = "/networks/{network_id}/admin/accesses"
_Text = Annotated[
    str | None,
    Field(min_length=1, max_length=400),
    AfterValidator(lambda text: None if text is None else is_text(text)),
]


class TrailQuery(PageQuery):
    """Which rows of the trail to list."""

    actor: Annotated[_Text, Field(description="A part of the actor's name, in any case.")] = None
    since: Annotated[Time | None, Field(description="From this time on.")] = None
    until: Annotated[Time | None, Field(description="Before this time.")] = None

    def which(self, admission: Admission, thing: str | None, kind: str | None) -> TrailFilter:
        """Return the filter."""
        return TrailFilter(
            admission.network_id,
            Scope.OPERATE in admission.key.scopes,
            self.actor,
            thing,
            kind,
            self.since or FIRST,
            self.until or LAST,
        )


class AdminEventsQuery(TrailQuery):
    """Which changes to list."""

    object: Annotated[
        _Text, Field(description="As in the view: a segment id, key id, role, topic or position.")
    ] = None
    kind: Literal[
        "segment", "key", "grant", "source", "lane", "task", "retry", "erasure", "rejected_erasure"
    ] | None = None  # fmt: skip


class AccessesQuery(TrailQuery):
    """Which reads to list."""

    object: Annotated[_Text, Field(description="A segment id or a user.")] = None
    via: Literal["http", "page", "command"] | None = None


def trail_routes(access: Access, shared: SharedDatabase, accesses: AccessLog) -> APIRouter:
    """Return the routes of the audit trail."""
    router = APIRouter(tags=["reading"], responses={406: {}})
    admitted: Any = Depends(access.admits(Scope.ADMIN))
    cursors = Cursors(shared.settings)

    async def listed(
        path: str,
        admission: Admission,
        query: TrailQuery,
        accept: str | None,
        which: TrailFilter,
        list_of: tuple[str, tuple[str, ...], _Read],
    ) -> Response:
        name, columns, read = list_of

        def count(rows: int) -> None:
            accesses.note(admission.key, "http", path, rows=rows)

        listing = Listing(
            name,
            columns,
            NEWEST,
            lambda connection, before, limit: read(connection, which, TrailPlace(*before), limit),
            place_of,
        )
        return await listing.respond(shared, cursors, admission.network_id, query, accept, count)

    @router.get(
        EVENTS,
        summary="What was done besides commands",
        responses={200: {"model": response_models.AdminEvents, "content": STREAMS}},
    )
    async def events(
        query: Annotated[AdminEventsQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        which = query.which(admission, query.object, query.kind)
        done = ("events", ADMIN_COLUMNS, read_admin_events)
        return await listed(EVENTS, admission, query, accept, which, done)

    @router.get(
        ACCESSES,
        summary="Who read the network's data",
        responses={200: {"model": response_models.Accesses, "content": STREAMS}},
    )
    async def reads(
        query: Annotated[AccessesQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        which = query.which(admission, query.object, query.via)
        read = ("accesses", ACCESS_COLUMNS, read_access_events)
        return await listed(ACCESSES, admission, query, accept, which, read)

    return router
