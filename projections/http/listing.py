"""Lists, newest first, whose pages go on before a place: a page of JSON, or all rows as NDJSON or CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from projections.http.cursors import PlaceCursor
from projections.http.formats import KINDS, answer, lines, reaches
from projections.http.query_parameters import CURSOR_LONGEST, micros, of_micros
from projections.queries.rows import read_reach
from service.http.kit.negotiation import JSON, negotiate
from service.http.kit.parameters import PLAIN, wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg
    from starlette.responses import Response

    from projections.http.cursors import Cursors
    from projections.queries.rows import Row
    from service.http.kit.database import SharedDatabase

PAGE_LIMIT, PAGE_LIMIT_MOST = 100, 1_000
# Rows per piece of a stream; each piece is read in its own transaction.
PIECE = 1_000
Place = tuple[datetime, Any, int]


class PageQuery(BaseModel):
    """A page of a list. A cursor goes with the same filters as before."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[
        int | None,
        Field(
            ge=1,
            le=PAGE_LIMIT_MOST,
            description=f"Maximum number of rows. Default: {PAGE_LIMIT} in a page, all in a stream.",
        ),
        PLAIN,
    ] = None
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=CURSOR_LONGEST, description="`next` of the previous page."),
    ] = None

    def filters(self) -> str:
        """Return the filters as text: a cursor is of one list with one filter."""
        return self.model_dump_json(exclude={"limit", "cursor"})


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. name: of its rows in JSON. newest: the place before which all rows are.

    read: takes a connection, a place and a limit. place_of: the place of a row.
    """

    name: str
    columns: tuple[str, ...]
    newest: Place
    read: Callable[[asyncpg.Connection[Any], Place, int], Awaitable[list[Row]]]
    place_of: Callable[[Row], Place]

    async def respond(
        self,
        shared: SharedDatabase,
        cursors: Cursors,
        network_id: str,
        query: PageQuery,
        accept: str | None,
        count: Callable[[int], None],
    ) -> Response:
        """Respond with a page or a stream. count: is told the number of rows. Raises: Problem 400, 406."""
        kind = negotiate(accept, KINDS)
        of = f"{self.name} {query.filters()}"
        before = self._start(cursors, network_id, query, of)
        limit = query.limit or (PAGE_LIMIT if kind == JSON else None)
        at_once = min(PIECE, limit) if limit else PIECE
        async with shared.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            rows = await self.read(connection, before, at_once + 1)
        if kind != JSON:
            media_type, heading, encode = lines(kind, self.columns)

            async def pieces() -> AsyncIterator[bytes]:
                piece, left, sent = rows, limit, 0
                yield heading
                try:
                    while piece:
                        shown = piece[:at_once] if left is None else piece[: min(at_once, left)]
                        text = encode(map(self._shown, shown))
                        more = len(piece) > len(shown)
                        last = self.place_of(shown[-1])
                        sent += len(shown)
                        yield text
                        left = None if left is None else left - len(shown)
                        if not more or left == 0:
                            return
                        async with shared.transaction(network_id) as connection:
                            piece = await self.read(connection, last, at_once + 1)
                finally:
                    count(sent)

            return StreamingResponse(pieces(), media_type=media_type, headers=reaches(reach))
        shown, following = rows[:at_once], None
        if len(rows) > at_once:
            at, name, number = self.place_of(shown[-1])
            following = cursors.encode(
                PlaceCursor(network_id, of, micros(at) or 0, str(name), number)
            )
        count(len(shown))
        return answer({self.name: list(map(self._shown, shown)), "next": following}, reach)

    def _start(self, cursors: Cursors, network_id: str, query: PageQuery, of: str) -> Place:
        """Return the place to continue before. Raises: Problem 400."""
        if query.cursor is None:
            return self.newest
        cursor = cursors.read(query.cursor, PlaceCursor)
        if (cursor.network_id, cursor.of) != (network_id, of):
            raise wrong("cursor", "belongs to another list, or to other filters")
        name_type = type(self.newest[1])
        at = of_micros(cursor.at)
        assert at is not None  # noqa: S101 - a cursor has a time
        try:
            return at, name_type(cursor.name), cursor.number
        except ValueError:
            raise wrong("cursor", "is not a cursor of this list") from None

    def _shown(self, row: Row) -> Row:
        return {name: row[name] for name in self.columns}
