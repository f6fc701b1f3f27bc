"""Operations, for keys of scope operate: lanes, projections, expiries, sources, and API keys of every network."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from projections.queries.operations import read_lanes, read_summary
from projections.queries.rows import read_reach
from schemas.command.rules import is_network_id
from segments.dashboard.rendering import path
from service.http.kit.parameters import wrong
from service.http.kit.problems import Problem, of_error
from service.registry.api_keys import Scope, create_key, newest_keys, revoke_key
from service.registry.command_topics import list_sources
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/operations"
MOST_KEYS = 200
MOST_DAYS = 3650
_KEY_NAME = 255


def routes(pages: Pages) -> list[Route]:
    """Return the routes of operations."""
    page = _Operations(pages)
    return [
        pages.show(PATH, page.show, Scope.OPERATE),
        pages.change(PATH, Scope.OPERATE, page.create),
        pages.change(PATH + "/revoked", Scope.OPERATE, page.revoke),
    ]


class _Operations:
    def __init__(self, pages: Pages) -> None:
        self._services = pages.services

    async def show(
        self, visit: Visit, problem: Problem | None = None, secret: str | None = None
    ) -> Response:
        """Show everything. secret: a key that was made, shown once."""
        wanted = visit.query("keys") or "valid"
        if wanted not in ("valid", "all"):
            raise wrong("keys", "must be valid or all")
        services = self._services
        async with services.reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
            sources = await list_sources(connection, services.settings)
            lanes = await read_lanes(connection, [source.topic for source in sources])
            summary = await read_summary(connection)
            keys = await newest_keys(connection, MOST_KEYS + 1, valid=wanted == "valid")
        return visit.page(
            "operations.html",
            reach=reach,
            status=problem.status if problem else 200,
            problem=problem,
            secret=secret,
            summary=summary,
            lanes=lanes,
            sources=sources,
            keys=keys[:MOST_KEYS],
            has_more_keys=len(keys) > MOST_KEYS,
            wanted=wanted,
            scopes=[scope.value for scope in Scope],
            form=visit.form,
        )

    async def create(self, visit: Visit) -> Response:
        """Make an API key, and show it once."""
        try:
            network_id = visit.field("network_id") or ""
            if not is_network_id(network_id):
                raise wrong("network_id", "must be 1 to 64 of A-Z a-z 0-9 . _ -")
            scopes = {scope for scope in Scope if visit.field(f"scope_{scope}")}
            if not scopes:
                raise wrong("scopes", "choose at least one")
            name = visit.field("key_name")
            if name is not None and len(name) > _KEY_NAME:
                raise wrong("key_name", f"must have at most {_KEY_NAME} characters")
            async with self._services.changing.transaction(visit.network_id) as connection:
                _, secret = await create_key(
                    connection,
                    network_id=network_id,
                    scopes=scopes,
                    name=name,
                    expires_at=_expiry(visit.field("days")),
                    actor=visit.key.key_name,
                )
        except (Problem, SegmentsError) as error:
            return await self.show(visit, of_error(error))
        visit.form = {}
        return await self.show(visit, secret=secret)

    async def revoke(self, visit: Visit) -> Response:
        """Revoke an API key of any network."""
        async with self._services.changing.transaction(visit.network_id) as connection:
            await revoke_key(connection, visit.field("key_id") or "", visit.key.key_name)
        return visit.go(path("operations"))


def _expiry(days: str | None) -> datetime | None:
    """Return the time in so many days. Raises: Problem 400."""
    if days is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", days) or not 1 <= int(days) <= MOST_DAYS:
        raise wrong("days", f"must be 1 to {MOST_DAYS}")
    return datetime.now(UTC) + timedelta(days=int(days))
