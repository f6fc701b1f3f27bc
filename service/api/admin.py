"""The registry of segments over HTTP, for keys of scope admin."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service import registry
from service.access.keys import Scope
from service.api.access import Admission  # noqa: TC001 - FastAPI reads it
from service.database import transaction
from service.errors import DatabaseAwayError
from service.waiting import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from service.api.access import Access
    from service.settings import Settings

ROLE = "segments_registry"
PATH = "/networks/{network_id}/admin/segments"


def _is_name(name: str) -> str:
    fault = registry.name_fault(name)
    if fault is not None:
        raise ValueError(fault)
    return name


def _is_text(text: str) -> str:
    """Refuse what Postgres text can't hold."""
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("must hold neither NUL nor lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_is_text)]
Name = Annotated[Text, AfterValidator(_is_name), Field(examples=["Power user"])]
Description = Annotated[Text, Field(max_length=registry.MAX_DESCRIPTION_LENGTH)]
SegmentId = Annotated[int, Field(ge=1, le=registry.MAX_SEGMENT_ID)]
PathId = Annotated[int, Path(ge=1, le=registry.MAX_SEGMENT_ID)]
_STRICT = ConfigDict(extra="forbid", strict=True)


class NewSegment(BaseModel):
    """A segment to create. Without segment_id it gets the network's highest + 1."""

    model_config = _STRICT

    name: Name
    description: Description | None = None
    is_visible: bool = True
    segment_id: SegmentId | None = None


class SegmentChange(BaseModel):
    """What to change of a segment; what is left out stays. A description of null is taken away."""

    model_config = _STRICT

    name: Name = "as it is"
    description: Description | None = None
    is_visible: bool = True
    archived: Annotated[bool, Field(description="An archived segment refuses commands.")] = False


class SegmentShown(BaseModel):
    """A segment as the registry has it. archived_at: null unless it is archived."""

    network_id: str
    segment_id: int
    name: str
    description: str | None
    is_visible: bool
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None


class SegmentsShown(BaseModel):
    """Segments by id, archived and hidden ones among them."""

    segments: list[SegmentShown]


def _shown(one: registry.Segment) -> SegmentShown:
    return SegmentShown(
        network_id=one.network_id, segment_id=one.segment_id, name=one.segment_name,
        description=one.description, is_visible=one.is_visible, created_at=one.created_at,
        created_by=one.created_by, archived_at=one.archived_at,
    )  # fmt: skip


def admin_routes(access: Access, pool: asyncpg.Pool[Any], settings: Settings) -> APIRouter:
    """Give the routes of the registry. pool: acts as segments_registry."""
    router = APIRouter(tags=["admin"])
    admitted: Any = Depends(access.admits(Scope.ADMIN))

    async def on_registry(
        work: Callable[[asyncpg.Connection[Any]], Awaitable[registry.Segment]],
    ) -> SegmentShown:
        try:
            async with transaction(pool, settings, ROLE) as connection:
                return _shown(await work(connection))
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error

    @router.post(PATH, status_code=201, summary="Create a segment")
    async def create(
        new: NewSegment, response: Response, admission: Admission = admitted
    ) -> SegmentShown:
        made = await on_registry(
            lambda connection: registry.create(
                connection,
                network_id=admission.network_id,
                name=new.name,
                segment_id=new.segment_id,
                description=new.description,
                is_visible=new.is_visible,
                actor=admission.key.key_name,
            )
        )
        response.headers["Location"] = (
            f"/networks/{made.network_id}/admin/segments/{made.segment_id}"
        )
        return made

    @router.get(PATH, summary="List the segments")
    async def list_all(admission: Admission = admitted) -> SegmentsShown:
        try:
            async with transaction(pool, settings, ROLE) as connection:
                found = await registry.list_segments(connection, admission.network_id)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error
        return SegmentsShown(segments=[_shown(one) for one in found])

    @router.get(PATH + "/{segment_id}", summary="Show a segment")
    async def show(segment_id: PathId, admission: Admission = admitted) -> SegmentShown:
        return await on_registry(
            lambda connection: registry.get(connection, admission.network_id, segment_id)
        )

    @router.patch(PATH + "/{segment_id}", summary="Edit, archive or restore a segment")
    async def change(
        segment_id: PathId, to: SegmentChange, admission: Admission = admitted
    ) -> SegmentShown:
        return await on_registry(lambda connection: _change(connection, admission, segment_id, to))

    return router


async def _change(
    connection: asyncpg.Connection[Any], admission: Admission, segment_id: int, to: SegmentChange
) -> registry.Segment:
    """Change what is said and nothing else."""
    given = to.model_dump(include=to.model_fields_set)
    archived = given.pop("archived", None)
    which: dict[str, Any] = {
        "network_id": admission.network_id,
        "segment_id": segment_id,
        "actor": admission.key.key_name,
    }
    changed = await registry.edit(connection, **which, **given)
    if archived is not None:
        changed = await registry.set_archived(connection, **which, archived=archived)
    return changed
