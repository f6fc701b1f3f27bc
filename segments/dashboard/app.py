"""The dashboard as an app to mount."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route

from projections.queries.rows import read_reach
from segments.dashboard import (
    audit,
    commands,
    definition,
    erasure,
    imports,
    moved,
    oidc,
    operations,
    proof,
    rejected,
    segment,
    segment_list,
    sign_in,
    tasks,
    user,
)
from segments.dashboard.assets import serve_asset
from segments.dashboard.visit import MOVED, Pages, error_page, guarded
from service.http.kit.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from segments.dashboard.visit import Services, Visit
    from service.http.kit.key_cache import KeyCache

_NOT_FOUND = Problem(404, "not_found", "there is no such page")


def dashboard_routes(services: Services, keys: KeyCache) -> list[Route | Mount]:
    """Return the routes of /admin. keys: find the key that somebody signs in by."""
    pages = Pages(services)
    app = Starlette(
        routes=[
            Route("/assets/{name:path}", serve_asset, methods=["GET"]),
            *oidc.routes(services),
            *sign_in.routes(pages, keys),
            *segment_list.routes(pages),
            *definition.routes(pages),
            *segment.routes(pages),
            *moved.routes(pages),
            *proof.routes(pages),
            *user.routes(pages),
            *commands.routes(pages),
            *erasure.routes(pages),
            *imports.routes(pages),
            *audit.routes(pages),
            *rejected.routes(pages),
            *operations.routes(pages),
            *tasks.routes(pages),
            pages.show("/networks/{network_id}/reach", _reach_of(services)),
        ],
        exception_handlers={HTTPException: _no_such_page},
    )
    app.router.redirect_slashes = False
    return [Route("/admin", _to_home, methods=["GET"]), Mount("/admin", app=app)]


def _reach_of(services: Services) -> Callable[[Visit], Awaitable[Response]]:
    async def show(visit: Visit) -> Response:
        """Show as of when the page is true; if what it shows has moved since, tell htmx to refresh it."""
        async with services.reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
        response = visit.page("reach.html", reach=reach)
        if reach.snapshot != visit.query("snapshot"):
            response.headers["HX-Trigger"] = MOVED
        return response

    return show


async def _to_home(_request: Request) -> Response:
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/admin/"})


async def _no_such_page(request: Request, error: Exception) -> Response:
    problem = _NOT_FOUND
    if isinstance(error, HTTPException) and error.status_code != HTTPStatus.NOT_FOUND:
        problem = Problem(
            error.status_code,
            "method_not_allowed",
            "this page does not do that",
            headers=error.headers,
        )

    async def show(_: Request) -> Response:
        return error_page(request, problem)

    return await guarded(show)(request)
