"""The commands accepted earlier in the same dry run, in a temporary file, so that memory does not grow with them."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from service.log.deduplicate import Known
from service.log.people import SALT_BYTES, UNKNOWN_TIME, Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.log.deduplicate import Key, Place, Resolution
    from service.log.people import Identifier
    from service.log.validate import ValidCommand

_TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE person (network_id TEXT, user_id TEXT, UNIQUE (network_id, user_id));
CREATE TABLE event (
    person_id INTEGER, segment_key INTEGER, time INTEGER, reference_id TEXT, discriminator TEXT,
    nth INTEGER, content BLOB, user_status INTEGER, expires_at INTEGER,
    PRIMARY KEY (person_id, segment_key, time, reference_id, discriminator)
) WITHOUT ROWID;
CREATE TABLE standing (
    person_id INTEGER, segment_key INTEGER, newest INTEGER, state TEXT, PRIMARY KEY (person_id, segment_key)
) WITHOUT ROWID;
CREATE TABLE key (
    network_id TEXT, digest BLOB, lane_id INTEGER, offset INTEGER, request BLOB, PRIMARY KEY (network_id, digest)
) WITHOUT ROWID;
"""
_PERSON = "SELECT rowid FROM person WHERE network_id = ? AND user_id = ?"
_PLACE = """
SELECT nth, content FROM event
WHERE person_id = ? AND segment_key = ? AND time = ? AND reference_id = ? AND discriminator = ?
"""
_KEY = "SELECT lane_id, offset, request FROM key WHERE network_id = ? AND digest = ?"
_OF_KEY = """
SELECT nth, segment_key, person_id, user_status, time, expires_at FROM event
WHERE person_id = ? AND segment_key = ?
"""
_STANDING = "SELECT newest, state FROM standing WHERE person_id = ? AND segment_key = ?"

# nth, segment_key, person_id, user_status, time and expires_at in Unix seconds
EarlierEvent = tuple[int, int, int, int, int, int | None]
# person_id, segment_key
KeyNumbers = tuple[int, int]


class Standing(NamedTuple):
    """The state of a key after the commands so far.

    newest: the time of its newest event, Unix seconds. state: the fold's state, as text. Both are None without events.
    """

    newest: int | None
    state: str | None


class Overlay:
    """The events, people and idempotency keys of a dry run's earlier commands.

    lane_id: of their fictitious lane. A context manager, which removes the file at the end.
    """

    def __init__(self, lane_id: int) -> None:
        self._lane_id = lane_id
        self._salt = os.urandom(SALT_BYTES)
        # Without a name it is a temporary database: in memory while small, then in a private file.
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self.count = 0  # of numbered commands

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, which removes the file."""
        self._database.close()

    def person(self, identifier: Identifier) -> Person:
        """Return a fictitious person for one who is not in Postgres, the same at each call, with a negative id."""
        self._database.execute("INSERT OR IGNORE INTO person VALUES (?, ?)", identifier)
        ((rowid,),) = self._database.execute(_PERSON, identifier)
        return Person(-rowid, self._salt, UNKNOWN_TIME)

    def places(self, candidates: Iterable[ValidCommand]) -> dict[Place, Known]:
        """Return the earlier events with the candidates' log keys."""
        rows = {c.place: self._one(_PLACE, c.place) for c in candidates}
        return {place: Known(self._lane_id, *row) for place, row in rows.items() if row}

    def keys(self, candidates: Iterable[ValidCommand]) -> dict[Key, Known]:
        """Return the earlier events with the candidates' idempotency keys."""
        keys = {c.idempotency for c in candidates if c.idempotency is not None}
        rows = {key: self._one(_KEY, key) for key in keys}
        return {key: Known(*row) for key, row in rows.items() if row}

    def remember(self, resolution: Resolution) -> None:
        """Add the events and keys of some commands."""
        self._database.executemany(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *c.place,
                    c.record.offset,
                    c.content,
                    int(c.command.user_status),
                    c.command.expires_at,
                )
                for c in resolution.events
            ],
        )
        self._database.executemany(
            "INSERT INTO key VALUES (?, ?, ?, ?, ?)",
            [(*key, *known[:3]) for key, known in resolution.keys.items()],
        )

    def standing(self, keys: Iterable[KeyNumbers]) -> dict[KeyNumbers, Standing]:
        """Return the states of those keys that earlier commands have."""
        rows = {key: self._one(_STANDING, key) for key in keys}
        return {key: Standing(*row) for key, row in rows.items() if row}

    def keep_standing(self, standing: Mapping[KeyNumbers, Standing]) -> None:
        """Store the new states of keys."""
        self._database.executemany(
            "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?)",
            [(*key, *one) for key, one in standing.items()],
        )

    def of_keys(self, keys: Iterable[KeyNumbers]) -> list[EarlierEvent]:
        """List the earlier events of keys."""
        return [row for key in sorted(set(keys)) for row in self._database.execute(_OF_KEY, key)]

    def _one(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row
