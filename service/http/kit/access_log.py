"""Collects who read whose data over HTTP, and records it in the background."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal

from service.registry.accesses import Access, Reads, record_accesses
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database
    from service.registry.api_keys import ApiKey

log = get_logger("accesses")
RECORD_SECONDS = 1.0
RECORD_WITHIN_SECONDS = 10.0
# Rows of one statement.
AT_ONCE = 1000
# Different reads that are held at once. Beyond them segment and user are dropped, and reads still counted.
MOST = 10_000


class AccessLog:
    """Counts equal reads together; `run` records them each second. No answer waits for it."""

    def __init__(self, database: Database) -> None:
        """database: with role segments_api."""
        self._database = database
        self._held: dict[Access, Reads] = {}

    def note(
        self,
        key: ApiKey,
        via: Literal["http", "page"],
        route: str,
        segment_id: int | None = None,
        user: str | None = None,
        *,
        rows: int | None = None,
    ) -> None:
        """Note that a key read its network. user: as normalised. rows: how many were returned, if they are counted."""
        self._add(
            Access(key.network_id, segment_id, user, key.key_name, key.key_id, via, route),
            1,
            rows,
            datetime.now(UTC),
        )

    def _add(self, access: Access, reads: int, rows: int | None, at: datetime) -> None:
        held = self._held.get(access)
        if held is None and len(self._held) >= MOST:
            access = access._replace(segment_id=None, user=None)
            held = self._held.get(access)
        if held is None:
            self._held[access] = Reads(reads, rows, at)
        else:
            held.add(reads, rows, at)

    async def run(self, stop: asyncio.Event) -> None:
        """Record what was read until `stop` is set, and then what is left."""
        await Supervisor(stop, log, "record of reads delayed").run(self.record, RECORD_SECONDS)
        with suppress(*INFRASTRUCTURE):
            await self.record()

    async def record(self) -> None:
        """Record what is held. What can't be recorded is held until the next round."""
        while self._held:
            part = dict(islice(self._held.items(), AT_ONCE))
            for access in part:
                del self._held[access]
            try:
                async with self._database.hurried(RECORD_WITHIN_SECONDS) as connection:
                    await record_accesses(connection, part)
            except BaseException:
                for access, one in part.items():
                    self._add(access, one.reads, one.rows, one.last_at)
                raise
