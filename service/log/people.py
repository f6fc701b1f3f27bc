"""People: surrogate keys and salts by identifier, made before the append in a transaction of their own."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import asyncpg

SQL = statements("service.log.sql")
SALT_BYTES = 16
# The newest time of a person whose events are not in memory, so that any command may be a repeat.
UNKNOWN_TIME = 2**62
Identifier = tuple[str, str]  # network_id, normalised user


class Person(msgspec.Struct, gc=False):
    """A person's surrogate key and salt. newest: the newest time of their commands so far, in Unix seconds."""

    person_id: int
    salt: bytes
    newest: int


class People:
    """A bounded cache of people; others are found or made in Postgres.

    known: the people by `network_id:user` (no network_id contains a colon). It takes a third of the memory of tuples,
    and the text is compared with the record's key anyway.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.known: dict[str, Person] = {}
        self.forgotten = 0  # number of calls of `forget`

    def forget(self, gone: Collection[int]) -> None:
        """Drop people by person_id, including those that a running query will return."""
        self.forgotten += 1
        for name in [name for name, person in self.known.items() if person.person_id in gone]:
            del self.known[name]

    async def find(
        self, connection: asyncpg.Connection[Any], identifiers: set[Identifier]
    ) -> dict[Identifier, Person]:
        """Return the surrogate key and salt of each (network_id, normalised user), making new people.

        It does not add them to the cache, because new people exist only once the transaction is committed.
        """
        known = self.known
        people = {one: person for one in identifiers if (person := known.get(":".join(one)))}
        missing = identifiers - people.keys()
        if missing:
            people |= await _look_up(connection, sorted(missing, key=lambda one: (one[1], one[0])))
        return people

    def remember(self, forgotten: int, people: dict[Identifier, Person]) -> None:
        """Add people to the cache. forgotten: its value before the query; if it has changed, nothing is added."""
        if forgotten != self.forgotten:
            return
        known = self.known
        known.update(by_name(people))
        if len(known) > self._limit:
            for oldest in list(islice(known, len(known) - self._limit * 3 // 4)):
                del known[oldest]


def by_name(people: Mapping[Identifier, Person]) -> dict[str, Person]:
    """Return people by `network_id:user`."""
    return {":".join(identifier): person for identifier, person in people.items()}


async def find_existing(
    connection: asyncpg.Connection[Any], identifiers: Collection[Identifier]
) -> dict[Identifier, Person]:
    """Return the people that exist, without making any."""
    networks, users = zip(*identifiers, strict=True) if identifiers else ((), ())
    rows = await connection.fetch(SQL["find_people"], networks, users)
    return {(row[0], row[1]): Person(row[2], row[3], UNKNOWN_TIME) for row in rows}


async def _look_up(
    connection: asyncpg.Connection[Any], missing: list[Identifier]
) -> dict[Identifier, Person]:
    """Find or make people, in identifier order, so that concurrent calls never deadlock."""
    fresh: dict[Identifier, Person] = {}
    while missing:
        random = os.urandom(SALT_BYTES * len(missing))
        salts = [random[i : i + SALT_BYTES] for i in range(0, len(random), SALT_BYTES)]
        networks, users = zip(*missing, strict=True)
        for row in await connection.fetch(SQL["find_or_make_people"], networks, users, salts):
            fresh[row[0], row[1]] = Person(row[2], row[3], 0 if row[4] else UNKNOWN_TIME)
        # People that another process has just made are found in the next round.
        missing = [one for one in missing if one not in fresh]
    return fresh
