"""An ingest process's cache of people, segments and rules, so that most batches need no query."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from service.log.people import People
from service.postgres.database import statements
from service.registry import segments as registry
from service.registry.command_topics import load_rules, rules_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

    from service.registry.segments import Registered, Which
    from service.registry.topic_rules import Rule

SQL = statements("service.log.sql")
# The most segments, of about 250 bytes each; missing ones are cached too.
SEGMENTS = 20_000


class Memory:
    """The cache, valid for one incarnation of Postgres (`segments.incarnation`) and dropped with it.

    erased_to: the newest erasure applied to `people`. rules_version: that of `rules`; -1 until they are read.
    """

    def __init__(self, incarnation: str, erased_to: int, people: int) -> None:
        """people: the most people to cache."""
        self.incarnation = incarnation
        self.erased_to = erased_to
        self.people = People(people)
        self.segments: dict[Which, Registered] = {}
        self.rules: Mapping[str, Rule] = {}
        self.rules_version = -1

    async def load_rules(self, connection: asyncpg.Connection[Any]) -> None:
        """Read the rules of all topics; none is older than the version."""
        version = await rules_version(connection)
        rules = await load_rules(connection)
        if version >= self.rules_version:
            self.rules, self.rules_version = rules, version

    async def find_segments(
        self, connection: asyncpg.Connection[Any], keys: Iterable[Which]
    ) -> dict[Which, Registered]:
        """Look segments up, and cache them."""
        segments = await registry.find(connection, keys)
        known = self.segments
        known.update(segments)
        if len(known) > SEGMENTS:
            for oldest in list(islice(known, len(known) - SEGMENTS * 3 // 4)):
                del known[oldest]
        return segments

    async def erased_since(self, connection: asyncpg.Connection[Any], known: int) -> set[int]:
        """Drop the people erased meanwhile; return all those erased after erasure number `known`."""
        rows = await connection.fetch(SQL["erased_since"], min(known, self.erased_to))
        gone = {row["person_id"] for row in rows}
        newest = max((row["erasure_id"] for row in rows), default=self.erased_to)
        if newest > self.erased_to:
            self.people.forget(gone)
            self.erased_to = newest
        return gone
