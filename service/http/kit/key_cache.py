"""The keys that one API process remembers: looked up once, refreshed each second, good for a while without Postgres."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.registry.api_keys import ApiKey, KnownKey, find_keys, note_use, split
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database

log = get_logger("access")
ROLE = "segments_api"
# A revocation is heard of within this time.
REFRESH_SECONDS = 1.0
# How long a key may be used without Postgres.
OUTAGE_SECONDS = 300.0
NOTE_USE_SECONDS = 5.0
# A key that nobody used for so long is forgotten.
IDLE_SECONDS = 600.0
LOOKUP_SECONDS = 1.5
REFRESH_WITHIN_SECONDS = 10.0


@dataclass(slots=True)
class _Remembered:
    """A key with the loop's time of when Postgres last confirmed it, and of its last use."""

    known: KnownKey
    confirmed: float
    used: float


class KeyCache:
    """Finds keys by what was sent. `run` keeps it fresh."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[str, _Remembered] = {}
        self._used: set[str] = set()
        self._noted = time.monotonic()

    def forget(self) -> None:
        """Forget all keys: Postgres is another one than before."""
        self._remembered = {}

    async def find(self, text: str) -> ApiKey | None:
        """Give the key, if there is one that is neither revoked nor expired.

        Raises: DatabaseAwayError when Postgres would have to be asked and is away.
        """
        parts = split(text)
        if parts is None:
            return None
        key_id, secret = parts
        now = time.monotonic()
        found = self._remembered.get(key_id)
        if found is None or now - found.confirmed > OUTAGE_SECONDS:
            found = await self._look_up(key_id)
        if found is None or not found.known.fits(secret):
            return None
        found.used = now
        key = found.known.key
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            return None
        self._used.add(key_id)
        return key

    def network_of(self, text: str) -> str | None:
        """Give the network of a key that is remembered, without asking anybody whether it is still good."""
        parts = split(text)
        found = None if parts is None else self._remembered.get(parts[0])
        if parts is None or found is None or not found.known.fits(parts[1]):
            return None
        return found.known.key.network_id

    async def _look_up(self, key_id: str) -> _Remembered | None:
        now = time.monotonic()
        try:
            async with self._database.hurried(LOOKUP_SECONDS) as connection:
                known = (await find_keys(connection, [key_id])).get(key_id)
        except INFRASTRUCTURE as error:
            raise DatabaseAwayError from error
        if known is None or known.key.revoked_at is not None:
            self._remembered.pop(key_id, None)
            return None
        remembered = self._remembered[key_id] = _Remembered(known, now, now)
        return remembered

    async def run(self, stop: asyncio.Event) -> None:
        """Confirm what is remembered each second, and note uses, until `stop` is set."""
        supervisor = Supervisor(stop, log, "refresh of keys delayed")
        await supervisor.run(self._refresh, REFRESH_SECONDS)

    async def _refresh(self) -> None:
        now = time.monotonic()
        for key_id, one in list(self._remembered.items()):
            if now - one.used > IDLE_SECONDS:
                del self._remembered[key_id]
        if not self._remembered:
            return
        key_ids = list(self._remembered)
        async with self._database.hurried(REFRESH_WITHIN_SECONDS) as connection:
            found = await find_keys(connection, key_ids)
            if self._used and now - self._noted >= NOTE_USE_SECONDS:
                self._noted = now
                used, self._used = self._used, set()
                await note_use(connection, used)
        for key_id in key_ids:
            known = found.get(key_id)
            if known is None or known.key.revoked_at is not None:
                self._remembered.pop(key_id, None)
            elif key_id in self._remembered:
                self._remembered[key_id].known = known
                self._remembered[key_id].confirmed = now
