"""A segment's lists as CSV, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from projections.http.formats import reaches
from projections.queries.members import COLUMNS, read_page
from projections.queries.rows import Moment, find_segment, read_reach
from projections.queries.segments import read_disagreements, read_overrides
from segments.dashboard.csv_file import spreadsheet
from segments.dashboard.segment_view import read_view
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    import asyncpg
    from starlette.responses import Response

    from projections.queries.rows import Row, Segment
    from segments.dashboard.visit import Visit
    from service.http.kit.database import SharedDatabase

    Read = Callable[[asyncpg.Connection[Any], int], Awaitable[tuple[Iterable[Row], int | None]]]

# Keys per piece of a stream; each piece is read in its own transaction.
PIECE = 1000
_COLUMNS = {
    "members": COLUMNS,
    "overrides": (
        "user_id", "override", "is_member", "since", "expires_at", "reference_id", "description", "source", "actor",
    ),
    "disagreements": ("user_id", "is_member", "automation_says", "since"),
}  # fmt: skip


def handler(reading: SharedDatabase) -> Callable[[Visit], Awaitable[Response]]:
    """Return the handler of an export."""

    async def export(visit: Visit) -> Response:
        """Respond with all rows of the list that the URL shows. An error before the first row sets the status."""
        view = read_view(visit)
        if view.which not in _COLUMNS:
            raise wrong("list", f"must be one of {', '.join(_COLUMNS)}")
        moment = view.moment
        async with reading.transaction(visit.network_id, repeatable=True) as connection:
            segment = await find_segment(connection, visit.network_id, visit.segment_id)
            reach = await read_reach(connection, visit.network_id)
        if not any(moment):  # all pieces are of one snapshot
            moment = Moment(snapshot=reach.snapshot)
        columns = _COLUMNS[view.which]
        media_type, heading, encode = spreadsheet(columns)
        read = _reader(view.which, segment, moment)
        name = f"segment-{visit.segment_id}-{view.which}.csv"
        return StreamingResponse(
            _pieces(reading, visit.network_id, read, heading, encode),
            media_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"', **reaches(reach)},
        )

    return export


def _reader(which: str, segment: Segment, moment: Moment) -> Read:
    """Return what reads a piece of a list after a person_id."""

    async def members(
        connection: asyncpg.Connection[Any], after: int
    ) -> tuple[Iterable[Row], int | None]:
        page = await read_page(connection, segment, moment, after, None, PIECE)
        return page.members, page.last

    async def others(
        connection: asyncpg.Connection[Any], after: int
    ) -> tuple[Iterable[Row], int | None]:
        read = read_overrides if which == "overrides" else read_disagreements
        return await read(connection, segment.segment_key, after, PIECE)

    return members if which == "members" else others


async def _pieces(
    reading: SharedDatabase,
    network_id: str,
    read: Read,
    heading: bytes,
    encode: Callable[[Iterable[Row]], bytes],
) -> AsyncIterator[bytes]:
    """Yield rows piece by piece. No connection is held between pieces, so a slow client blocks no other."""
    yield heading
    after: int | None = 0
    while after is not None:
        async with reading.transaction(network_id, repeatable=True) as connection:
            rows, after = await read(connection, after)
        text = encode(rows)
        if text:
            yield text
