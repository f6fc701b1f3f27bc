"""What one ingest process remembers of the database, so that most batches need not ask: people, segments, rules."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from service.log.people import People
from service.registry import segments as registry
from service.registry.command_topics import load_rules, rules_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

    from service.registry.segments import Registered, Which
    from service.registry.topic_rules import Rule

# So many segments at most, about 250 bytes each; those that are not there are remembered too.
SEGMENTS = 20_000
# What memory rests on besides the incarnation: who was erased since. Parameters: the newest erasure that it knows of.
_ERASED = "SELECT x.erasure_id, x.person_id FROM segments.erasure AS x WHERE x.erasure_id > $1"


class Memory:
    """Holds for one incarnation of Postgres (`segments.incarnation`); it is never carried over to another one.

    erased_to: the newest erasure that people rests on. rules_version: that of `rules`; -1 while they were not read.
    """

    def __init__(self, incarnation: str, erased_to: int, people: int) -> None:
        """people: how many are remembered at most."""
        self.incarnation = incarnation
        self.erased_to = erased_to
        self.people = People(people)
        self.segments: dict[Which, Registered] = {}
        self.rules: Mapping[str, Rule] = {}
        self.rules_version = -1

    async def load_rules(self, connection: asyncpg.Connection[Any]) -> None:
        """Read what topics may say; no part of it is older than its version."""
        version = await rules_version(connection)
        rules = await load_rules(connection)
        if version >= self.rules_version:
            self.rules, self.rules_version = rules, version

    async def find_segments(
        self, connection: asyncpg.Connection[Any], wanted: Iterable[Which]
    ) -> dict[Which, Registered]:
        """Look segments up, and remember them."""
        found = await registry.find(connection, wanted)
        known = self.segments
        known.update(found)
        if len(known) > SEGMENTS:
            for oldest in list(islice(known, len(known) - SEGMENTS * 3 // 4)):
                del known[oldest]
        return found

    async def erased_since(self, connection: asyncpg.Connection[Any], known: int) -> set[int]:
        """Forget who was erased meanwhile, and nobody else; gives all who were since the erasure of number `known`."""
        rows = await connection.fetch(_ERASED, min(known, self.erased_to))
        gone = {row["person_id"] for row in rows}
        newest = max((row["erasure_id"] for row in rows), default=self.erased_to)
        if newest > self.erased_to:
            self.people.forget(gone)
            self.erased_to = newest
        return gone
