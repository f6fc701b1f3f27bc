"""A cache of segments and of the topic's rules.

A cached entry may accept a command. A command is refused only by an entry read after its request arrived.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from schemas.command.refusal import Reason, Refusal
from schemas.topics import Topics
from service.postgres.incarnation import INCARNATION
from service.registry import segments as registry
from service.registry.checks import SEGMENT_ARCHIVED, UNKNOWN_SEGMENT, check_received
from service.registry.command_topics import load_rules, rules_version
from service.registry.topic_rules import allowed_on
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.coalesce import Coalescer
from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.command import Command
    from service.postgres.database import Database
    from service.postgres.incarnation import Incarnation
    from service.registry.segments import Registered, Which
    from service.registry.topic_rules import Allowed

log = get_logger("api.segments")
REFRESH_SECONDS = 1.0
# An entry that was unused for this long is not refreshed. When needed it is read again, unless Postgres is away.
FRESH_SECONDS = 3.0
LOOKUP_SECONDS = 1.5
# The number of entries, of about 300 bytes each; of entries read at once; and of entries refreshed.
MOST, TOGETHER, KEPT_FRESH = 50_000, 500, 20_000


@dataclass(slots=True)
class _Known:
    """A segment, with the loop's time when it was read from Postgres."""

    registered: Registered
    read_at: float

    @property
    def takes(self) -> bool:
        """Whether it takes commands."""
        return self.registered.segment_key is not None and not self.registered.archived


class RegistryCache:
    """Checks commands against the rules of `<prefix>.commands` and against their segments. `run` refreshes it.

    since: the loop's time when the request arrived; an older entry refuses nothing.
    """

    def __init__(self, database: Database, incarnation: Incarnation) -> None:
        """incarnation: receives the incarnation of the database with each read."""
        self._database = database
        self._incarnation = incarnation
        self._commands = Topics(database.settings.topic_prefix).commands
        self._known: dict[Which, _Known] = {}
        self._used: set[Which] = set()
        self._look_up = Coalescer(self._find, TOGETHER)
        self._allowed: Allowed | None = None
        self._rules_version = -1
        self._read_at = self._away_at = -math.inf

    def forget(self) -> None:
        """Drop all entries, because the database was restored or replaced."""
        self._known = {}
        self._rules_version, self._read_at = -1, -math.inf

    async def check_received(self, command: Command, since: float) -> None:
        """Check a command as received now, except for its segment.

        Raises: Refusal, DatabaseAwayError.
        """
        now_ms = time.time_ns() // 1_000_000
        if self._rules_version < 0:
            await self._read_rules(since)
        try:
            check_received(command, now_ms, self._allowed)
        except Refusal as refusal:
            if refusal.reason is not Reason.NOT_ALLOWED:
                raise
            await self._read_rules(since)
            check_received(command, now_ms, self._allowed)

    async def check_segment(self, command: Command, since: float) -> None:
        """Check that a command's segment takes commands.

        Raises: Refusal (unknown_segment, segment_archived), DatabaseAwayError.
        """
        wanted = (command.network_id, command.segment_id)
        known = self._known.get(wanted)
        if known is None or not known.takes:
            if known is None or known.read_at < since:
                known = await self._read_segment(wanted, since)
        elif known.read_at < self._read_at - FRESH_SECONDS:
            try:
                known = await self._read_segment(wanted, since)
            except DatabaseAwayError:
                known.read_at = self._read_at  # it stays valid until Postgres is back
        found = known.registered
        if found.segment_key is None:
            raise Refusal(*UNKNOWN_SEGMENT)
        if found.archived:
            raise Refusal(*SEGMENT_ARCHIVED)
        self._used.add(wanted)

    async def look_up(self, commands: Iterable[Command], since: float) -> None:
        """Read the segments of several commands that are not cached, in one query.

        If Postgres is away they stay missing, and checking one of them raises the error.
        """
        wanted = {(command.network_id, command.segment_id) for command in commands}
        missing = [which for which in wanted if which not in self._known]
        if missing and self._away_at < since:
            await asyncio.gather(*map(self._look_up, missing), return_exceptions=True)

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh the entries in use each second, and changed topic rules, until `stop` is set."""
        supervisor = Supervisor(stop, log, "segments are not refreshed", level="debug")
        await supervisor.run(self._refresh, REFRESH_SECONDS)
        self._look_up.stop()

    async def _read_rules(self, since: float) -> None:
        """Read the topic's rules, unless they were read after `since`."""
        if self._read_at < since:
            self._unless_away(since)
            await self._refresh()

    async def _read_segment(self, wanted: Which, since: float) -> _Known:
        self._unless_away(since)
        return await self._look_up(wanted)

    def _unless_away(self, since: float) -> None:
        """Raise at once if another command of this request has already found Postgres away."""
        if self._away_at >= since:
            raise DatabaseAwayError

    async def _find(self, wanted: Sequence[Which]) -> list[_Known]:
        """Read the segments that several requests need."""
        began = asyncio.get_running_loop().time()
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                found = await registry.find(connection, set(wanted))
        except INFRASTRUCTURE as error:
            self._away_at = began
            raise DatabaseAwayError from error
        self._remember(found, began)
        return [_Known(found[one], began) for one in wanted]

    async def _refresh(self) -> None:
        """Read the entries in use again, and the topic's rules if they changed."""
        began = asyncio.get_running_loop().time()
        used, self._used = self._used, set()
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                self._incarnation.saw(await connection.fetchval(INCARNATION))
                version, rules = await rules_version(connection), None
                if version != self._rules_version:
                    rules = await load_rules(connection)
                found = await registry.find(connection, islice(used, KEPT_FRESH)) if used else {}
        except INFRASTRUCTURE as error:
            self._away_at = began
            self._used |= used
            raise DatabaseAwayError from error
        self._remember(found, began)
        if began >= self._read_at:  # the later of two concurrent reads wins
            self._read_at = began
            if rules is not None:
                self._rules_version = version
                self._allowed = allowed_on(self._commands, rules, self._commands)

    def _remember(self, found: Mapping[Which, Registered], began: float) -> None:
        for which, registered in found.items():
            self._known.pop(which, None)  # the newest come last
            self._known[which] = _Known(registered, began)
        for oldest in list(islice(self._known, max(len(self._known) - MOST, 0))):
            del self._known[oldest]
