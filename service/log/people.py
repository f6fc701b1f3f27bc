"""People: from identifiers to surrogate keys and salts, made before the append in a transaction of their own."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import asyncpg

SALT_BYTES = 16
# Newest time of a person of whom nothing is remembered: whatever is said of them may have been said before.
UNKNOWN_TIME = 2**62
Who = tuple[str, str]  # network_id, normalised user

# LATERAL and OFFSET 0 keep it to one look-up a person, whatever the planner takes the table for.
_FIND = """
SELECT w.network_id, w.user_id, p.person_id, p.salt FROM unnest($1::text[], $2::text[]) AS w (network_id, user_id)
CROSS JOIN LATERAL (
    SELECT q.person_id, q.salt FROM segments.person AS q
    WHERE q.user_id = w.user_id AND q.network_id = w.network_id AND q.erased = 0
    OFFSET 0
) AS p
"""
# One round trip for both. Of two who make the same person the second one gets no row, and finds them the next time.
_FIND_OR_MAKE = """
WITH asked AS MATERIALIZED (
    SELECT w.network_id, w.user_id, w.salt AS new_salt, p.person_id, p.salt
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (network_id, user_id, salt)
    LEFT JOIN LATERAL (
        SELECT q.person_id, q.salt FROM segments.person AS q
        WHERE q.user_id = w.user_id AND q.network_id = w.network_id AND q.erased = 0
        OFFSET 0
    ) AS p ON true
), made AS (
    INSERT INTO segments.person (network_id, user_id, salt)
    SELECT a.network_id, a.user_id, a.new_salt FROM asked AS a WHERE a.person_id IS NULL
    ORDER BY a.user_id, a.network_id
    ON CONFLICT DO NOTHING RETURNING network_id, user_id, person_id, salt
)
SELECT network_id, user_id, person_id, salt, false AS is_new FROM asked WHERE person_id IS NOT NULL
UNION ALL
SELECT network_id, user_id, person_id, salt, true FROM made
"""


class Person(msgspec.Struct, gc=False):
    """Somebody's surrogate key and salt. newest: the newest time that was said of them here, in Unix seconds."""

    person_id: int
    salt: bytes
    newest: int


class People:
    """A bounded memory of people; what it does not hold it finds or makes in Postgres.

    known: whom it remembers, by `network_id:user` (no network_id holds a colon): a third of the memory that
    tuples take, and the text is wanted anyway, to be compared with the record's key.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.known: dict[str, Person] = {}
        self.forgotten = 0  # how often somebody was

    def forget(self, gone: Collection[int]) -> None:
        """Forget those of these person_ids who are remembered, also whom a look-up under way will find."""
        self.forgotten += 1
        for who in [who for who, person in self.known.items() if person.person_id in gone]:
            del self.known[who]

    async def find(
        self, connection: asyncpg.Connection[Any], wanted: set[Who]
    ) -> dict[Who, Person]:
        """Give each (network_id, normalised user) its surrogate key and salt, making who is new.

        Nobody is remembered by this: whoever was made is there only once the transaction is committed.
        """
        known = self.known
        found = {who: person for who in wanted if (person := known.get(f"{who[0]}:{who[1]}"))}
        missing = wanted - found.keys()
        if missing:
            fresh = await _look_up(connection, sorted(missing, key=lambda who: (who[1], who[0])))
            found |= fresh
        return found

    def remember(self, forgotten: int, found: dict[Who, Person]) -> None:
        """Remember people. forgotten: as it stood before they were looked up; had somebody been since, none is."""
        if forgotten != self.forgotten:
            return
        known = self.known
        known.update((f"{who[0]}:{who[1]}", person) for who, person in found.items())
        if len(known) > self._limit:
            for oldest in list(islice(known, len(known) - self._limit * 3 // 4)):
                del known[oldest]


async def find_existing(
    connection: asyncpg.Connection[Any], wanted: Iterable[Who]
) -> dict[Who, Person]:
    """Give those of the people whom Postgres knows; nobody is made."""
    asked = list(wanted)
    rows = await connection.fetch(_FIND, [who[0] for who in asked], [who[1] for who in asked])
    return {(row[0], row[1]): Person(row[2], row[3], UNKNOWN_TIME) for row in rows}


async def _look_up(connection: asyncpg.Connection[Any], missing: list[Who]) -> dict[Who, Person]:
    """Find or make people, in identifier order so that two makers never wait for each other in a ring."""
    fresh: dict[Who, Person] = {}
    while missing:
        random = os.urandom(SALT_BYTES * len(missing))
        salts = [random[i : i + SALT_BYTES] for i in range(0, len(random), SALT_BYTES)]
        networks, users = [who[0] for who in missing], [who[1] for who in missing]
        for row in await connection.fetch(_FIND_OR_MAKE, networks, users, salts):
            fresh[row[0], row[1]] = Person(row[2], row[3], 0 if row[4] else UNKNOWN_TIME)
        # Whom another process made in between is found in the next round.
        missing = [who for who in missing if who not in fresh]
    return fresh
