"""Erasing a person over HTTP, for keys of scope admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.command.rules import normalise_user
from schemas.segment import SegmentDescription  # noqa: TC001 - pydantic reads it
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.problems import Problem
from service.http.kit.request_body import read_model, takes
from service.registry import erasure
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from service.http.kit.auth import Access, RegistryRate
    from service.http.kit.database import SharedDatabase

PATH = "/networks/{network_id}/admin/erasures"
# An erasure holds up all appends: so many rows at most, and so often for a network.
MOST_ROWS = 10_000
RATE = "60/minute"


def _unknown_user() -> Problem:
    return Problem(404, "unknown_user", "no command or rejected record is of this user")


class NewErasure(BaseModel):
    """A person to erase, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: Annotated[
        SegmentDescription,
        AfterValidator(normalise_user),
        Field(min_length=1, examples=["jo@example.com"]),
    ]
    reason: Annotated[SegmentDescription, Field(min_length=1, examples=["request of 2 May"])]


class ErasureQuery(BaseModel):
    """Whether to count only."""

    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(description="Count what would be blanked.")] = False


class Receipt(BaseModel):
    """What was blanked, or would be. erased_as: the user's name from now on; null in a dry run."""

    erased_as: str | None
    segments: int
    events: int
    texts: Annotated[
        int, Field(description="Events with metadata, description or another spelling of the user.")
    ]
    rejected: Annotated[int, Field(description="Rejected records, whose payloads are blanked.")]
    remains: list[str]


def erasure_routes(
    access: Access, rate: RegistryRate, reading: SharedDatabase, changing: SharedDatabase
) -> APIRouter:
    """Return the route. Databases as for the registry's routes."""
    router = APIRouter(tags=["admin"])
    admitted: Any = Depends(access.admits(Scope.ADMIN))

    @router.post(
        PATH, summary="Erase a person", responses={404: {}}, openapi_extra=dict(takes(NewErasure))
    )
    async def erase_one(
        request: Request, query: Annotated[ErasureQuery, Query()], admission: Admission = admitted
    ) -> Receipt:
        new = await read_model(request, NewErasure)
        if not query.dry_run:
            rate.charge(admission)
            return await erase_person(reading, changing, admission, new)
        return receipt(None, await read_content(reading, admission.network_id, new.user))

    return router


async def read_content(reading: SharedDatabase, network_id: str, user: str) -> erasure.Content:
    """Count what there is to blank. Raises: Problem 404."""
    async with reading.transaction(network_id) as connection:
        content = await erasure.read_content(connection, network_id, user, of_network=True)
    if content is None or content.is_erased:
        raise _unknown_user()
    return content


async def erase_person(
    reading: SharedDatabase, changing: SharedDatabase, admission: Admission, new: NewErasure
) -> Receipt:
    """Erase as the key's user. Raises: Problem 404; 413 if that would hold up the appends of others for long."""
    network_id, name = admission.network_id, admission.key.key_name
    async with reading.transaction(network_id) as connection:
        whole = await erasure.read_content(connection, network_id, new.user)
    if whole is not None and whole.events + whole.rejected > MOST_ROWS:
        detail = f"the user has more than {MOST_ROWS:,} rows: an operator erases them with `segments erase`"
        raise Problem(413, "too_large", detail)
    async with changing.transaction(network_id) as connection:
        erased_as = await erasure.erase(connection, network_id, new.user, name, new.reason)
    if erased_as is None:
        raise _unknown_user()
    async with reading.transaction(network_id) as connection:
        content = await erasure.read_content(connection, network_id, erased_as, of_network=True)
    return receipt(erased_as, content or erasure.Content(True, 0, 0, 0, 0))  # noqa: FBT003 - a row


def receipt(erased_as: str | None, content: erasure.Content) -> Receipt:
    """Write a receipt."""
    counts = content._asdict()
    del counts["is_erased"]
    return Receipt(erased_as=erased_as, remains=list(erasure.REMAINS), **counts)
