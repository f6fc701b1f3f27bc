"""Identifiers that can't be had: an erased person is called `erased:<n>`, and nobody else may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.command.refusal import Reason
from service.log.validate import rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from service.log.people import Who
    from service.log.validate import RejectedRecord, ValidCommand

PREFIX = "erased:"
_TAKEN = """
SELECT w.network_id, w.user_id FROM unnest($1::text[], $2::text[]) AS w (network_id, user_id)
WHERE EXISTS (
    SELECT FROM segments.person AS p
    WHERE p.user_id = w.user_id AND p.network_id = w.network_id AND p.erased > 0
)
"""


async def find_taken(connection: asyncpg.Connection[Any], wanted: Iterable[Who]) -> set[Who]:
    """Find those of the (network_id, user) that only an erased person is called; asks nothing where none is alike."""
    alike = [who for who in wanted if who[1].startswith(PREFIX)]
    if not alike:
        return set()
    taken = await connection.fetch(_TAKEN, [who[0] for who in alike], [who[1] for who in alike])
    return {(row[0], row[1]) for row in taken}


async def refuse_taken(
    connection: asyncpg.Connection[Any], candidates: Sequence[ValidCommand]
) -> list[RejectedRecord]:
    """Refuse commands about a user whom only an erased person is called: the views would show two as one.

    They are nobody's, so that nobody is made of that name.
    """
    alike = [c for c in candidates if c.command.user.startswith(PREFIX)]
    if not alike:
        return []
    taken = await find_taken(connection, [(c.command.network_id, c.command.user) for c in alike])
    why = "/user is what an erased person is called; nothing can be said of them"
    refused = [
        rejected(c, Reason.INVALID_FIELD, why)
        for c in alike
        if (c.command.network_id, c.command.user) in taken
    ]
    for one in refused:
        one.user = one.person_id = None
    return refused
