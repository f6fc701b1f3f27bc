"""The audit trail: what was done besides commands, and who read what; filtered by the URL, and as CSV."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import StreamingResponse

from projections.queries.audit import (
    ACCESS_COLUMNS,
    ADMIN_COLUMNS,
    FIRST,
    KINDS,
    LAST,
    NEWEST,
    VIAS,
    TrailFilter,
    TrailPlace,
    place_of,
    read_access_events,
    read_admin_events,
)
from projections.queries.rows import read_reach
from segments.dashboard.csv_file import spreadsheet
from service.http.kit.parameters import wrong
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.visit import Pages, Visit

PATH = "/networks/{network_id}/audit"
PER_PAGE = 50
PIECE = 1000


class _List(NamedTuple):
    """What parameter `list` selects. columns: of the CSV."""

    read: Callable[..., Awaitable[list[Row]]]
    kinds: tuple[str, ...]
    columns: tuple[str, ...]


LISTS = {
    "changes": _List(read_admin_events, KINDS, ADMIN_COLUMNS),
    "reads": _List(read_access_events, VIAS, ACCESS_COLUMNS),
}


def routes(pages: Pages) -> list[Route]:
    """Return the routes of the trail."""
    services = pages.services

    async def show(visit: Visit) -> Response:
        name, which = _read(visit)
        before = _place(visit)
        async with services.reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
            events = await LISTS[name].read(connection, which, before, PER_PAGE + 1)
        if name == "reads":  # they name users
            pages.looks.note(visit, PATH, None, None)
        following = _name(events[PER_PAGE - 1]) if len(events) > PER_PAGE else None
        return visit.page(
            "audit.html",
            reach=reach,
            name=name,
            kinds=LISTS[name].kinds,
            events=events[:PER_PAGE],
            following=following,
            is_first=before == NEWEST,
            given={each: visit.query(each) for each in ("actor", "object", "kind", "from", "to")},
            to=lambda page="audit", **changed: visit.link(page, **(_given(visit) | changed)),
        )

    async def export(visit: Visit) -> Response:
        name, which = _read(visit)
        services.accesses.note(visit.key, "page", PATH + ".csv")
        media_type, heading, encode = spreadsheet(LISTS[name].columns)

        async def pieces() -> AsyncIterator[bytes]:
            yield heading
            before = NEWEST
            while True:
                async with services.reading.transaction(visit.network_id) as connection:
                    events = await LISTS[name].read(connection, which, before, PIECE)
                if not events:
                    return
                yield encode(events)
                before = place_of(events[-1])

        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(pieces(), media_type=media_type, headers=headers)

    return [
        pages.show(PATH, show, Scope.ADMIN),
        pages.show(PATH + ".csv", export, Scope.ADMIN),
    ]


def _given(visit: Visit) -> dict[str, object]:
    """Return the parameters of the URL, without the place."""
    names = ("list", "actor", "object", "kind", "from", "to")
    return {name: visit.query(name) for name in names}


def _read(visit: Visit) -> tuple[str, TrailFilter]:
    """Read the list and the filter. Raises: Problem 400."""
    name, kind = visit.query("list") or "changes", visit.query("kind")
    if name not in LISTS:
        raise wrong("list", f"must be one of {', '.join(LISTS)}")
    if kind is not None and kind not in LISTS[name].kinds:
        raise wrong("kind", f"must be one of {', '.join(LISTS[name].kinds)}")
    last = _day(visit, "to")
    return name, TrailFilter(
        visit.network_id,
        Scope.OPERATE in visit.key.scopes,
        visit.query("actor"),
        visit.query("object"),
        kind,
        _day(visit, "from") or FIRST,
        LAST if last is None else last + timedelta(days=1),
    )


def _day(visit: Visit, name: str) -> datetime | None:
    """Return the beginning of a UTC day in the URL. Raises: Problem 400."""
    day = visit.day(name)
    if day is None:
        return None
    if not 1990 <= day.year <= 2100:  # noqa: PLR2004 - as the times of commands
        raise wrong(name, "must lie between 1990 and 2100")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _name(event: Row) -> str:
    """Name the place of an event in the URL."""
    place = place_of(event)
    return f"{place.happened_at.isoformat()},{place.kind},{place.number}"


def _place(visit: Visit) -> TrailPlace:
    """Return the place to continue before. Raises: Problem 400."""
    text = visit.query("before")
    if text is None:
        return NEWEST
    try:
        at, kind, number = text.split(",")
        return TrailPlace(datetime.fromisoformat(at).astimezone(UTC), kind, int(number[:18]))
    except (ValueError, OverflowError):
        raise wrong("before", "is not a place in the trail") from None
