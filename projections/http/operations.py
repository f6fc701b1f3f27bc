"""Operations over HTTP, for keys of scope operate: how the installation is doing, and API keys of every network."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from projections.http import response_models_of_lists as response_models
from projections.http.cursors import Cursors
from projections.http.formats import STREAMS, answer
from projections.http.listing import Listing, PageQuery, Place
from projections.http.query_parameters import is_text
from projections.queries.operations import read_lanes, read_summary
from projections.queries.rows import read_reach
from schemas.command.rules import is_network_id
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import Accept, takes_json
from service.http.kit.parameters import Nothing  # noqa: TC001 - FastAPI reads it
from service.http.kit.request_body import read_model, takes
from service.registry.api_keys import (
    NEWEST_KEY,
    ApiKey,
    KeyPlace,
    Scope,
    create_key,
    newest_keys,
    revoke_key,
)
from service.registry.command_topics import list_sources

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Row
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase

PATH = "/operations"
KEYS = PATH + "/keys"
NAME_LONGEST = 255
_COLUMNS = ApiKey.__slots__
_LAST = datetime(2100, 1, 1, tzinfo=UTC)


def _network_id(text: str) -> str:
    if not is_network_id(text):
        raise ValueError("must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return text


def _in_future(at: datetime | None) -> datetime | None:
    if at is not None and not datetime.now(UTC) < at < _LAST:
        raise ValueError("must be in the future, and before 2100")
    return at


class NewKey(BaseModel):
    """A key to make. key_name: the actor of its commands; default: its id."""

    model_config = ConfigDict(extra="forbid")

    network_id: Annotated[str, AfterValidator(_network_id), Field(examples=["acme"])]
    scopes: Annotated[set[Scope], Field(min_length=1)]
    key_name: Annotated[
        str | None,
        AfterValidator(lambda text: None if text is None else is_text(text)),
        Field(min_length=1, max_length=NAME_LONGEST),
    ] = None
    expires_at: Annotated[
        AwareDatetime | None,
        AfterValidator(_in_future),
        Field(description="Null: when it is revoked."),
    ] = None


class KeysQuery(PageQuery):
    """Which keys to list."""

    valid: Annotated[bool, Field(description="Without revoked and expired ones.")] = True


def operations_routes(
    access: Access, shared: SharedDatabase, changing: SharedDatabase
) -> APIRouter:
    """Return the routes. shared: with role segments_api; changing: segments_registry."""
    router = APIRouter(tags=["operations"])
    admitted: Any = Depends(access.admits_of_any_network(Scope.OPERATE))
    cursors = Cursors(shared.settings)

    @router.get(
        PATH,
        summary="How the installation is doing",
        responses={200: {"model": response_models.Operations}, 406: {}},
    )
    async def show(
        _: Nothing, admission: Admission = admitted, _json: None = takes_json
    ) -> Response:
        async with shared.transaction(admission.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, admission.network_id)
            sources = await list_sources(connection, shared.settings)
            lanes = await read_lanes(connection, [source.topic for source in sources])
            summary = await read_summary(connection)
        return answer(
            summary | {"lanes": lanes, "sources": [asdict(one) for one in sources]}, reach
        )

    @router.get(
        KEYS,
        summary="API keys of every network",
        responses={200: {"model": response_models.Keys, "content": STREAMS}, 406: {}},
    )
    async def keys(
        query: Annotated[KeysQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        async def read(connection: asyncpg.Connection[Any], before: Place, limit: int) -> list[Row]:
            found = await newest_keys(
                connection, limit, valid=query.valid, before=KeyPlace(*before)
            )
            return [_row(key) for key in found]

        listing = Listing("keys", _COLUMNS, NEWEST_KEY, read, _place_of)
        return await listing.respond(
            shared, cursors, admission.network_id, query, accept, lambda _rows: None
        )

    @router.post(
        KEYS,
        status_code=201,
        summary="Make an API key",
        openapi_extra=dict(takes(NewKey)),
    )
    async def create(
        request: Request, _: Nothing, admission: Admission = admitted
    ) -> response_models.NewKeyMade:
        new = await read_model(request, NewKey)
        async with changing.transaction(admission.network_id) as connection:
            made, secret = await create_key(
                connection,
                network_id=new.network_id,
                scopes=new.scopes,
                name=new.key_name,
                expires_at=new.expires_at,
                actor=admission.key.key_name,
            )
        return response_models.NewKeyMade(**_row(made), key=secret)

    @router.delete(KEYS + "/{key_id}", summary="Revoke an API key", responses={404: {}})
    async def revoke(
        key_id: Annotated[str, Path(max_length=64), AfterValidator(is_text)],
        _: Nothing,
        admission: Admission = admitted,
    ) -> response_models.Key:
        async with changing.transaction(admission.network_id) as connection:
            key = await revoke_key(connection, key_id, admission.key.key_name)
        return response_models.Key(**_row(key))

    return router


def _row(key: ApiKey) -> Row:
    return asdict(key) | {"scopes": sorted(key.scopes)}


def _place_of(row: Row) -> KeyPlace:
    at: datetime = row["created_at"]
    return KeyPlace(at, row["key_id"], 0)
