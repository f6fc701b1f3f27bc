"""The registry as the API remembers it: that a segment exists and what the topic may say.

It may say yes; no is said only by what Postgres said since the request came.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from schemas.headers import NO_HEADERS
from schemas.refusal import Reason, Refusal
from schemas.topics import Topics
from service import registry
from service.access.ring import ROLE
from service.database import hurried
from service.errors import DatabaseAwayError
from service.log.allowed import allowed_on, check_allowed
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE, sleep_unless

if TYPE_CHECKING:
    import asyncpg

    from schemas.command import Command
    from service.log.allowed import Allowed
    from service.settings import Settings

log = get_logger("api.segments")
REFRESH_SECONDS = 1.0
LOOKUP_SECONDS = 1.5
_VERSION = "SELECT version FROM segments.registry_version"


class KnownSegments:
    """Says whether a command may be said here, and whether its segment takes commands. `run` keeps it fresh.

    What is said is said of `<prefix>.commands`, to which the API publishes. since: the loop's time when the request
    came; nothing is refused by a registry that was read before it.
    """

    def __init__(self, pool: asyncpg.Pool[Any], settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._commands = Topics(settings.topic_prefix).commands
        self._known = registry.Registry(-1, {})
        self._allowed: Allowed | None = None
        self._read_at = self._away_at = -math.inf

    async def check_allowed(self, command: Command, since: float) -> None:
        """Check that the topic may say a command.

        Raises: Refusal (not_allowed), DatabaseAwayError.
        """
        if self._known.version < 0:
            await self._ask(since)
        if self._allowed is None:
            return
        try:
            check_allowed(self._allowed, command, NO_HEADERS)
        except Refusal:
            await self._ask(since)
            if self._allowed is not None:
                check_allowed(self._allowed, command, NO_HEADERS)

    async def check_segment(self, command: Command, since: float) -> None:
        """Check that a command's segment takes commands.

        Raises: Refusal (unknown_segment, segment_archived), DatabaseAwayError.
        """
        wanted = (command.network_id, command.segment_id)
        found = self._known.segments.get(wanted)
        if found is None or found.archived:
            await self._ask(since)
            found = self._known.segments.get(wanted)
        if found is None:
            raise Refusal(Reason.UNKNOWN_SEGMENT, "no such segment in this network")
        if found.archived:
            raise Refusal(Reason.SEGMENT_ARCHIVED, "the segment is archived")

    async def _ask(self, since: float) -> None:
        """Have read the registry no earlier than `since`. Of many commands of one request the first waits for it."""
        if self._read_at >= since:
            return
        if self._away_at >= since:
            raise DatabaseAwayError
        await self._load()

    async def _load(self) -> None:
        """Read the registry, if it moved."""
        began = asyncio.get_running_loop().time()
        try:
            async with hurried(self._pool, self._settings, ROLE, LOOKUP_SECONDS) as connection:
                known = self._known
                if await connection.fetchval(_VERSION) != known.version:
                    known = await registry.load(connection)
        except INFRASTRUCTURE as error:
            self._away_at = began
            raise DatabaseAwayError from error
        if began >= self._read_at:  # of two at once the later one knows better
            self._read_at, self._known = began, known
            self._allowed = allowed_on(self._commands, known.rules, self._commands)

    async def run(self, stop: asyncio.Event) -> None:
        """Read the registry when it moved, each second, until `stop` is set."""
        while not stop.is_set():
            try:
                await self._load()
            except DatabaseAwayError:
                log.debug("the registry is not refreshed")
            await sleep_unless(stop, REFRESH_SECONDS)
