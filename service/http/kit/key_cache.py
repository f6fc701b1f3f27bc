"""A cache of API keys: looked up once, refreshed each second, and usable for a while without Postgres."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.registry.api_keys import ApiKey, KnownKey, SentKey, find_keys, note_use
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database

log = get_logger("access")
ROLE = "segments_api"
# A revocation takes effect within this time.
REFRESH_SECONDS = 1.0
# How long a key may be used without Postgres.
OUTAGE_SECONDS = 300.0
NOTE_USE_SECONDS = 5.0
# A key unused for this long leaves the cache.
IDLE_SECONDS = 600.0
LOOKUP_SECONDS = 1.5
REFRESH_WITHIN_SECONDS = 10.0


@dataclass(slots=True)
class _Cached:
    """A key, with the loop's times of its last confirmation by Postgres and of its last use."""

    known: KnownKey
    confirmed: float
    used: float


class KeyCache:
    """Finds the key that a client sent. `run` refreshes the cache."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cached: dict[str, _Cached] = {}
        self._used: set[str] = set()
        self._noted = time.monotonic()

    def forget(self) -> None:
        """Drop all keys, because the database was restored or replaced."""
        self._cached = {}

    async def find(self, sent: SentKey) -> ApiKey | None:
        """Return the key, unless it is unknown, revoked or expired.

        Raises: DatabaseAwayError if the key is not in the cache and Postgres is away.
        """
        key_id = sent.key_id
        if not key_id:
            return None
        now = time.monotonic()
        cached = self._cached.get(key_id)
        if cached is None or now - cached.confirmed > OUTAGE_SECONDS:
            cached = await self._look_up(key_id)
        if cached is None or not cached.known.matches(sent):
            return None
        cached.used = now
        key = cached.known.key
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            return None
        self._used.add(key_id)
        return key

    def network_of(self, sent: SentKey) -> str | None:
        """Return the network of a cached key, which may be expired or revoked by now."""
        cached = self._cached.get(sent.key_id)
        if cached is None or not cached.known.matches(sent):
            return None
        return cached.known.key.network_id

    async def _look_up(self, key_id: str) -> _Cached | None:
        now = time.monotonic()
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                known = (await find_keys(connection, [key_id])).get(key_id)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error
        if known is None or known.key.revoked_at is not None:
            self._cached.pop(key_id, None)
            return None
        cached = self._cached[key_id] = _Cached(known, now, now)
        return cached

    async def run(self, stop: asyncio.Event) -> None:
        """Refresh the cached keys each second, and record their use, until `stop` is set."""
        supervisor = Supervisor(stop, log, "refresh of keys delayed")
        await supervisor.run(self._refresh, REFRESH_SECONDS)

    async def _refresh(self) -> None:
        now = time.monotonic()
        for key_id, cached in list(self._cached.items()):
            if now - cached.used > IDLE_SECONDS:
                del self._cached[key_id]
        if not self._cached:
            return
        key_ids = list(self._cached)
        async with self._database.hurried(REFRESH_WITHIN_SECONDS) as connection:
            known_keys = await find_keys(connection, key_ids)
            if self._used and now - self._noted >= NOTE_USE_SECONDS:
                self._noted = now
                used, self._used = self._used, set()
                await note_use(connection, used)
        for key_id in key_ids:
            known = known_keys.get(key_id)
            if known is None or known.key.revoked_at is not None:
                self._cached.pop(key_id, None)
            elif key_id in self._cached:
                self._cached[key_id].known = known
                self._cached[key_id].confirmed = now
