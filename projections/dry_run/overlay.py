"""What was accepted earlier in the same dry run, kept in a temporary file: memory does not grow with the commands."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from service.log.deduplicate import Known
from service.log.people import SALT_BYTES, UNKNOWN_TIME, Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service.log.deduplicate import Key, Place, Resolution
    from service.log.people import Who
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
Said = tuple[int, int, int, int, int, int | None]
# person_id, segment_key
KeyNumbers = tuple[int, int]


class Standing(NamedTuple):
    """Where a key stands after all that was asked so far.

    newest: the time of its newest event, Unix seconds. state: as the fold gave it, in words of its own; None for both
    while nothing is known of the key.
    """

    newest: int | None
    state: str | None


class Overlay:
    """The events, people and idempotency keys that a dry run's earlier commands would have made.

    lane_id: of the lane that they are imagined in. A context manager: the file goes with it.
    """

    def __init__(self, lane_id: int) -> None:
        self._lane_id = lane_id
        self._salt = os.urandom(SALT_BYTES)
        # Without a name it is a temporary database: in memory while small, then in a file nobody else sees.
        self._database = sqlite3.connect("")
        self._database.executescript(_TABLES)
        self.count = 0  # of commands that were numbered

    def __enter__(self) -> Self:
        """Nothing more: it is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, which takes the file away."""
        self._database.close()

    def person(self, who: Who) -> Person:
        """Imagine a person whom the log does not know, the same at each call; their number is negative."""
        self._database.execute("INSERT OR IGNORE INTO person VALUES (?, ?)", who)
        ((rowid,),) = self._database.execute(_PERSON, who)
        return Person(-rowid, self._salt, UNKNOWN_TIME)

    def places(self, candidates: Iterable[ValidCommand]) -> dict[Place, Known]:
        """Give those of the candidates' places that are taken."""
        found = {c.place: self._one(_PLACE, c.place) for c in candidates}
        return {place: Known(self._lane_id, *row) for place, row in found.items() if row}

    def keys(self, candidates: Iterable[ValidCommand]) -> dict[Key, Known]:
        """Give those of the candidates' idempotency keys that are taken."""
        wanted = {c.idempotency for c in candidates if c.idempotency is not None}
        found = {key: self._one(_KEY, key) for key in wanted}
        return {key: Known(*row) for key, row in found.items() if row}

    def remember(self, resolution: Resolution) -> None:
        """Take in what some commands came to."""
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
        """Give where keys stand, those of them that were asked about before."""
        found = {key: self._one(_STANDING, key) for key in keys}
        return {key: Standing(*row) for key, row in found.items() if row}

    def keep_standing(self, standing: Mapping[KeyNumbers, Standing]) -> None:
        """Take in where keys stand now."""
        self._database.executemany(
            "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?)",
            [(*key, *one) for key, one in standing.items()],
        )

    def of_keys(self, keys: Iterable[KeyNumbers]) -> list[Said]:
        """List what was said of keys."""
        return [row for key in sorted(set(keys)) for row in self._database.execute(_OF_KEY, key)]

    def _one(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row
