"""The registry of segments over HTTP, for keys of scope admin."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.segment import SegmentDescription, SegmentId, SegmentName  # noqa: TC001 - pydantic reads them
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import takes_json
from service.http.kit.parameters import Nothing, PathId  # noqa: TC001 - FastAPI reads them
from service.http.kit.request_body import read_model, takes
from service.registry import segments as registry
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    import asyncpg

    from service.http.kit.auth import Access, RegistryRate
    from service.http.kit.database import SharedDatabase

ROLE = "segments_registry"
PATH = "/networks/{network_id}/admin/segments"

_STRICT = ConfigDict(extra="forbid", strict=True)


class NewSegment(BaseModel):
    """A segment to create. Without segment_id it gets the network's highest + 1."""

    model_config = _STRICT

    name: SegmentName
    description: SegmentDescription | None = None
    is_visible: bool = True
    segment_id: SegmentId | None = None


def _without_defaults(schema: dict[str, Any]) -> None:
    """Remove defaults from the JSON Schema: a client that fills them in would change fields that it meant to omit."""
    for field in schema["properties"].values():
        field.pop("default", None)


class SegmentChange(BaseModel):
    """Changes to a segment. An omitted field stays as it is; a null description is removed."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_without_defaults)

    name: SegmentName = "as it is"
    description: SegmentDescription | None = None
    is_visible: bool = True
    archived: Annotated[bool, Field(description="An archived segment refuses commands.")] = False
    reason: Annotated[
        SegmentDescription | None, Field(description="Why; recorded in the segment's history.")
    ] = None


class SegmentShown(BaseModel):
    """A segment in the registry. archived_at: null unless it is archived."""

    network_id: str
    segment_id: int
    name: str
    description: str | None
    is_visible: bool
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None


class SegmentsShown(BaseModel):
    """Segments by id, including archived and hidden ones."""

    segments: list[SegmentShown]


def _shown(one: registry.Segment) -> SegmentShown:
    return SegmentShown(
        network_id=one.network_id, segment_id=one.segment_id, name=one.segment_name,
        description=one.description, is_visible=one.is_visible, created_at=one.created_at,
        created_by=one.created_by, archived_at=one.archived_at,
    )  # fmt: skip


def admin_routes(
    access: Access, rate: RegistryRate, reading: SharedDatabase, changing: SharedDatabase
) -> APIRouter:
    """Return the routes of the registry. reading: a database as segments_api; changing: as segments_registry."""
    router = APIRouter(tags=["admin"])
    settings = reading.settings
    admitted: Any = Depends(access.admits(Scope.ADMIN))

    @router.post(
        PATH, status_code=201, summary="Create a segment", responses={409: {}},
        openapi_extra=dict(takes(NewSegment)),
    )  # fmt: skip
    async def create(
        request: Request, response: Response, _: Nothing, admission: Admission = admitted
    ) -> SegmentShown:
        new = await read_model(request, NewSegment)
        rate.charge(admission)
        async with changing.transaction(admission.network_id) as connection:
            made = await create_segment(connection, admission, new, settings.segments_per_network)
        response.headers["Location"] = (
            f"/networks/{made.network_id}/admin/segments/{made.segment_id}"
        )
        return _shown(made)

    @router.get(PATH, summary="List the segments", responses={406: {}})
    async def list_all(
        _: Nothing, admission: Admission = admitted, _json: None = takes_json
    ) -> SegmentsShown:
        async with reading.transaction(admission.network_id) as connection:
            segments = await registry.list_segments(connection, admission.network_id)
        return SegmentsShown(segments=[_shown(segment) for segment in segments])

    @router.get(PATH + "/{segment_id}", summary="Show a segment", responses={404: {}, 406: {}})
    async def show(
        segment_id: PathId,
        _: Nothing,
        admission: Admission = admitted,
        _json: None = takes_json,
    ) -> SegmentShown:
        async with reading.transaction(admission.network_id) as connection:
            return _shown(await registry.get(connection, admission.network_id, segment_id))

    @router.patch(
        PATH + "/{segment_id}", summary="Edit, archive or restore a segment",
        responses={404: {}, 409: {}},
        openapi_extra=dict(takes(SegmentChange)),
    )  # fmt: skip
    async def change(
        request: Request, segment_id: PathId, _: Nothing, admission: Admission = admitted
    ) -> SegmentShown:
        to = await read_model(request, SegmentChange)
        rate.charge(admission)
        async with changing.transaction(admission.network_id) as connection:
            return _shown(await change_segment(connection, admission, segment_id, to))

    return router


async def create_segment(
    connection: asyncpg.Connection[Any], admission: Admission, new: NewSegment, most: int
) -> registry.Segment:
    """Create a segment as the key's user. most: the maximum number of segments in the network."""
    return await registry.create(
        connection,
        network_id=admission.network_id,
        name=new.name,
        segment_id=new.segment_id,
        description=new.description,
        is_visible=new.is_visible,
        actor=admission.key.key_name,
        most=most,
    )


async def change_segment(
    connection: asyncpg.Connection[Any], admission: Admission, segment_id: int, to: SegmentChange
) -> registry.Segment:
    """Change the fields that were sent."""
    fields = to.model_dump(include=to.model_fields_set)
    archived = fields.pop("archived", None)
    which: dict[str, Any] = {
        "network_id": admission.network_id,
        "segment_id": segment_id,
        "actor": admission.key.key_name,
        "reason": fields.pop("reason", None),
    }
    changed = await registry.edit(connection, **which, **fields)
    if archived is not None:
        changed = await registry.set_archived(connection, **which, archived=archived)
    return changed
