"""Rejected records of a network: groups by reason and topic, their records, one of them, and a retry."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from projections.http import response_models_of_lists as response_models
from projections.http.cursors import Cursors
from projections.http.formats import KINDS, STREAMS, answer, lines, reaches
from projections.http.listing import Listing, PageQuery
from projections.http.query_parameters import read_position
from projections.queries.rejected import (
    COLUMNS,
    GROUP_COLUMNS,
    NEWEST,
    RejectedGroup,
    RejectedPlace,
    place_of,
    read_groups,
    read_records,
)
from projections.queries.rows import read_reach
from schemas.command.refusal import Reason  # noqa: TC001 - pydantic reads it
from schemas.position import Position
from service.http.kit.auth import Admission  # noqa: TC001 - FastAPI reads it
from service.http.kit.negotiation import JSON, Accept, negotiate, takes_json
from service.http.kit.parameters import Nothing  # noqa: TC001 - FastAPI reads it
from service.operations.api_retries import find_rejected
from service.operations.retries import read_open_epoch
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Row
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access
    from service.http.kit.database import SharedDatabase
    from service.operations.api_retries import Retries

PATH = "/networks/{network_id}/rejected"
GROUPS = PATH + "/groups"
ONE = PATH + "/{position}"
GROUP_DAYS = 30
_CLOSED = ConfigDict(extra="forbid")
PositionPath = Annotated[
    str,
    Path(
        max_length=300,
        description="topic:partition:offset in the open lane, or topic:partition:epoch:offset",
        examples=["segments.commands:3:0:4711"],
    ),
]


class GroupsQuery(BaseModel):
    """Which records to count."""

    model_config = _CLOSED

    since: Annotated[
        date | None,
        Field(
            ge=date(1990, 1, 1),
            le=date(2100, 1, 1),
            description=f"Records from this UTC day on. Default: the last {GROUP_DAYS} days.",
        ),
    ] = None


class RecordsQuery(PageQuery):
    """Which records to list."""

    reason: Reason
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    retried: Annotated[
        bool | None, Field(description="Those that were retried, or those that were not.")
    ] = None


class RecordQuery(BaseModel):
    """Whether to show what may name people."""

    model_config = _CLOSED

    payload: Annotated[
        bool, Field(description="Also payload_text and user_id; it is recorded who asked.")
    ] = False


def rejected_routes(
    access: Access, shared: SharedDatabase, retries: Retries, accesses: AccessLog
) -> APIRouter:
    """Return the routes of rejected records."""
    router = APIRouter(tags=["reading"])
    admitted: Any = Depends(access.admits(Scope.REPORT))
    publishes: Any = Depends(access.admits(Scope.PUBLISH))
    cursors = Cursors(shared.settings)

    @router.get(
        GROUPS,
        summary="Rejected records by reason and topic",
        responses={200: {"model": response_models.RejectedGroups, "content": STREAMS}, 406: {}},
    )
    async def groups(
        query: Annotated[GroupsQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        kind = negotiate(accept, KINDS)
        network_id = admission.network_id
        since = query.since or datetime.now(UTC).date() - timedelta(days=GROUP_DAYS - 1)
        async with shared.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            rows = await read_groups(connection, network_id, since)
        accesses.note(admission.key, "http", GROUPS, rows=len(rows))
        if kind == JSON:
            return answer({"groups": rows}, reach)
        media_type, heading, encode = lines(kind, GROUP_COLUMNS)
        return Response(heading + encode(rows), media_type=media_type, headers=reaches(reach))

    @router.get(
        PATH,
        summary="The rejected records of a reason and a topic",
        responses={200: {"model": response_models.RejectedRecords, "content": STREAMS}, 406: {}},
    )
    async def records(
        query: Annotated[RecordsQuery, Query()],
        admission: Admission = admitted,
        accept: Accept = None,
    ) -> Response:
        network_id = admission.network_id
        group = RejectedGroup(network_id, query.reason, query.topic, query.retried)

        def count(rows: int) -> None:
            accesses.note(admission.key, "http", PATH, rows=rows)

        listing = Listing(
            "records",
            COLUMNS,
            NEWEST,
            lambda connection, before, limit: read_records(
                connection, group, RejectedPlace(*before), limit
            ),
            place_of,
        )
        return await listing.respond(shared, cursors, network_id, query, accept, count)

    @router.get(
        ONE,
        summary="One rejected record",
        responses={200: {"model": response_models.OneRejected}, 404: {}, 406: {}},
    )
    async def record(
        position: PositionPath,
        query: Annotated[RecordQuery, Query()],
        admission: Admission = admitted,
        _: None = takes_json,
    ) -> Response:
        network_id = admission.network_id
        async with shared.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            wanted = await _position(connection, position)
            found = await find_rejected(connection, network_id, wanted)
            at = Position(*(found[name] for name in _POSITION))
            (row,) = await read_records(
                connection,
                RejectedGroup(network_id, found["reason"], at.topic),
                RejectedPlace(found["recorded_at"], at.partition, at.offset + 1),
                1,
                str(at) if query.payload else None,
            )
        shown: Row = {name: row[name] for name in COLUMNS}
        if query.payload:
            shown |= {name: row[name] for name in ("user_id", "payload_text")}
        who = (row["segment_id"], row["user_id"]) if query.payload else (None, None)
        accesses.note(admission.key, "http", ONE, *who, rows=1)
        return answer({"record": shown}, reach)

    @router.post(
        ONE + "/retry",
        status_code=201,
        summary="Publish a rejected record again",
        responses={404: {}, 409: {}},
    )
    async def retry(
        position: PositionPath,
        _: Nothing,
        admission: Admission = publishes,
    ) -> response_models.Retried:
        async with shared.transaction(admission.network_id) as connection:
            wanted = await _position(connection, position)
        (sent,) = await retries.retry(admission, [wanted])
        return response_models.Retried(**sent)

    return router


_POSITION = ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset")


async def _position(connection: asyncpg.Connection[Any], text: str) -> Position:
    """Read a position of a path; without an epoch it is in the open lane, as in results. Raises: Problem 400."""
    wanted = read_position(text)
    epoch = wanted.epoch
    if epoch is None:
        epoch = await read_open_epoch(connection, wanted.topic, wanted.partition)
    return Position(wanted.topic, wanted.partition, epoch, wanted.offset)
