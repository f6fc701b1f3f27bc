"""Verify and rebuild, for keys of scope operate: ask for one, follow it, cancel it. A process of `project` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.queries.rows import read_reach
from segments.dashboard.rendering import path
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_error
from service.operations.tasks import KINDS, cancel_task, list_tasks, request_task
from service.registry.api_keys import Scope
from service.runtime.errors import SegmentsError
from service.seal.prove import read_state

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/operations/tasks"
SHOWN = 20
_ID_DIGITS = 18


def routes(pages: Pages) -> list[Route]:
    """Return the routes of tasks."""
    services = pages.services

    async def show(visit: Visit, problem: Problem | None = None) -> Response:
        async with services.reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
            tasks = await list_tasks(connection, SHOWN)
        async with services.sealed.transaction(visit.network_id) as connection:
            seal = await read_state(connection)
        return visit.page(
            "tasks.html",
            reach=reach,
            status=problem.status if problem else 200,
            problem=problem,
            tasks=tasks,
            seal=seal,
            is_running=any(task["ended_at"] is None for task in tasks),
        )

    async def request(visit: Visit) -> Response:
        kind = visit.field("kind")
        try:
            if kind not in KINDS:
                raise wrong("kind", f"must be one of {', '.join(KINDS)}")
            async with services.operating.transaction(visit.network_id) as connection:
                await request_task(connection, kind, visit.key.key_name)
        except (Problem, SegmentsError) as error:
            return await show(visit, of_error(error))
        return visit.go(path("operations", "tasks"))

    async def cancel(visit: Visit) -> Response:
        text = visit.field("task_id") or ""
        try:
            if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS):
                raise wrong("task_id", "must be a number")
            async with services.operating.transaction(visit.network_id) as connection:
                await cancel_task(connection, int(text), visit.key.key_name)
        except (Problem, SegmentsError) as error:
            return await show(visit, of_error(error))
        return visit.go(path("operations", "tasks"))

    return [
        pages.show(PATH, show, Scope.OPERATE),
        pages.change(PATH, Scope.OPERATE, request),
        pages.change(PATH + "/cancelled", Scope.OPERATE, cancel),
    ]
