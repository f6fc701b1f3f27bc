"""Verify and rebuild over HTTP, for scope operate: ask for them, see how far they are, cancel; and the seal's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from projections.http import response_models_of_lists as response_models
from projections.http.cursors import Cursors
from projections.http.formats import STREAMS
from projections.http.listing import Listing, PageQuery, Place
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import Accept, takes_json
from service.http.kit.parameters import PLAIN, Nothing
from service.http.kit.request_body import read_model, takes
from service.operations.tasks import (
    COLUMNS,
    NEWEST,
    Task,
    TaskPlace,
    cancel_task,
    list_tasks,
    request_task,
)
from service.registry.api_keys import Scope
from service.seal.prove import read_state

if TYPE_CHECKING:
    import asyncpg

    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PATH = "/operations/tasks"
SEAL = "/operations/seal"
_MOST_ID = 2**63 - 1


class NewTask(BaseModel):
    """What to do. verify: compare every view with the fold of the log. rebuild: fold the whole log anew."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["verify", "rebuild"]


def task_routes(
    access: Access, shared: SharedDatabase, operating: SharedDatabase, sealed: SharedDatabase
) -> APIRouter:
    """Return the routes. shared: with role segments_api; operating: segments_operate; sealed: segments_seal."""
    router = APIRouter(tags=["operations"])
    admitted: Any = Depends(access.admits_of_any_network(Scope.OPERATE))
    cursors = Cursors(shared.settings)

    @router.get(
        PATH,
        summary="Verifications and rebuilds",
        responses={200: {"model": response_models.Tasks, "content": STREAMS}, 406: {}},
    )
    async def tasks(
        query: Annotated[PageQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        async def read(
            connection: asyncpg.Connection[Any], before: Place, limit: int
        ) -> list[Task]:
            return await list_tasks(connection, limit, TaskPlace(*before))

        listing = Listing("tasks", COLUMNS, NEWEST, read, _place_of)
        return await listing.respond(
            shared, cursors, admission.network_id, query, accept, lambda _rows: None
        )

    @router.post(
        PATH,
        status_code=202,
        summary="Verify or rebuild",
        responses={409: {}},
        openapi_extra=dict(takes(NewTask)),
    )
    async def request_one(
        request: Request, _: Nothing, admission: Admission = admitted
    ) -> response_models.Task:
        new = await read_model(request, NewTask)
        async with operating.transaction(admission.network_id) as connection:
            task = await request_task(connection, new.kind, admission.key.key_name)
        return response_models.Task(**task)

    @router.delete(
        PATH + "/{task_id}", status_code=202, summary="Cancel a task", responses={404: {}}
    )
    async def cancel(
        task_id: Annotated[int, Field(ge=1, le=_MOST_ID), PLAIN, Path()],
        _: Nothing,
        admission: Admission = admitted,
    ) -> response_models.Task:
        async with operating.transaction(admission.network_id) as connection:
            task = await cancel_task(connection, task_id, admission.key.key_name)
        return response_models.Task(**task)

    @router.get(SEAL, summary="How far the log is sealed", responses={406: {}})
    async def seal(
        _: Nothing, admission: Admission = admitted, _json: None = takes_json
    ) -> response_models.Seal:
        async with sealed.transaction(admission.network_id) as connection:
            return response_models.Seal(**await read_state(connection))

    return router


def _place_of(task: Task) -> TaskPlace:
    return TaskPlace(task["requested_at"], "", task["task_id"])
