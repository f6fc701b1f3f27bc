"""People: from identifiers to surrogate keys and salts, made before the append in a transaction of their own."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

SALT_BYTES = 16
Person = tuple[int, bytes]  # person_id, salt

_FIND = """
SELECT p.network_id, p.user_id, p.person_id, p.salt FROM unnest($1::text[], $2::text[]) AS w (network_id, user_id)
INNER JOIN segments.person AS p ON p.user_id = w.user_id AND p.network_id = w.network_id AND p.erased = 0
"""
_MAKE = """
INSERT INTO segments.person (network_id, user_id, salt)
SELECT w.network_id, w.user_id, w.salt FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (network_id, user_id, salt)
ORDER BY w.user_id, w.network_id
ON CONFLICT DO NOTHING RETURNING network_id, user_id, person_id, salt
"""


class People:
    """A bounded memory of people; what it does not hold it finds or makes in Postgres."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, str], Person] = OrderedDict()

    def forget(self) -> None:
        """Forget everybody: somebody was erased."""
        self._known.clear()

    async def find(
        self, connection: asyncpg.Connection[Any], wanted: set[tuple[str, str]]
    ) -> dict[tuple[str, str], Person]:
        """Give each (network_id, normalised user) its surrogate key and salt, making who is new."""
        known = self._known
        found = {}
        missing = []
        for who in wanted:
            person = known.get(who)
            if person is None:
                missing.append(who)
            else:
                found[who] = person
        if missing:
            fresh = await _look_up(connection, sorted(missing, key=lambda who: (who[1], who[0])))
            found.update(fresh)
            known.update(fresh)
            while len(known) > self._limit:
                known.popitem(last=False)
        return found


async def _look_up(
    connection: asyncpg.Connection[Any], missing: list[tuple[str, str]]
) -> dict[tuple[str, str], Person]:
    """Find or make people, in identifier order so that two makers never wait for each other in a ring."""
    fresh: dict[tuple[str, str], Person] = {}
    while missing:
        networks, users = [who[0] for who in missing], [who[1] for who in missing]
        for row in await connection.fetch(_FIND, networks, users):
            fresh[row[0], row[1]] = (row[2], row[3])
        missing = [who for who in missing if who not in fresh]
        if not missing:
            break
        random = os.urandom(SALT_BYTES * len(missing))
        salts = [random[i : i + SALT_BYTES] for i in range(0, len(random), SALT_BYTES)]
        networks, users = [who[0] for who in missing], [who[1] for who in missing]
        for row in await connection.fetch(_MAKE, networks, users, salts):
            fresh[row[0], row[1]] = (row[2], row[3])
        # Whom another process made in between is found in the next round.
        missing = [who for who in missing if who not in fresh]
    return fresh
