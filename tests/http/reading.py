"""A log without Kafka for the API to read, and walking through pages."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.projections.folding import fold
from tests.support.database import make_segments
from tests.support.lane import log_lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.http.client import Api
    from tests.support.lane import LogLane

AT = 1_700_000_000
MEMBERS = "/networks/n/segments/1/members"


@asynccontextmanager
async def appended(
    settings: Settings, *values: Any, lanes: int = 1
) -> AsyncIterator[list[LogLane]]:
    """Give open lanes; the values are appended to the first and folded. Segments 1 and 2 of n, and 1 of m, exist."""
    await make_segments(settings, [("n", 2), ("m", 1)])
    async with log_lanes(settings, lanes) as opened:
        if values:
            await opened[0].append(*values)
            await fold(settings)
        yield opened


async def get(api: Api, path: str, **parameters: Any) -> Any:
    """GET and give the body of 200."""
    response = await api.call("GET", path, params=parameters or None)
    assert response.status_code == 200, response.text
    return response.json()


async def pages(
    api: Api, path: str, rows: str = "members", **parameters: Any
) -> AsyncIterator[list[dict[str, Any]]]:
    """Give page after page."""
    while True:
        page = await get(api, path, **parameters)
        yield page[rows]
        if page["next"] is None:
            return
        parameters["cursor"] = page["next"]


async def walk(
    api: Api, path: str, rows: str = "members", **parameters: Any
) -> list[dict[str, Any]]:
    """Give the rows of all pages."""
    return [row async for page in pages(api, path, rows, **parameters) for row in page]


async def refused(api: Api, path: str, **parameters: Any) -> tuple[int, str, list[str]]:
    """GET and give what a problem says: status, reason, pointers of wrong parameters."""
    response = await api.call("GET", path, params=parameters or None)
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json", response.text
    return (
        response.status_code,
        body["reason"],
        [error["pointer"] for error in body.get("errors", [])],
    )
