"""The registry as the API remembers it: it may say that a segment exists; that none does, only Postgres says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from schemas.refusal import Reason, Refusal
from service import registry
from service.access.ring import ROLE
from service.database import transaction
from service.errors import DatabaseAwayError
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE, sleep_unless

if TYPE_CHECKING:
    import asyncpg

    from service.settings import Settings

log = get_logger("api.segments")
REFRESH_SECONDS = 1.0
LOOKUP_SECONDS = 1.5
_VERSION = "SELECT version FROM segments.registry_version"


class KnownSegments:
    """Says whether a segment takes commands. `run` keeps it fresh."""

    def __init__(self, pool: asyncpg.Pool[Any], settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._known = registry.Registry(-1, {})

    async def check(self, network_id: str, segment_id: int) -> None:
        """Check that a segment takes commands.

        Raises: Refusal (unknown_segment, segment_archived), DatabaseAwayError.
        """
        found = self._known.segments.get((network_id, segment_id))
        if found is None or found.archived:
            await self._load()
            found = self._known.segments.get((network_id, segment_id))
        if found is None:
            raise Refusal(Reason.UNKNOWN_SEGMENT, "no such segment in this network")
        if found.archived:
            raise Refusal(Reason.SEGMENT_ARCHIVED, "the segment is archived")

    async def _load(self) -> None:
        """Read the registry, if it moved."""
        try:
            async with (
                asyncio.timeout(LOOKUP_SECONDS),
                transaction(self._pool, self._settings, ROLE) as connection,
            ):
                if await connection.fetchval(_VERSION) != self._known.version:
                    self._known = await registry.load(connection)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error

    async def run(self, stop: asyncio.Event) -> None:
        """Read the registry when it moved, each second, until `stop` is set."""
        while not stop.is_set():
            try:
                await self._load()
            except DatabaseAwayError:
                log.debug("the registry is not refreshed")
            await sleep_unless(stop, REFRESH_SECONDS)
